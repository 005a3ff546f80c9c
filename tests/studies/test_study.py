"""A study of an own network on own arrays, in a file of its own: from the flags to the report."""

import functools
import importlib.resources
import json
import sys

import jax.numpy as jnp
import jsonschema
import numpy as np
import optax
import pytest
from helpers.experiments import rows_of

from jaxsize import plots
from jaxsize.data import Dataset, Split
from jaxsize.learners import TASKS, supervised
from jaxsize.studies import Arm, Claim, Study, TrainingFlags, above, columns, each, gain, per, versus
from jaxsize.sweeps import setting_sweep

SCHEMA = json.loads(importlib.resources.files("jaxsize.studies").joinpath("summary.schema.json").read_text())
RATES = {"fast": 0.1, "slow": 0.001}
INPUTS = np.linspace(-1, 1, 64, dtype="f4")[:, None]
TARGETS = 3 * INPUTS[:, 0]


def init(seed):
    return {"slope": np.full((1, 1), seed, "f4")}


def data(flags, form):
    rows = Split(INPUTS, TARGETS)
    scaling = {"input_scale": np.float32(1), "input_shift": np.float32(0), "input_shape": (1,)}
    sets = {"train": rows, "validation": None, "test": rows}
    return [Dataset(name="line", task="regression", num_outputs=1, source="made here", **sets, **scaling)]


def arms(setup):
    learner = supervised(
        lambda params, x: x @ params["slope"], TASKS["regression"], lambda h: optax.sgd(h.learning_rate)
    )
    make = functools.partial(setting_sweep, init=init, learner=learner)
    for name, rate in RATES.items():
        yield Arm(name, {"learning_rate": rate}, make)


def faster(fast, slow):
    yield above(gain(fast, slow))


@per("dataset", "arm")
def curve(arms):
    """Draw the test error against epochs."""
    figure, panels = plots.subplots(1, 1, width=2)
    panels[0, 0].plot(arms[0].curve("test_error")[0])
    return figure


def study(**more):
    claims = {
        "A": Claim("fast ends better", versus("fast", "slow"), faster),
        "B": Claim("no such arm", each("none"), faster, "needs another arm"),
    }
    fields = {"name": "line", "flags": TrainingFlags, "presets": {"smoke": {"num_seeds": 2}}, "data": data}
    fields |= {
        "arms": arms,
        "table": columns("train_loss", "test_score"),
        "claims": claims,
        "pictures": {"curve": curve},
    }
    return Study(**fields | more)


def expected_error(seed, rate, epochs):
    """The error after plain gradient descent with whole batches: the slope's distance from 3 shrinks by a factor."""
    square = float(np.mean(INPUTS.astype(float) ** 2))
    return ((seed - 3) * (1 - 2 * rate * square) ** epochs) ** 2 * square


def test_a_study_of_an_own_network_does_all_by_itself(command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["line.py"])
    mine = study(answer=lambda arms: [f"{len(arms)} arms ended at {arms['fast'].end('test_error').max():.3g}."])
    flags = ["--num-seeds", "6", "--epochs", "5", "--batch-size", "64"]
    status, printed, error = command(*flags, study=mine)
    assert (status, error) == (0, "")
    folder = tmp_path / "results" / "line"
    summary = json.loads((folder / "summary.json").read_text())
    jsonschema.Draft202012Validator(SCHEMA).validate(summary)
    ends = {(row["arm"], row["seed"]): row["test_error"] for row in rows_of(folder) if row["epoch"] == 5}
    assert len(ends) == 12
    for (arm, seed), value in ends.items():
        assert value == pytest.approx(expected_error(seed, RATES[arm], 5), rel=1e-4)
    gains = [ends["slow", seed] - ends["fast", seed] for seed in range(6)]  # less of an error is better
    judged = summary["claims"]["corrected"]
    assert judged["A"]["parts"][0]["estimate"] == pytest.approx(np.median(gains))
    assert (judged["A"]["verdict"], judged["B"]["verdict"], judged["B"]["reason"]) == (
        "open",
        "not tested",
        "needs another arm",
    )
    assert [row["arm"] for row in summary["results"]] == ["fast", "slow"]
    assert summary["results"][1]["test_error"]["median"] == pytest.approx(
        np.median([ends["slow", s] for s in range(6)])
    )
    assert [picture["file"] for picture in summary["pictures"]] == ["curve_line_fast.png", "curve_line_slow.png"]
    assert all((folder / picture["file"]).exists() for picture in summary["pictures"])
    assert summary["command"] == "python line.py --num-seeds 6 --epochs 5 --batch-size 64"
    assert printed.startswith("2 arms ended at") and "A, corrected: fast ends better" in printed
    assert "<h1>" in (folder / "report.html").read_text()
    (folder / "summary.json").unlink()  # as if it was killed before the end: nothing is trained again
    status, again, _ = command(*flags, "--resume", study=mine)
    assert status == 0 and again == printed
    assert json.loads((folder / "summary.json").read_text()) == summary


def test_rounds_go_on_until_there_is_nothing_more_and_are_resumed(command, tmp_path):
    """A search: the rate is doubled until every run ends below an error of .01."""
    learner = supervised(
        lambda params, x: x @ params["slope"], TASKS["regression"], lambda h: optax.sgd(h.learning_rate)
    )
    make = functools.partial(setting_sweep, init=init, learner=learner)

    def rounds(setup, learned):
        batch, trained = list(learned.values())[-1]
        rate = float(batch.hparams.learning_rate[0])
        if max(row["test_error"] for row in trained.rows if row["epoch"] == 5) > 0.01:
            yield Arm(f"rate {2 * rate:g}", {"learning_rate": 2 * rate}, make)

    first = [Arm("rate 0.01", {"learning_rate": 0.01}, make)]
    mine = study(arms=lambda setup: first, rounds=rounds, claims={}, pictures={})
    flags = ["--num-seeds", "2", "--epochs", "5", "--batch-size", "64", "--out", str(tmp_path / "r")]
    assert command(*flags, study=mine)[0] == 0
    rates = [0.01]
    while expected_error(0, rates[-1], 5) > 0.01:  # the run of seed 0 starts farthest from 3
        rates.append(2 * rates[-1])
    assert len(rates) > 3
    rows = rows_of(tmp_path / "r")
    assert [row["arm"] for row in rows if row["epoch"] == 5 and not row["seed"]] == [f"rate {rate:g}" for rate in rates]
    assert sorted({row["run"] for row in rows}) == list(range(2 * len(rates)))
    before = (tmp_path / "r" / "summary.json").read_text()
    (tmp_path / "r" / "summary.json").unlink()
    assert command(*flags, "--resume", study=mine)[0] == 0
    assert (tmp_path / "r" / "summary.json").read_text() == before


def test_what_too_few_seeds_cannot_settle_is_said_before_and_after_training(command, tmp_path):
    status, printed, _ = command("--num-seeds", "2", "--epochs", "1", "--out", str(tmp_path / "r"), study=study())
    assert status == 0
    assert printed.startswith("A, B: cannot be settled with 2 seeds (where tested); --num-seeds 6 can")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert summary["claims"]["corrected"]["A"]["settle"] == "6 seeds: --num-seeds 6"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--full"], "python line.py: --full: this study has no such preset"),
        (["--dataset", "digits"], "python line.py: Unrecognized"),
        (["--epochs", "0"], "python line.py: --epochs: expected whole numbers from 1 on, got 0"),
        (["--batch-size", "65"], "python line.py: --batch-size: line has 64 train rows, got 65"),
    ],
)
def test_wrong_flags_of_an_own_study_are_one_line(command, tmp_path, monkeypatch, arguments, line):
    monkeypatch.setattr(sys, "argv", ["line.py"])
    status, printed, error = command(*arguments, "--out", str(tmp_path / "r"), study=study())
    assert (status, printed) == (2, "")
    assert error.startswith(line) and error.count("\n") == 1
    assert not (tmp_path / "r").exists()


def test_arms_trained_together_are_those_in_a_row_with_the_same_make(tmp_path):
    from jaxsize.studies import Setup

    flags = TrainingFlags(num_seeds=2, epochs=1, batch_size=64)
    setup = Setup(flags=flags, dataset=data(flags, "corrected")[0], form="corrected", first_run=3)
    one, other = (list(arms(setup)) for _ in range(2))
    batches = setup.batches([*one, *other])
    assert [len(batch) for batch in batches] == [4, 4]
    assert [label["run"] for batch in batches for label in batch.labels] == list(range(3, 11))
    assert [label["arm"] for label in batches[0].labels] == ["fast", "fast", "slow", "slow"]
    assert np.allclose(batches[0].hparams.learning_rate, [0.1, 0.1, 0.001, 0.001])
    assert jnp.asarray(batches[1].init(1)["slope"]).item() == 1  # the parameters of seed 1
