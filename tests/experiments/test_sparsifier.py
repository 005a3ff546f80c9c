"""The command `python -m experiments.sparsifier`: what it leaves in its folder."""

import dataclasses
import json
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import SMALL, rows_of

from experiments.sparsifier import STUDY, SparsifierFlags


def test_smoke_gives_a_person_everything(command, tmp_path):
    out = tmp_path / "results"
    slow = ["--learning-rate", "1e-3", "--gate-learning-rate", "1e-3"]  # gates near 0 die all the same, but not all
    arguments = ["--smoke", "--out", str(out), "--liveness-start", "uniform", "--gate-inputs", *slow]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "")
    assert "digits, corrected form, units left of 16 (medians over seeds): " in printed and "C26" in printed
    rows = rows_of(out)
    assert len(rows) == 3 * (3 * 2 + 3 * 2)  # epochs x (3 penalties x 2 seeds, learned and from scratch)
    columns = {"dataset", "run", "seed", "epoch", "penalty", "train_loss", "train_accuracy", "validation_accuracy"}
    columns |= {"test_accuracy", "live_units", "live_units_per_layer", "parameters", "arm", "start_width"}
    assert all(columns <= set(row) for row in rows)
    assert all(0 < row["live_inputs"] <= 64 for row in rows if row["arm"] == "learned")
    config = json.loads((out / "config.json").read_text())
    assert config["config"]["epochs"] == 3 and config["versions"]["jax"] and config["device"]["count"] == 4
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["claims"]["corrected"]) == {"C26", "C27", "C28", "C29", "C30"}
    final = [
        row["test_accuracy"] for row in rows if row["epoch"] == 3 and row["penalty"] == 0.1 and row["arm"] == "learned"
    ]
    (result,) = [result for result in summary["results"] if result["penalty"] == 0.1]
    last = {(row["arm"], row["penalty"], row["seed"]): row["test_accuracy"] for row in rows if row["epoch"] == 3}
    for name, other in (("unpenalised", ("learned", 0)), ("from_scratch", ("from_scratch", 0.1))):
        gains = np.subtract(final, [last[*other, seed] for seed in (0, 1)])
        assert result[f"gain_over_{name}"]["estimate"] == pytest.approx(np.median(gains), abs=1e-6)
    assert result["test_accuracy"]["median"] == pytest.approx(np.median(final)) and result["test_accuracy"]["n"] == 2
    for picture in ("curves", "sizes", "deaths", "gates"):
        image = matplotlib.image.imread(out / f"{picture}_digits_corrected_16.png")
        assert image.shape[0] > 300 and image[..., :3].std() > 0.02
    steps = np.load(out / "steps" / "digits.corrected.learned.16.observed.npy")
    assert steps.shape == (6, 3 * 40) and np.all(np.diff(steps) <= 0) and steps.max() <= 16
    assert steps[:, -1].tolist() == [
        row["live_units"]
        for row in rows
        if row["arm"] == "learned" and row["epoch"] == 3  # units, not inputs
    ]

    again = command(*arguments)
    assert again[0] == 0 and "finished" in again[1] and rows_of(out) == rows


def test_original_form_two_sets_and_two_starts_answer_more_claims(command, tmp_path):
    arguments = ["--form", "original", "--dataset", "digits", "add10", "--start-widths", "8", "12"]
    status, printed, error = command("--smoke", "--epochs", "2", "--out", str(tmp_path / "r"), *arguments)
    assert (status, error) == (0, "")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert summary["claims"]["original"]["C30"]["verdict"] == "open"  # two seeds settle nothing
    assert "needs --dataset mnist fashion_mnist" in " ".join(printed.split())
    rows = rows_of(tmp_path / "r")
    assert "validation_accuracy" not in rows[0]  # the original has no validation rows
    assert {"test_error", "test_noiseless_error"} <= set(next(row for row in rows if row["dataset"] == "add10"))
    assert (tmp_path / "r" / "comparison_original.png").exists()


def test_control_has_the_width_found(command, tmp_path):
    out = tmp_path / "r"
    command(*SMALL, "--epochs", "6", "--learning-rate", "0.01", "--liveness-start", "uniform", "--out", str(out))
    rows = rows_of(out)
    final = {row["run"]: row for row in rows if row["epoch"] == 6}
    controls = [row for row in final.values() if row["arm"] == "from_scratch"]
    assert any(0 < row["live_units"] < 12 for row in controls)  # otherwise this test shows nothing
    for row in controls:
        partner = final[row["partner"]]
        assert [row[key] for key in ("seed", "live_units", "parameters")] == [
            partner[key] for key in ("seed", "live_units", "parameters")
        ]


def test_run_that_diverges_is_reported_and_poisons_no_other(command, tmp_path, monkeypatch):
    def diverging(setup):
        batches: Any = STUDY.arms(setup)
        (batch,) = batches
        rates = np.where(np.arange(len(batch)) == 1, 1e38, 1e-3).astype(np.float32)
        return [dataclasses.replace(batch, hparams={**batch.hparams, "learning_rate": rates})]

    study = dataclasses.replace(STUDY, arms=diverging).command
    status, printed, _ = command(*SMALL, "--epochs", "3", "--out", str(tmp_path / "r"), study=study)
    assert status == 0 and "Loss not finite, left out: run 1, dataset digits" in printed
    diverged = {row["run"] for row in rows_of(tmp_path / "r") if row["train_loss"] is None}
    assert diverged == {1}
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    for result in summary["results"]:  # it is lost, whatever the accuracy of outputs that are NaN
        left = 2 if result["penalty"] else 1
        assert [result[name]["n"] for name in ("test_accuracy", "live_units")] == [left, left]
    (gain,) = summary["claims"]["corrected"]["C27"]["parts"]
    assert gain["n"] == 1 and "1 of 2" in gain["note"]
    command(*SMALL, "--epochs", "3", "--out", str(tmp_path / "healthy"))
    beside, healthy = ([r for r in rows_of(tmp_path / name) if r["run"] in (0, 2, 3)] for name in ("r", "healthy"))
    assert beside == healthy


@pytest.mark.parametrize("dataset", ["digits", "add10"])
def test_study_in_which_every_run_diverges_ends_with_a_report(command, tmp_path, dataset):
    arguments = ["--smoke", "--dataset", dataset, "--learning-rate", "1e29", "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and printed.count("Loss not finite, left out") == 6
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    assert {claim["verdict"] for claim in summary["claims"]["corrected"].values()} <= {"open", "not tested"}
    assert (tmp_path / "r" / f"curves_{dataset}_corrected_16.png").exists()


@pytest.mark.parametrize("rule", ["threshold", "sign_variance"])
def test_signed_gates_shrink_too(command, tmp_path, rule):
    """Without more flags: signed gates die by threshold, and sign_variance takes the steps that it can see."""
    given = ["--gate", "signed", "--gate-inputs", *(["--death-rule", rule] if rule != "threshold" else [])]
    arguments = ["--sign-decay", "0.9", "--learning-rate", "0.01", "--liveness-start", "uniform"]
    status, _, error = command(*SMALL, "--epochs", "6", *given, *arguments, "--out", str(tmp_path / "r"))
    assert (status, error) == (0, "")
    config = json.loads((tmp_path / "r" / "config.json").read_text())["config"]
    assert (config["gate"], config["death_rule"], config["gate_step"]) == ("signed", rule, None)
    flags = SparsifierFlags(gate="signed", death_rule=rule)
    assert flags.sparsifier("corrected").gate_step == {"threshold": "proximal", "sign_variance": "gradient"}[rule]
    ends = [row for row in rows_of(tmp_path / "r") if row["epoch"] == 6 and row["arm"] == "learned"]
    assert any(0 < row["live_units"] < 12 for row in ends if row["penalty"]) and all(row["live_inputs"] for row in ends)
    observed = np.load(tmp_path / "r" / "steps" / "digits.corrected.learned.12.observed.npy")
    assert np.issubdtype(observed.dtype, np.integer) and (np.diff(observed) <= 0).all()
