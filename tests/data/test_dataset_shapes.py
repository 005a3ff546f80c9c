"""dataset.py, layout.py: rows of any shape, targets of any shape, weights; the same rows flat and as images."""

import dataclasses
import zlib

import numpy as np
import pytest

from jaxsize.data import Dataset, Split, as_images, flattened, hold_out_batches, load, noise_like
from jaxsize.data.sets.cifar10 import Rows, colour_dataset
from jaxsize.errors import InputError

rng = np.random.default_rng(0)


def dataset_of(rows: Split, **fields) -> Dataset:
    own = {
        "name": "toy",
        "task": "custom",
        "num_outputs": 1,
        "train": rows,
        "validation": None,
        "test": rows,
        "input_scale": np.asarray(2, np.float32),
        "input_shift": np.asarray(0, np.float32),
        "input_shape": rows.inputs.shape[1:],
        "source": "drawn in a test",
    }
    return Dataset(**(own | fields))


FLAT, TOKENS = np.ones((4, 6), np.float32), np.ones((4, 5), np.int32)
UNSCALED = {"input_scale": None, "input_shift": None}


@pytest.mark.parametrize(
    ("rows", "fields"),
    [
        (Split(FLAT, np.zeros((4, 3), np.float32)), {"task": "regression", "num_outputs": 3}),
        (Split(FLAT, None), {"task": "reconstruction", "num_outputs": 6}),
        (Split(FLAT, None), {}),
        (Split(FLAT, np.zeros((4, 2, 2), np.int32)), {}),
        (Split(TOKENS, None), UNSCALED),
        (Split(TOKENS, np.zeros(4, np.int32)), UNSCALED | {"task": "classification", "num_outputs": 2}),
        (Split(np.ones((4, 2, 3, 3), np.uint8), None), {"input_scale": np.ones(3, np.float32)}),
    ],
)
def test_rows_and_targets_have_any_shape(rows, fields):
    dataset = dataset_of(rows, **fields)
    inputs = dataset.network_inputs(7)
    assert inputs.shape == (7, *rows.inputs.shape[1:])
    assert inputs.dtype == (np.int32 if rows.inputs.dtype == np.int32 else np.float32)


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        (Split(FLAT, None), {"task": "regression"}, "toy: train targets must be float32 [4], got None"),
        (Split(FLAT, None), {"task": "reconstruction"}, "toy: 1 outputs do not fit reconstruction"),
        (
            Split(FLAT, np.zeros(4, np.float32)),
            {"task": "reconstruction", "num_outputs": 6},
            "toy: train targets must be None in reconstruction",
        ),
        (
            Split(TOKENS, None),
            UNSCALED | {"task": "reconstruction", "num_outputs": 5},
            "toy: train inputs are tokens, which have no squared error",
        ),
        (Split(TOKENS, None), {}, "toy: input_scale must be None for tokens"),
        (Split(FLAT, np.zeros(3, np.float32)), {}, "toy: train targets must be int32 or float32 [4, ...] or None"),
        (Split(FLAT, np.full(4, np.nan, np.float32)), {}, "toy: train targets are not all finite"),
        (Split(FLAT, None, weights=np.ones(4)), {}, "toy: train weights must be float32 [4], got float64 [4]"),
        (Split(FLAT, None, weights=np.zeros(4, np.float32)), {}, "toy: train weights must be finite and 0 or more"),
        (Split(FLAT, None, weights=-np.ones(4, np.float32)), {}, "toy: train weights must be finite and 0 or more"),
        (Split(FLAT, None), {"input_scale": np.ones(2, np.float32)}, "toy: input_scale must be float32 [] or [6]"),
        (Split(FLAT, None), {"test": Split(np.ones((1, 6), np.uint8), None)}, "test inputs must be float32 as those"),
        (Split(FLAT, None), {"test": Split(np.ones((1, 2, 3), np.float32), None)}, "test inputs must be [N, 6]"),
    ],
)
def test_contradictory_shapes_are_one_clear_line(rows, fields, message):
    with pytest.raises(InputError) as caught:
        dataset_of(rows, **fields)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_fingerprint_is_a_sum_over_inputs_targets_and_weights():
    digits = load("digits")
    train = digits.train
    assert digits.fingerprint()["train"] == zlib.crc32(train.inputs.tobytes() + train.targets.tobytes())
    weights = np.arange(len(train), dtype=np.float32)
    weighted = dataclasses.replace(digits, train=dataclasses.replace(train, weights=weights)).fingerprint()
    assert weighted["test"] == digits.fingerprint()["test"]
    everything = train.inputs.tobytes() + train.targets.tobytes() + weights.tobytes()
    assert weighted["train"] == zlib.crc32(everything)
    assert dataset_of(Split(FLAT, None)).fingerprint()["train"] == zlib.crc32(FLAT.tobytes())


def test_weights_stay_with_their_rows():
    rows = Split(np.arange(40, dtype=np.float32)[:, None], None, weights=np.arange(40, dtype=np.float32))
    held = hold_out_batches(dataset_of(rows), 8)
    assert held.validation is not None
    for split in (held.train, held.validation):
        np.testing.assert_array_equal(split.inputs[:, 0], split.weights)


def test_grey_images_are_the_flat_rows_reshaped():
    digits = load("digits")
    images = as_images(digits)
    np.testing.assert_array_equal(images.train.inputs[5, :, :, 0], digits.train.inputs[5].reshape(8, 8))
    assert images.fingerprint() == digits.fingerprint()
    assert as_images(images) is images
    assert flattened(images).fingerprint() == digits.fingerprint()
    assert flattened(digits) is digits


@pytest.mark.parametrize("standardize", [False, True])
def test_colour_images_have_their_channel_last_and_scale_the_same_pixels_alike(standardize):
    rows = Rows(rng.integers(0, 256, (4, 3072), np.uint8), np.arange(4, dtype=np.int32))
    fields = {"seed": 0, "form": "original", "standardize": standardize, "source": "drawn", "info": {}}
    flat = colour_dataset("toy", rows, rows, **fields)
    images = as_images(flat)
    assert images.row_shape == images.input_shape == (32, 32, 3)
    assert images.train.inputs.dtype == np.uint8
    for row, column, channel in ((0, 0, 0), (3, 17, 1), (31, 2, 2)):  # where the files have it
        np.testing.assert_array_equal(
            images.train.inputs[:, row, column, channel], rows.images[:, 1024 * channel + 32 * row + column]
        )
    scaled_flat = flat.train.inputs.astype(np.float32) * flat.input_scale + flat.input_shift
    np.testing.assert_array_equal(flat.as_inputs(flat.train.inputs), scaled_flat)
    scaled = images.train.inputs.astype(np.float32) * images.input_scale + images.input_shift
    np.testing.assert_array_equal(scaled.transpose(0, 3, 1, 2).reshape(4, 3072), scaled_flat)
    again = flattened(images)
    assert not again.channels_first
    np.testing.assert_array_equal(
        again.train.inputs.astype(np.float32) * again.input_scale + again.input_shift, scaled.reshape(4, 3072)
    )


def test_rows_that_are_no_images_and_scales_within_a_channel_are_refused():
    with pytest.raises(InputError, match=r"teacher: expected rows that are images, of three axes, got \[10\]"):
        as_images(load("teacher", num_rows=4))
    digits = load("digits")
    uneven = dataclasses.replace(digits, input_scale=np.arange(64, dtype=np.float32))
    with pytest.raises(InputError, match="digits: input_scale differs within a channel"):
        as_images(uneven)


def test_noise_has_the_shape_of_a_data_set_and_nothing_of_its_images():
    digits = load("digits")
    noise = noise_like(digits, seed=1)
    assert (noise.train.targets == digits.train.targets).all() and len(noise.test) == len(digits.test)
    pixels = noise.train.inputs.astype(float)
    assert pixels.mean() == pytest.approx(8, abs=0.1) and np.abs(np.corrcoef(pixels.T) - np.eye(64)).max() < 0.15
    assert (noise_like(digits, seed=1).train.inputs == noise.train.inputs).all()
    assert (noise_like(digits, seed=2).train.inputs != noise.train.inputs).any()
    numbers = noise_like(load("teacher", num_rows=50, num_inputs=3, width=2)).train.inputs
    assert numbers.dtype == np.float32 and len(np.unique(numbers)) == numbers.size
