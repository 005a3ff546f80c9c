"""The command `python -m experiments.pretraining`."""

import json
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments import pretraining
from jaxsize.statistics import claim

COMMAND = pretraining.COMMAND
SMALL = ["--num-seeds", "2", "--width", "24", "--epochs", "2", "--pretrain-epochs", "0", "2", "--batch-size", "256"]


def test_smoke_answers_its_claim_and_resumes(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--batch-size", "128", "--out", str(folder))
    assert (status, error) == (0, "") and "C24, original" in printed and "C24, corrected" in printed
    summary, rows = json.loads((folder / "summary.json").read_text()), rows_of(folder)
    assert len(rows) == 2 * 2 * (1 + 2 + 3 * 3)  # forms x seeds x (epochs before, and three after any number of them)
    assert len({row["run"] for row in rows}) == 2 * 2 * (2 + 3)
    for row in rows:  # the first phase holds the size at the width
        assert row["arm"] == "training" or (row["size"] == 40 and row["pretrain_epochs"] in (1, 2))
    for form in ("original", "corrected"):
        results = [row for row in summary["results"] if row["form"] == form]
        assert [row["pretrain_epochs"] for row in results] == [0, 1, 2]
        parts = summary["claims"][form]["C24"]["parts"]
        assert summary["claims"][form]["C24"]["verdict"] == "open"  # two seeds settle nothing
        assert len(parts) == 4 and not any("uninformative" in part for part in parts)
        assert summary["claims"][form]["C24, loss"]["verdict"] == "not decided"  # by "the same on average"
        assert len(summary["claims"][form]["C24, loss"]["parts"]) == 6
    assert matplotlib.image.imread(folder / "pretraining_digits.png").shape[0] > 300

    status, printed, error = command("--smoke", "--batch-size", "128", "--out", str(folder), "--resume")
    assert (status, error) == (0, "") and "holds the finished run" in printed


def test_second_phase_starts_at_size_0_with_the_weights_of_the_first(command, tmp_path):
    """Where nothing is learned, both numbers of epochs end with the drawn weights, at size 0; where something is, two
    epochs before help."""
    rates = ["--learning-rate", "1e-20", "--size-learning-rate", "1e-20", "--form", "corrected"]
    folder = tmp_path / "frozen"
    assert command(*SMALL, *rates, "--out", str(folder))[0] == 0
    ends = {(row["arm"], row["pretrain_epochs"], row["seed"]): row for row in rows_of(folder) if row["epoch"] == 2}
    for seed in (0, 1):
        drawn, trained = (ends["training", epochs, seed] for epochs in (0, 2))
        assert abs(drawn["size"]) < 1e-6 and abs(trained["size"]) < 1e-6
        assert drawn["train_loss"] == trained["train_loss"] != ends["pre-training 2", 2, seed]["train_loss"]
    folder = tmp_path / "trained"
    assert command(*SMALL, "--form", "corrected", "--out", str(folder))[0] == 0
    ends = {(row["arm"], row["pretrain_epochs"], row["seed"], row["epoch"]): row for row in rows_of(folder)}
    for seed in (0, 1):
        assert ends["training", 2, seed, 1]["train_loss"] < ends["training", 0, seed, 1]["train_loss"]


def ended(sizes, losses) -> Any:
    """Make an arm whose runs ended so, by the number of epochs before."""

    def view(epochs):
        ends = {"size": sizes[epochs], "test_loss": losses[epochs]}
        return SimpleNamespace(end=ends.get, steps_by_epoch=lambda key: losses[epochs][:, None, None])

    def matrix(column, over):
        return np.stack(list(sizes.values()), 1)

    return SimpleNamespace(by=lambda setting: {epochs: view(epochs) for epochs in sizes}, matrix=matrix)


def test_claim_parts_on_sizes_and_losses_with_known_answers():
    def parts_of(sizes):
        return list(pretraining.smaller(ended(sizes, losses)))

    base = np.random.default_rng(0).normal(size=8)
    sizes = {0: 200 + base, 5: 150 + base, 10: 120 + base}
    losses = {0: np.exp(0.01 * base), 5: 1.02 * np.exp(0.01 * base), 10: 2 * np.exp(0.01 * base)}
    parts = parts_of(sizes)
    assert [verdict.outcome for _, _, verdict in parts] == ["holds"] * 4
    assert [part[1].estimate for part in parts] == pytest.approx([-1, -50, -80, -30])
    assert parts[1][0] == {"of": "end size", "epochs_before": 5, "against": 0}
    two = parts_of({0: sizes[0], 5: sizes[5]})
    assert [label["of"] for label, *_ in two].count("end size") == 1  # two numbers have no trend
    reverse = parts_of({0: sizes[10], 5: sizes[5], 10: sizes[0]})
    assert {verdict.outcome for _, _, verdict in reverse} == {"refuted"}

    ratios = list(pretraining.same_loss(ended(sizes, losses)))
    assert [ratio.estimate for _, ratio, _ in ratios] == pytest.approx([1.02, 2, 2 / 1.02] * 2)
    assert {ratio.p_value for _, ratio, _ in ratios} == {None}  # no margin of ours decides
    assert {verdict.outcome for _, _, verdict in ratios} == {"not decided"}
    assert claim("", parts)["verdict"] == "holds" and claim("", ratios)["verdict"] == "not decided"


def test_late_spread_is_over_the_second_half_of_the_epochs():
    losses = np.exp([[9.0, 7.0, 1.0, 3.0], [0.0, 5.0, 2.0, 2.0]])
    arm: Any = SimpleNamespace(steps_by_epoch=lambda key: losses[..., None])
    np.testing.assert_allclose(pretraining.late_spread(arm), [1, 0], atol=1e-12)
