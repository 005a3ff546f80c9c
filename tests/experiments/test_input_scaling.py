"""The command `python -m experiments.input_scaling`: every recipe in one program, the answers and the pictures."""

import json

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments import input_scaling
from experiments.input_scaling import table as input_scaling_table
from experiments.input_scaling.recipes import RECIPES
from jaxsize.results import BatchRows
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.studies import Arms

COMMAND = input_scaling.COMMAND
SMALL = ["--smoke", "--dataset", "digits", "--width", "20", "--batch-size", "500", "--epochs", "3"]
SMALL += ["--long-epochs", "5", "--sweep-scales", "16"]


@pytest.fixture
def study(command, tmp_path):
    """(folder, summary, what was printed) of a smoke run in which R1 overflows at the first scale."""
    arguments = [*SMALL, "--scales", "1e12", "256", "--tuned", "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "")
    status, again, _ = command(*arguments)
    assert status == 0 and "holds the finished run" in again
    return tmp_path / "r", json.loads((tmp_path / "r" / "summary.json").read_text()), printed


def test_smoke_answers_its_claims_from_its_runs(study):
    folder, summary, printed = study
    rows = rows_of(folder)
    # R0, ten recipes at two scales, R1, R2 and R8 at a third; R0 and R2 for two epochs more; in the corrected form
    # eleven recipes at one scale and four rates, and 3 x 2 tuned networks.
    original, corrected = (1 + 10 * 2 + 3) * 3 + (1 + 2) * 2, (11 * 4 + 6) * 3
    assert len(rows) == 2 * (original + corrected)
    events = BatchRows(folder / "events").read()
    # one program for all recipes and scales, and that of the runs that go on alone
    assert [event["compiled"] for event in events if event["event"] == "programs"] == [2, 1, 1]
    ends = {
        (row["form"], row["arm"], row["input_scale"], row["seed"]): row
        for row in rows
        if row.get("rate_factor") == 1.0 and row["epoch"] == 3
    }
    for form in ("original", "corrected"):
        claims = summary["claims"][form]
        assert set(claims) == {"C45", *(f"C46{part}" for part in "abcdefgh"), "C47"}
        untested = {"C46h"} if form == "original" else {"C46b", "C46h"}  # the latter is of CIFAR-10
        assert {name for name in claims if claims[name]["verdict"] == "not tested"} == untested
        assert {claims[name]["verdict"] for name in claims if name not in untested} == {"open"}  # two seeds
    for seed in (0, 1):  # the twin at a power of two is R0 in every number of its rows
        reference, twin = (ends["original", *which, seed] for which in (("R0", 1.0), ("R8", 256.0)))
        for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
            assert reference[name] == twin[name] is not None
    (part,) = [part for part in summary["claims"]["original"]["C47"]["parts"] if part["of"].startswith("losses that")]
    assert (part["estimate"], part["verdict"]) == (0, "refuted")
    overflowed, first_steps, growth = summary["tables"].values()
    assert {row["arm"] for row in first_steps} == set(RECIPES)
    assert {row["scale"] for row in growth} == {16, 256, 1e12}
    assert [row["step_1"] for row in growth if row["scale"] == 256] == [0]
    assert "Loss not finite: the first such step" in printed
    assert {row["run"] for row in summary["not_finite"]} <= {row["run"] for row in overflowed}
    asked = {(row["arm"], row["input_scale"]) for row in overflowed if row["form"] == "original"}
    assert asked == {("R1", 1e12), ("R4", 1e12)}
    assert "C46a, corrected" in printed
    pictures = [picture["file"] for picture in summary["pictures"]]
    drawn = [(name, form) for name in ("curves", "first_steps") for form in ("original", "corrected")]
    drawn += [("scales", "original"), ("twin", "original")]
    assert pictures == [f"{name}_digits_{form}.png" for name, form in drawn]
    assert all(matplotlib.image.imread(folder / file).shape[0] > 300 for file in pictures)
    numbers_are_of_the_runs(Arms.of(Runs(Folder(folder, "finished"), summary["settings"])), summary, rows)


def numbers_are_of_the_runs(arms, summary, rows):
    arms = arms.at(form="original")
    overflowing, longest = arms["R1"].at(input_scale=1e12), arms["R2"].at(input_scale=256.0)
    assert input_scaling_table.accuracy(overflowing).tolist() == [0.1, 0.1]  # it guesses
    assert longest.curve("epoch").shape == (2, 5) and longest.steps("loss").shape == (2, 15)
    original = f"{np.median(arms['R0'].curve('test_accuracy')[:, 2]):.4f}"
    assert f"digits, original form: the network's test accuracy was {original} with" in summary["answer"][0]
    cell = {"form": "original", "arm": "R2", "input_scale": 256.0}
    of_r2 = [row for row in summary["results"] if cell.items() <= row.items()]
    assert [row["epochs"] for row in of_r2] == [3, 5]
    for row in of_r2:
        shown = [r["test_accuracy"] for r in rows if cell.items() <= r.items() and r["epoch"] == row["epochs"]]
        assert row["test_accuracy"]["median"] == pytest.approx(np.median(shown), abs=1e-6)
    steps = arms["R0"].steps("zero_outputs")
    assert steps.shape == (2, 5 * 3) and (steps == 0).all()  # 1438 rows, 500 to a step
    assert np.isnan(input_scaling_table.zero_from(steps)).all()
    tuned = [row for row in summary["results"] if row["arm"] == "tuned"]
    assert len(tuned) == 6
    for result in tuned:
        names = ("arm", "learning_rate", "weight_decay")
        scores = []
        for seed in (0, 1):
            path = [row for row in rows if row["seed"] == seed and all(row.get(n) == result[n] for n in names)]
            scores.append(max(path, key=lambda row: (row["validation_accuracy"], -row["epoch"]))["test_accuracy"])
        assert result["test_accuracy"]["median"] == pytest.approx(np.median(scores))


def test_the_step_from_which_outputs_are_0_is_the_first_of_the_last_stretch():
    lines = np.array([[0, 1, 0, 1, 1], [1, 1, 1, 1, 1], [0, 0, 0, 0, 1], [1, 1, 1, 1, 0]], float)
    np.testing.assert_array_equal(input_scaling_table.zero_from(lines), [4, 1, 5, np.nan])
