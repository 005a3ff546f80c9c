"""The command `python -m experiments.flexible`, and what its report makes of made-up runs."""

import dataclasses
import json
import types
from typing import Any

import chex
import jax
import jax.numpy as jnp
import matplotlib.image
import numpy as np
import pytest
from helpers.arms import made_arms
from helpers.experiments import rows_of
from helpers.hparams import flexible_hparams

from experiments.flexible import STUDY, LearnedSizeFlags
from experiments.flexible.claims import CLAIMS, forgets_start, uncorrelated
from experiments.flexible.study import static_widths
from jaxsize.data import load
from jaxsize.studies import Setup
from jaxsize.training._train import Trained

COMMAND = STUDY.command
SMALL = ["--smoke", "--epochs", "1", "--start-sizes", "0", "10", "--penalties", "1e-3", "--batch-size", "512"]
WIDTH = ["--width", "400"]  # so that nothing is widened, which would be compiled anew


def test_smoke_answers_its_claims(command, tmp_path):
    arguments = [
        *SMALL,
        *WIDTH,
        "--form",
        "corrected",
        "--weight-decays",
        "0.01",
        "--slopes",
        "0.4",
        "--out",
        str(tmp_path / "r"),
    ]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and "C13, corrected" in printed and "C18, corrected" in printed
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    claims = summary["claims"]["corrected"]
    both = ["C15b", "C15b, sticks", "C16", "C17", "C17, without L2", "C17, same L2"]
    assert list(claims) == ["C13", "C14", "C15", *both, "C18"]
    assert claims["C13"]["verdict"] == "holds"  # exact, whatever the number of seeds
    assert all(claims[name]["verdict"] == "open" for name in ("C14", "C15", "C15b", "C16"))
    assert claims["C17"]["verdict"] == "not tested"  # the journal has no digits: no part counts
    assert claims["C18"]["verdict"] == "not tested" and "mnist fashion_mnist" in claims["C18"]["reason"]
    rows = rows_of(tmp_path / "r")
    arms = {arm: [row for row in rows if row["arm"] == arm] for arm in {row["arm"] for row in rows}}
    assert {arm: len(of_arm) for arm, of_arm in arms.items()} == {
        "starts": 2 * 2,  # starts x seeds
        "penalties": 2,
        "static": 2,
        "static wide": 2,
        "naive_gate": 2 * 2,
        "stable_gate": 2 * 2,
        "size_price": 4 * 2,
        "integral_price": 4 * 2,
    }
    assert len({row["run"] for row in rows}) == len(rows)
    sizes = [row["size"] for row in arms["penalties"]]
    assert {row["live_units"] for row in arms["static"]} == {int(np.median(sizes))}
    assert {row["live_units"] for row in arms["static wide"]} == {800}
    table = {row["arm"]: row["size"]["median"] for row in summary["results"]}
    assert table["penalties"] == pytest.approx(np.median(sizes)) and table["static"] == int(np.median(sizes))
    assert len(summary["answer"]) == 2 and f"left a size of {np.median(sizes):.3g};" in summary["answer"][1]
    for picture in summary["pictures"]:
        assert matplotlib.image.imread(tmp_path / "r" / picture["file"]).shape[0] > 300
    assert [picture["title"].split(",")[0] for picture in summary["pictures"]] == ["starts", "frontier", "prices"]
    (cut,) = next(iter(summary["tables"].values()))
    assert cut["output_change"]["n"] == 6 and cut["largest"] < 1e-2  # starts and penalties, no specimen
    status, again, _ = command(*arguments)
    assert status == 0 and "holds the finished run" in again


def made_batches(form, **flags):
    """The setup of a smoke, and its first batches."""
    setup = Setup(
        flags=LearnedSizeFlags(**STUDY.presets["smoke"], **flags),
        dataset=load("digits", form=form),
        form=form,
        first_run=5,
    )
    return setup, setup.batches(STUDY.arms(setup))


def test_original_ignores_the_start_and_has_static_networks_without_decay_and_with_it():
    setup, (starts, penalties, *broken) = made_batches("original", optimizer="adamax")
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
    static = setup.batches(STUDY.followers(dataclasses.replace(setup, first_run=100), learned))
    labels = [label for batch in static for label in batch.labels]
    assert sorted(label["run"] for label in labels) == list(range(100, 100 + len(labels)))
    widths = {(label.get("penalty"), label["weight_decay"]): label["live_units"] for label in labels}
    assert widths == {(1e-3, 1e-3): 31, (1e-5, 1e-3): 70, (1e-3, 0): 20, (1e-5, 0): 1, (None, 0): 200}
    same_decay = {(one["penalty"], one["live_units"], one["seed"]) for one in labels if one["arm"] == "static L2"}
    assert same_decay == {(penalty, units, seed) for penalty, units in ((1e-3, 31), (1e-5, 70)) for seed in (0, 1)}
    for batch in static:
        own = [1e-3 if label["arm"] == "static L2" else 0 for label in batch.labels]
        np.testing.assert_array_equal(batch.hparams.weight_decay, np.array(own, np.float32))


@pytest.mark.parametrize(
    ("form", "optimizer"), [("corrected", "adam"), ("corrected", "adamax"), ("corrected", "sgd"), ("original", "adam")]
)
def test_static_networks_are_moved_as_flexible_ones(form, optimizer):
    """Two steps on the same gradient, against the optimiser of the flexible batch: decoupled decay, and coupled."""
    setup, batches = made_batches(form, optimizer=optimizer)
    (static, *_) = setup.batches(STUDY.followers(setup, {}))
    hparams = flexible_hparams(learning_rate=1e-3, weight_decay=1e-2)
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


def test_slopes_and_rank_correlations_over_seeds():
    """A seed with a value that is not finite is lost, and equal values have no correlation."""
    starts = [0.0, 10, 30]
    lines = np.array([5 + 0.5 * np.array(starts), [7, 7, 7], [1, 2, np.nan], -np.square(starts)])
    arm: Any = types.SimpleNamespace(
        values=lambda setting: starts, matrix=lambda column, over: 2 * lines, settings={"depth": 2}
    )
    ((_, slope, _),), ((_, correlation, _),) = forgets_start(arm), uncorrelated(arm)
    expected = np.polyfit(starts, lines[3], 1)[0]
    assert (slope.n, slope.lost, slope.estimate) == (3, 1, pytest.approx(0, abs=1e-12))
    assert (slope.low, slope.high) == (pytest.approx(expected), pytest.approx(0.5))
    assert (correlation.n, correlation.lost, correlation.estimate) == (3, 1, 0)
    assert (correlation.low, correlation.high) == (pytest.approx(-1), pytest.approx(1))


def judge(claim, path, *, slope=0.0, falls=True, datasets=("digits",), form="corrected"):
    """Judge a claim on 8 seeds: final sizes are 50 + slope x start, and accuracies fall with the start or rise.

    On mnist sizes are larger by 20.
    """
    rows = [
        {
            **{"dataset": dataset, "form": form, "arm": arm, "seed": seed, "start_size": start, "slope": 0.4},
            **{"weight_decay": 0.0, "penalty": 1e-5},
            "size": 50 + 0.1 * seed + slope * start + 20.0 * (dataset == "mnist"),
            "test_accuracy": 0.9 + 1e-3 * seed + (-1 if falls else 1) * 1e-3 * start,
        }
        for dataset in datasets
        for arm, starts in (("starts", (0.0, 10.0, 20.0, 30.0)), ("penalties", (0.0,)))
        for start in starts
        for seed in range(8)
    ]
    return CLAIMS[claim].judge(made_arms(path, rows, num_seeds=8, depth=1), form)


@pytest.mark.parametrize(("slope", "outcome"), [(0.02, "refuted"), (0.0, "open"), (-0.5, "refuted")])
def test_any_slope_shows_that_the_start_matters(tmp_path, slope, outcome):
    claim = judge("C15", tmp_path, slope=slope)
    assert claim["verdict"] == outcome and claim["parts"][0]["estimate"] == pytest.approx(slope, abs=1e-12)


@pytest.mark.parametrize(("slope", "outcome"), [(0.5, "holds"), (1.0, "holds"), (-1.0, "open"), (-9.0, "refuted")])
def test_growth_decides_and_no_margin_around_its_slope(tmp_path, slope, outcome):
    """With slope -1 the median over starts grows, and the size from the largest start shrinks."""
    claim = judge("C15b", tmp_path, slope=slope)
    median, smallest = claim["parts"]
    assert claim["verdict"] == outcome
    assert judge("C15b, sticks", tmp_path / "s", slope=slope)["verdict"] == "not decided"
    assert median["estimate"] == pytest.approx(50.35 + (slope - 1) * 15)
    assert smallest["estimate"] == pytest.approx(50.35 + min(0, slope - 1) * 30)


@pytest.mark.parametrize("name", ["C15", "C15b", "C16"])
def test_starts_that_were_ignored_are_not_judged(tmp_path, name):
    assert judge(name, tmp_path, form="original")["verdict"] == "not tested"


@pytest.mark.parametrize(("falls", "outcome"), [(True, "holds"), (False, "refuted")])
def test_accuracy_against_the_start(tmp_path, falls, outcome):
    claim = judge("C16", tmp_path, falls=falls)
    assert claim["verdict"] == outcome and abs(claim["parts"][0]["estimate"]) == pytest.approx(1)


def judge_against_static(name, path, form, better):
    """Judge on 8 seeds how flexible networks do whose accuracy is better than that of each static arm by so much."""
    rows = [
        {
            **{"dataset": dataset, "form": form, "arm": arm, "seed": seed, "weight_decay": decay, "penalty": 1e-5},
            **{"live_units": 40, "test_accuracy": 0.9 + 1e-3 * seed - better.get((dataset, decay), 0.0)},
        }
        for dataset in ("digits", "mnist", "fashion_mnist")
        for decay in (0.0, 1e-3)
        for arm in ("penalties", "static", "static L2")
        for seed in range(8)
    ]
    for row in rows:
        if row["arm"] == "penalties":
            row["test_accuracy"] = 0.9 + 1e-3 * row["seed"]
    return CLAIMS[name].judge(made_arms(path, rows, num_seeds=8, depth=1), form)


@pytest.mark.parametrize(
    ("mnist", "fashion", "outcome"),
    [(0.001, -0.001, "holds"), (-0.001, 0.001, "refuted"), (0.0, -0.001, "open"), (-0.001, -0.001, "open")],
)
def test_static_networks_decide_with_decay_alone(tmp_path, mnist, fashion, outcome):
    """Without decay the flexible networks are far worse here, and on digits anyway: neither counts."""
    better = {("mnist", 1e-3): mnist, ("fashion_mnist", 1e-3): fashion}
    better |= {(dataset, 0.0): -0.1 for dataset in ("digits", "mnist", "fashion_mnist")}
    claim = judge_against_static("C17", tmp_path, "original", better)
    assert claim["verdict"] == outcome
    counting = {(part["dataset"], part["weight_decay"]) for part in claim["parts"] if "uninformative" not in part}
    assert counting == set(better) - {(dataset, 0.0) for dataset in ("digits", "mnist", "fashion_mnist")}
    assert len(claim["parts"]) == 3
    without = judge_against_static("C17, without L2", tmp_path / "without", "original", better)
    assert without["verdict"] == "not decided" and len(without["parts"]) == 3
    assert judge_against_static("C17, same L2", tmp_path / "L2", "original", better)["verdict"] == outcome
    assert judge_against_static("C17, same L2", tmp_path / "decoupled", "corrected", better)["verdict"] == "not tested"


def test_sizes_of_the_two_sets_are_paired(tmp_path):
    claim = judge("C18", tmp_path, datasets=("mnist", "fashion_mnist"))
    assert claim["verdict"] == "holds" and claim["parts"][0]["estimate"] == pytest.approx(20)
