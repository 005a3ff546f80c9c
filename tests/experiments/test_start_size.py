"""The command `python -m experiments.start_size`."""

import json

import matplotlib.image
import numpy as np
from helpers.experiments import rows_of

from experiments.start_size import COMMAND as COMMAND


def test_smoke_answers_its_claims(command, tmp_path):
    """Units die within the three epochs."""
    arguments = ["--smoke", "--out", str(tmp_path / "r")]
    status, printed, error = command(*arguments)
    assert (status, error) == (0, "") and "C30" in printed and "C32" in printed
    summary = json.loads((tmp_path / "r" / "summary.json").read_text())
    rows = rows_of(tmp_path / "r")
    assert len(rows) == 3 * (2 * 2 * 2 + 2 * 2)  # epochs x (starts x penalties x seeds, and masked twins of one start)
    ends = {(row["arm"], row["start_width"], row["penalty"], row["seed"]): row for row in rows}
    for (arm, width, penalty, seed), row in ends.items():
        if arm == "masked":
            assert row["live_units"] == ends["learned", width, penalty, seed]["live_units"] < 24
    for result in summary["results"]:
        sizes = [ends["learned", result["start_width"], result["penalty"], seed]["live_units"] for seed in (0, 1)]
        assert result["live_units"]["median"] == np.median(sizes) and 0 <= result["removal_share"] < 1
    claims = summary["claims"]["corrected"]
    assert claims["C30"]["verdict"] == "open"  # two seeds settle nothing
    assert claims["C37"]["verdict"] == "holds"
    rises, removal, folding, training = claims["C37"]["parts"]
    died = sum(width - ends["learned", width, penalty, seed]["live_units"] for _, width, penalty, seed in ends)
    died -= sum(24 - row["live_units"] for (arm, *_), row in ends.items() if arm == "masked")
    assert (rises["estimate"], rises["n"]) == (0, 8) and 0 < rises["deaths"] <= died
    assert [part["n"] for part in (removal, folding, training)] == [4] * 3
    assert max(removal["estimate"], folding["estimate"]) < 1e-5 and "uninformative" in training
    assert all("no unit was removed" in part["uninformative"] for part in claims["C32"]["parts"])
    assert matplotlib.image.imread(tmp_path / "r" / "starts_digits_corrected.png").shape[0] > 300
    assert command(*arguments)[0] == 0
