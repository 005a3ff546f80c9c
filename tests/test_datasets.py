"""The data sets that need no files, the types, and `load` itself."""

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from jaxsize import datasets
from jaxsize.datasets import Dataset, Split, load
from jaxsize.datasets.teacher import make_teacher

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
import jaxsize.datasets
assert not {"sklearn", "tensorflow_datasets", "tensorflow", "platformdirs"} & set(sys.modules), "heavy import"
for name in ("digits", "teacher", "add10"):
    jaxsize.datasets.load(name)
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
    for a, b in zip(arrays_of(first), arrays_of(again), strict=True):
        np.testing.assert_array_equal(a, b)
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


# ---- teacher


def test_teacher_labels_are_the_largest_logit_of_its_network():
    dataset = load("teacher", num_rows=400, num_inputs=5, width=3, num_classes=4, seed=11)
    teacher = make_teacher(seed=11, num_inputs=5, width=3, num_outputs=4)
    assert dataset.validation is not None
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (400, 100, 100)
    for split in (dataset.train, dataset.validation, dataset.test):
        for row, label in zip(split.inputs.tolist(), split.targets.tolist(), strict=True):
            logits = list(teacher.out_bias)
            for unit in range(3):
                level = teacher.in_bias[unit] + sum(row[i] * teacher.in_kernel[i, unit] for i in range(5))
                if level > 0:
                    logits = [logits[k] + level * teacher.out_kernel[unit, k] for k in range(4)]
            assert label == logits.index(max(logits))


@pytest.mark.parametrize(("num_inputs", "width", "num_classes"), [(10, 8, 10), (1, 8, 5), (10, 3, 4), (4, 32, 10)])
def test_teacher_classes_are_balanced_and_every_unit_matters(num_inputs, width, num_classes):
    options = {"num_inputs": num_inputs, "width": width, "num_classes": num_classes}
    dataset = load("teacher", **options)
    shares = np.bincount(dataset.test.targets, minlength=num_classes) / len(dataset.test)
    assert shares.min() > 0.5 / num_classes
    assert shares.max() < 1.5 / num_classes

    teacher = make_teacher(seed=0, num_inputs=num_inputs, width=width, num_outputs=num_classes)
    np.testing.assert_allclose(np.linalg.norm(teacher.in_kernel, axis=0), 1)
    np.testing.assert_allclose(np.linalg.norm(teacher.out_kernel, axis=1), 1)
    np.testing.assert_allclose(teacher.out_kernel.sum(axis=1), 0, atol=1e-12)
    changed = []
    for unit in range(width):
        silenced = teacher.out_kernel.copy()
        silenced[unit] = 0
        without = dataclasses.replace(teacher, out_kernel=silenced)
        changed.append(np.mean(without(dataset.test.inputs).argmax(axis=1) != dataset.test.targets))
    assert min(changed) > 0.2 / width


def test_teacher_regression_is_standardised_with_the_noise_asked_for():
    dataset = load("teacher", task="regression", noise=0.5, num_rows=40_000)
    assert (dataset.num_outputs, dataset.info) == (1, {"teacher_width": 8, "noise": 0.5, "best_mse": 0.25})
    for split in (dataset.train, dataset.validation, dataset.test):
        assert split is not None and split.clean_targets is not None
        assert split.targets.dtype == split.clean_targets.dtype == np.float32
        noise = split.targets - split.clean_targets
        assert abs(split.clean_targets.mean()) < 0.05
        assert abs(split.clean_targets.std() - 1) < 0.05
        assert abs(noise.std() - 0.5) < 0.02
        assert abs(np.corrcoef(noise, split.clean_targets)[0, 1]) < 0.05
    noiseless = load("teacher", task="regression", num_rows=10)
    assert noiseless.train.clean_targets is not None
    np.testing.assert_array_equal(noiseless.train.targets, noiseless.train.clean_targets)


def test_teacher_label_noise_redraws_the_share_asked_for():
    clean, noisy = load("teacher", num_rows=40_000), load("teacher", num_rows=40_000, noise=0.3)
    np.testing.assert_array_equal(clean.train.inputs, noisy.train.inputs)
    agreement = np.mean(clean.train.targets == noisy.train.targets)
    assert clean.info["best_accuracy"] == 1
    assert noisy.info["best_accuracy"] == pytest.approx(0.7 + 0.3 / 10)
    assert abs(agreement - noisy.info["best_accuracy"]) < 0.01


@pytest.mark.parametrize("num_rows", [1, 3, 4, 9])
def test_teacher_has_any_number_of_rows(num_rows):
    dataset = load("teacher", num_rows=num_rows)
    assert dataset.validation is not None
    assert len(dataset.train) == num_rows
    assert len(dataset.validation) == len(dataset.test) == max(1, num_rows // 4)
    rows = np.concatenate([dataset.train.inputs, dataset.validation.inputs, dataset.test.inputs])
    assert len(np.unique(rows, axis=0)) == len(rows)


# ---- add10


@pytest.mark.parametrize("form", FORMS)
def test_add10_follows_its_formula_with_noise_of_variance_one(form):
    dataset = load("add10", form=form, seed=2)
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    assert len(splits) == (3 if form == "corrected" else 2)
    for split in splits:
        assert split.inputs.shape == (9792, 10)
        assert split.inputs.dtype == split.targets.dtype == np.float32
        assert split.inputs.min() >= 0 and split.inputs.max() < 1
        assert split.clean_targets is not None
        for row, clean in zip(split.inputs[:50].tolist(), split.clean_targets.tolist(), strict=False):
            a, b, c, d, e, *_ = row
            expected = 10 * math.sin(math.pi * a * b) + 20 * (c - 0.5) ** 2 + 10 * d + 5 * e
            assert clean == pytest.approx(expected, rel=1e-6)
        noise = (split.targets - split.clean_targets).astype(np.float64)
        # the best possible mean squared error is 1; its standard error over 9792 rows is 0.014
        assert abs(np.mean(noise**2) - 1) < 0.06
        assert abs(noise.mean()) < 0.05
        assert np.abs(np.corrcoef(noise, split.inputs.T)[0, 1:]).max() < 0.05
    # mean of the target: 10 E sin(pi x1 x2) + 20 / 12 + 5 + 2.5, the first by a midpoint rule
    grid = (np.arange(1000) + 0.5) / 1000
    mean = 10 * np.sin(np.pi * np.outer(grid, grid)).mean() + 20 / 12 + 7.5
    assert abs(dataset.train.targets.mean() - mean) < 0.25
    np.testing.assert_array_equal(scaled(dataset, dataset.train), dataset.train.inputs)


def test_add10_original_draws_the_train_rows_anew_and_keeps_the_test_rows():
    first, second = load("add10", form="original", seed=1), load("add10", form="original", seed=2)
    np.testing.assert_array_equal(first.test.targets, second.test.targets)
    assert not np.array_equal(first.train.targets, second.train.targets)
    first, second = load("add10", seed=1), load("add10", seed=2)
    assert not np.array_equal(first.test.targets, second.test.targets)


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
        ({"task": "regression"}, "toy: 3 outputs do not fit regression"),
        ({"task": "regression", "num_outputs": 1}, "toy: train targets must be float32 [4], got int32 [4]"),
        ({"input_shape": (7,)}, "toy: input_scale must be float32 [] or [7], got float32 [6]"),
        ({"input_shift": np.asarray(0.0)}, "toy: input_shift must be float32"),
        ({"input_shift": np.asarray(np.nan, np.float32)}, "toy: input_shift is not finite"),
        ({"info": {"width": np.int64(3)}}, "toy: info does not fit in JSON"),
        ({"info": {"width": math.nan}}, "toy: info does not fit in JSON"),
        ({"test": Split(np.zeros((2, 6), np.uint8), int32(0))}, "toy: test targets must be int32 [2], got int32"),
        ({"test": Split(np.zeros((0, 6), np.uint8), int32())}, "toy: test inputs must be [N, 6] with N >= 1"),
        ({"test": Split(np.zeros((1, 2, 3), np.uint8), int32(0))}, "toy: test inputs must be [N, 6]"),
        ({"test": Split(np.zeros((1, 6)), int32(0))}, "toy: test inputs must be uint8 or float32, got float64"),
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
    assert datasets.NAMES == ("digits", "teacher", "add10", "mnist", "fashion_mnist")
