"""The command `python -m experiments.random_slope`, and how its runs are read."""

import json

import matplotlib.image
import numpy as np
import pytest
from helpers.experiments import rows_of

from experiments import random_slope
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs

COMMAND = random_slope.COMMAND
SMALL = ["--smoke", "--epochs", "4", "--width", "30", "--batch-size", "256"]


def test_smoke_answers_its_claims_from_its_runs(command, tmp_path):
    folder, arguments = tmp_path / "r", [*SMALL, "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "")
    summary = json.loads((folder / "summary.json").read_text())
    rows = rows_of(folder)
    assert len(rows) == 4 * 2 * ((2 + 1 + 1) + (2 + 1 + 3))  # epochs x seeds x arms in both forms
    for form in ("original", "corrected"):
        claims = summary["claims"][form]
        assert set(claims) == {"C21", "C22", "C23"}
        assert claims["C23"]["verdict"] == "holds"  # exact, whatever the number of seeds
        assert claims["C22"]["verdict"] == "open"  # two seeds settle nothing
    ends = {(row["form"], row["arm"], row["seed"]): row for row in rows if row["epoch"] == 4}
    for result in summary["results"]:
        if result["arm"] == "random":
            sizes = [ends[result["form"], "random", seed]["size"] for seed in (0, 1)]
            assert result["size"]["median"] == pytest.approx(np.median(sizes))
        if result["arm"] == "bernoulli none":
            assert result["size"]["median"] == 0  # no gradient: it stays where it started
    (cuts,) = summary["tables"].values()
    assert all(row["output_change"]["n"] and row["largest"] < 1e-2 for row in cuts)
    assert matplotlib.image.imread(folder / "slopes_digits.png").shape[0] > 300
    assert "C21, original" in printed and "C21, corrected" in printed
    status, again, _ = command(*arguments)
    assert status == 0 and "holds the finished run" in again
    columns_curves_and_steps_go_by_seed(Runs(Folder(folder, "finished"), summary["settings"]), rows)


def columns_curves_and_steps_go_by_seed(runs, rows):
    where = {"dataset": "digits", "form": "corrected", "arm": "fixed, mean slope"}
    matching = [row for row in rows if all(row.get(key) == value for key, value in where.items())]
    sizes = [[row["size"] for row in matching if row["seed"] == seed] for seed in (0, 1)]
    np.testing.assert_allclose(runs.curve("size", **where), sizes)
    np.testing.assert_allclose(runs.last("size", **where), [line[-1] for line in sizes])
    steps = runs.per_epoch("size_0", **where)
    assert steps.shape[:2] == (2, 4)
    np.testing.assert_allclose(steps[:, :, -1], sizes)  # the size after the last step of an epoch
    with pytest.raises(ValueError, match="one run per seed"):
        runs.last("size", dataset="digits", form="corrected")
    assert np.isnan(runs.last("size", dataset="digits", arm="no such")).all()
