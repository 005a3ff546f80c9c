"""The command `python -m experiments.overfit`: its informed start, what is exact, and what refutes its claim."""

import json
from typing import Any

import jax
import matplotlib.image
import numpy as np
import pytest
import scipy.special
from helpers.experiments import rows_of

from experiments.common.pixels import EXCESS
from experiments.overfit import COMMAND as COMMAND
from experiments.overfit import STUDY
from experiments.overfit.constructed import check, leads, one_by_one
from experiments.overfit.start import (
    components_of,
    curve_of,
    decoder_widths,
    exact_curve,
    excess_before_training,
    informed,
)
from experiments.overfit.views import first_below, smallest_exact
from jaxsize.data import as_pixels, load
from jaxsize.learners import reconstruction
from jaxsize.networks import autoencoder
from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms

DIGITS = as_pixels(load("digits", form="original"), rows=200)
PIXELS: Any = DIGITS.train.inputs.astype("f4") * DIGITS.input_scale


def test_smoke_trains_on_all_images_and_on_few(command, tmp_path):
    folder = tmp_path / "r"
    status, printed, error = command("--smoke", "--out", str(folder))
    assert (status, error) == (0, "") and "no loss can be below 13.66 nats per image" in printed
    rows, summary = rows_of(folder), json.loads((folder / "summary.json").read_text())
    ends = {row["latent"]: row[EXCESS] for row in rows if row["arm"] == "informed" and row["epoch"] == 4}
    assert ends[32] < ends[16] < 4
    before, learned, together = summary["tables"].values()
    assert [row["latent"] for row in before] == [16, 32] and before[0]["excess"] > before[1]["excess"]
    assert (learned[0]["rows"], learned[0]["penalty"]) == (20, 1) and "1 networks that learned their widths" in printed
    assert {row["exact_images"] for row in together} == {1}
    assert [row["rows"] for row in together] == [20, 20, 20, 1438, 1438, 1438]
    assert all(matplotlib.image.imread(folder / picture["file"]).size for picture in summary["pictures"])


@pytest.mark.parametrize("pieces", [16, 24])
def test_the_exact_curve_names_all_levels_of_8_bits(pieces):
    levels = np.arange(256) / 255
    off = 255 * np.abs(scipy.special.expit(exact_curve(pieces)(levels)) - levels)
    assert off.max() < (0.5 if pieces == 24 else 1)
    assert exact_curve(pieces).slopes.sum() == pytest.approx(0, abs=1e-6)


def test_a_curve_fits_what_pixels_are_on_average():
    rng = np.random.default_rng(0)
    pixels = rng.choice([0.0, 0.5, 1.0], (400, 50))
    off = pixels + rng.normal(0, 0.2, pixels.shape)
    curve = curve_of(off, pixels, 12)
    losses = []
    for pieces in (2, 4, 8):
        logits = curve_of(off, pixels, pieces)(off)
        losses.append(np.mean(np.logaddexp(0, logits) - pixels * logits))
    assert losses == sorted(losses, reverse=True)
    near = np.linspace(-0.2, 1.2, 15)
    density = np.exp(-((near[:, None] - [0, 0.5, 1]) ** 2) / (2 * 0.2**2))
    expected = density @ [0, 0.5, 1] / density.sum(axis=1)  # E[x | r] by Bayes' rule
    np.testing.assert_allclose(scipy.special.expit(curve(near)), expected, atol=0.05)


@pytest.mark.parametrize("latent", [8, 64])
def test_the_informed_network_is_components_and_curve(latent):
    network = autoencoder((64, 70), latent, decoder=decoder_widths(DIGITS, 6))
    start = informed(network, DIGITS, latent, 6)
    logits: Any = np.asarray(start.apply(start.init(3), PIXELS))
    centred = PIXELS - PIXELS.mean(0)
    _, _, axes = np.linalg.svd(centred.astype(float), full_matrices=False)
    put_together = centred @ axes[:latent].T @ axes[:latent] + PIXELS.mean(0)
    used = PIXELS.any(axis=0)
    expected = curve_of(put_together, PIXELS, 6)(put_together)
    np.testing.assert_allclose(logits[:, used], expected[:, used], rtol=0.02, atol=0.1)
    excess = reconstruction().scores["excess_loss"](logits, PIXELS)
    assert float(np.mean(excess)) < (8 if latent == 8 else 0.1)
    assert float(np.mean(excess)) == pytest.approx(excess_before_training(DIGITS, latent, 6), rel=0.02, abs=1e-3)


def test_all_images_are_exact_at_the_start():
    network = autoencoder((64, 64), 64, decoder=decoder_widths(DIGITS, 24), gate="liveness")
    start = informed(network, DIGITS, 64, 24, exact=True)
    assert float(np.mean(reconstruction().scores["exact_images"](start.apply(start.init(0), PIXELS), PIXELS))) == 1


def arms_of(tmp_path, rows):
    folder = open_folder(tmp_path / "r", {})
    folder.rows.of("a").append(rows)
    data = as_pixels(load("digits", form="original"))
    data.info["entropy_floor"] = {"train": 13.66}
    return Arms.of(Runs(folder, {"num_seeds": 2}), data={("digits", "corrected"): data})


def test_one_run_below_a_hundredth_refutes_and_none_leaves_open(tmp_path):
    label = {"batch": "a", "dataset": "digits", "form": "corrected", "arm": "informed", "train_loss": 14.0}
    paths = {(8, 0): [3.0, 2.0], (8, 1): [2.5, 1.5], (32, 0): [1.0, 0.3], (32, 1): [1.5, 0.9]}  # a hundredth is .307
    rows = [
        label | {"run": run, "latent": latent, "seed": seed, "epoch": epoch, EXCESS: value}
        for run, ((latent, seed), values) in enumerate(paths.items())
        for epoch, value in enumerate(values, 1)
    ]
    arms = arms_of(tmp_path, rows)
    judged = STUDY.claims["C41"].judge(arms, "corrected")
    parts = {part["latent"]: part for part in judged["parts"]}
    assert judged["verdict"] == "refuted"  # however many other networks did not come so far
    assert STUDY.claims["C41"].judge(arms.at(latent=8), "corrected")["verdict"] == "open"
    assert {latent: part["verdict"] for latent, part in parts.items()} == {8: "open", 32: "refuted"}
    assert parts[32]["estimate"] == 1 and "a longer training" in parts[8]["reason"]
    np.testing.assert_array_equal(first_below(arms["informed"].at(latent=32), 1.0), [2, 2])
    np.testing.assert_array_equal(first_below(arms["informed"].at(latent=8), 1.0), [np.nan, np.nan])


def test_the_smallest_network_is_that_of_the_best_exact_epoch(tmp_path):
    label = {"batch": "a", "dataset": "digits", "form": "corrected", "arm": "exact", "train_loss": 14.0, "latent": 9}
    path = [(900, 1, [5, 9, 9, 9]), (500, 1, [5, 8, 7, 6]), (300, 0.5, [1, 2, 3, 4]), (400, 1, [4, 4, 4, 3])]
    rows = [
        label
        | {"run": 0, "seed": 0, "epoch": epoch, "parameters": size, "train_exact_images": share}
        | {"live_units_per_layer": live}
        for epoch, (size, share, live) in enumerate(path, 1)
    ]
    view = arms_of(tmp_path, rows)["exact"]
    np.testing.assert_array_equal(smallest_exact(view, "parameters"), [400, np.nan])
    np.testing.assert_array_equal(smallest_exact(view, "latent"), [3, np.nan])


def test_a_lead_is_the_squared_distance_to_the_nearest_image_on_a_bowl():
    z = np.random.default_rng(0).normal(size=(30, 3))
    apart = leads(z, (z**2).sum(axis=1))
    assert apart is not None and leads(z, (z**2).sum(axis=1), least=1.0) is None
    lead, middle = apart
    far = ((z[:, None] - z) ** 2).sum(axis=2) + np.diag(np.full(30, np.inf))
    np.testing.assert_allclose(lead, far.min(axis=1))
    np.testing.assert_allclose(middle, (z**2).sum(axis=1) - far.min(axis=1) / 2)


def test_a_relu_per_image_reproduces_every_pixel_in_float64_as_well():
    few = as_pixels(load("digits", form="original"), rows=30)
    spectrum = components_of(few, 6)
    network = one_by_one(few, spectrum, 6, 8)
    assert network is not None
    assert one_by_one(few, spectrum, 1, 1) is None  # two numbers do not tell these images apart safely
    checked = check(network, few, latent=7, relus=30)
    params = jax.tree.map(lambda leaf: leaf.astype(float), network.init(0))
    (encoder,), latent, (linear, relus), output = (params[name] for name in ("encoder", "latent", "decoder", "output"))
    out = few.train.inputs * float(few.input_scale)
    for layer, relu in ((encoder, True), (latent, False), (linear, False), (relus, True), (output, False)):
        out = out @ layer["kernel"] + layer["bias"]
        out = np.maximum(out, 0) if relu else out
        if layer is relus:
            np.testing.assert_allclose(out, np.eye(30), atol=1e-3)
    assert np.abs(255 * scipy.special.expit(out) - few.train.inputs.astype(float) * 255 / 16).max() < 0.5
    assert checked.exact_images == 1 and checked.parameters == sum(leaf.size for leaf in jax.tree.leaves(params))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "10"], "encoder: expected at least as many as the 64 pixels of digits, got 10"),
        (
            ["--exact-widths", "8"],
            "exact_widths: expected whole numbers from 1 on, of the encoder, latent and so on, got 8",
        ),
        (["--latents", "0"], "latents: expected whole numbers from 1 on, got 0"),
        (["--penalties", "0.0"], "penalties: expected different finite numbers above 0, got 0"),
    ],
)
def test_bad_input_is_one_line(command, tmp_path, arguments, message):
    status, _, error = command("--smoke", "--out", str(tmp_path / "r"), *arguments)
    assert status == 2 and message.split(": ", 1)[1] in error and error.count("\n") == 1
