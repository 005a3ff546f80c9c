"""input_scaling.py, leaf_rates.py: a start for scaled inputs or rebalanced layers trains as the first one does."""

import functools
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.core import FrozenDict
from helpers.training import normal

from jaxsize import conv, dense, mlp
from jaxsize.learners import leaf_rates
from jaxsize.learners.input_scaling import Start, for_scaled_inputs, rebalance
from jaxsize.learners.leaf_rates import per_leaf
from jaxsize.trees import named_leaves, with_leaves

INPUTS, TARGETS = np.abs(normal(0, 32, 12)), np.arange(32) % 4
IMAGES = np.abs(normal(1, 32, 6, 6, 2))
DENSE = mlp((12, 10, 8, 4), gate=None)
BARE = mlp((12, 10, 8, 4), gate=None, bias=None)


def init_cnn(seed):
    return {
        "first": {"kernel": normal(seed, 3, 3, 2, 5) / 4, "bias": normal(seed + 1, 5) / 4},
        "second": {"kernel": normal(seed + 2, 3, 3, 5, 6) / 6},
        "output": {"kernel": normal(seed + 3, 6, 4) / 2, "bias": normal(seed + 4, 4)},
    }


def apply_cnn(params, images):
    for name in ("first", "second"):
        images = jax.nn.relu(conv(params[name], images))
    return dense(params["output"], images.mean((1, 2)))


def with_norm(params, inputs):
    """Layer normalisation after the first layer: indifferent to its scale, hence of degree 0 in it."""
    hidden = dense(params["hidden"][0], inputs)
    hidden = hidden - hidden.mean(-1, keepdims=True)
    hidden = jax.nn.relu(hidden / jnp.sqrt((hidden**2).mean(-1, keepdims=True) + 1e-5))
    return dense(params["output"], jax.nn.relu(dense(params["hidden"][1], hidden)))


def with_tanh(params, inputs):
    hidden = jnp.tanh(dense(params["hidden"][0], inputs))
    return dense(params["output"], jax.nn.relu(dense(params["hidden"][1], hidden)))


@functools.cache
def training(apply, optimizer, steps=40):
    """A program (start, inputs) -> (parameters, losses)."""

    @jax.jit
    def train(start, inputs):
        numbers = start.learning_rates, start.weight_decays
        if optimizer == "sgd":
            step = leaf_rates.sgd(*numbers, momentum=0.9)
        else:
            step = leaf_rates.adam(*numbers, start.epsilons, decay=optimizer.removeprefix("adam "))

        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(apply(params, inputs), TARGETS).mean()

        def once(carry, _):
            value, gradient = jax.value_and_grad(loss)(carry[0])
            updates, state = step.update(gradient, carry[1], carry[0])
            return (optax.apply_updates(carry[0], updates), state), value

        (params, _), losses = jax.lax.scan(once, (start.params, step.init(start.params)), length=steps)
        return params, losses

    return train


def trained(apply, start, inputs, optimizer):
    """(parameters, losses), by the same program whatever the start; the numbers are given to every leaf."""
    numbers = (per_leaf(tree, start.params) for tree in start[1:])
    return jax.device_get(training(apply, optimizer)(Start(start.params, *numbers), inputs))


def begin(params, optimizer):
    return Start(params, 0.05 if optimizer == "sgd" else 2e-3, 0.02, 1e-4)


def how(optimizer):
    return {} if optimizer == "sgd" else {"optimizer": "adam", "decay": optimizer.removeprefix("adam ")}


NETWORKS = {
    "dense": (DENSE.apply, DENSE.init(3), INPUTS, "hidden.0.kernel"),
    "convolution": (apply_cnn, init_cnn(3), IMAGES, "first.kernel"),
    "layer norm": (with_norm, DENSE.init(3), INPUTS, "hidden.0.kernel"),
}


@pytest.mark.parametrize("optimizer", ["sgd", "adam decoupled", "adam coupled"])
@pytest.mark.parametrize("name", NETWORKS)
def test_scaled_inputs_train_as_the_inputs_themselves(name, optimizer):
    apply, params, inputs, kernel = NETWORKS[name]
    start = begin(params, optimizer)
    expected, losses = trained(apply, start, inputs, optimizer)
    assert losses[-1] < losses[0] - 0.05 and np.isfinite(losses).all()  # there is something to be the same
    for scale, tolerance in ((64.0, 0), (255.0, 1e-4)):
        moved = for_scaled_inputs(apply, start, inputs, scale, kernels=[kernel], **how(optimizer))
        actual, scaled_losses = trained(apply, moved, scale * inputs, optimizer)
        np.testing.assert_allclose(scaled_losses, losses, rtol=tolerance, atol=0)
        leaves = named_leaves(actual)
        leaves[kernel] = scale * leaves[kernel]
        chex.assert_trees_all_close(leaves, named_leaves(expected), rtol=10 * tolerance, atol=tolerance, strict=True)
    naive = start._replace(params=moved.params)  # the first weights alone do not do it
    assert not np.allclose(trained(apply, naive, scale * inputs, optimizer)[1], losses, rtol=0.01)


def test_what_is_returned_is_the_rule_of_each_optimiser():
    start = Start(BARE.init(0), {"hidden": [0.1, 0.2], "output": 0.3}, 0.5, 1e-8)
    expected: Any = {  # of the first layer: rate, decay, epsilon as multiples, at c = 8
        ("sgd", "coupled"): (1 / 64, 64, 8),
        ("sgd", "decoupled"): (1 / 64, 64, 8),
        ("adam", "coupled"): (1 / 8, 64, 8),
        ("adam", "decoupled"): (1 / 8, 8, 8),
    }
    for (optimizer, decay), factors in expected.items():
        moved = for_scaled_inputs(
            BARE.apply, start, INPUTS, 8.0, kernels=["hidden.0.kernel"], optimizer=optimizer, decay=decay
        )
        first = [tree["hidden"][0]["kernel"] for tree in moved[1:]]
        np.testing.assert_allclose(first, np.array([0.1, 0.5, 1e-8]) * factors)
        for layer, rate in ((moved.learning_rates["hidden"][1], 0.2), (moved.learning_rates["output"], 0.3)):
            assert layer == {"kernel": rate}
        assert np.array_equal(moved.params["hidden"][0]["kernel"], start.params["hidden"][0]["kernel"] / 8)
        assert moved.params["output"]["kernel"] is start.params["output"]["kernel"]
    assert np.array_equal(start.params["hidden"][0]["kernel"], BARE.init(0)["hidden"][0]["kernel"])  # pure


@pytest.mark.parametrize("optimizer", ["sgd", "adam decoupled", "adam coupled"])
def test_rebalanced_layers_train_the_same(optimizer):
    cases = (
        (DENSE.apply, DENSE.init(5), INPUTS, ["hidden.1.kernel", "hidden.1.bias"], ["output.kernel"]),
        (apply_cnn, init_cnn(5), IMAGES, ["first.kernel", "first.bias"], ["second.kernel"]),
    )
    for apply, params, inputs, up, down in cases:
        start = begin(params, optimizer)
        _, losses = trained(apply, start, inputs, optimizer)
        moved = rebalance(apply, start, inputs, 4.0, up=up, down=down, **how(optimizer))
        np.testing.assert_array_equal(trained(apply, moved, inputs, optimizer)[1], losses)
        moved = rebalance(apply, start, inputs, 3.0, up=up, down=down, **how(optimizer))
        np.testing.assert_allclose(trained(apply, moved, inputs, optimizer)[1], losses, rtol=1e-4)


def kernels(*names):
    return functools.partial(for_scaled_inputs, kernels=names)


def trade(up, down):
    return functools.partial(rebalance, up=up.split(), down=down.split())


def stored(params, dtype, zero):
    """Parameters of that dtype, with one leaf, by name, that is all zeros."""
    leaves = {name: leaf.astype(dtype) for name, leaf in named_leaves(params).items()}
    return with_leaves(params, leaves | {zero: np.zeros_like(leaves[zero])})


def bare(activation):
    network = mlp((12, 10, 4), gate=None, bias=None, activation=activation)
    return {"apply": network.apply, "params": network.init(0)}


class BatchNorm(nn.Module):
    @nn.compact
    def __call__(self, inputs):
        return nn.Dense(4)(nn.relu(nn.BatchNorm(use_running_average=True)(nn.Dense(10)(inputs))))


FIRST, FIRST_AND_BIAS = kernels("hidden.0.kernel"), kernels("hidden.0.kernel", "hidden.0.bias")
TRADE = trade("hidden.0.kernel hidden.0.bias", "hidden.1.kernel")
BARE_TRADE = trade("hidden.0.kernel", "output.kernel")
PARAMS, SMALL = DENSE.init(0), INPUTS / INPUTS.max()
FLAX = BatchNorm().init(jax.random.key(0), INPUTS)
KERNELS, HOMOGENEOUS = "kernels: expected", "positively homogeneous"
REFUSED: Any = {  # error, request, and what differs from DENSE with PARAMS on INPUTS, twice as large
    "a bias called a kernel": (KERNELS, kernels("hidden.0.bias"), {}),
    "the second layer": (KERNELS, kernels("hidden.1.kernel"), {}),
    "kernel and bias": (KERNELS, FIRST_AND_BIAS, {}),
    "kernel and zero bias": (KERNELS, FIRST_AND_BIAS, {"params": stored(PARAMS, jnp.bfloat16, "hidden.0.bias")}),
    "normalised inputs": (KERNELS, FIRST, {"apply": lambda params, x: DENSE.apply(params, x / jnp.linalg.norm(x))}),
    "inputs clipped far away": (
        *(KERNELS, FIRST),
        {"apply": lambda params, x: DENSE.apply(params, jnp.clip(x, -5, 5)), "inputs": SMALL, "by": 255},
    ),
    "inputs that do not matter": ("inputs: expected", kernels(), {"apply": lambda *_: jnp.ones((32, 4))}),
    "two arrays": ("one array of outputs, got a tuple", FIRST, {"apply": lambda *_: (jnp.ones((32, 4)), jnp.ones(32))}),
    "rates too small": ("rates: expected numbers in .*, got .*e-52 for hidden.0.kernel", FIRST, {"by": 1e25}),
    "rates too large": ("rates: expected numbers in .*, got .*e.48 for hidden.0.kernel", FIRST, {"by": 1e-25}),
    "no leaf": ("kernels: expected some of hidden.0", kernels("first.kernel"), {}),
    "a bias below": ("rebalance: expected", trade("hidden.0.kernel", "hidden.1.kernel"), {}),
    "a bias of the second layer": (
        *(HOMOGENEOUS, trade("hidden.0.kernel hidden.0.bias", "hidden.1.kernel hidden.1.bias"), {}),
    ),
    "layer norm": (HOMOGENEOUS, TRADE, {"apply": with_norm}),
    "tanh": (HOMOGENEOUS, TRADE, {"apply": with_tanh}),
    "tanh near 0": (HOMOGENEOUS, BARE_TRADE, bare(jnp.tanh) | {"inputs": 1e-3 * SMALL, "by": 1000}),
    "ReLU6 below 6": (HOMOGENEOUS, BARE_TRADE, bare(jax.nn.relu6) | {"inputs": 0.3 * SMALL, "by": 100}),
    "twice": ("different leaves", trade("hidden.0.kernel", "hidden.0.kernel"), {}),
}
BFLOAT16 = stored(PARAMS, jnp.bfloat16, "output.kernel")
DEEP = mlp((12, *[16] * 40, 4), gate=None)
ACCEPTED: Any = {
    "40 hidden layers": (FIRST, {"apply": DEEP.apply, "params": DEEP.init(0)}),
    "a running variance": (kernels("params.Dense_1.kernel"), {"apply": BatchNorm().apply, "params": FLAX}),
    "FrozenDict": (kernels("params.Dense_1.kernel"), {"apply": BatchNorm().apply, "params": FrozenDict(FLAX)}),
    "bfloat16, last layer zero": (FIRST, {"params": BFLOAT16}),
    "bfloat16 traded": (TRADE, {"params": BFLOAT16}),
    "bfloat16 of JAX": (
        *(FIRST, {"params": jax.tree.map(jnp.asarray, BFLOAT16), "inputs": jnp.asarray(INPUTS, jnp.bfloat16)}),
    ),
    "a large constant": (FIRST, {"apply": lambda params, inputs: DENSE.apply(params, inputs) + 1e6}),
    "one row": (FIRST, {"inputs": INPUTS[:1]}),
    "integers": (FIRST, {"inputs": (100 * SMALL).astype(np.uint8)}),
    "a random key": (FIRST, {"params": PARAMS | {"key": jax.random.key(0)}}),
}


def moved_by(request, *, apply=DENSE.apply, params=PARAMS, inputs=INPUTS, by=2.0):
    return request(apply, begin(params, "sgd"), inputs, by)


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_rests_on_is_tried_out(name):
    expected, request, options = REFUSED[name]
    with pytest.raises(ValueError, match=expected) as error:
        moved_by(request, **options)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_right_is_accepted_and_keeps_its_dtypes(name):
    request, options = ACCEPTED[name]
    leaves = jax.tree.leaves(moved_by(request, **options, by=255.0).params)
    for before, after in zip(jax.tree.leaves(options.get("params", PARAMS)), leaves, strict=True):
        assert (type(before), before.dtype) == (type(after), after.dtype)


def test_numbers_that_make_no_sense_are_refused():
    start = begin(PARAMS, "sgd")
    for scale in (0.0, -1.0, 1e40, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="scale: expected a finite number above 0"):
            FIRST(DENSE.apply, start, INPUTS, scale)
    wrongs: Any = ({"optimizer": "lion"}, "optimizer: expected"), ({"decay": "none"}, "decay: expected")
    for wrong, expected in wrongs:
        with pytest.raises(ValueError, match=expected):
            FIRST(DENSE.apply, start, INPUTS, 2.0, **wrong)
    frozen = start._replace(params=FrozenDict(PARAMS), learning_rates={"hidden": 0.1, "output": 0.1})
    for wrong in (start._replace(learning_rates={"x": 1.0}), frozen):
        with pytest.raises(ValueError, match=r"rates: expected a number .* of the same types") as error:
            FIRST(DENSE.apply, wrong, INPUTS, 2.0)
        assert "\n" not in str(error.value)
    broken = start._replace(params=jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), start.params))
    with pytest.raises(ValueError, match="expected finite outputs"):
        FIRST(DENSE.apply, broken, INPUTS, 2.0)


def test_traced_rates_are_left_to_the_caller():
    rates = jax.vmap(lambda rate: FIRST(DENSE.apply, Start(PARAMS, rate, 0.0, 0.0), INPUTS, 4.0).learning_rates)
    np.testing.assert_allclose(rates(np.array([1, 2], np.float32))["hidden"][0]["kernel"], [1 / 16, 2 / 16])
