"""How sizes move while training: what the penalty does to them and what it cannot do, and widths that are known."""

import itertools

import chex
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
from helpers.flexible import NOTHING, D, Descent, K, forward, learner_of, named, run_of, some_data, train_together
from helpers.hparams import flexible_hparams

from jaxsize.data import load
from jaxsize.learners.flexible import FORMS, FlexibleConfig, make_learner
from jaxsize.learners.tasks import TASKS, task_of
from jaxsize.networks.mlp import mlp
from jaxsize.programs.device_data import Data, Rows

ONE = mlp((D, 12, K), gate="size", size=9.0, slope=0.8)


def data_of(dataset):
    rows = Rows(jnp.asarray(dataset.train.inputs), jnp.asarray(dataset.train.targets))
    return Data(rows, jnp.asarray(dataset.input_scale), jnp.asarray(dataset.input_shift))


def with_size(params, size, slope=0.8):
    gate = {"size": np.float32(size), "slope": np.float32(slope)}
    return params | {"hidden": [layer | gate for layer in params["hidden"]]}


def test_a_penalty_of_zero_adds_exactly_nothing_and_the_size_grows_from_its_start():
    """C21, honoured start: 3 starts x 4 seeds. That the penalty is nothing: bit for bit the objective without one."""
    starts = (0.0, 2.0, 4.0) * 4
    params = [with_size(ONE.init(run // 3), start) for run, start in enumerate(starts)]
    hparams = flexible_hparams(learning_rate=0.02, penalty_weight=0.0, size_learning_rate=0.1)
    data = data_of(load("teacher", seed=0, num_rows=512, num_inputs=3, width=8, num_classes=3))
    learner = learner_of(FORMS["corrected"], ONE)
    _, history = train_together(learner, params, data, hparams, epochs=8, batch_size=32)
    sizes = history["observed"][:, :, 0, 0]
    assert (sizes[:, -1] > np.array(starts) + 0.5).all()
    np.testing.assert_array_equal(history["objective"], history["loss"])
    hparams = hparams.replace(learning_rate=0.0)
    silent = with_size(ONE.init(0), 5.0)
    silent["output"] = {name: 0 * leaf for name, leaf in silent["output"].items()}  # no data gradient for the size
    _, history = train_together(learner, [silent] * 12, data, hparams, epochs=1, batch_size=32)
    assert (history["size_gradient"] == 0).all() and (history["observed"][:, :, 0] == 5.0).all()


def runaway(learner):
    """The size as its own penalty, the integral replaced (C14): a specimen."""

    def objective(params, inputs, targets, weights, hparams):
        total = 0.0 * jnp.sum(inputs) + hparams.penalty_weight * params["hidden"][0]["size"]
        return total, {"loss": total, "score": total}

    return learner._replace(objective=objective)


@pytest.mark.parametrize(("optimizer", "penalty"), [("sgd", 0.5), ("adam", 1e-3)])
def test_the_size_as_its_own_penalty_runs_away_and_the_integral_stops(optimizer, penalty):
    """Nothing to learn, 1800 steps. The specimen moves by the same length for ever; the integral's path is the float64
    one, which has no gradient left below 0: with SGD it goes like -log(steps) / slope."""
    data, params, steps = some_data(300), with_size(ONE.init(0), 9.0), 1800
    hparams = flexible_hparams(learning_rate=0.0, penalty_weight=penalty, size_learning_rate=1.0)
    learners = [learner_of(FlexibleConfig(size_optimizer=optimizer), ONE, NOTHING)]
    learners += [runaway(learners[0])] * (optimizer == "adam")  # as in the journal
    ours, *specimens = (
        train_together(learner, [params], data, hparams, epochs=12, batch_size=2)[1]["observed"][0, :, 0, 0]
        for learner in learners
    )
    assert len(ours) == steps
    for specimen in specimens:
        np.testing.assert_allclose(specimen, 9.0 - np.arange(1, steps + 1), rtol=1e-3, atol=1e-2)
    size, path, descent = 9.0, [], Descent()
    for _ in range(steps):
        descent.steps += 1
        gradient = penalty * (scipy.special.expit(0.8 * size) - scipy.special.expit(0.8 * (size - 12)))
        size -= descent(optimizer, "size", gradient)
        path.append(size)
    np.testing.assert_allclose(ours, path, rtol=1e-3, atol=2e-2)
    assert ours[-1] > -60 and ours[-1] - ours[900] > -1.5
    if optimizer == "sgd":
        assert abs(ours[-1] + np.log(0.8 * penalty * steps) / 0.8) < 0.5


@pytest.mark.parametrize(("form", "task"), [("original", "classification"), ("corrected", "regression")])
def test_no_penalty_and_no_learning_rate_throws_a_size_to_infinity(form, task):
    """A step of Adam is at most lr (1 - b1) / sqrt(1 - b2) = 3.17 lr long, whatever the gradient."""
    grid = itertools.product((0.0, 1.0, 1e6), (1e-3, 10.0), (1.0, 10.0), (0.0, 1e-2), (0.0, 6.0), (0.4, 10.0))
    penalties, rates, size_rates, decays, starts, slopes = np.array(list(grid)).T
    dataset = load("teacher", seed=0, num_rows=60, num_inputs=3, width=2, num_classes=3, task=task)
    network = mlp((3, 12, dataset.num_outputs), gate="size")
    params = [with_size(network.init(0), *pair) for pair in zip(starts, slopes, strict=True)]
    hparams = flexible_hparams(
        learning_rate=rates, penalty_weight=penalties, weight_decay=decays, size_learning_rate=size_rates
    )
    learner = make_learner(network, task_of(dataset), FORMS[form])
    states, history = train_together(learner, params, data_of(dataset), hparams, epochs=15, batch_size=16)
    chex.assert_tree_all_finite((states.params, history))
    sizes = np.concatenate([starts[:, None], history["observed"][:, :, 0, 0]], axis=1)
    assert sizes.shape == (len(params), 61)
    assert np.abs(np.diff(sizes, axis=1) / size_rates[:, None]).max() < 3.2


PENALTIES, NUM_SEEDS = (0.0, 0.005, 0.01, 0.02), 5
WIDE = mlp((6, 32, 1), gate="size", size=16.0, slope=2.0)


@pytest.mark.parametrize("width", [4, 8])
def test_the_largest_penalty_that_learns_the_teacher_finds_its_width(width):
    """32 units, 16 of them on at first. The median of five seeds ends within half a gray zone (2.3 units) and one of
    the teacher's width; what is free does not shrink so far."""
    dataset = load("teacher", seed=0, num_rows=2048, num_inputs=6, width=width, task="regression")
    params = [WIDE.init(seed) for seed in range(NUM_SEEDS)] * len(PENALTIES)
    hparams = flexible_hparams(
        learning_rate=0.01, penalty_weight=np.repeat(PENALTIES, NUM_SEEDS), size_learning_rate=0.1
    )
    seeds = list(range(NUM_SEEDS)) * len(PENALTIES)
    learner = learner_of(FORMS["corrected"], WIDE, TASKS["regression"])
    states, _ = train_together(learner, params, data_of(dataset), hparams, epochs=80, batch_size=64, seeds=seeds)
    trained = [named(run_of(states.params, run)) for run in range(len(params))]
    outputs = [forward(p, dataset.test.inputs.astype(float))[-1][:, 0] for p in trained]
    losses = np.array([np.mean((output - dataset.test.targets) ** 2) for output in outputs])
    medians = np.median(np.array([p[0, "size"] for p in trained]).reshape(-1, NUM_SEEDS), axis=1)
    learned = np.median(losses.reshape(-1, NUM_SEEDS), axis=1) < 0.003  # of a variance of 1
    assert learned[:2].all() and (np.diff(medians) < 0).all() and medians[0] > width + 4
    assert abs(medians[np.flatnonzero(learned)[-1]] - width) <= 3.3


def test_frozen_weights_let_a_size_find_where_it_costs_least():
    """J13, size-only training: two of six units carry the task, by hand; the size that Adam ends at is the least of the
    objective on a grid, in float64."""
    network = mlp((1, 6, 1), gate="size", size=4.0, slope=3.0)
    params = network.init(0)
    params["hidden"][0] |= {"kernel": np.array([[1.0, -1, 1, -1, 1, -1]], "f4"), "bias": np.zeros(6, "f4")}
    params["output"] = {"kernel": np.array([[1.0], [1], [0], [0], [0], [0]], "f4"), "bias": np.zeros(1, "f4")}
    inputs = np.linspace(-2, 2, 32, dtype=np.float32)[:, None]
    rows = Rows(jnp.asarray(inputs), jnp.asarray(np.abs(inputs[:, 0])))
    hparams = flexible_hparams(learning_rate=0.0, penalty_weight=np.array([0.0, 0.02, 0.2]), size_learning_rate=0.02)
    task = NOTHING._replace(loss=lambda outputs, targets: (outputs[:, 0] - targets) ** 2)
    learner = make_learner(network, task, FORMS["corrected"])
    data = Data(rows, jnp.float32(1), jnp.float32(0))
    states, _ = train_together(learner, [params] * 3, data, hparams, epochs=600, batch_size=32)
    grid = np.linspace(-1, 8, 9001)
    gates = scipy.special.expit(3.0 * (grid[:, None] - np.arange(2)))  # of the two units that are read
    squares = np.mean(inputs.astype(float) ** 2)
    loss = squares / 2 * ((1 - gates) ** 2).sum(axis=1)  # each sees one half of the rows
    price = (np.logaddexp(0, 3 * grid) - np.logaddexp(0, 3 * (grid - 6))) / 3
    for run, weight in enumerate((0.02, 0.2), 1):
        expected = grid[np.argmin(loss + weight * price)]
        assert 1 < expected < 3
        assert float(run_of(states.params, run)["hidden"][0]["size"]) == pytest.approx(expected, abs=0.01)
    assert float(run_of(states.params, 0)["hidden"][0]["size"]) > 4.0  # free: only outward
