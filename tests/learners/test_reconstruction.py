"""Losses of autoencoders against SciPy in float64, their floor, and what is reproduced exactly."""

import dataclasses
from typing import Any

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats

from jaxsize.data import as_pixels, from_arrays, load
from jaxsize.learners import TASKS, entropy_floor, reconstruction

RNG = np.random.default_rng(0)
PIXELS: Any = np.clip(RNG.uniform(-0.3, 1.3, (5, 9)), 0, 1).astype("f4")  # some are exactly black, some white
LOGITS: Any = RNG.normal(0, 4, (5, 9)).astype("f4")


def rows_of(logits, loss: Any = "cross_entropy"):
    return {name: np.asarray(of) for name, of in jax.jit(reconstruction(loss).of_rows)(logits, PIXELS).items()}


def test_cross_entropy_is_entropy_plus_excess():
    rows, q = rows_of(LOGITS), scipy.special.expit(LOGITS.astype(float))
    x = PIXELS.astype(float)
    cross = -(x * np.log(q) + (1 - x) * np.log1p(-q)).sum(axis=1)
    divergence = (scipy.special.rel_entr(x, q) + scipy.special.rel_entr(1 - x, 1 - q)).sum(axis=1)
    np.testing.assert_allclose(rows["loss"], cross, rtol=1e-5)
    np.testing.assert_allclose(rows["excess_loss"], divergence, rtol=1e-5)
    dataset = as_pixels(from_arrays(PIXELS, np.arange(5) % 2, test=(PIXELS, np.arange(5) % 2), validation=None))
    floor = entropy_floor(dataset)
    assert floor["train"] == pytest.approx(np.mean(cross - divergence), rel=1e-6) and floor["train"] == floor["test"]


def test_logits_far_out_stay_finite_and_a_perfect_network_has_no_excess():
    far = np.where(PIXELS > 0.5, 1e4, -1e4).astype("f4")
    assert all(np.isfinite(of).all() for of in rows_of(far).values())
    perfect = rows_of(scipy.special.logit(np.clip(PIXELS.astype(float), 1e-12, 1 - 1e-12)).astype("f4"))
    assert np.abs(perfect["excess_loss"]).max() < 1e-5
    assert (perfect["exact_pixels"] == 1).all() and (perfect["exact_images"] == 1).all()


def test_excess_is_quadratic_near_the_floor():
    """KL(x || q) = x (1 - x) delta^2 / 2 for a logit that is off by a small delta."""
    x: Any = np.full((1, 9), 0.3, "f4")
    logits: Any = scipy.special.logit(0.3) + np.full((1, 9), 0.05)
    excess = reconstruction().scores["excess_loss"](logits.astype("f4"), x)
    assert float(excess[0]) == pytest.approx(9 * 0.3 * 0.7 * 0.05**2 / 2, rel=2e-2)


def test_one_pixel_that_is_off_by_one_level_is_not_exact():
    pixels: Any = np.array([[10, 200]]) / 255
    right, wrong = (scipy.special.logit(np.array([[10, level]]) / 255).astype("f4") for level in (200, 201))
    scores = reconstruction().scores
    for logits, of_pixels, of_images in ((right, 1, 1), (wrong, 0.5, 0)):
        assert float(scores["exact_pixels"](logits, pixels.astype("f4"))[0]) == of_pixels
        assert float(scores["exact_images"](logits, pixels.astype("f4"))[0]) == of_images


def test_half_squared_error():
    rows, q = rows_of(LOGITS, "squared_error"), scipy.special.expit(LOGITS.astype(float))
    np.testing.assert_allclose(rows["loss"], ((q - PIXELS) ** 2).sum(axis=1) / 2, rtol=1e-5)
    np.testing.assert_array_equal(rows["loss"], rows["excess_loss"])


def test_rounding_is_the_squared_distance_from_the_logits_that_round_right():
    with np.errstate(divide="ignore"):
        least, most = (scipy.special.logit(np.clip(PIXELS.astype(float) + off / 255, 0, 1)) for off in (-0.3, 0.3))
    expected = (LOGITS - np.clip(LOGITS.astype(float), least, most)) ** 2  # black: any logit that is low enough will do
    rows = rows_of(LOGITS, "rounding")
    np.testing.assert_allclose(rows["loss"], expected.sum(axis=1) / 2, rtol=1e-4)
    np.testing.assert_array_equal(rows["excess_loss"], rows_of(LOGITS)["excess_loss"])
    slope: Any = jax.grad(lambda logits: reconstruction("rounding").loss(logits, PIXELS).sum())(LOGITS)
    assert np.isfinite(slope).all()


def test_black_and_white_images_have_no_floor_and_grey_ones_that_of_bernoulli_entropies():
    images = np.where(RNG.uniform(size=(20, 6)) < 0.5, 0, 255).astype(np.uint8)
    dataset = as_pixels(from_arrays(images, images[:, 0] > 0))
    assert set(entropy_floor(dataset).values()) == {0.0}
    digits = as_pixels(load("digits"))
    pixels = digits.train.inputs / 16
    expected = scipy.stats.bernoulli(pixels).entropy().sum() / len(pixels)
    assert entropy_floor(digits)["train"] == pytest.approx(expected)


def test_what_is_no_reconstruction_is_refused():
    unknown: Any = "hinge"
    with pytest.raises(ValueError, match="loss: expected cross_entropy or squared_error or rounding, got 'hinge'"):
        reconstruction(unknown)
    with pytest.raises(ValueError, match=r"expected outputs of the shape of the inputs \[5, 9\], got \[5, 8\]"):
        reconstruction().of_rows(LOGITS[:, :8], PIXELS)
    with pytest.raises(ValueError, match="digits: expected pixels from 0 to 1, as cross-entropy needs them, got -1"):
        entropy_floor(dataclasses.replace(as_pixels(load("digits")), input_shift=np.float32(-1)))
    with pytest.raises(ValueError, match="expected rows of numbers from 0 on, got -1"):
        as_pixels(from_arrays(PIXELS - 1, np.arange(5.0)))
    with pytest.raises(ValueError, match="rows: expected 1 to 1258 training rows of digits, got 0"):
        as_pixels(load("digits"), rows=0)
    assert TASKS["reconstruction"] is not reconstruction()
