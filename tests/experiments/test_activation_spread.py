"""The command `python -m experiments.activation_spread`, and its claims on layers made by hand."""

import json
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from helpers.widths import arms_of

from experiments.activation_spread import COMMAND as COMMAND
from experiments.activation_spread import STUDY
from experiments.activation_spread.claims import crossing, peak_of_w
from experiments.activation_spread.flags import journal_widths
from experiments.common.widths import plateau

WIDTHS = (32, 64, 128, 256)
SEEDS = 6


def test_smoke_measures_every_layer(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--form", "corrected", "--out", str(folder))
    assert (status, error) == (0, "") and "the test accuracy has its plateau from" in printed
    summary = json.loads((folder / "summary.json").read_text())
    with np.load(folder / "measured" / "digits.corrected.layers.npz") as file:
        layers = dict(file)
    assert np.isfinite(layers["spreads"]).sum() == 2 * (4 + 8 + 16 + 64)
    np.testing.assert_allclose(np.nansum(layers["spreads"], 2), layers["total_spread"], rtol=1e-6)
    assert all(np.isfinite(layers[name]).all() for name in layers if name != "spreads")
    assert ((layers["unneeded"] >= 0) & (layers["unneeded"] <= 1)).all()
    assert len(summary["pictures"]) == 3
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])


def test_where_curves_peak_begin_and_cross(tmp_path):
    """Accuracy is level from 128 units on (256 for fashion); W peaks at 64; a share stays above .025 from 256 on."""
    accuracy = {"mnist": (0.8, 0.9, 0.95, 0.9505), "fashion_mnist": (0.7, 0.8, 0.85, 0.9)}
    of = {name: lambda seed, at, line=line: line[at] + seed / 100 for name, line in accuracy.items()}
    w = np.tile([0.99, 0.98, 0.9, 0.8], (SEEDS, 1))  # that of 32 units is of a smaller sample, and does not count
    shares = np.tile([0.9, 0.01, 0.02, 0.3], (SEEDS, 1))
    layers: dict[str, Any] = {"w": w, "pooled_w": w, "exponential_share": shares, "gamma_share": 0 * shares}
    arms = arms_of(tmp_path, of, widths=WIDTHS, num_seeds=SEEDS, measured="layers", **layers)
    mnist, fashion = arms
    assert plateau(mnist).tolist() == [7] * SEEDS and plateau(fashion).tolist() == [8] * SEEDS
    assert peak_of_w(mnist).tolist() == [6] * SEEDS
    assert crossing(mnist, "exponential_share").tolist() == crossing(mnist, "gamma_share").tolist() == [8] * SEEDS
    verdicts = {name: STUDY.claims[name].judge(arms, "corrected") for name in ("C4", "C7", "C8")}
    assert verdicts["C8"]["verdict"] == "holds"
    assert {part["verdict"] for part in verdicts["C4"]["parts"]} == {"refuted", "not decided"}
    assert [part["estimate"] for part in verdicts["C7"]["parts"] if part["dataset"] == "mnist"] == [1, 1, -1]


def test_the_journals_widths():
    widths = [16, 22, 32, 45, 64, 90, 128, 181, 256, 362, 512, 724, 1024, 1448, 2048, 2896, 4096, 5792, 8192, 11585]
    assert journal_widths(8, 27) == tuple(widths)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (("--widths", "8", "4", "16", "64"), "--widths: expected four numbers or more, ascending, got 8 4 16 64"),
        (("--widths", "2", "4", "16", "64"), "--widths: expected whole numbers from 3 on, got 2 4 16 64"),
    ],
)
def test_wrong_flags_are_one_line(command, tmp_path, flags, line):
    status, _, error = command(*flags, "--out", str(tmp_path / "r"))
    assert status == 2 and error.strip().endswith(line)
