"""Scores in which every class counts alike."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from helpers.arms import made_arms

from experiments.compress.tables import balanced
from jaxsize import data
from jaxsize.export.saving import save_network
from jaxsize.networks.mlp import mlp


def test_saved_networks_are_scored_on_all_test_rows_with_every_class_that_occurs_counting_alike(tmp_path, monkeypatch):
    digits = data.load("digits")
    kept = digits.test.targets != 4  # a class that never occurs
    test = data.Split(digits.test.inputs[kept], digits.test.targets[kept])
    params = mlp((64, 5, 10), gate=None).init(0)
    scaling = {"input_scale": digits.input_scale, "input_shift": digits.input_shift}
    rows = [{"dataset": "digits", "form": "corrected", "arm": "compress", "seed": seed} for seed in (0, 2)]
    arm: Any = made_arms(tmp_path / "r", rows, num_seeds=3)["compress"]
    arm._data["digits", "corrected"] = SimpleNamespace(test=test)
    save_network(tmp_path / "r" / "networks" / "run_1", params, **scaling)
    monkeypatch.setattr("experiments.compress.tables.ROWS_AT_ONCE", 100)
    inputs = test.inputs.astype(np.float64) * digits.input_scale + digits.input_shift
    hidden = np.maximum(inputs @ params["hidden"][0]["kernel"] + params["hidden"][0]["bias"], 0)
    predicted = (hidden @ params["output"]["kernel"] + params["output"]["bias"]).argmax(-1)
    recalls = [np.mean(predicted[test.targets == label] == label) for label in range(10) if label != 4]
    accuracies = balanced(arm)
    assert np.isnan(accuracies[:2]).all() and accuracies[2] == pytest.approx(np.mean(recalls), abs=2e-3)
