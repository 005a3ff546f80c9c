"""device_data.py, _placing.py: batches of rows of any shape, and the program that flat rows always had."""

import types
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.data import from_arrays
from jaxsize.programs import Data, Rows, RunAxis
from jaxsize.programs._placing import place_data, splits_of

rng = np.random.default_rng(0)
INDEX = np.array([2, 0, 1, 2], np.int32)


def flat_batch(rows, scale, shift, index):
    """What `Data.batch` was when all rows were flat."""
    inputs = jnp.take(rows.inputs, index, axis=0, mode="clip").astype(jnp.float32)
    scale, shift = jnp.reshape(scale, (1, -1)), jnp.reshape(shift, (1, -1))
    return inputs * scale + shift, jnp.take(rows.targets, index, axis=0, mode="clip")


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("shape", [(), (4,)])
def test_flat_rows_have_the_program_that_they_always_had(dtype, shape):
    rows = Rows(rng.integers(0, 9, (3, 4)).astype(dtype), np.arange(3, dtype=np.int32))
    data = Data(rows, np.full(shape, 0.3, np.float32), np.full(shape, -1, np.float32))
    now = jax.make_jaxpr(lambda data, index: data.batch(index))(data, INDEX)
    then = jax.make_jaxpr(lambda data, index: flat_batch(data.rows, data.scale, data.shift, index))(data, INDEX)
    assert str(now) == str(then)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_images_are_scaled_by_channel(shape):
    images = rng.integers(0, 256, (5, 4, 6, 3), np.uint8)
    scale, shift = rng.normal(size=(2, *shape)).astype(np.float32)
    inputs, _ = Data(Rows(images, np.zeros(5, np.int32)), scale, shift).batch(INDEX)
    np.testing.assert_allclose(inputs, images[INDEX] * scale.astype(np.float64) + shift, rtol=1e-5, atol=1e-5)


def test_tokens_stay_as_they_are_and_inputs_can_be_targets():
    tokens = rng.integers(0, 9, (3, 4), np.int32)
    inputs, targets = Data(Rows(tokens, None), None, None).batch(INDEX)
    assert inputs.dtype == np.int32
    np.testing.assert_array_equal(inputs, tokens[INDEX])
    np.testing.assert_array_equal(targets, tokens[INDEX])
    scaled = Data(Rows(tokens.astype(np.float32), None), np.float32(2), np.float32(1))
    np.testing.assert_array_equal(scaled.batch(INDEX)[1], 2 * tokens[INDEX] + 1)
    assert scaled.weights(INDEX) is None


def of_dataset(dataset) -> Any:
    """What of a batch of runs is read here."""
    return types.SimpleNamespace(dataset=dataset)


def test_splits_are_placed_one_after_the_other_with_their_weights():
    inputs = np.arange(40, dtype=np.float32)[:, None]
    given = {"test": (inputs[:9] + 100, inputs[:9] % 2), "validation": None}
    dataset = from_arrays(inputs, inputs % 2, standardize=False, weights=np.arange(40) + 1, **given)
    data = place_data(of_dataset(dataset), RunAxis(1))
    rows = jax.device_get(data.rows)
    assert rows.num_rows == 49
    assert [part.num_rows for part in splits_of(dataset).values()] == [40, 9]
    weights = dataset.train.inputs[:, 0] + 1
    np.testing.assert_allclose(rows.weights[:40], weights / weights.mean(), rtol=1e-6)
    assert len(set(rows.weights[40:].tolist())) == 1  # rows without weights count as others do
    np.testing.assert_array_equal(rows.inputs[40:, 0], np.arange(9) + 100)


def test_rows_without_targets_or_weights_are_placed_without():
    data = place_data(of_dataset(from_arrays(np.eye(20), task="reconstruction")), RunAxis(1))
    assert (data.rows.targets, data.rows.weights) == (None, None)
    assert data.rows.num_rows == 20
