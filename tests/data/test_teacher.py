"""The data sets that are drawn: teacher and add10."""

import dataclasses
import math

import numpy as np
import pytest

from jaxsize.data import load
from jaxsize.data.sets.teacher import make_teacher

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


@pytest.mark.parametrize("form", ["corrected", "original"])
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
    scaled = dataset.train.inputs * dataset.input_scale + dataset.input_shift
    np.testing.assert_array_equal(scaled, dataset.train.inputs)


def test_add10_original_draws_the_train_rows_anew_and_keeps_the_test_rows():
    first, second = load("add10", form="original", seed=1), load("add10", form="original", seed=2)
    np.testing.assert_array_equal(first.test.targets, second.test.targets)
    assert not np.array_equal(first.train.targets, second.train.targets)
    first, second = load("add10", seed=1), load("add10", seed=2)
    assert not np.array_equal(first.test.targets, second.test.targets)
