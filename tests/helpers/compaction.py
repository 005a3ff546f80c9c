"""A network with dead units trained on with its gates held closed, beside the network that compaction makes of it."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxsize
from jaxsize.networks.layers import Gate
from jaxsize.trees import named_leaves, with_leaves

# A shorter matrix product is added up in another order: one step differs by some 1e-7 of the values' size, and twenty
# steps of an optimiser that divides by its second moment spread that to some 1e-6. 64-bit numbers: 1e-16 becomes 1e-14.
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}
STEPS = 20


class Model(NamedTuple):
    """Something to train: apply(params, inputs) -> 3 outputs."""

    apply: Callable[[Any, Any], Any]
    params: Any
    inputs: np.ndarray
    signed: bool = False


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def mlp_model(widths=(5, 9, 7, 3), gate: Gate | None = "liveness", seed=0):
    network = jaxsize.mlp(widths, gate=gate, activation=jnp.tanh)
    return Model(network.apply, network.init(seed), normal(seed, 16, widths[0]), gate == "signed")


def layer_params(seed, name, init, *sizes, gate, norm=False, **settings):
    params = init(seed, name, *sizes, bias=None if norm else "pytorch", **settings)
    norms = {"scale": 1 + 0.1 * normal(seed, sizes[-1]), "shift": normal(seed, sizes[-1])} if norm else {}
    return params | norms | (jaxsize.init_gate(seed, name, sizes[-1], gate) if gate else {})


def batch_norm(layer, inputs):
    """With the statistics of the batch. What is before it has no bias: its gradient would be rounding alone."""
    over = tuple(range(inputs.ndim - 1))
    mean, variance = inputs.mean(over, keepdims=True), inputs.var(over, keepdims=True)
    scale, shift = (jnp.expand_dims(layer[name], over) for name in ("scale", "shift"))
    return (inputs - mean) * jax.lax.rsqrt(variance + 1e-3) * scale + shift


def gated(layer, units, signed):
    gate = jaxsize.unit_gates(layer, units.shape[-1], signed)
    assert gate is not None
    return units * jnp.expand_dims(gate, range(units.ndim - 1))


def conv_model(channels=6, width=5, gate: Gate | None = "liveness", seed=0):
    """conv, batch norm, gate, pool, flatten, dense."""
    signed = gate == "signed"
    params = {
        "conv": layer_params(seed, "conv", jaxsize.init_conv, 2, channels, gate=gate, norm=True),
        "dense": layer_params(seed, "dense", jaxsize.init_dense, 4 * channels, width, gate=gate),
        "output": layer_params(seed, "output", jaxsize.init_dense, width, 3, gate=None),
    }

    def apply(params, inputs):
        images = jnp.tanh(batch_norm(params["conv"], jaxsize.conv(params["conv"], inputs)))
        images = gated(params["conv"], images, signed)
        pooled = jax.lax.reduce_window(images, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        units = jnp.tanh(jaxsize.dense(params["dense"], pooled.reshape(len(pooled), -1)))
        return jaxsize.dense(params["output"], units, jaxsize.unit_gates(params["dense"], units.shape[-1], signed))

    return Model(apply, params, normal(seed, 8, 4, 4, 2), signed)


def residual_model(width=6, inner=8, gate: Gate | None = "liveness", seed=0):
    """A dense layer with batch norm, a residual branch of two (the sum ties their units), a dense layer."""
    signed = gate == "signed"
    params = {
        "first": layer_params(seed, "first", jaxsize.init_dense, 5, width, gate=gate, norm=True),
        "inner": layer_params(seed, "inner", jaxsize.init_dense, width, inner, gate=gate),
        "second": layer_params(seed, "second", jaxsize.init_dense, inner, width, gate=gate),
        "output": layer_params(seed, "output", jaxsize.init_dense, width, 3, gate=None),
    }

    def apply(params, inputs):
        first = jaxsize.dense(params["first"], inputs)
        stream = gated(params["first"], jnp.tanh(batch_norm(params["first"], first)), signed)
        inner = gated(params["inner"], jnp.tanh(jaxsize.dense(params["inner"], stream)), signed)
        branch = gated(params["second"], jnp.tanh(jaxsize.dense(params["second"], inner)), signed)
        return jaxsize.dense(params["output"], stream + branch)

    return Model(apply, params, normal(seed, 16, 5), signed)


def told_apart(params, gate, weight):
    return with_leaves(params, {name: gate if "liveness" in name else weight for name in named_leaves(params)})


@functools.cache
def optimizers(signed=False, dtype=np.float32):
    """Of every kind: plain, with moments, sign steps, sums of squares, schedules, wrappers, parts of the parameters."""
    kinds = functools.partial(told_apart, gate="gates", weight="weights")
    weights = functools.partial(told_apart, gate=False, weight=True)
    by_name = {
        "sgd": optax.sgd(0.05),
        "momentum": optax.sgd(0.02, momentum=0.9),
        "nesterov": optax.sgd(0.02, momentum=0.9, nesterov=True),
        "adam": optax.adam(0.01),
        "adamw": optax.adamw(0.01, weight_decay=0.01),
        "rmsprop": optax.rmsprop(0.01, momentum=0.9, centered=True),
        "adamax": optax.adamax(0.01),
        "nadam": optax.nadam(0.01),
        "lion": optax.lion(0.003),
        "adagrad": optax.adagrad(0.05),
        "schedule": optax.chain(optax.scale_by_adam(), optax.scale_by_schedule(lambda step: -0.01 / (1 + step))),
        # By default its hyperparameters are float32, and so is the rounding of what is computed from them.
        "inject_hyperparams": optax.inject_hyperparams(optax.adamw, hyperparam_dtype=jnp.dtype(dtype))(0.01),
        "partition": optax.partition({"gates": optax.sgd(0.1, 0.9), "weights": optax.adam(0.01)}, kinds),
        "frozen": optax.partition({"gates": optax.set_to_zero(), "weights": optax.adam(0.01)}, kinds),
        "masked": optax.chain(optax.masked(optax.add_decayed_weights(0.1), weights), optax.sgd(0.05, 0.9)),
        "multi_steps": optax.MultiSteps(optax.adam(0.01), 3),
        "schedule_free_adamw": optax.contrib.schedule_free_adamw(0.01, warmup_steps=4),
        "ema": optax.chain(optax.ema(0.9), optax.sgd(0.05)),
    }
    if not signed:  # a norm over all gradients feels the gradient of a dead signed gate, which is not 0
        adam = optax.scale_by_adam(), optax.scale_by_schedule(lambda step: -0.01 / (1 + step))
        by_name["clip"] = optax.chain(optax.clip_by_global_norm(0.3), *adam)
        by_name["normalize"] = optax.chain(optax.contrib.normalize(), optax.sgd(0.05, 0.9))
    return by_name


def some_live(groups, params, seed=0):
    """{group: about half of its units}, for every group that gates can close."""
    rng = np.random.default_rng(seed)
    return {name: rng.permutation(units.size) < (units.size + 1) // 2 for name, units in groups.live(params).items()}


def batches_of(model, steps, seed, dtype):
    inputs = model.inputs + normal((seed, 0), steps, *model.inputs.shape)
    return inputs.astype(dtype), normal((seed, 1), steps, len(model.inputs), 3).astype(dtype)


def learner(model, optimizers):
    """A function (params, opt_states, batches, live) that trains with each optimiser for itself, the gates of dead
    units held closed, and returns what there is after every step. All in one program, which compiles much faster."""

    def hold(name, leaf, live):
        if name not in live:
            return leaf
        return jnp.where(live[name], leaf, jnp.zeros_like(leaf) if model.signed else jnp.minimum(leaf, 0))

    def loss_of(params, inputs, targets):
        outputs = model.apply(params, inputs)
        return jnp.mean((outputs - targets) ** 2), outputs

    def step(optimizer, live, carry, batch):
        params, opt_state = carry
        (loss, outputs), gradient = jax.value_and_grad(loss_of, has_aux=True)(params, *batch)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        params = optax.apply_updates(params, updates)
        params = with_leaves(params, {name: hold(name, leaf, live) for name, leaf in named_leaves(params).items()})
        return (params, opt_state), {"outputs": outputs, "loss": loss, "params": params, "opt_state": opt_state}

    def train(params, opt_states, batches, live):
        def alone(name, optimizer):
            start = params[name], opt_states[name]
            return jax.lax.scan(functools.partial(step, optimizer, live), start, batches)[1]

        return {name: alone(name, optimizer) for name, optimizer in optimizers.items()}

    return jax.jit(train)


def killed(groups, params, live):
    """(`params` with the gates of dead units closed, {path of a gate: which of its units are not held closed})."""
    leaves, open_units = {name: np.array(leaf) for name, leaf in named_leaves(params).items()}, {}
    for name, units in live.items():
        for gate in min(groups[name].gates, key=sorted):
            open_units[gate.leaf] = np.asarray(units)
            leaves[gate.leaf][~open_units[gate.leaf]] = -0.25 if gate.closed_below else 0
    return with_leaves(params, leaves), open_units


def of_survivors(groups, tree, survivors):
    """Leaves by path; those of a parameter, or below its name, without the units that are gone. Any leading axes."""
    leaves = {}
    for name, leaf in named_leaves(jax.device_get(tree)).items():
        parameter = max((of for of in groups.axes if f".{name}".endswith(f".{of}")), key=len, default="")
        leading = np.ndim(leaf) - len(groups.axes[parameter]) if parameter else 0
        for group in survivors if parameter else ():
            for place in groups[group].places:
                if place.leaf == parameter:
                    units = np.arange(np.shape(leaf)[leading + place.axis]) // place.stride % groups[group].size
                    leaf = np.compress(np.isin(units, survivors[group]), leaf, axis=leading + place.axis)
        leaves[name] = leaf
    return leaves


def difference(actual, expected):
    """The largest difference of leaves by name, relative to the largest entry of a leaf or to 1."""
    assert actual.keys() == expected.keys()
    worst = 0.0
    for name, leaf in expected.items():
        one, other = np.asarray(actual[name]), np.asarray(leaf)
        assert (one.shape, one.dtype) == (other.shape, other.dtype), name
        error = np.abs(one.astype(float) - other).max(initial=0) / np.abs(other).max(initial=1)
        worst = max(worst, float(error))
    return worst


def differences(model, optimizers, live=None, dtype: type = np.float32, before=5):
    """Trains `before` steps, kills, compacts, and trains STEPS steps in both ways: {optimiser: worst difference}.

    live: {group: which of its units live}, by default about half of every group; groups not named stay whole.
    """
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), model.params)
    groups = jaxsize.unit_groups(model.apply, params, model.inputs.astype(dtype))
    live = some_live(groups, params) if live is None else live
    train = learner(model, optimizers)
    every = dict.fromkeys(optimizers, params)
    states = jax.jit(lambda params: {name: one.init(params) for name, one in optimizers.items()})(params)
    _, open_units = killed(groups, params, live)
    if before:
        none_dead = {name: np.ones_like(units) for name, units in open_units.items()}
        history = jax.device_get(train(every, states, batches_of(model, STEPS, 1, dtype), none_dead))
        history = jax.tree.map(lambda leaf: leaf[before - 1], history)
        every = {name: history[name]["params"] for name in optimizers}
        states = {name: history[name]["opt_state"] for name in optimizers}
    every = {name: killed(groups, start, live)[0] for name, start in every.items()}

    def loss(params):  # what `learner` trains
        return jnp.mean((model.apply(params, model.inputs.astype(dtype)) - np.ones((len(model.inputs), 3), dtype)) ** 2)

    small = {
        name: jaxsize.compact(groups, every[name], live, optimizer=one, opt_state=states[name], loss_fn=loss)
        for name, one in optimizers.items()
    }
    survivors = {name: next(iter(small.values())).survivors[name] for name in live}
    assert all(len(units) == max(1, live[name].sum()) for name, units in survivors.items())
    batches = batches_of(model, STEPS, 2, dtype)
    twin = jax.device_get(train(every, states, batches, open_units))
    alone = train(
        {name: compacted.params for name, compacted in small.items()},
        {name: compacted.opt_state for name, compacted in small.items()},
        batches,
        of_survivors(groups, open_units, survivors),
    )
    return {
        name: difference(named_leaves(path), of_survivors(groups, twin[name], survivors))
        for name, path in alone.items()
    }
