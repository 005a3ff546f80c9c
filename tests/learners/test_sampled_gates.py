"""Slopes drawn at random and units switched at random, against NumPy at the values drawn, and
against expectations over all patterns."""

import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats
from helpers.flexible import (
    CLASSIFICATION,
    NOTHING,
    TWO,
    D,
    K,
    cross_entropy,
    forward,
    learner_of,
    named,
    objective_and_gradient,
    ramp,
    run_of,
    some_data,
    train_together,
)
from helpers.groups import conv
from helpers.hparams import flexible_hparams
from helpers.training import normal

from jaxsize.gates._names import is_size, is_slope
from jaxsize.gates.leaves import read_sizes, with_sizes
from jaxsize.gates.liveness import relu
from jaxsize.gates.ramp import gray_zone, size_gate, size_gates, slope_of
from jaxsize.learners.flexible import FlexibleConfig, make_learner
from jaxsize.learners.sampled_gates import sampled_outputs
from jaxsize.networks.layers import dense
from jaxsize.networks.mlp import mlp

RANDOM = FlexibleConfig(slope="random")
BERNOULLI = {
    name: FlexibleConfig(gate="bernoulli", estimator=name) for name in ("none", "straight_through", "score_function")
}


def test_a_gray_zone_is_where_gates_lie_between_one_percent_and_the_rest():
    for zone in (1.0, 9.19, 20.0):
        ends = scipy.special.expit(slope_of(zone) * np.array([zone / 2, -zone / 2]))
        np.testing.assert_allclose(ends, [0.99, 0.01], rtol=1e-12)
        assert gray_zone(slope_of(zone)) == pytest.approx(zone, rel=1e-12)
    assert round(gray_zone(1.0), 2) == 9.19


def test_sizes_and_slopes_are_read_and_replaced_by_the_name_of_their_layer():
    params = TWO.init(0)
    assert read_sizes(params) == {"hidden.0": 2.5, "hidden.1": 2.5}
    changed = with_sizes(params, "slope", {"hidden.1": np.float32(3)})
    assert read_sizes(changed, "slope") == {"hidden.0": np.float32(0.8), "hidden.1": 3}
    kinds = {
        (n, name): (is_size(path), is_slope(path))
        for (path, _), (n, name) in zip(jax.tree_util.tree_leaves_with_path(params), sorted(named(params)), strict=True)
    }
    assert {leaf for leaf, kind in kinds.items() if any(kind)} == {(n, k) for n in (0, 1) for k in ("size", "slope")}
    assert all(kind == (leaf[1] == "size", leaf[1] == "slope") for leaf, kind in kinds.items())
    for leaf, value in named(changed).items():
        assert np.array_equal(value, named(params)[leaf]) == (leaf != (1, "slope"))
    with pytest.raises(ValueError, match=r"with_sizes: expected layers with a slope, got 'hidden\.2'"):
        with_sizes(params, "slope", {"hidden.2": 1.0})


def zones_drawn(seeds, epochs):
    """[R, steps, layers], read off the derivative of the price alone: sigmoid(slope / 2) at size 1/2 in wide layers."""
    params = mlp((D, 300, 300, K), gate="size", size=0.5, slope=0.3).init(0)
    hparams = flexible_hparams(penalty_weight=1.0, learning_rate=0.0, size_learning_rate=0.0)
    learner = learner_of(RANDOM, TWO._replace(apply=lambda params, inputs: inputs), NOTHING)
    few = [params | {"hidden": [layer | {"kernel": np.zeros((1, 300), "f4")} for layer in params["hidden"]]}]
    runs = few * len(seeds)
    states, history = train_together(learner, runs, some_data(250), hparams, epochs=epochs, batch_size=1, seeds=seeds)
    assert (history["observed"][:, :, 1] == np.float32(0.3)).all()  # what the parameters hold is not touched
    assert (states.params["hidden"][0]["slope"] == np.float32(0.3)).all()
    return gray_zone(2 * scipy.special.logit(history["size_gradient"].astype(float)))


def test_gray_zones_are_drawn_uniformly_and_anew_for_every_layer_step_epoch_and_seed():
    zones = zones_drawn([0, 1, 0], epochs=3)
    np.testing.assert_array_equal(zones[0], zones[2])  # (seed, epoch, step) name a draw
    drawn = zones[:2].reshape(-1)
    assert drawn.min() >= 1 - 1e-3 and drawn.max() <= 20 + 1e-3
    assert scipy.stats.kstest(drawn, scipy.stats.uniform(1, 19).cdf).pvalue > 1e-3
    assert len(np.unique(drawn.round(4))) > 0.95 * drawn.size
    first, second = zones[0], zones[1]
    epochs = first.reshape(3, 250, 2)
    pairs = [
        (first[:, 0], first[:, 1]),
        (first[:, 0], second[:, 0]),
        (first[:-1, 0], first[1:, 0]),
        (epochs[0, :, 0], epochs[1, :, 0]),
    ]
    for one, other in pairs:  # between layers, seeds, steps and epochs
        assert abs(np.corrcoef(one, other)[0, 1]) < 5 / np.sqrt(len(one))


def test_gray_zones_are_drawn_between_the_bounds_asked_and_evaluation_uses_the_slope_that_is_stored():
    learner, data = learner_of(dataclasses.replace(RANDOM, gray_zones=(4.0, 4.0))), some_data()
    params = TWO.init(1)
    of = jax.jit(jax.value_and_grad(learner.objective, has_aux=True))
    hparams = flexible_hparams(penalty_weight=0.1, key=jax.random.key(3))
    (value, _), gradient = of(params, *data.rows[:2], jnp.ones(24), hparams)
    drawn = named(params) | {(n, "slope"): np.float64(2 * np.log(99) / 4) for n in (0, 1)}
    inputs, targets = np.asarray(data.rows.inputs, float), np.asarray(data.rows.targets)
    total, expected = objective_and_gradient(drawn, inputs, targets, 0.1)
    np.testing.assert_allclose(value, total, rtol=1e-5)
    for leaf, derivative in named(gradient).items():
        wanted = 0 if leaf[1] == "slope" else expected[leaf]  # what is drawn depends on nothing
        np.testing.assert_allclose(derivative, wanted, rtol=2e-4, atol=2e-6)
    outputs = jax.jit(learner.outputs)(params, data.rows.inputs)
    np.testing.assert_allclose(outputs, forward(named(params), inputs)[-1], rtol=1e-4, atol=1e-5)


# Units switched on and off


def draws(params, inputs, key):
    """Which units were on, [B, U] by layer: what comes out of a network that copies them to its outputs."""
    outputs = jax.jit(lambda params: sampled_outputs(TWO.apply, params, inputs, jax.random.clone(key), "none")[0])
    masks = []
    for index, layer in enumerate(params["hidden"]):
        width = len(layer["bias"])
        ones = [(other, np.ones_like(other["bias"])) for other in params["hidden"][: index + 1]]
        shown = [other | {"kernel": 0 * other["kernel"], "bias": bias} for other, bias in ones]
        output = {"kernel": np.eye(width, dtype="f4"), "bias": np.zeros(width, "f4")}
        masks.append(np.asarray(outputs({"hidden": shown, "output": output})))
    return masks


def test_units_are_on_with_the_probability_of_their_gate_each_row_on_its_own():
    params, inputs = TWO.init(0), jnp.zeros((4000, D))
    for n, on in enumerate(draws(params, inputs, jax.random.key(0))):
        assert set(np.unique(on)) == {0, 1}
        gates = ramp(2.5, 0.8, on.shape[1])
        spread = np.sqrt(gates * (1 - gates) / len(on))
        assert (np.abs(on.mean(axis=0) - gates) < 5 * spread).all()
        pairs = np.corrcoef(on.T)[np.triu_indices(on.shape[1], 1)]
        assert np.abs(pairs).max() < 5 / np.sqrt(len(on)), n
        assert abs(np.corrcoef(on[:-1, 2], on[1:, 2])[0, 1]) < 5 / np.sqrt(len(on))


@pytest.mark.parametrize("estimator", BERNOULLI)
def test_outputs_and_gradients_at_the_units_drawn(estimator):
    """NumPy: activations times what was drawn; of a size, k sum g a s (1 - s) where straight through, and else 0."""
    params, inputs, key = TWO.init(4), jnp.asarray(normal(5, 16, D)), jax.random.key(7)
    sent = normal(6, 16, K)  # the loss is the sum of outputs times these

    def loss(params):
        outputs, log_p = sampled_outputs(TWO.apply, params, inputs, jax.random.clone(key), estimator)
        return jnp.sum(outputs * sent), (outputs, log_p)

    gradient, (outputs, log_p) = jax.jit(jax.grad(loss, has_aux=True))(params)
    on, p, x = draws(params, inputs, key), named(params), np.asarray(inputs, float)
    hidden, read = [], [x]
    for n in (0, 1):
        hidden.append(np.maximum(read[-1] @ p[n, "kernel"] + p[n, "bias"], 0))
        read.append(hidden[-1] * on[n])
    np.testing.assert_allclose(outputs, read[-1] @ p[2, "kernel"] + p[2, "bias"], rtol=1e-4, atol=1e-5)
    gates = [ramp(p[n, "size"], p[n, "slope"], on[n].shape[1]) for n in (0, 1)]
    chance = sum(np.log(np.where(on[n] == 1, gates[n], 1 - gates[n])).sum(axis=1) for n in (0, 1))
    np.testing.assert_allclose(log_p, chance, rtol=1e-4)
    expected, back = {}, sent.astype(float)
    for n in (2, 1):
        expected[n, "kernel"], expected[n, "bias"] = read[n].T @ back, back.sum(axis=0)
        g, layer = back @ p[n, "kernel"].T, n - 1
        bend = (g * hidden[layer]).sum(axis=0) * gates[layer] * (1 - gates[layer])
        bend = bend * (estimator == "straight_through")
        expected[layer, "size"] = p[layer, "slope"] * bend.sum()
        expected[layer, "slope"] = (bend * (p[layer, "size"] - np.arange(len(bend)))).sum()
        back = g * on[layer] * (hidden[layer] > 0)
    expected[0, "kernel"], expected[0, "bias"] = x.T @ back, back.sum(axis=0)
    for leaf, value in named(gradient).items():
        np.testing.assert_allclose(value, expected[leaf], rtol=1e-3, atol=1e-5, err_msg=str(leaf))
        assert (leaf[1] not in ("size", "slope")) or estimator == "straight_through" or (value == 0).all()


def test_without_an_estimator_nothing_but_the_penalty_moves_a_size():
    """C23: the gradient is 0 to the bit; with a penalty it is the penalty's, whatever the data."""
    hparams = flexible_hparams(learning_rate=0.01, penalty_weight=np.array([0.0, 0.5, 0.0]), size_learning_rate=0.1)
    states, history = train_drawing(hparams, [0, 0, 1])
    assert (history["size_gradient"][::2] == 0).all()
    assert all((layer["size"][::2] == 2.5).all() for layer in states.params["hidden"])
    assert np.abs(states.params["output"]["kernel"][0] - TWO.init(0)["output"]["kernel"]).max() > 0.01  # weights move
    sizes = np.concatenate([np.full((1, 2), 2.5), history["observed"][1, :-1, 0]])
    ends = scipy.special.expit(0.8 * sizes) - scipy.special.expit(0.8 * (sizes - np.array([7, 6])))
    np.testing.assert_allclose(history["size_gradient"][1], 0.5 * ends, rtol=1e-5)


def test_draws_are_named_by_seed_epoch_and_step_and_evaluation_draws_nothing():
    states, history = train_drawing(flexible_hparams(learning_rate=0.0, size_learning_rate=0.0), [0, 0, 1])
    losses = history["loss"]  # of the same rows and weights every time: only the draw differs
    np.testing.assert_array_equal(losses[0], losses[1])
    assert len(np.unique(losses[::2])) == losses[::2].size == 8
    outputs = jax.jit(learner_of(BERNOULLI["none"]).outputs)(run_of(states.params, 0), some_data().rows.inputs)
    expected = forward(named(TWO.init(0)), np.asarray(some_data().rows.inputs, float))[-1]
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)


def train_drawing(hparams, seeds):
    """Three runs of the same first weights, four steps on all rows."""
    learner, options = learner_of(BERNOULLI["none"]), {"epochs": 4, "batch_size": 24, "seeds": seeds}
    return train_together(learner, [TWO.init(0)] * 3, some_data(), hparams, **options)


def expected_loss(p, inputs, targets):
    """Over all patterns of on and off, each with its probability; rows are drawn on their own."""
    hidden = np.maximum(inputs @ p[0, "kernel"] + p[0, "bias"], 0)
    gates, total = ramp(p[0, "size"], p[0, "slope"], hidden.shape[1]), 0.0
    for on in itertools.product((0, 1), repeat=hidden.shape[1]):
        logits = (hidden * np.array(on)) @ p[1, "kernel"] + p[1, "bias"]
        total += np.prod(np.where(on, gates, 1 - gates)) * cross_entropy(logits, targets)
    return total


@pytest.mark.parametrize("num_rows", [1, 3])
def test_the_score_function_is_right_on_average_over_all_patterns(num_rows):
    """The exact gradient: central differences of the expected loss in float64. Row 2 of 3 is padding."""
    network = mlp((D, 3, K), gate="size", size=1.2, slope=0.9)
    params, num_keys = network.init(1), 6000
    params["output"]["kernel"] *= 12  # so that units matter
    inputs, targets = normal(9, num_rows, D) + 1, np.array([0, 2, 1], np.int32)[:num_rows]
    weights = np.array([1, 1, 0], np.float32)[:num_rows]
    learner = make_learner(network, CLASSIFICATION, BERNOULLI["score_function"])

    def gradient(key):
        batch = jnp.asarray(inputs), jnp.asarray(targets), jnp.asarray(weights)
        value, gradient = jax.value_and_grad(lambda p: learner.objective(p, *batch, flexible_hparams(key=key))[0])(
            params
        )
        return value, gradient

    values, gradients = jax.jit(jax.vmap(gradient))(jax.random.split(jax.random.key(0), num_keys))
    p, real = named(params), weights > 0
    rows = inputs[real].astype(float), targets[real]

    def assert_mean(samples, exact):
        error = np.std(samples, axis=0) / np.sqrt(num_keys)
        np.testing.assert_array_less(np.abs(np.mean(samples, axis=0) - exact), 5 * error + 1e-5)

    assert_mean(np.asarray(values, float), expected_loss(p, *rows))  # its value is the loss: the estimator adds 0
    for leaf, samples in named(gradients).items():
        exact = np.zeros(samples.shape[1:])
        for place in np.ndindex(exact.shape):
            sides = []
            for shift in (1e-5, -1e-5):
                moved = {name: value.copy() for name, value in p.items()}
                moved[leaf][place] += shift
                sides.append(expected_loss(moved, *rows))
            exact[place] = (sides[0] - sides[1]) / 2e-5
        assert_mean(samples, exact)
        assert leaf[1] != "size" or abs(exact) > 10 * np.std(samples) / np.sqrt(num_keys)  # there is something to find


# Any network, and to the bit


def walked(params, inputs, key, estimator):
    """The draw of an `mlp` layer by layer, as it was first written."""
    activations, log_p = inputs, jnp.zeros(inputs.shape[0])
    for index, layer in enumerate(params["hidden"]):
        activations = relu(dense(layer, activations))
        size, slope, width = layer["size"], layer["slope"], activations.shape[-1]
        gates = jnp.expand_dims(size_gates(size, slope, width), 0)
        drawn = jax.random.bernoulli(jax.random.fold_in(key, index), gates, activations.shape)
        on = jax.lax.stop_gradient(drawn.astype(activations.dtype))
        if estimator == "straight_through":
            on = on + gates - jax.lax.stop_gradient(gates)
        level = jnp.expand_dims(slope * (size - jnp.arange(width, dtype=activations.dtype)), 0)
        log_p = log_p + jnp.sum(jax.nn.log_sigmoid(jax.lax.stop_gradient(2 * on - 1) * level), axis=-1)
        activations = activations * on
    return dense(params["output"], activations), log_p


@pytest.mark.parametrize("estimator", BERNOULLI)
def test_an_mlp_draws_and_learns_to_the_bit_as_if_it_were_walked_by_hand(estimator):
    network = mlp((D, 70, 33, K), gate="size")
    params, inputs, sent = network.init(3), jnp.asarray(normal(5, 40, D)), normal(6, 40, K)

    def results(outputs_of):
        def loss(params):
            outputs, log_p = outputs_of(params, inputs, jax.random.key(7), estimator)
            return jnp.sum(outputs * sent) + jnp.sum(log_p), (outputs, log_p)

        return jax.jit(jax.value_and_grad(loss, has_aux=True))(params)

    ours = results(lambda *given: sampled_outputs(network.apply, *given))
    chex.assert_trees_all_equal(ours, results(walked), strict=True)


def test_channels_of_a_convolution_are_drawn_once_for_every_row():
    """A convolution with a size gate, flattened before a dense layer; the parameters have other names."""

    def apply(params, images):
        hidden = size_gate(
            jax.nn.relu(conv(images, params["conv"]["w"])), params["conv"]["size"], params["conv"]["slope"]
        )
        return hidden.reshape(len(images), -1) @ params["top"]

    layer = {"w": normal(0, 3, 3, 2, 5), "size": np.float32(2), "slope": np.float32(0.5)}
    params, images = {"conv": layer, "top": np.ones((16 * 5, 1), "f4")}, jnp.asarray(normal(1, 6, 4, 4, 2))
    outputs, log_p = sampled_outputs(apply, params, images, jax.random.key(2), "none")
    gates = ramp(2.0, 0.5, 5)
    hidden = np.asarray(jax.nn.relu(conv(images, params["conv"]["w"]))).sum(axis=(1, 2))
    by_pattern = {}
    for on in itertools.product((0, 1), repeat=5):
        by_pattern[on] = np.log(np.where(on, gates, 1 - np.array(gates))).sum()
    for row in range(6):  # each row's output is that of one pattern, whose probability is the one given
        (on,) = [p for p in by_pattern if np.isclose(hidden[row] @ np.array(p), outputs[row, 0], rtol=1e-4)]
        np.testing.assert_allclose(log_p[row], by_pattern[on], rtol=1e-4)
