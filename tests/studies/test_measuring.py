"""Measures of networks before and after training: what is written is what arms read."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms, before_and_after


def test_measures_are_read_by_seed(tmp_path):
    folder = open_folder(tmp_path, {})
    labels = [{"run": 7 + seed, "seed": seed, "batch": "b", "dataset": "d", "form": "f", "arm": "a"} for seed in (1, 2)]
    folder.rows.of("b").append([label | {"epoch": 1} for label in labels])
    made: Any = SimpleNamespace(name="b", labels=labels, init=lambda index: np.full(3, index, np.float32))
    ended: Any = SimpleNamespace(networks=[SimpleNamespace(params=np.full(5, 10 * index)) for index in (1, 2)])
    other: Any = SimpleNamespace(name="c", labels=[{"arm": "z"}])
    setup: Any = None  # the batches know enough

    check = before_and_after("doubled", lambda batch: lambda params: 2 * params[:3], arms="a*")
    assert check(folder, setup, {"b": (made, ended), "c": (other, ended)}) == {}
    assert [path.name for path in (tmp_path / "measured").iterdir()] == ["b.doubled.npz"]
    arm = Arms.of(Runs(folder, {"num_seeds": 3}))["a"]
    before, after = arm.before_and_after("doubled")
    assert np.isnan(before[0]).all() and np.isnan(after[0]).all()  # seed 0 has no run
    assert before[1:].tolist() == [[0, 0, 0], [2, 2, 2]] and after[1:].tolist() == [[20, 20, 20], [40, 40, 40]]
    with pytest.raises(FileNotFoundError):
        arm.before_and_after("tripled")
