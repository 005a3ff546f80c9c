import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats
import sklearn.metrics
from helpers.hparams import sparsifier_hparams

from jaxsize.learners import Hparams, Learner, sparsifier
from jaxsize.learners.tasks import TASKS, mean_over_rows
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data, Rows
from jaxsize.programs.epoch import TrainState, init_state, make_epoch, row_order
from jaxsize.programs.evaluation import make_evaluate

NUM_INPUTS, NUM_CLASSES, DECAY = 3, 4, 0.99


def linear(params, inputs):
    return inputs @ params["kernel"] + params["bias"][None, :]


def make_linear_learner(outputs=linear, task="classification"):
    """Softmax regression by SGD; weights shrink after every step; the bookkeeping counts steps, -1 at the start."""

    def objective(params, inputs, targets, weights, hparams):
        loss = mean_over_rows(TASKS["classification"].loss(outputs(params, inputs), targets), weights)
        return loss + hparams.penalty_weight * jnp.sum(params["kernel"] ** 2), {"loss": loss}

    def after_step(params, count, hparams):
        return params | {"kernel": DECAY * params["kernel"]}, count + 1

    return Learner(
        objective=objective,
        optimizer=lambda hparams: optax.sgd(hparams.learning_rate),
        scores=lambda params, inputs, targets: TASKS[task].of_rows(outputs(params, inputs), targets),
        defaults=sparsifier.DEFAULTS,
        outputs=outputs,
        after_step=after_step,
        init_bookkeeping=lambda params: jnp.full((), -1, jnp.int32),
        observe=lambda count: 10 * count,
    )


def start_params():
    rng = np.random.default_rng(5)
    return {
        "kernel": rng.normal(size=(NUM_INPUTS, NUM_CLASSES)).astype(np.float32),
        "bias": rng.normal(size=NUM_CLASSES).astype(np.float32),
    }


def pixels(num_rows, seed=0):
    """uint8 inputs with a scale and a shift per column, and labels."""
    rng = np.random.default_rng(seed)
    inputs = rng.integers(0, 256, (num_rows, NUM_INPUTS)).astype(np.uint8)
    targets = rng.integers(0, NUM_CLASSES, num_rows).astype(np.int32)
    scale, shift = np.array([1 / 255, 1 / 100, 1 / 50], "f4"), np.array([-0.5, 0.1, -2], "f4")
    return Data(Rows(jnp.asarray(inputs), jnp.asarray(targets)), jnp.asarray(scale), jnp.asarray(shift))


def to_float64(data):
    scale, shift = np.asarray(data.scale, np.float64), np.asarray(data.shift, np.float64)
    return np.asarray(data.rows.inputs) * scale + shift, np.asarray(data.rows.targets)


def softmax(logits):
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def reference_epoch(params, data, order, config, hparams):
    """The epoch as a plain loop, in float64, with the gradient of softmax regression in closed form."""
    inputs, targets = to_float64(data)
    kernel, bias = params["kernel"].astype(float), params["bias"].astype(float)
    losses = []
    for start in range(0, len(order), config.batch_size):
        rows = order[start : start + config.batch_size]
        if len(rows) < config.batch_size and config.last_batch == "drop":
            break
        error = softmax(inputs[rows] @ kernel + bias)
        losses.append(-np.mean(np.log(error[np.arange(len(rows)), targets[rows]])))
        error[np.arange(len(rows)), targets[rows]] -= 1
        by_kernel = inputs[rows].T @ error / len(rows) + 2 * hparams.penalty_weight * kernel
        kernel = DECAY * (kernel - hparams.learning_rate * by_kernel)
        bias = bias - hparams.learning_rate * error.mean(axis=0)
    return {"kernel": kernel, "bias": bias}, losses


def test_an_optimiser_is_given_the_arguments_that_the_learner_makes_of_every_step():
    """One that steps to the mean of the targets of its batch, which no gradient tells it."""

    def update(updates, state, params=None, **more):
        return jax.tree.map(lambda leaf: more["middle"] - leaf, params), state

    def optimizer(hparams):
        return optax.GradientTransformationExtraArgs(lambda params: (), update)

    learner = make_linear_learner()._replace(
        optimizer=optimizer,
        after_step=lambda params, count, hparams: (params, count),
        update_args=lambda inputs, targets, weights, hparams: {"middle": mean_over_rows(targets * 1.0, weights)},
    )
    data, hparams = pixels(10), sparsifier_hparams()
    state = init_state(learner, start_params(), jnp.uint32(9), hparams)
    state, _ = jax.jit(make_epoch(learner, Config(batch_size=4)))(state, hparams, data)
    last = np.asarray(row_order(jnp.uint32(9), jnp.int32(0), 10))[8:]
    np.testing.assert_allclose(state.params["bias"], np.asarray(data.rows.targets)[last].mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("num_rows", "batch_size", "last_batch", "steps"),
    [(12, 4, "keep", 3), (13, 4, "keep", 4), (15, 4, "drop", 3), (5, 64, "keep", 1), (5, 1, "drop", 5)],
)
def test_epoch_is_a_plain_loop_over_batches(num_rows, batch_size, last_batch, steps):
    config = Config(batch_size=batch_size, last_batch=last_batch)
    hparams = sparsifier_hparams(learning_rate=0.3, penalty_weight=0.02)
    data, learner = pixels(num_rows), make_linear_learner()
    state = init_state(learner, start_params(), jnp.uint32(9), hparams)
    # Before the first step, the parameters go through `after_step` once.
    expected = start_params() | {"kernel": DECAY * start_params()["kernel"]}
    epoch = jax.jit(make_epoch(learner, config))
    for number in range(2):
        order = np.asarray(row_order(jnp.uint32(9), jnp.int32(number), num_rows))
        before = int(state.bookkeeping)
        state, history = epoch(state, hparams, data)
        expected, losses = reference_epoch(expected, data, order, config, hparams)
        np.testing.assert_allclose(state.params["kernel"], expected["kernel"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(state.params["bias"], expected["bias"], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(history["loss"], losses, rtol=1e-4)
        assert history["loss"].shape == (steps,) and config.steps_per_epoch(num_rows) == steps
        assert history["observed"].tolist() == [10 * (before + 1 + step) for step in range(steps)]
        assert int(history["observed_before"]) == 10 * before
        assert (int(state.epoch), int(state.seed)) == (number + 1, 9)


def test_a_given_order_replaces_the_seed():
    config, hparams, data, learner = (
        Config(batch_size=4),
        sparsifier_hparams(learning_rate=0.3),
        pixels(10),
        make_linear_learner(),
    )
    order = jnp.asarray([3, 1, 4, 0, 9, 2, 6, 5, 8, 7])
    epoch = jax.jit(make_epoch(learner, config))
    ends = [epoch(init_state(learner, start_params(), jnp.uint32(s), hparams), hparams, data, order) for s in (1, 2)]
    shrunk = start_params() | {"kernel": DECAY * start_params()["kernel"]}
    expected, _ = reference_epoch(shrunk, data, np.asarray(order), config, hparams)
    for state, _ in ends:
        np.testing.assert_allclose(state.params["kernel"], expected["kernel"], rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_equal(*(state.params for state, _ in ends), strict=True)


def test_orders_are_permutations_that_differ_by_seed_and_epoch():
    orders = {
        (seed, epoch): np.asarray(row_order(jnp.uint32(seed), jnp.int32(epoch), 500))
        for seed, epoch in itertools.product((0, 1, 2**32 - 1), range(3))
    }
    for order in orders.values():
        np.testing.assert_array_equal(np.sort(order), np.arange(500))
    for first, second in itertools.combinations(orders.values(), 2):
        assert np.mean(first == second) < 0.05  # independent permutations: 1 row in 500 on average
    np.testing.assert_array_equal(row_order(jnp.uint32(1), jnp.int32(2), 500), orders[1, 2])


def test_every_order_is_equally_likely():
    of_seed = jax.vmap(lambda seed, epoch: row_order(seed, epoch, 4), in_axes=(0, None))
    orders = np.concatenate([of_seed(jnp.arange(1200, dtype=jnp.uint32), jnp.int32(epoch)) for epoch in (0, 1)])
    _, counts = np.unique(orders, axis=0, return_counts=True)
    assert len(counts) == 24
    assert scipy.stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize(
    ("ends", "batch_size", "train_rows"),
    [
        ({"train": 20}, 5, None),
        ({"train": 23}, 100, None),
        ({"train": 1}, 1, 1),
        ({"train": 13, "test": 14, "validation": 37}, 5, None),
        ({"train": 13, "test": 14, "validation": 37}, 5, 4),
        ({"train": 13, "test": 37}, 100, 1),
        ({"train": 13, "test": 37}, 7, 13),
        ({"train": 13, "test": 37}, 7, 500),
    ],
)
def test_evaluation_is_that_of_scikit_learn(ends, batch_size, train_rows):
    """train_rows: of the training rows the last ones, if there are more."""
    data = pixels(max(ends.values()))
    config = Config(evaluation_batch_size=batch_size, evaluated_train_rows=train_rows)
    evaluate = make_evaluate(make_linear_learner(), config)
    scores = jax.jit(lambda params, data: evaluate(params, data, ends))(start_params(), data)
    assert set(scores) == set(ends)
    inputs, targets = to_float64(data)
    probabilities = softmax(inputs @ start_params()["kernel"] + start_params()["bias"])
    start = max(0, ends["train"] - (train_rows or ends["train"]))
    for split, end in ends.items():
        rows = slice(start, start := end)
        assert set(scores[split]) == {"loss", "accuracy"}
        expected = sklearn.metrics.log_loss(targets[rows], probabilities[rows], labels=range(NUM_CLASSES))
        np.testing.assert_allclose(scores[split]["loss"], expected, rtol=1e-5)
        expected = sklearn.metrics.accuracy_score(targets[rows], probabilities[rows].argmax(axis=1))
        np.testing.assert_allclose(scores[split]["accuracy"], expected, rtol=1e-6)


def test_a_split_that_diverges_leaves_the_others_alone():
    data = pixels(12)
    rows = data.rows._replace(inputs=jnp.asarray(data.rows.inputs, jnp.float32).at[8].set(jnp.nan))
    evaluate = make_evaluate(make_linear_learner(), Config(evaluation_batch_size=5))
    scores = evaluate(start_params(), data._replace(rows=rows), {"train": 7, "test": 12})
    chex.assert_tree_all_finite(scores["train"])
    assert all(np.isnan(value) for value in scores["test"].values())


def test_regression_is_the_mean_squared_error():
    data = pixels(23)._replace(rows=Rows(pixels(23).rows.inputs, jnp.linspace(-1, 1, 23)))
    params = {name: leaf[..., :1] for name, leaf in start_params().items()}
    evaluate = make_evaluate(make_linear_learner(task="regression"), Config(evaluation_batch_size=10))
    scores = evaluate(params, data, {"test": 23})["test"]
    inputs, targets = to_float64(data)
    expected = sklearn.metrics.mean_squared_error(targets, inputs @ params["kernel"] + params["bias"])
    np.testing.assert_allclose(scores["loss"], expected, rtol=1e-5)
    np.testing.assert_array_equal(scores["error"], scores["loss"])
    for outputs in (jnp.zeros(5), jnp.zeros((5, 2)), jnp.zeros((5, 1, 1)), jnp.zeros((1, 5))):
        with pytest.raises(ValueError, match=r"regression: expected outputs \(5, 1\)"):
            TASKS["regression"].loss(outputs, jnp.zeros(5))


def test_settings_are_traced_and_compile_once():
    chex.clear_trace_counter()
    shapes = []

    @chex.assert_max_traces(n=1)  # although settings, seed and epoch change
    def traced_once(params, inputs):
        shapes.append(inputs.shape)
        return linear(params, inputs)

    data, learner = pixels(10), make_linear_learner(traced_once)
    epoch = jax.jit(make_epoch(learner, Config(batch_size=4)))
    settings = [
        sparsifier_hparams(**dict(zip(sparsifier.DEFAULTS, map(np.float32, values), strict=True)))
        for values in ([0.1, 0, 0, 0, 1], [0.2, 0.1, 0.3, 0.4, 2])
    ]
    ends = []
    for seed, hparams in enumerate(settings):
        state, _ = epoch(init_state(learner, start_params(), jnp.uint32(seed), hparams), hparams, data)
        state, _ = epoch(state, hparams, data)
        ends.append(np.asarray(state.params["kernel"]))
    assert shapes == [(4, NUM_INPUTS)]  # and not without a trace
    assert np.abs(ends[0] - ends[1]).max() > 1e-3


def test_state_maps_over_runs():
    learner, hparams = make_linear_learner(), sparsifier_hparams(learning_rate=np.array([0.1, 0.2], np.float32))
    params = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), start_params())
    in_axes = (0, 0, Hparams(**{name: 0 if name == "learning_rate" else None for name in hparams}))
    start = jax.vmap(lambda params, seed, hparams: init_state(learner, params, seed, hparams), in_axes)
    state = start(params, np.array([3, 4], np.uint32), hparams)
    assert isinstance(state, TrainState)
    assert state.seed.tolist() == [3, 4] and state.epoch.tolist() == [0, 0]


def test_settings_that_make_no_sense_are_told():
    for name in ("batch_size", "evaluation_batch_size", "evaluated_train_rows"):
        with pytest.raises(ValueError, match=f"{name}: expected at least 1, got 0"):
            Config(**{name: 0})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="5 rows hold no whole batch of 8"):
        Config(batch_size=8, last_batch="drop").steps_per_epoch(5)
