"""The command `python -m experiments.start_size`."""

import json

import matplotlib.image
import numpy as np
from helpers.experiments import rows_of

from experiments.start_size import study as start_size

COMMAND = start_size.COMMAND


def test_smoke_answers_its_claims(command, tmp_path):
    """Fast gates, so that units die and are removed within the three epochs."""
    arguments = ["--smoke", "--gate-learning-rate", "0.02", "--out", str(tmp_path / "r")]
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
    assert summary["claims"]["C30"]["verdict"] == "open"  # two seeds settle nothing
    death = summary["claims"]["C37"]
    assert death["verdict"] == "holds" and "0 of 2 settings" in death["reason"]  # so few units are not worth removing
    assert len(death["parts"][0]["removal"]) == 4 and max(death["parts"][0]["removal"]) < 1e-5
    assert all("no unit was removed" in part["uninformative"] for part in summary["claims"]["C32"]["parts"])
    assert matplotlib.image.imread(tmp_path / "r" / "starts_digits.png").shape[0] > 300
    assert command(*arguments)[0] == 0
