"""`load` itself, the digits, and the types."""

import dataclasses
import json
import math
import subprocess
import sys

import chex
import numpy as np
import pytest

from jaxsize import data
from jaxsize.data import Dataset, Split, load

FORMS = ("corrected", "original")


def arrays_of(dataset: Dataset) -> list[np.ndarray]:
    parts = [dataset.train, dataset.validation, dataset.test]
    columns = [getattr(part, field.name) for part in parts if part for field in dataclasses.fields(part)]
    return [column for column in columns if column is not None]


def scaled(dataset: Dataset, split: Split) -> np.ndarray:
    return split.inputs.astype(np.float32) * dataset.input_scale + dataset.input_shift


# ---- load


def test_importing_the_package_is_light_and_touches_no_device():
    script = """
import sys
import jaxsize.data
assert not {"sklearn", "tensorflow_datasets", "tensorflow", "platformdirs"} & set(sys.modules), "heavy import"
for name in ("digits", "teacher", "add10"):
    jaxsize.data.load(name)
assert "tensorflow_datasets" not in sys.modules
if "jax" in sys.modules:
    from jax._src import xla_bridge
    assert not xla_bridge.backends_are_initialized(), "a device was touched"
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: load("mnits"), "unknown data set 'mnits'; there are digits, teacher, add10, mnist, fashion_mnist"),
        (lambda: load("digits", form="orignal"), "digits: form must be one of corrected, original, got 'orignal'"),  # type: ignore[arg-type]
        (lambda: load("add10", num_rows=5), "add10: unknown option 'num_rows'; its options: none"),
        (lambda: load("teacher", widht=5), "teacher: unknown option 'widht'; its options: num_rows, num_inputs, width"),
        (lambda: load("mnist", directory="x"), "mnist: unknown option 'directory'; its options: none"),
        (lambda: load("digits", seed=-1), "digits: seed must not be negative, got -1"),
        (lambda: load("digits", seed=0.5), "digits: seed must be a whole number, got 0.5"),  # type: ignore[arg-type]
        (lambda: load("digits", data_dir="no/such/folder"), "data_dir: 'no/such/folder' does not exist"),
        (lambda: load("teacher", num_rows=0), "teacher: num_rows must be a whole number of at least 1, got 0"),
        (lambda: load("teacher", width=2.0), "teacher: width must be a whole number of at least 1, got 2.0"),
        (lambda: load("teacher", num_inputs=True), "teacher: num_inputs must be a whole number"),
        (lambda: load("teacher", num_classes=1), "teacher: num_classes must be a whole number of at least 2, got 1"),
        (lambda: load("teacher", noise=1.5), "teacher: noise must lie in 0..1 for classification, got 1.5"),
        (lambda: load("teacher", noise=-1.0, task="regression"), "teacher: noise must lie in 0..inf for regression"),
        (lambda: load("teacher", noise=math.nan), "teacher: noise must lie in 0..1 for classification, got nan"),
        (lambda: load("teacher", noise=math.inf, task="regression"), "for regression, got inf"),
        (lambda: load("teacher", noise="much"), "for classification, got 'much'"),
        (lambda: load("teacher", task="ranking"), "teacher: task must be classification or regression, got 'ranking'"),
    ],
)
def test_wrong_arguments_are_one_clear_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["digits", "teacher", "add10"])
@pytest.mark.parametrize("form", FORMS)
def test_same_seed_same_arrays_and_another_seed_others(name, form):
    np.random.seed(3)  # global state must not matter
    first, again, other = load(name, form=form), load(name, form=form, seed=np.int64(0)), load(name, form=form, seed=1)  # type: ignore[arg-type]
    chex.assert_trees_all_equal(arrays_of(first), arrays_of(again), strict=True)
    assert not np.array_equal(first.train.inputs, other.train.inputs)
    assert (first.validation is None) == (form == "original")
    json.dumps(first.info)


def test_loading_leaves_the_global_generator_alone():
    np.random.seed(7)
    expected = np.random.random()
    np.random.seed(7)
    for name in ("digits", "teacher", "add10"):
        load(name)
    assert np.random.random() == expected


# ---- digits


def test_digits_splits_are_disjoint_and_together_the_whole():
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    corrected, original = load("digits", seed=5), load("digits", seed=5, form="original")
    assert corrected.validation is not None
    assert (len(corrected.train), len(corrected.validation), len(corrected.test)) == (1258, 180, 359)
    assert (len(original.train), len(original.test)) == (1438, 359)
    np.testing.assert_array_equal(original.test.inputs, corrected.test.inputs)

    def rows(*splits):
        pairs = [pair for split in splits for pair in zip(split.inputs, split.targets, strict=True)]
        return sorted(bytes(image) + bytes([label]) for image, label in pairs)

    expected = sorted(bytes(i) + bytes([t]) for i, t in zip(pixels.astype(np.uint8), labels, strict=True))
    # 1797 different images, so an equal sorted list shows that no row is lost, doubled or in two parts
    assert len(set(expected)) == 1797
    assert rows(corrected.train, corrected.validation, corrected.test) == expected
    assert rows(original.train, original.test) == expected


@pytest.mark.parametrize("form", FORMS)
def test_digits_train_inputs_are_standardised(form):
    digits = load("digits", form=form)
    inputs = scaled(digits, digits.train)
    assert digits.train.inputs.dtype == np.uint8
    assert digits.train.targets.dtype == np.int32
    assert inputs.dtype == np.float32
    assert abs(inputs.mean(dtype=np.float64)) < 1e-6
    assert abs(inputs.std(dtype=np.float64) - 1) < 1e-6
    assert digits.input_shape == (8, 8, 1)


# ---- types


def int32(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def float32(*values: float) -> np.ndarray:
    return np.array(values, np.float32)


def valid_fields() -> dict:
    images, labels = np.zeros((4, 6), np.uint8), np.array([0, 1, 2, 1], np.int32)
    return {
        "name": "toy",
        "task": "classification",
        "num_outputs": 3,
        "train": Split(images, labels),
        "validation": None,
        "test": Split(images[:1], labels[:1]),
        "input_scale": float32(1, 1, 1, 1, 1, 1),
        "input_shift": np.asarray(0, np.float32),
        "input_shape": (2, 3, 1),
        "source": "written in a test",
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "ranking"}, "toy: task must be"),
        ({"num_outputs": 2}, "toy: train labels must lie in 0..1, got 0..2"),
        ({"num_outputs": 0}, "toy: 0 outputs do not fit classification"),
        ({"task": "regression"}, "toy: train targets must be float32 [4, 3], got int32 [4]"),
        ({"task": "regression", "num_outputs": 1}, "toy: train targets must be float32 [4], got int32 [4]"),
        ({"input_shape": (7,)}, "toy: train inputs must be [N, 7] with N >= 1, got [4, 6]"),
        ({"input_scale": float32(1, 1)}, "toy: input_scale must be float32 [] or [6], got float32 [2]"),
        ({"input_scale": None}, "toy: input_scale must be float32 [] or [6], got None; only tokens, int32, have none"),
        ({"channels_first": True, "input_shape": (6,)}, "toy: channels_first is for flat rows of images"),
        ({"input_shift": np.asarray(0.0)}, "toy: input_shift must be float32"),
        ({"input_shift": np.asarray(np.nan, np.float32)}, "toy: input_shift is not finite"),
        ({"info": {"width": np.int64(3)}}, "toy: info does not fit in JSON"),
        ({"info": {"width": math.nan}}, "toy: info does not fit in JSON"),
        ({"test": Split(np.zeros((2, 6), np.uint8), int32(0))}, "toy: test targets must be int32 [2], got int32"),
        ({"test": Split(np.zeros((0, 6), np.uint8), int32())}, "toy: test inputs must be [N, 6] with N >= 1"),
        ({"test": Split(np.zeros((1, 2, 3), np.uint8), int32(0))}, "toy: test inputs must be [N, 6]"),
        (
            {"test": Split(np.zeros((1, 6)), int32(0))},
            "toy: test inputs must be uint8 or float32, or int32 for tokens, got float64",
        ),
        ({"test": Split(np.full((1, 6), np.inf, np.float32), int32(0))}, "toy: test inputs are not all finite"),
        ({"validation": Split(np.zeros((1, 6), np.uint8), int32(-1))}, "toy: validation labels must lie in 0..2"),
        ({"test": Split(np.zeros((1, 6), np.uint8), int32(0), float32(0))}, "clean_targets are for regr"),
    ],
)
def test_contradictory_arrays_are_refused(changes, message):
    Dataset(**valid_fields())
    with pytest.raises(ValueError) as caught:
        Dataset(**{**valid_fields(), **changes})
    assert message in str(caught.value)


@pytest.mark.parametrize("column", ["targets", "clean_targets"])
def test_regression_targets_must_be_finite_columns(column):
    inputs = np.zeros((2, 6), np.float32)
    fields = {**valid_fields(), "task": "regression", "num_outputs": 1}
    good = {"targets": np.zeros(2, np.float32), "clean_targets": np.zeros(2, np.float32)}
    fields["train"] = fields["test"] = Split(inputs, **good)
    Dataset(**fields)
    for bad in (float32(0, np.nan), np.zeros((2, 1), np.float32), np.zeros(2)):
        with pytest.raises(ValueError, match=f"toy: test {column}"):
            Dataset(**{**fields, "test": Split(inputs, **{**good, column: bad})})


def test_names_are_those_that_load():
    names = "digits teacher add10 mnist fashion_mnist cifar10 cifar_like airfoil airfoil_iid poker census"
    assert tuple(names.split()) == data.NAMES
