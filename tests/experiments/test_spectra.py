"""Curvature along training and compression: what is measured, and the claims on networks whose curvature is known."""

import dataclasses
import json

import matplotlib.image
import pytest
from helpers.experiments import rows_of

from experiments.autoencoder.curvature import arms as spectra
from experiments.common.pixels import load_images
from jaxsize import studies
from jaxsize.data import as_pixels


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags(spectra.SpectraFlags, studies.DatasetFlags, studies.TrainingFlags):
    """What becomes of the curvature?"""

    structures: tuple[str, ...] = ("2", "6-2")


STUDY = studies.Study(
    name="spectra",
    flags=Flags,
    presets={
        "smoke": {
            "num_seeds": 1,
            "epochs": 4,
            "curvature_every": 2,
            "curvature_rows": 20,
            "curvature_activations": ("tanh",),
            "curvature_rate": 0.05,
            "curvature_price": 0.02,
        },
        "full": {},
    },
    data=load_images,
    prepare=lambda dataset, flags: as_pixels(dataset, rows=300),
    arms=spectra.arms,
    cautions=spectra.cautions,
    followers=spectra.followers,
    checks=spectra.CHECKS,
    table=studies.columns("train_loss", "hessian_largest", by=("penalty",)),
    claims=spectra.CLAIMS,
    pictures=spectra.PICTURES,
)
COMMAND = STUDY.command


def test_smoke_measures_both_arms_and_the_widths_that_were_found(command, tmp_path):
    folder = tmp_path / "r"
    status, _, error = command("--smoke", "--out", str(folder))
    assert (status, error) == (0, "")
    rows, summary = rows_of(folder), json.loads((folder / "summary.json").read_text())
    assert {row["arm"] for row in rows} == {"spectrum", "compressed", "found widths"}
    measured = [row for row in rows if row["epoch"] % 2 == 0]
    assert all(0 < row["random_cosine"] < 1 and row["hessian_smallest"] < row["hessian_largest"] for row in measured)
    assert all(row["hessian_nodes"] is row["random_cosine"] is None for row in rows if row["epoch"] % 2)
    priced = [row for row in rows if row["arm"] == "compressed" and row["penalty"]]
    (found,) = [row for row in rows if row["arm"] == "found widths" and row["epoch"] == 4]
    assert 2 <= priced[-1]["live_units"] <= 12
    assert found["live_units_per_layer"] == priced[-1]["live_units_per_layer"]
    claims = summary["claims"]["corrected"]
    assert (claims["C48"]["verdict"], claims["E27, limit"]["verdict"]) == ("refuted", "holds")
    assert [part["verdict"] for part in claims["C48"]["parts"][:4]] == ["holds", "holds", "refuted", "holds"]
    assert {part["against"] for part in claims["Compression"]["parts"]} == {
        "without a price",
        "found widths from scratch",
    }
    assert len(summary["pictures"]) == 3
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--curvature-every", "0"], "expected whole numbers from 1 on, got 0"),
        (["--curvature-price", "0"], "expected a finite number above 0, got 0"),
        (["--curvature-activations", "tanh", "tanh"], "expected different ones, got tanh tanh"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    status, _, error = command("--smoke", "--out", str(tmp_path / "r"), *arguments)
    assert status == 2 and message in error and error.count("\n") == 1
