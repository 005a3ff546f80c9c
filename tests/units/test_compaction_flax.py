"""Flax Linen, Flax NNX, and trees of one's own: train, compact, and train on like the masked network."""

from typing import Any, NamedTuple

import chex
import flax.linen as nn
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx
from helpers.compaction import STEPS, TOLERANCE, difference, normal

import jaxsize
from jaxsize.trees import named_leaves, with_leaves

WIDTH, DEAD, BEFORE = 9, np.array([0, 3, 4, 8]), 4  # no other axis has 9 entries
SURVIVORS = np.setdiff1d(np.arange(WIDTH), DEAD)
ADAM = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-2))
INPUTS, TARGETS = normal(1, BEFORE + STEPS, 16, 5), normal(2, BEFORE + STEPS, 16, 3)


def with_gate(params, change):
    leaves = named_leaves(params)
    return with_leaves(params, {k: change(leaf) if "liveness" in k.split(".") else leaf for k, leaf in leaves.items()})


def held(params):
    """With the gates of the dead units held closed."""
    return with_gate(params, lambda gate: gate.at[DEAD].min(0))


def without_dead(leaf):
    leaf = np.asarray(leaf)
    for axis in range(leaf.ndim):
        leaf = np.take(leaf, SURVIVORS, axis) if leaf.shape[axis] == WIDTH else leaf
    return leaf


def assert_same(actual, twin):
    """The numbers of the twin, without its dead units."""
    chex.assert_trees_all_equal_structs(actual, twin)
    one, other = (dict(enumerate(jax.tree.leaves(tree))) for tree in (actual, jax.tree.map(without_dead, twin)))
    assert difference(one, other) <= TOLERANCE[np.dtype(np.float32)]


def assert_trains_on_alike(apply, step, params, loss_of, trained=lambda params: params):
    """step(params, opt_state, inputs, targets) -> the same after a step, and the loss: loss_of(params, inputs,
    targets)."""
    opt_state = ADAM.init(trained(params))
    for batch in zip(INPUTS[:BEFORE], TARGETS[:BEFORE], strict=True):
        params, opt_state, _ = step(params, opt_state, *batch)
    params = with_gate(params, lambda gate: gate.at[DEAD].set(-0.25))
    groups = jaxsize.unit_groups(apply, params, INPUTS[0])
    live = groups.live(params)
    settings = {"optimizer": ADAM, "opt_state": opt_state, "trained": trained}
    small = jaxsize.compact(
        groups, params, live, loss_fn=lambda params: loss_of(params, INPUTS[0], TARGETS[0]), **settings
    )
    (name,) = live
    np.testing.assert_array_equal(small.survivors[name], SURVIVORS)
    alone = small.params, small.opt_state
    for batch in zip(INPUTS[BEFORE:], TARGETS[BEFORE:], strict=True):
        *alone, alone_loss = step(*alone, *batch)
        params, opt_state, loss = step(params, opt_state, *batch)
        params = held(params)
        assert_same((*alone, alone_loss), (params, opt_state, loss))
    assert_same(apply(alone[0], INPUTS[0]), apply(params, INPUTS[0]))


class LinenNet(nn.Module):
    width: int

    @nn.compact
    def __call__(self, inputs, train=False):
        units = nn.Dense(self.width, use_bias=False)(inputs)
        units = nn.tanh(nn.BatchNorm(use_running_average=not train, momentum=0.9)(units))
        liveness = self.param("liveness", nn.initializers.ones, (self.width,))
        return nn.Dense(3)(jaxsize.liveness_gate(units, liveness))


def test_linen_with_batch_statistics():
    def apply(variables, inputs, **settings):
        return LinenNet(variables["params"]["liveness"].size).apply(variables, inputs, **settings)

    def loss_of(variables, inputs, targets):
        outputs, changed = apply(variables, inputs, train=True, mutable=["batch_stats"])
        return jnp.mean((outputs - targets) ** 2), changed

    @jax.jit
    def step(variables, opt_state, inputs, targets):
        def of_params(params):
            return loss_of(variables | {"params": params}, inputs, targets)

        (loss, changed), gradient = jax.value_and_grad(of_params, has_aux=True)(variables["params"])
        updates, opt_state = ADAM.update(gradient, opt_state, variables["params"])
        return {"params": optax.apply_updates(variables["params"], updates), **changed}, opt_state, loss

    variables = LinenNet(WIDTH).init(jax.random.key(0), INPUTS[0])
    assert_trains_on_alike(
        apply, step, variables, lambda *arguments: loss_of(*arguments)[0], trained=lambda variables: variables["params"]
    )


class NNXNet(nnx.Module):
    def __init__(self, width):
        rngs = nnx.Rngs(0)
        self.first = nnx.Linear(5, width, use_bias=False, rngs=rngs)
        self.norm = nnx.BatchNorm(width, rngs=rngs, momentum=0.9)
        self.liveness = nnx.Param(jnp.ones(width))
        self.output = nnx.Linear(width, 3, rngs=rngs)

    def __call__(self, inputs):
        units = nnx.tanh(self.norm(self.first(inputs)))
        return self.output(jaxsize.liveness_gate(units, self.liveness[...]))


def nnx_loss(model, inputs, targets):
    return jnp.mean((model(inputs) - targets) ** 2)


def test_nnx_split_into_states_with_plain_optax():
    model = NNXNet(WIDTH)
    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def apply(states, inputs):
        model = nnx.merge(graph, *states)
        model.eval()
        return model(inputs)

    @jax.jit
    def step(states, opt_state, inputs, targets):
        model = nnx.merge(graph, *states)
        loss, gradient = nnx.value_and_grad(nnx_loss)(model, inputs, targets)
        _, params, rest = nnx.split(model, nnx.Param, ...)
        updates, opt_state = ADAM.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), rest), opt_state, loss

    def loss_of(states, inputs, targets):
        return nnx_loss(nnx.merge(graph, *states), inputs, targets)

    assert_trains_on_alike(apply, step, (params, rest), loss_of, trained=lambda states: states[0])


def test_nnx_with_its_own_optimizer():
    @nnx.jit
    def step(model, optimizer, inputs, targets):
        loss, gradient = nnx.value_and_grad(nnx_loss)(model, inputs, targets)
        optimizer.update(model, gradient)
        return loss

    model = NNXNet(WIDTH)
    optimizer = nnx.Optimizer(model, ADAM, wrt=nnx.Param)
    for batch in zip(INPUTS[:BEFORE], TARGETS[:BEFORE], strict=True):
        step(model, optimizer, *batch)
    model.liveness[...] = model.liveness[...].at[DEAD].set(-0.25)

    graph, params, rest = nnx.split(model, nnx.Param, ...)

    def apply(states, inputs):
        model = nnx.merge(graph, *states)
        model.eval()
        return model(inputs)

    groups = jaxsize.unit_groups(apply, (params, rest), INPUTS[0])
    small = jaxsize.compact(
        groups,
        (params, rest),
        groups.live((params, rest)),
        optimizer=ADAM,
        opt_state=optimizer.opt_state,
        trained=lambda states: states[0],
        loss_fn=lambda states: nnx_loss(nnx.merge(graph, *states), INPUTS[0], TARGETS[0]),
    )
    alone = nnx.merge(graph, *small.params)
    alone_optimizer = nnx.Optimizer(alone, ADAM, wrt=nnx.Param)
    alone_optimizer.opt_state = small.opt_state
    assert alone.first.kernel.shape == (5, len(SURVIVORS))
    for batch in zip(INPUTS[BEFORE:], TARGETS[BEFORE:], strict=True):
        losses = step(alone, alone_optimizer, *batch), step(model, optimizer, *batch)
        model.liveness[...] = model.liveness[...].at[DEAD].min(0)
        assert_same(losses[0], losses[1])
        assert_same(nnx.state(alone), nnx.state(model))
        assert_same(alone_optimizer.opt_state, optimizer.opt_state)


class Tuple(NamedTuple):
    first: Any
    liveness: Any
    output: Any


@flax.struct.dataclass
class Dataclass:
    first: Any
    liveness: Any
    output: Any


@pytest.mark.parametrize("kind", [dict, Tuple, Dataclass])
def test_parameters_in_trees_of_ones_own(kind):
    def apply(params, inputs):
        first, liveness, output = jax.tree.leaves(params)
        return jaxsize.liveness_gate(jnp.tanh(inputs @ first), liveness) @ output

    def loss_of(params, inputs, targets):
        return jnp.mean((apply(params, inputs) - targets) ** 2)

    @jax.jit
    def step(params, opt_state, inputs, targets):
        loss, gradient = jax.value_and_grad(loss_of)(params, inputs, targets)
        updates, opt_state = ADAM.update(gradient, opt_state, params)
        return optax.apply_updates(params, updates), opt_state, loss

    arrays = {"first": normal(3, 5, WIDTH), "liveness": np.ones(WIDTH, np.float32), "output": normal(4, WIDTH, 3)}
    assert_trains_on_alike(apply, step, kind(**jax.tree.map(jnp.asarray, arrays)), loss_of)
