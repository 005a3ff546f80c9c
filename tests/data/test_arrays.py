"""arrays.py: `from_arrays` converts once, loses nothing without a word, splits by seed and learns of training rows."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsize.data import from_arrays
from jaxsize.errors import InputError

rng = np.random.default_rng(0)
X = rng.normal(3.0, 2.0, (100, 3))
HALVES = [0, 1] * 50


def parts(dataset):
    return [dataset.train, dataset.validation, dataset.test]


def numbered(targets, **options):
    """A data set whose rows hold their number."""
    inputs = np.arange(len(targets), dtype=np.float32)[:, None]
    return from_arrays(inputs, targets, standardize=False, **options)


def test_every_row_is_in_one_split_and_keeps_its_target_and_weight():
    labels = rng.integers(0, 3, 100)
    dataset = numbered(labels, weights=np.arange(100) + 1.0)
    rows = [split.inputs[:, 0].astype(int) for split in parts(dataset)]
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(100))
    for split, own in zip(parts(dataset), rows, strict=True):
        np.testing.assert_array_equal(split.targets, labels[own])
        np.testing.assert_array_equal(split.weights, own + 1)
    assert [len(split) for split in parts(dataset)] == [70, 15, 15]


@pytest.mark.parametrize("counts", [(60, 30, 10), (97, 3, 40), (8, 8, 8)])
def test_every_class_has_its_share_of_every_split(counts):
    labels = rng.permutation(np.repeat(np.arange(3), counts))
    dataset = numbered(labels, validation=0.2, test=0.25)
    for split, share in zip(parts(dataset), (0.55, 0.2, 0.25), strict=True):
        found = np.bincount(split.targets, minlength=3)
        assert (np.abs(found - share * np.array(counts)) <= 1.5).all()


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    first, again, other = (numbered(HALVES, seed=seed).fingerprint() for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("targets", "classes", "labels"),
    [
        ([5, -1, 5, 9] * 5, [-1, 5, 9], [1, 0, 1, 2]),  # classes need no numbers from 0 on
        (["b", "a", "b", "c"] * 5, ["a", "b", "c"], [1, 0, 1, 2]),
        ([True, False, True, True] * 5, [False, True], [1, 0, 1, 1]),
        (np.array([2, 1, 2, 1] * 5, np.uint8), [1, 2], [1, 0, 1, 0]),
        (np.array(["b", "a"] * 10, object), ["a", "b"], [1, 0, 1, 0]),
        (np.array([[1], [0]] * 10), [0, 1], [1, 0, 1, 0]),
    ],
)
def test_integers_texts_and_booleans_are_classes_in_sorted_order(targets, classes, labels):
    dataset = numbered(targets)
    assert (dataset.task, dataset.num_outputs, dataset.info["classes"]) == ("classification", len(classes), classes)
    for split in parts(dataset):
        rows = split.inputs[:, 0].astype(int)
        np.testing.assert_array_equal(split.targets, np.resize(labels, 20)[rows])


def test_whole_floats_that_are_told_to_be_classes_are_classes():
    assert numbered(np.array([1.0, 2.0] * 10), task="classification").info["classes"] == [1, 2]


def test_standardisation_is_that_of_the_training_rows():
    test = rng.normal(100.0, 1.0, (50, 3))
    constant = np.column_stack([X, np.full(100, 7.0)])
    dataset = from_arrays(constant, X[:, :2], test=(np.column_stack([test, np.full(50, 9.0)]), test[:, :2]))
    inputs = dataset.train.inputs * dataset.input_scale + dataset.input_shift
    np.testing.assert_allclose(inputs.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(inputs.std(axis=0), [1, 1, 1, 0], atol=1e-6)
    targets = dataset.train.targets
    assert dataset.num_outputs == 2
    np.testing.assert_allclose(dataset.info["target_mean"], targets.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(dataset.info["target_std"], targets.std(axis=0), rtol=1e-6)
    np.testing.assert_array_equal(dataset.test.targets, test[:, :2].astype(np.float32))


def test_images_keep_their_bytes_and_are_standardised_by_channel():
    images = rng.integers(0, 256, (40, 4, 5, 3), np.uint8)
    dataset = from_arrays(images, np.arange(40) % 2)
    assert dataset.train.inputs.dtype == np.uint8
    assert dataset.input_scale is not None
    train = dataset.train.inputs.reshape(-1, 3)
    np.testing.assert_allclose(1 / dataset.input_scale, train.std(axis=0), rtol=1e-6)


def test_arrays_of_jax_and_lists_are_arrays():
    inputs = rng.integers(0, 9, (20, 2)).astype(np.float32)
    labels = [0, 1] * 10
    of_numpy = from_arrays(inputs, labels).fingerprint()
    assert from_arrays(jnp.asarray(inputs, jnp.bfloat16), jnp.asarray(labels)).fingerprint() == of_numpy
    assert from_arrays(inputs.tolist(), labels).fingerprint() == of_numpy


def test_tokens_stay_integers_and_inputs_can_be_the_targets():
    tokens = rng.integers(0, 1000, (20, 7))
    dataset = from_arrays(tokens, task="custom", tokens=True, num_outputs=1000)
    assert (dataset.train.inputs.dtype, dataset.train.targets, dataset.input_scale) == (np.int32, None, None)
    assert from_arrays(X, task="reconstruction").num_outputs == 3
    assert from_arrays(X, np.zeros((100, 2, 2)), task="custom").num_outputs == 4


def test_rows_that_are_given_are_those():
    dataset = numbered(HALVES, test=[5, 2], validation=np.array([9, 8, 7]))
    assert dataset.test.inputs[:, 0].tolist() == [5, 2]
    assert dataset.validation is not None
    assert dataset.validation.inputs[:, 0].tolist() == [9, 8, 7]
    none = numbered(HALVES, validation=None)
    assert none.validation is None
    assert len(none.train) == 85


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "message"),
    [
        ([[1, 2], [3]], [0, 1], {}, "own: inputs: expected an array, got rows that differ in length"),
        ([1.0, 2.0], [0, 1], {}, "expected [N, ...] with two axes or more, got [2]; reshape(-1, 1) makes"),
        ([["a", "b"]] * 9, [0] * 9, {}, "own: inputs: expected numbers, got texts; from_table"),
        (X + 1j, HALVES, {}, "own: inputs: expected numbers, booleans or texts, got complex128"),
        ([[0.0], [np.nan]] * 9, [0, 1] * 9, {}, "own: inputs: row 1 holds nan, expected finite"),
        ([[0.0], [1e39]] * 9, [0, 1] * 9, {}, "own: inputs: row 1 holds 1e+39, expected finite"),
        ([[2**24 + 1]] * 9, [0] * 9, {}, "row 0 holds 16777217, which float32 rounds; astype(float)"),
        (X + np.array([0, 1e9, 0]), HALVES, {}, "own: inputs: column 1: float32 cannot tell its values apart"),
        ([[2**31]] * 9, [0] * 9, {"tokens": True}, "expected tokens below 2^31, got 2147483648"),
        (X, HALVES, {"tokens": True}, "own: inputs: expected tokens, integers, got float64"),
        ([[1]] * 9, [0, 1, 2] * 3, {"tokens": True, "standardize": True}, "tokens are never scaled"),
        (X, HALVES[:9], {}, "own: 100 rows of inputs, but targets [9]"),
        (X, None, {}, "own: targets: expected targets, or task='reconstruction'"),
        (X, HALVES, {"task": "reconstruction"}, "own: targets: expected none in reconstruction"),
        (X, [1] * 100, {}, "own: targets: expected two classes or more, got one: 1"),
        (X, ["a"] * 99 + [""], {}, "own: targets: row 99 has no class"),
        (X, ["a"] * 99 + [None], {}, "own: targets: row 99 has no value"),
        (X, np.arange(100), {}, "100 different values in 100 rows are no classes; task='regression'"),
        (X, [0.5] * 99 + [np.inf], {}, "own: targets: row 99 holds inf"),
        (X, [0.5] * 100, {}, "own: all targets of the training rows are alike, 0.5"),
        (X, ["a", "b"] * 50, {"task": "regression"}, "own: targets: expected numbers, got texts"),
        (X, X[:, :2] > 3, {}, "own: targets: expected one class per row, [N], got [100, 2]"),
        (X, HALVES, {"num_outputs": 2}, "own: expected num_outputs for task='custom' only, got 2"),
        (X, HALVES, {"weights": [1.0]}, "own: weights must be numbers [100], got float64 [1]"),
        (X, HALVES, {"weights": -np.ones(100)}, "weights must be finite and 0 or more"),
        (X, HALVES, {"seed": -1}, "own: seed must not be negative, got -1"),
        (X, HALVES, {"seed": 0.5}, "own: seed must be a whole number, got 0.5"),
        (X, HALVES, {"test": 1.5}, "own: test must be a share above 0 and below 1, rows or arrays, got 1.5"),
        (X, HALVES, {"test": None}, "own: expected test rows"),
        (X, HALVES, {"test": [1, 200]}, "own: test must hold different numbers in 0..99, got 2 in 1..200"),
        (X, HALVES, {"test": [0.5]}, "own: test must be a share, numbers of rows [M], or arrays"),
        (X, HALVES, {"test": [1, 2], "validation": [2]}, "got rows that do both"),
        (X[:2], [0, 1], {}, "own: 2 rows are too few: none would be left to train"),
        (X, HALVES, {"test": (X[:, :2], HALVES)}, "own: test inputs must be float32 [3] per row"),
        (X, HALVES, {"test": (X, X[:, 0])}, "own: expected targets of one type and shape in all splits"),
        (X, HALVES, {"test": (X, None)}, "own: test targets: expected targets for all rows or for none"),
        (X, HALVES, {"test": (X, [2] * 100)}, "own: class 2 has no training row"),
    ],
)
def test_bad_arrays_are_one_clear_line(inputs, targets, options, message):
    with pytest.raises(InputError) as caught:
        from_arrays(inputs, targets, **options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
