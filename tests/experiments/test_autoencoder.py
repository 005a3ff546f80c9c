"""The command `python -m experiments.autoencoder`, and its measures on curves and planes whose answers are known."""

import json
import math
from types import SimpleNamespace
from typing import Any

import jax
import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments.autoencoder import COMMAND as COMMAND
from experiments.autoencoder import STUDY
from experiments.autoencoder.contestants import HESSIAN_FREE, TASK, learner_of, network_of
from experiments.autoencoder.flags import AutoencoderFlags
from experiments.autoencoder.grid import SCALES, best_cell, best_of, best_rate
from experiments.autoencoder.plane import classes_in
from experiments.autoencoder.tuning import contests, validation_losses
from experiments.autoencoder.views import epochs_to, largest_rise, level, prepared, roughness, simple_losses
from jaxsize.data import as_pixels, load
from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms, Setup
from jaxsize.training import epoch_times

DIGITS = as_pixels(load("digits"), rows=100)
SMALL = ["--structures", "8-2", "--optimizers", "SGD", "Hessian-free", "--grid-batch-sizes", "50"]


def test_smoke_tunes_trains_and_draws(command, tmp_path, monkeypatch):
    monkeypatch.setattr(epoch_times, "SPAN", 0.0)
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--out", str(folder), *SMALL)
    assert (status, error) == (0, "") and "digits, 64-8-2-8-64: the test loss ended at" in printed
    rows, summary = rows_of(folder), json.loads((folder / "summary.json").read_text())
    for row in rows:
        assert row["train_excess_loss"] == row["train_loss"]  # the floor of a squared error is 0
    tuned, trained = ({row["seed"] for row in rows if row["arm"] == arm} for arm in ("tuning SGD", "SGD"))
    assert (tuned, trained) == ({0}, {0, 1})
    assert {row["structure"] for row in rows if row["arm"] == HESSIAN_FREE} == {"8-2"}
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])
    assert len(summary["pictures"]) == 4


def batch(arm, structure, losses, num_epochs=2) -> Any:
    """A trained batch of one setting per loss, as `Study.rounds` gets it."""
    rows = [
        {"arm": arm, "structure": structure, "learning_rate": rate, "epoch": epoch, "train_loss": 1.0}
        | {"validation_loss": loss if epoch == num_epochs else 0.0}
        for rate, loss in losses
        for epoch in (1, num_epochs)
    ]
    return SimpleNamespace(labels=rows, num_epochs=num_epochs), SimpleNamespace(rows=rows)


def next_ones(learned):
    flags = AutoencoderFlags(structures=("2",), deeper=(), optimizers=("SGD",), sgd_rates=(0.01, 0.03), epochs=2)
    setup = Setup(flags=flags, dataset=prepared(load("digits"), flags), form="corrected")
    return [
        (one.labels[0]["arm"], one.labels[0]["learning_rate"], len(one))
        for one in contests(setup, {str(n): pair for n, pair in enumerate(learned)})
    ]


def test_rates_are_tried_beyond_an_end_until_the_best_one_lies_between_others():
    first = batch("tuning SGD", "2", [(0.01, 3.0), (0.03, 2.0), (0.01, 3.2), (0.03, 2.4)])
    assert validation_losses({"a": first}, "2", "SGD") == {0.01: 3.1, 0.03: 2.2}
    assert next_ones([first]) == [("tuning SGD", 0.1, 3)]
    lower = batch("tuning SGD", "2", [(0.1, 1.0)])
    assert next_ones([first, lower]) == [("tuning SGD", 0.3, 3)]
    assert next_ones([first, lower, batch("tuning SGD", "2", [(0.3, None)])]) == [("SGD", 0.1, 10)]
    chosen = batch("SGD", "2", [(0.1, 1.0)])
    assert next_ones([first, lower, batch("tuning SGD", "2", [(0.3, None)]), chosen]) == []


def test_hessian_free_sees_the_loss_of_the_others():
    flags = AutoencoderFlags(activation="leaky_relu")
    network = network_of(flags, DIGITS, "5-2")
    inputs: Any = DIGITS.as_inputs(DIGITS.train.inputs[:8])
    params = network.init(0)
    weights: Any = np.array([1, 1, 2, 0, 1, 1, 1, 1], np.float32)
    assert "bias" not in params["output"] and "bias" in params["decoder"][0]
    learner = learner_of(flags, network, HESSIAN_FREE)
    of: dict[str, Any] = learner.update_args(inputs, inputs, weights, learner.hparams())
    given = jax.value_and_grad(lambda params: of["loss_fn"](of["model_fn"](params)))(params)
    wanted = jax.value_and_grad(lambda params: TASK.of_batch(network.apply(params, inputs), inputs, weights)["loss"])
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6), given, wanted(params))


def test_simple_losses_are_those_of_mean_and_singular_vectors():
    train, test = (DIGITS.as_inputs(split.inputs).astype(float) for split in (DIGITS.train, DIGITS.test))
    off = test - train.mean(0)
    axes = np.linalg.svd(train - train.mean(0))[2][:2]
    left = off - off @ axes.T @ axes
    wanted = {"mean_image_loss": off, "components_loss": left}
    expected = {name: (of**2).sum() / 2 / len(test) for name, of in wanted.items()}
    assert simple_losses(DIGITS, 2) == pytest.approx(expected, rel=1e-5)


def arms_of(tmp_path, curves, settings):
    """Arms of rows made by hand: {(arm, structure): test losses [seeds, epochs]}, with further columns in the key."""
    folder, run = open_folder(tmp_path / "r", {}), 0
    for (arm, structure, *more), losses in curves.items():
        for seed, line in enumerate(losses):
            label = {"batch": "a", "run": run, "dataset": "digits", "form": "corrected", "arm": arm, "seed": seed}
            label |= {"structure": structure} | dict(zip(("learning_rate", "batch_size"), more, strict=False))
            folder.rows.of("a").append(
                [
                    label | {"epoch": epoch, "train_loss": 1.0, "test_loss": loss, "validation_loss": loss}
                    for epoch, loss in enumerate(line, 1)
                ]
            )
            run += 1
    data = as_pixels(load("digits"))
    data.info["mean_image_loss"] = 10.0
    seeds = max(map(len, curves.values()))
    base = {"num_seeds": seeds, "epochs": 4, "optimizers": ["SGD", "Adam"], "deeper": [], "batch_size": 16}
    return Arms.of(Runs(folder, base | settings), data={("digits", "corrected"): data})


def test_epochs_to_a_level_are_interpolated_and_never_is_one_more(tmp_path):
    falling = [[8, 6, 2, 1], [4, 3, 2, 0], [9, 9, 9, 9]]
    arms = arms_of(tmp_path, {("Adam", "2"): falling, ("SGD", "2"): [[9, 8, 7, 2], [9, 9, 9, 9], [9, 9, 9, 8]]}, {})
    levels = level([arms["Adam"], arms["SGD"]], 0.5)
    np.testing.assert_allclose(levels, [5.5, 5, 9])  # half of the way from 10 to 1, 0 and 8
    np.testing.assert_allclose(epochs_to(arms["Adam"], levels), [2 + 0.5 / 4, 1, 1])
    np.testing.assert_allclose(epochs_to(arms["SGD"], levels), [3 + 1.5 / 5, 5, 1])
    np.testing.assert_allclose(epochs_to(arms["SGD"], levels, never=9), [3 + 1.5 / 5, 9, 1])


def test_what_is_rough_and_what_rises(tmp_path):
    steady = np.exp(-0.5 * np.arange(8))
    rough = steady * np.exp([0, 0, 0, 0, 0.2, 0, 0.2, 0])
    arms = arms_of(tmp_path, {("Adam", "2"): [steady, rough]}, {})
    changes = np.array([-0.7, -0.3, -0.7])  # of the log, between the last 4 epochs
    np.testing.assert_allclose(roughness(arms["Adam"]), [0, changes.std()], atol=1e-12)
    arms = arms_of(tmp_path / "b", {("Adam", "2"): [[4, 2, 3, 1], [4, 3, 2, 1]]}, {})
    np.testing.assert_allclose(largest_rise(arms["Adam"]), [0.5, 0])


def verdicts(arms, name):
    parts = STUDY.claims[name].judge(arms, "corrected")["parts"]
    return {part.get("of"): part["verdict"] for part in parts if "uninformative" not in part}


def test_the_optimisers_are_judged_in_pairs(tmp_path, monkeypatch):
    monkeypatch.setattr("experiments.autoencoder.claims.epoch_seconds", lambda view: 1.0)
    second = {"SGD": 8, "Adam": 4}
    lines = {name: [[9.0, of, of / 2, of / 4 + seed / 9] for seed in range(6)] for name, of in second.items()}
    curves = {(name, structure): of for structure in ("2", "3-2", "3-3-2") for name, of in lines.items()}
    curves["SGD", "2"] = [[3.0, 2.0, 2.0, 2.0]] * 6  # the deeper, the later SGD starts
    curves["SGD", "3-3-2"] = [[10.0, 10.0, 9.9, 2.0]] * 6
    curves[HESSIAN_FREE, "3-2"] = [[9.0]] * 6  # which is given fewer epochs, and does not come there
    names = ["SGD", "Adam", HESSIAN_FREE]
    arms = arms_of(tmp_path, curves, {"structures": ["2", "3-2", "3-3-2"], "optimizers": names})
    parts = STUDY.claims["C49, fastest"].judge(arms, "corrected")["parts"]
    found = {(part["against"], part["verdict"]) for part in parts if part["structure"] == "64-3-2-3-64"}
    assert found == {("SGD", "holds"), (HESSIAN_FREE, "holds")}
    assert set(verdicts(arms, "C49, delay").values()) == {"holds"}


def test_the_grid_knows_its_best_cell_and_whether_larger_batches_are_slower(tmp_path, monkeypatch):
    monkeypatch.setitem(SCALES, "seconds", lambda view: 1.0)
    late = {4: 1, 16: 2, 64: 3, 256: 4}  # the epoch after which the loss falls; with the largest batches it never does
    curves = {
        ("grid", "2", rate, rows): [[9.0] * wait + [rate * rows + seed / 99] * (4 - wait) for seed in range(6)]
        for rate in (0.01, 0.1)
        for rows, wait in late.items()
    }
    grid = arms_of(tmp_path, curves, {"structures": ["2"]})
    assert [best_rate(grid["grid"], rows) for rows in late] == [0.01] * 4
    assert best_cell(grid["grid"]) == (0.01, 4)
    assert set(verdicts(grid, "C50, larger").values()) == {"holds"}
    steps = STUDY.claims["C50, larger"].judge(grid, "corrected")["parts"][1]
    assert (steps["of"], steps["estimate"]) == ("steps to 90% of the way", 0)  # fewer and fewer, and then never
    np.testing.assert_allclose(best_of({0.1: np.array([2.0, np.nan]), 0.01: np.array([1.0, np.nan])}), [-2, np.nan])


def test_classes_in_a_plane_by_hand():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], 20)
    train, test = (rng.normal(size=(60, 2)) + np.array([[0, 0], [9, 0], [9, 1]])[labels] for _ in range(2))
    found = classes_in(train, labels, test, labels)
    distances = np.linalg.norm(test[:, None] - test, axis=2)
    own = [distances[i, labels == of].sum() / 19 for i, of in enumerate(labels)]
    other = [min(distances[i, labels == k].mean() for k in range(3) if k != of) for i, of in enumerate(labels)]
    each = (np.array(other) - own) / np.maximum(own, other)
    np.testing.assert_allclose(found.silhouettes, [each[labels == k].mean() for k in range(3)], rtol=1e-9)
    near = np.argsort(np.linalg.norm(test[:, None] - train, axis=2), axis=1)[:, :10]
    names = [np.bincount(labels[index], minlength=3).argmax() for index in near]
    expected = [[np.mean(np.array(names)[labels == k] == j) for j in range(3)] for k in range(3)]
    np.testing.assert_allclose(found.named, expected)
    assert math.isnan(classes_in(train * np.nan, labels, test, labels).named[0, 0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--structures", "0"], """structures: expected widths such as "256" or "256-128", got '0'"""),
        (["--optimizers", "Adam", "Newton"], "invalid choice 'Newton' for argument '--optimizers'"),
        (["--tuning-seeds", "3"], "tuning_seeds: expected at most the 2 seeds, got 3"),
        (["--grid-batch-sizes", "301"], "digits has 300 training rows, got 301"),
        (["--train-rows", "99999"], "training rows of digits, got 99999"),
        (["--dataset", "teacher"], "teacher: expected rows of numbers from 0 on"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    status, _, error = command("--smoke", "--out", str(tmp_path / "r"), *arguments)
    assert status == 2 and message.split(": ", 1)[-1] in error and error.count("\n") == 1
