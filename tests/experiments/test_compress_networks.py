"""Compress training: its validation batches, its penalties and losses in the units of the journal, its networks."""

import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.common.networks import compress_networks
from experiments.common.scales import penalty_scale
from jaxsize.data import Dataset, Split, load
from jaxsize.data.splits import hold_out_batches
from jaxsize.learners.tasks import TASKS, regression, task_of


def numbered(rows, *, name="numbers", info=None, clean=False):
    """A data set whose inputs and targets are the numbers of its rows."""
    numbers = np.arange(rows, dtype=np.float32)
    split = Split(numbers[:, None], numbers, numbers + 0.5 if clean else None)
    scaling = {"input_scale": np.ones(1, np.float32), "input_shift": np.zeros(1, np.float32), "input_shape": (1,)}
    more = {"validation": None, "test": split, "source": "made up", "info": info or {}}
    return Dataset(name=name, task="regression", num_outputs=1, train=split, **scaling, **more)


@pytest.mark.parametrize(
    ("rows", "batch_size", "share", "batches"),
    [(60_000, 128, 0.1, 422), (1000, 100, 0.1, 9), (1001, 100, 0.1, 9), (1437, 32, 0.1, 40), (1000, 100, 0.25, 7)],
)
def test_the_last_tenth_of_the_batches_validates(rows, batch_size, share, batches):
    """60 000 rows are 469 batches of 128, the last of 96; 90 % of them are 422.1."""
    dataset = numbered(rows, clean=True)
    parts = hold_out_batches(dataset, batch_size, share=share)
    assert parts.validation is not None
    train, validation = parts.train.targets, parts.validation.targets
    assert len(train) == batches * batch_size and len(train) + len(validation) == rows
    np.testing.assert_array_equal(np.sort(np.concatenate([train, validation])), np.arange(rows))
    for split in (parts.train, parts.validation):
        np.testing.assert_array_equal(split.inputs[:, 0], split.targets)
        np.testing.assert_array_equal(split.clean_targets, split.targets + 0.5)
    assert parts.test is dataset.test and (train[:-1] > train[1:]).any()  # no longer in the order they came in
    again, other = (hold_out_batches(dataset, batch_size, share=share, seed=seed) for seed in (0, 1))
    np.testing.assert_array_equal(again.train.targets, train)
    assert set(other.train.targets) != set(train)


def test_rows_are_never_held_out_twice_nor_all_of_them():
    dataset = numbered(100)
    whole = hold_out_batches(dataset, 10)
    for bad, batch_size in ((whole, 10), (dataset, 100), (dataset, 1000)):
        with pytest.raises(ValueError, match="rows for batches of"):
            hold_out_batches(bad, batch_size)
    assert len(hold_out_batches(dataset, 99).train) == 99
    with pytest.raises(ValueError, match="rows for batches of"):
        hold_out_batches(dataset, 10, share=0.0)


@pytest.mark.parametrize(
    ("name", "info", "batch_size", "expected"),
    [
        ("mnist", {}, 128, 1.0),
        ("poker", {}, 1000, 0.1),
        ("add10", {}, 100, 1e4 / 100),
        ("airfoil", {}, 50, 1e4 / 50),
        ("airfoil_iid", {"target_mean": 125.0, "target_std": 7.0}, 50, 1e4 / 50 / 49),
        ("teacher", {"target_std": 2.0}, 32, 1 / 4),
    ],
)
def test_penalties_mean_in_every_loss_what_they_meant_to_the_journal(name, info, batch_size, expected):
    """Sum over a batch of (y - output)^2 + 1e4 lambda relu(f), divided by rows and by the variance of the targets."""
    dataset = numbered(8, name=name, info=info)
    assert penalty_scale(dataset, batch_size) == pytest.approx(expected, rel=1e-12)


def test_the_penalty_pulls_as_hard_as_in_a_summed_loss_of_raw_targets():
    """The journal's gradients, of a sum of squared errors, are ours times rows and variance: of loss and penalty."""
    std, mean, rows = 7.0, 125.0, 50
    dataset = numbered(rows, name="airfoil", info={"target_mean": mean, "target_std": std})
    outputs, gates = np.linspace(-2, 2, rows), jnp.array([0.5, 2.0])
    scale = penalty_scale(dataset, rows)

    def ours(gates):
        loss = task_of(dataset).loss(jnp.asarray(outputs)[:, None] * gates[0], jnp.asarray(dataset.train.targets))
        return loss.mean() + 3e-5 * scale * gates.sum()

    def journal(gates):
        raw = jnp.asarray(outputs) * gates[0] * std + mean
        return jnp.sum((raw - dataset.train.targets) ** 2) + 3e-5 * 1e4 * gates.sum()

    np.testing.assert_allclose(rows * std**2 * jax.grad(ours)(gates), jax.grad(journal)(gates), rtol=1e-4)


def test_regression_learns_standardised_targets_and_scores_raw_ones():
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(20, 1)).astype(np.float32), rng.normal(120, 7, size=20).astype(np.float32)
    task = regression(120.0, 7.0)
    loss, plain = (
        jax.value_and_grad(lambda out, task=task, of=of: task.loss(out, jnp.asarray(of)).sum())(jnp.asarray(outputs))
        for task, of in ((task, targets), (TASKS["regression"], (targets - 120) / 7))
    )
    np.testing.assert_allclose(loss[0], plain[0], rtol=1e-5)
    np.testing.assert_allclose(loss[1], plain[1], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(loss[1], 2 * (outputs - (targets[:, None] - 120) / 7), rtol=1e-4, atol=1e-6)
    errors = (7 * outputs[:, 0].astype(float) + 120 - targets) ** 2
    given = task.scores["error"](jnp.asarray(outputs), jnp.asarray(targets))
    np.testing.assert_allclose(given, errors, rtol=1e-3, atol=1e-4)
    with pytest.raises(ValueError, match="expected outputs"):
        task.loss(jnp.zeros(20), jnp.zeros(20))


def test_the_network_is_the_journals_linear_gate_relu():
    plane: Any = types.SimpleNamespace(num_inputs=3, num_outputs=2)
    params = compress_networks(plane)([500, 40]).init(3)
    for layer, fan_in in zip([*params["hidden"], params["output"]], (3, 500, 40), strict=True):
        assert np.abs(layer["kernel"]).max() <= np.sqrt(6 / fan_in)
        assert layer["kernel"].std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.2)
    assert params["hidden"][0]["bias"].std() == pytest.approx(1, rel=0.15)
    activations = inputs = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    for seed, layer in enumerate(params["hidden"]):
        assert (layer["liveness"] == 1).all()
        layer["liveness"] = np.random.default_rng(seed).normal(size=layer["liveness"].shape).astype(np.float32)
        linear = activations @ layer["kernel"].astype(float) + layer["bias"]
        activations = np.maximum(linear * np.maximum(layer["liveness"], 0), 0)
    expected = activations @ params["output"]["kernel"].astype(float) + params["output"]["bias"]
    outputs = compress_networks(plane)([500, 40]).apply(params, jnp.asarray(inputs))
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-4)
    assert "liveness" not in compress_networks(plane, gated=False)([5]).init(0)["hidden"][0]


def test_original_data_give_validation_rows_and_whole_batches():
    dataset = hold_out_batches(load("add10", form="original"), 100)
    assert dataset.validation is not None and len(dataset.train) % 100 == 0
    assert 0.08 < len(dataset.validation) / (len(dataset.train) + len(dataset.validation)) < 0.12
