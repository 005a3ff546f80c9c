"""The command `python -m experiments.adam_noise`."""

import json
from types import SimpleNamespace
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments import adam_noise

COMMAND = adam_noise.COMMAND
ARMS = ["Adam", "Adam, size rate 0.1", "Adamax"]


def test_smoke_answers_its_claim_and_resumes(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--batch-size", "128", "--out", str(folder))
    assert (status, error) == (0, "") and "C25a, original" in printed and "C25a, corrected" in printed
    summary, rows = json.loads((folder / "summary.json").read_text()), rows_of(folder)
    assert len(rows) == 2 * 3 * 2 * 6 and len({row["run"] for row in rows}) == 2 * 3 * 2  # forms x arms x seeds
    for form in ("original", "corrected"):
        results = [row for row in summary["results"] if row["form"] == form]
        assert [row["arm"] for row in results] == ARMS
        assert all(row["max_over_min_loss"] > 1 and row["noise_of_log_loss"]["median"] > 0 for row in results)
        for name, less in (("C25a", "Adamax"), ("C25a, size", "Adam, size rate 0.1")):
            claim = summary["claims"][form][name]
            assert claim["verdict"] == "open" and {part["epochs"] for part in claim["parts"]} == {"4 to 6"}
            assert {part["against"] for part in claim["parts"]} == {less}
            assert ["uninformative" in part for part in claim["parts"]] == [False, True]
            assert claim["parts"][0]["reason"].startswith("the journal saw the noise after epoch 30")
    assert matplotlib.image.imread(folder / "adam_noise_digits.png").shape[0] > 300
    for seed in (0, 1):  # the rates of the size differ, the weights and the orders of rows do not
        fast, slow = (
            [row["size"] for row in rows if (row["form"], row["seed"], row["size_learning_rate"]) == key]
            for key in (("original", seed, 1.0), ("original", seed, 0.1))
        )
        assert abs(slow[0]) < abs(fast[0])

    status, printed, error = command("--smoke", "--batch-size", "128", "--out", str(folder), "--resume")
    assert (status, error) == (0, "") and "holds the finished run" in printed


def test_noise_is_what_a_steady_fall_has_none_of():
    epochs = np.arange(10.0)
    zigzag = np.where(epochs % 2, 1.0, -1.0)
    values = np.stack([-0.3 * epochs, -0.3 * epochs + 0.5 * zigzag, np.where(epochs < 4, 100 * zigzag, 0)])

    def noise(after_epoch):
        settings = {"after_epoch": after_epoch, "epochs": 20}
        arm: Any = SimpleNamespace(settings=settings, curve=lambda column: values)
        return adam_noise.noise_of("size", arm)

    np.testing.assert_allclose(noise(4), [0.0, float(np.std([1, -1, 1, -1, 1])), 0.0], atol=1e-12)
    assert np.isnan(noise(8)).all()


def test_ratio_over_models_leaves_out_those_that_diverged():
    logs = np.log([[1.0, 2.0], [4.0, 2.0], [np.nan, np.nan]])
    np.testing.assert_allclose(np.exp(adam_noise.log_ratio(logs)), [4, 1])
    assert np.isnan(adam_noise.log_ratio(logs[2:])).all()


@pytest.mark.parametrize(("epochs", "before"), [(60, 30), (34, 30), (33, 16), (15, 7), (6, 3)])
def test_late_epochs_come_after_the_30th_or_the_middle(epochs, before):
    assert adam_noise.first_late({"after_epoch": 30, "epochs": epochs}) == before


@pytest.mark.parametrize(("epochs", "outcome"), [(60, "holds"), (34, "holds"), (33, "open")])
def test_claim_is_about_noise_after_epoch_30(epochs, outcome):
    def arm(size) -> Any:
        values = size * np.random.default_rng(0).normal(size=(8, epochs))
        settings = {"after_epoch": 30, "epochs": epochs}
        return SimpleNamespace(
            settings=settings, curve=lambda column: values, steps_by_epoch=lambda key: np.exp(values)[..., None]
        )

    (_, difference, loss), (label, _, _) = adam_noise.adam_is_noisier(arm(2.0), arm(1.0))
    assert loss.outcome == outcome and "uninformative" in label
    assert difference.estimate == pytest.approx(np.median(adam_noise.noise_of("log loss", arm(1.0))))


def test_few_epochs_leave_the_claim_untested(command, tmp_path):
    folder = tmp_path / "r"
    short = ["--smoke", "--epochs", "2", "--batch-size", "128", "--form", "original", "--out", str(folder)]
    assert command(*short)[0] == 0
    claim = json.loads((folder / "summary.json").read_text())["claims"]["original"]["C25a"]
    assert (claim["verdict"], claim["parts"]) == ("not tested", [])
