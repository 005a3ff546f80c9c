"""Scores in which every class counts alike."""

import numpy as np
import pytest

from experiments.compress.balance import balanced_accuracies, balanced_accuracy
from jaxsize import data
from jaxsize.export.saving import save_network
from jaxsize.networks.mlp import mlp


def test_every_class_that_occurs_counts_alike():
    targets = np.array([0] * 8 + [1] * 2 + [3])
    predicted = np.array([0] * 6 + [2, 1] + [1, 0] + [3])  # recalls 6/8, 1/2, 1; class 2 never occurs
    assert balanced_accuracy(predicted, targets) == pytest.approx((6 / 8 + 1 / 2 + 1) / 3)


def test_saved_networks_are_scored_on_all_test_rows_and_missing_ones_are_not(tmp_path):
    digits = data.load("digits")
    params = mlp((64, 5, 10), gate=None).init(0)
    save_network(tmp_path / "run_3", params, input_scale=digits.input_scale, input_shift=digits.input_shift)
    inputs = digits.test.inputs.astype(np.float64) * digits.input_scale + digits.input_shift
    hidden = np.maximum(inputs @ params["hidden"][0]["kernel"] + params["hidden"][0]["bias"], 0)
    predicted = (hidden @ params["output"]["kernel"] + params["output"]["bias"]).argmax(-1)
    recalls = [np.mean(predicted[digits.test.targets == label] == label) for label in range(10)]
    accuracies = balanced_accuracies(tmp_path, digits, [2, 3])
    assert np.isnan(accuracies[0]) and accuracies[1] == pytest.approx(np.mean(recalls), abs=2e-3)
