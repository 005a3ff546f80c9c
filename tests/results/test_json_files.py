"""json_files.py against what plain `json` reads, and against failures and full disks."""

import dataclasses
import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.files import full_disk, names, plain_values
from hypothesis import given, settings

from jaxsize.results.json_files import differences, read_json, to_plain, write_json


@dataclasses.dataclass(frozen=True)
class Settings:
    widths: tuple[int, ...] = (300, 100)
    learning_rate: float = 0.1
    data: Path = Path("a/b")


class Swept(NamedTuple):
    penalty: Any
    seed: Any


@settings(max_examples=100, deadline=None)
@given(plain_values)
def test_json_round_trip(value):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "value.json")
        write_json(path, value)
        assert read_json(path) == value
        assert json.loads(path.read_text(encoding="ascii")) == value
        assert differences(to_plain(value), read_json(path)) == []
        assert names(folder) == ["value.json"]


def test_to_plain_of_every_kind_of_value():
    value = {
        "settings": Settings(),
        "swept": Swept(np.float32(0.5), np.int64(3)),
        "numbers": [np.nan, -math.inf, np.float64("inf"), np.bool_(True), jnp.float32(1.5), jnp.bfloat16(2)],
        "array": np.array([[1.0, np.nan], [np.inf, 2.0]], np.float32),
        "jax": jnp.arange(3),
        "empty": np.zeros((0, 2)),
        7: (1, (2,)),
    }
    assert to_plain(value) == {
        "settings": {"widths": [300, 100], "learning_rate": 0.1, "data": "a/b"},
        "swept": {"penalty": 0.5, "seed": 3},
        "numbers": [None, None, None, True, 1.5, 2.0],
        "array": [[1.0, None], [None, 2.0]],
        "jax": [0, 1, 2],
        "empty": [],
        "7": [1, [2]],
    }


@pytest.mark.parametrize("value", [b"x", 1j, {1, 2}, object(), {(1, 2): 3}, {1: 0, "1": 0}, np.array([1j]), [dict]])
def test_a_value_without_a_json_form_is_refused_and_the_old_file_stays(tmp_path, value):
    path = tmp_path / "value.json"
    write_json(path, [1])
    with pytest.raises(TypeError):
        write_json(path, {"x": value})
    assert read_json(path) == [1] and names(tmp_path) == ["value.json"]


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, "old")
    with full_disk(), pytest.raises(OSError):
        write_json(path, "x" * 5000)
    assert read_json(path) == "old" and names(tmp_path) == ["value.json"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_before_or_at_the_rename_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "value.json"
    write_json(path, "old")

    def fail(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(OSError, match="no space left"):
        write_json(path, "new")
    assert read_json(path) == "old" and names(tmp_path) == ["value.json"]


def test_unusable_json_files(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_json(tmp_path / "missing" / "value.json", 1)
    with pytest.raises(FileNotFoundError):
        read_json(tmp_path / "value.json")
    for content in (b"", b'{"a": 1', b"\xff\xfe"):
        (tmp_path / "value.json").write_bytes(content)
        with pytest.raises(ValueError, match=r"value\.json is not a JSON file"):
            read_json(tmp_path / "value.json")


def test_differences_are_named():
    old = {"a": 1, "b": {"c": [1, 2], "d": True}, "gone": None, "same": 1.0}
    new = {"a": 2, "b": {"c": [1, 3], "d": 1}, "same": 1, "new": "x" * 99}
    assert differences(old, new) == [
        ("a", "1", "2"),
        ("b.c[1]", "2", "3"),
        ("b.d", "true", "1"),
        ("gone", "null", "absent"),
        ("new", "absent", '"' + "x" * 56 + "..."),
    ]
    assert differences([1], [1, 2]) == [("", "[1]", "[1, 2]")]
