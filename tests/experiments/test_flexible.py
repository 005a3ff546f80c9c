"""The command `python -m experiments.flexible`, and what its report makes of made-up runs."""

import json

import chex
import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments.flexible import claims as flexible_report
from experiments.flexible import study as flexible
from experiments.flexible.table import static_widths
from jaxsize.data import load
from jaxsize.learners.learner import Hparams
from jaxsize.results.runs import Runs
from jaxsize.studies.questions import Setup
from jaxsize.training._train import Trained

COMMAND = flexible.COMMAND
SMALL = ["--smoke", "--epochs", "1", "--start-size", "0", "10", "--penalties", "1e-3", "--batch-size", "512"]
WIDTH = ["--width", "400"]  # so that nothing is widened, which would be compiled anew


def test_smoke_answers_its_claims(command, tmp_path):
    arguments = [
        *SMALL,
        *WIDTH,
        "--form",
        "corrected",
        "--weight-decay",
        "0.01",
        "--slope",
        "0.4",
        "--out",
        str(tmp_path / "r"),
    ]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and "C13, corrected" in printed and "C18, corrected" in printed
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    claims = summary["claims"]["corrected"]
    assert list(claims) == ["C13", "C14", "C15", "C15b", "C16", "C17", "C18"]
    assert claims["C13"]["verdict"] == "holds"  # exact, whatever the number of seeds
    assert all(claims[name]["verdict"] == "open" for name in ("C14", "C15", "C15b", "C16", "C17"))
    assert claims["C18"]["verdict"] == "not tested" and "mnist fashion_mnist" in claims["C18"]["reason"]
    rows = rows_of(tmp_path / "r")
    arms = {arm: [row for row in rows if row["arm"] == arm] for arm in {row["arm"] for row in rows}}
    assert {arm: len(of_arm) for arm, of_arm in arms.items()} == {
        "starts": 2 * 2,  # starts x seeds
        "penalties": 2,
        "static_same": 2,
        "static_wide": 2,
        "naive_gate": 2 * 2,
        "stable_gate": 2 * 2,
        "size_price": 4 * 2,
        "integral_price": 4 * 2,
    }
    assert len({row["run"] for row in rows}) == len(rows)
    sizes = [row["size"] for row in arms["penalties"]]
    assert {row["live_units"] for row in arms["static_same"]} == {int(np.median(sizes))}
    assert {row["live_units"] for row in arms["static_wide"]} == {800}
    frontier = next(row for row in summary["results"] if row["arm"] == "penalties")
    assert frontier["size"]["median"] == pytest.approx(np.median(sizes))
    assert frontier["static_units"] == int(np.median(sizes))
    for title in ("starts", "frontier", "prices"):
        assert matplotlib.image.imread(tmp_path / "r" / f"{title}_corrected_digits.png").shape[0] > 300
    status, again, _ = command(*arguments)
    assert status == 0 and "holds the finished run" in again


def test_original_ignores_the_start_and_decays_no_static_network():
    flags = flexible.LearnedSizeFlags(**flexible.PRESETS["smoke"], optimizer="adamax")
    setup = Setup(flags, load("digits", form="original"), "original", 5)
    starts, penalties, *broken = flexible.batches(setup)
    assert [len(batch) for batch in (starts, penalties, *broken)] == [2 * 2 * 2, 2 * 2 * 2, 4, 4, 8, 8]
    runs = [label["run"] for batch in (starts, penalties, *broken) for label in batch.labels]
    assert runs == list(range(5, 5 + len(runs)))
    assert {label["start_size"] for label in starts.labels} == {0, 60}
    assert {label["slope"] for label in starts.labels} == {0.4}  # the first alone
    assert {float(starts.init(index)["hidden"][0]["size"]) for index in range(len(starts))} == {1}
    rows = [
        {**label, "epoch": 2, "size_per_layer": [size]}
        for label, size in zip(penalties.labels, (30.9, 32.5, 70.2, 71.0, 20.0, 21.0, 0.5, -9.0), strict=True)
    ]
    learned = {penalties.name: (penalties, Trained(rows, []))}
    static = flexible.followers(setup._replace(first_run=100), learned)
    labels = [label for batch in static for label in batch.labels]
    assert sorted(label["run"] for label in labels) == list(range(100, 100 + len(labels)))
    widths = {(label.get("penalty"), label["weight_decay"]): label["live_units"] for label in labels}
    assert widths == {(1e-3, 1e-3): 31, (1e-5, 1e-3): 70, (1e-3, 0): 20, (1e-5, 0): 1, (None, 0): 200}
    assert all((batch.hparams.weight_decay == 0).all() for batch in static)


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "sgd"])
def test_static_networks_are_moved_as_flexible_ones(optimizer):
    """Two steps on the same gradient, against the optimiser of the flexible batch."""
    flags = flexible.LearnedSizeFlags(**flexible.PRESETS["smoke"], optimizer=optimizer)
    setup = Setup(flags, load("digits", form="corrected"), "corrected")
    batches = flexible.batches(setup)
    (static, *_) = flexible.followers(setup, {})
    hparams = Hparams(learning_rate=1e-3, weight_decay=1e-2)
    moved = []
    for batch in (batches[0], static):
        layer = {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}
        params = {"hidden": [layer], "output": layer}
        optimizer_of = batch.learner.optimizer(hparams)
        state = optimizer_of.init(params)
        for scale in (1.0, -3.0):
            gradient = jax.tree.map(lambda leaf, scale=scale: scale * leaf, params)
            updates, state = optimizer_of.update(gradient, state, params)
        moved.append(updates)
    chex.assert_trees_all_equal(*moved, strict=True)


def test_static_networks_have_the_median_size():
    assert static_widths([[3.9, 10.0], [5.0, 11.9], [4.2, 12.0]]) == (4, 11)
    assert static_widths([[-30.0], [-20.0]]) == (1,)
    assert static_widths([[7.5], [float("nan")], [None]]) == (7,)
    assert static_widths([[float("nan")]]) == ()


def test_slopes_and_rank_correlations_of_lines():
    starts = np.array([0.0, 10, 30])
    lines = np.array([5 + 0.5 * starts, [7, 7, 7], [1, 2, np.nan], -(starts**2)])
    np.testing.assert_allclose(flexible_report.slopes(starts, lines)[:2], [0.5, 0], atol=1e-12)
    np.testing.assert_allclose(flexible_report.rank_correlations(starts, lines), [1, 0, np.nan, -1])


class Made:
    """Runs whose final size is `slope` times the start + 50, and whose accuracy falls with the start if `falls`."""

    def __init__(self, slope, falls, datasets=("digits",)):
        self.slope, self.falls = slope, falls
        self.settings = {"dataset": datasets, "depth": 1, "num_seeds": 8}

    def values(self, name, **where):
        known = {"start_size": [0.0, 10.0, 20.0, 30.0], "slope": [0.4], "weight_decay": [0.0], "penalty": [1e-5]}
        return known.get(name, [40])

    def score(self, dataset, split="test"):
        return f"{split}_accuracy", 1

    def last(self, name, **where):
        seeds = np.arange(8)
        if name == "size":
            return 50 + 0.1 * seeds + self.slope * where.get("start_size", 0) + 20.0 * (where["dataset"] == "mnist")
        return 0.9 + 1e-3 * seeds + (-1 if self.falls else 1) * 1e-3 * where.get("start_size", 0)

    def difference(self, name, one, other, **where):
        return Runs.difference(self, name, one, other, **where)  # type: ignore[arg-type]

    num_seeds = 8


@pytest.mark.parametrize(("slope", "independent", "sticks"), [(0.02, "holds", "open"), (1.0, "refuted", "holds")])
def test_start_claims_follow_the_slope(slope, independent, sticks):
    runs = Made(slope, falls=True)
    assert flexible_report.independent(runs, "corrected")["verdict"] == independent  # type: ignore[arg-type]
    claim = flexible_report.grows_and_sticks(runs, "corrected")  # type: ignore[arg-type]
    assert claim["verdict"] == sticks
    assert claim["parts"][1]["estimate"] == pytest.approx(50.35 + (slope - 1) * 15)
    for judge in (flexible_report.grows_and_sticks, flexible_report.uncorrelated):
        assert judge(runs, "original")["verdict"] == "not tested"  # type: ignore[arg-type]


@pytest.mark.parametrize(("falls", "outcome"), [(True, "holds"), (False, "refuted")])
def test_accuracy_against_the_start(falls, outcome):
    claim = flexible_report.uncorrelated(Made(0.0, falls), "corrected")  # type: ignore[arg-type]
    assert claim["verdict"] == outcome and abs(claim["parts"][0]["estimate"]) == 1


def test_sizes_of_the_two_sets_are_paired():
    claim = flexible_report.larger_on_mnist(Made(0.0, True, ("mnist", "fashion_mnist")), "corrected")  # type: ignore[arg-type]
    assert claim["verdict"] == "holds" and claim["parts"][0]["estimate"] == pytest.approx(20)
