"""input_scaling.py, leaf_rates.py: a start for scaled inputs or rebalanced layers trains as the first one does."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from training_helpers import normal

from jaxsize import conv, dense, leaf_rates, mlp
from jaxsize.input_scaling import Start, for_scaled_inputs, rebalance
from jaxsize.leaf_rates import per_leaf
from jaxsize.paths import named_leaves

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
        found, scaled_losses = trained(apply, moved, scale * inputs, optimizer)
        np.testing.assert_allclose(scaled_losses, losses, rtol=tolerance, atol=0)
        leaves, same = named_leaves(found), named_leaves(expected)
        leaves[kernel] = scale * leaves[kernel]
        for leaf, value in leaves.items():
            np.testing.assert_allclose(value, same[leaf], rtol=10 * tolerance, atol=tolerance)
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


def stepped(optimizer) -> Any:
    """Where five steps lead."""
    params: Any = {"w": normal(0, 30)}
    state = optimizer.init(params)
    for seed in range(1, 6):
        updates, state = optimizer.update({"w": normal(seed, 30)}, state, params)
        params = optax.apply_updates(params, updates)
    return params["w"]


def test_optimisers_are_optax_s_where_all_leaves_share_their_numbers():
    decay = optax.add_decayed_weights(0.1)
    pairs = (
        (leaf_rates.adam(1e-2, 0.1), optax.adamw(1e-2, weight_decay=0.1)),
        (leaf_rates.adam(1e-2, 0.1, decay="coupled"), optax.chain(decay, optax.adam(1e-2))),
        (leaf_rates.sgd(1e-2, 0.1, momentum=0.9), optax.chain(decay, optax.sgd(1e-2, momentum=0.9))),
    )
    for mine, theirs in pairs:
        np.testing.assert_allclose(stepped(mine), stepped(theirs), rtol=1e-5, atol=1e-7)


REFUSED = {
    "a bias called a kernel": (for_scaled_inputs, DENSE.apply, {"kernels": ["hidden.0.bias"]}, "kernels: expected"),
    "the second layer": (for_scaled_inputs, DENSE.apply, {"kernels": ["hidden.1.kernel"]}, "kernels: expected"),
    "kernel and bias": (
        for_scaled_inputs,
        DENSE.apply,
        {"kernels": ["hidden.0.kernel", "hidden.0.bias"]},
        "kernels: expected",
    ),
    "normalised inputs": (
        for_scaled_inputs,
        lambda params, inputs: DENSE.apply(params, inputs / jnp.linalg.norm(inputs)),
        {"kernels": ["hidden.0.kernel"]},
        "kernels: expected",
    ),
    "inputs that do not matter": (for_scaled_inputs, lambda *_: jnp.ones((32, 4)), {"kernels": []}, "inputs: expected"),
    "no leaf": (for_scaled_inputs, DENSE.apply, {"kernels": ["first.kernel"]}, "leaves: expected some of hidden.0"),
    "a bias below": (
        rebalance,
        DENSE.apply,
        {"up": ["hidden.0.kernel"], "down": ["hidden.1.kernel"]},
        "rebalance: exp",
    ),
    "a bias of the second layer": (
        rebalance,
        DENSE.apply,
        {"up": ["hidden.0.kernel", "hidden.0.bias"], "down": ["hidden.1.kernel", "hidden.1.bias"]},
        "positively homogeneous",
    ),
    "layer norm": (
        rebalance,
        with_norm,
        {"up": ["hidden.0.kernel", "hidden.0.bias"], "down": ["hidden.1.kernel"]},
        "positively homogeneous",
    ),
    "tanh": (
        rebalance,
        with_tanh,
        {"up": ["hidden.0.kernel", "hidden.0.bias"], "down": ["hidden.1.kernel"]},
        "positively homogeneous",
    ),
    "twice": (rebalance, DENSE.apply, {"up": ["hidden.0.kernel"], "down": ["hidden.0.kernel"]}, "different leaves"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_it_rests_on_is_tried_out(name):
    function, apply, named, expected = REFUSED[name]
    with pytest.raises(ValueError, match=expected) as error:
        function(apply, begin(DENSE.init(0), "sgd"), INPUTS, 2.0, **named)
    assert "\n" not in str(error.value)


def test_numbers_that_make_no_sense_are_refused():
    start, kernels = begin(DENSE.init(0), "sgd"), ["hidden.0.kernel"]
    for scale in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="scale: expected a finite number above 0"):
            for_scaled_inputs(DENSE.apply, start, INPUTS, scale, kernels=kernels)
    wrongs: Any = ({"optimizer": "lion"}, "optimizer: expected"), ({"decay": "none"}, "decay: expected")
    for wrong, expected in wrongs:
        with pytest.raises(ValueError, match=expected):
            for_scaled_inputs(DENSE.apply, start, INPUTS, 2.0, kernels=kernels, **wrong)
    with pytest.raises(ValueError, match="rates: expected a number for all parameters") as error:
        for_scaled_inputs(DENSE.apply, start._replace(learning_rates={"x": 1.0}), INPUTS, 2.0, kernels=kernels)
    assert "\n" not in str(error.value)
    broken = start._replace(params=jax.tree.map(lambda leaf: np.full_like(leaf, np.nan), start.params))
    with pytest.raises(ValueError, match="expected finite outputs"):
        for_scaled_inputs(DENSE.apply, broken, INPUTS, 2.0, kernels=kernels)
