"""records.py against what plain `json` and `numpy.load` read, and against kills, torn lines and full disks."""

import dataclasses
import json
import math
import os
import resource
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsize import records
from jaxsize.records import Rows, StepArray, differences, open_folder, read_json, to_plain, write_json

numbers = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
plain_values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@dataclasses.dataclass(frozen=True)
class Settings:
    widths: tuple[int, ...] = (300, 100)
    learning_rate: float = 0.1
    data: Path = Path("a/b")


class Swept(NamedTuple):
    penalty: Any
    seed: Any


@pytest.fixture
def small_files():
    """No file may grow beyond 4 KiB: writing more fails as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder):
    return sorted(os.listdir(folder))


# JSON


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


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, "old")
    with pytest.raises(OSError):
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


# The folder


def test_a_folder_from_its_making_to_its_end(tmp_path):
    path = tmp_path / "results" / "mnist"
    folder = open_folder(path, Settings(), device={"platform": "cpu", "count": np.int64(4)})
    assert folder.status == "created" and folder.path == path
    record = json.loads((path / "config.json").read_text())
    assert record["config"] == {"widths": [300, 100], "learning_rate": 0.1, "data": "a/b"}
    assert record["device"] == {"platform": "cpu", "count": 4}
    assert record["versions"]["jax"] == jax.__version__ and record["versions"]["numpy"] == np.__version__
    assert {"python", "jaxlib", "jaxsize", "optax"} <= set(record["versions"])

    with pytest.raises(ValueError, match="unfinished run of the same settings: --resume continues it"):
        open_folder(path, Settings())
    assert open_folder(path, Settings(), resume=True).status == "resumed"
    folder.write_summary({"size": np.float32(np.nan)})
    for resume in (False, True):
        finished = open_folder(path, Settings(), resume=resume)
        assert finished.status == "finished" and finished.read_summary() == {"size": None}
    with pytest.raises(ValueError, match="other settings"):
        open_folder(path, Settings(learning_rate=0.2), resume=True)


def test_resuming_elsewhere_is_recorded(tmp_path):
    open_folder(tmp_path, {"a": 1}, device={"kind": "A"})
    before = (tmp_path / "config.json").read_bytes()
    open_folder(tmp_path, {"a": 1}, device={"kind": "A"}, resume=True)
    assert (tmp_path / "config.json").read_bytes() == before
    for _ in range(2):
        open_folder(tmp_path, {"a": 1}, device={"kind": "B"}, resume=True)
    record = read_json(tmp_path / "config.json")
    assert record["device"] == {"kind": "A"} and [row["device"] for row in record["resumed"]] == [{"kind": "B"}]


def test_other_settings_are_named_in_one_line(tmp_path):
    open_folder(tmp_path, {"model": {"width": 64}, "rate": 0.1, "seeds": (1, 2), "a": 0, "b": 0})
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ValueError) as caught:
        open_folder(tmp_path, {"model": {"width": 32}, "rate": 0.2, "seeds": (1, 2), "a": 1, "c": 0}, resume=True)
    message = str(caught.value)
    assert "model.width: 64 there, 32 here; rate: 0.1 there, 0.2 here; a: 0 there, 1 here; and 2 more" in message
    assert "another --out" in message and "\n" not in message
    assert (tmp_path / "config.json").read_bytes() == before


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(), plain_values | st.tuples(st.floats()) | st.floats(width=32), max_size=4))
def test_settings_equal_themselves_after_the_file(config):
    with tempfile.TemporaryDirectory() as folder:
        open_folder(folder, config)
        assert open_folder(folder, config, resume=True).status == "resumed"


def test_foreign_files_are_left_alone(tmp_path):
    (tmp_path / ".hidden").touch()
    assert open_folder(tmp_path / "new", {}).status == "created"
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").touch()
    for resume in (False, True):
        with pytest.raises(ValueError, match=r"thesis\.txt.*another --out"):
            open_folder(other, {}, resume=resume)
    assert names(other) == ["thesis.txt"]
    (other / "thesis.txt").rename(other / ".thesis.txt")
    assert open_folder(other, {}).status == "created"


@pytest.mark.parametrize("content", [b'{"config": ', b"[]", b"{}"])
def test_a_foreign_or_torn_config_is_refused(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json"):
        open_folder(tmp_path, {}, resume=True)
    assert (tmp_path / "config.json").read_bytes() == content and names(tmp_path) == ["config.json"]


def test_paths_that_cannot_be_a_folder(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "x" / "y"):
        with pytest.raises(ValueError, match="file is a file"):
            open_folder(path, {})
    monkeypatch.setattr(os, "access", lambda *_: False)  # permissions mean nothing to a test run by root
    with pytest.raises(ValueError, match=r"not writable.*another --out"):
        open_folder(tmp_path / "x", {})
    assert names(tmp_path) == ["file"]
    monkeypatch.undo()

    def fail(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(records.Path, "mkdir", fail)
    with pytest.raises(ValueError, match="Read-only file system") as caught:
        open_folder(tmp_path / "x", {})
    assert "\n" not in str(caught.value)


# Rows


def test_rows_are_appended_read_and_truncated(tmp_path):
    rows = Rows(tmp_path / "metrics.jsonl")
    assert rows.read() == []
    rows.truncate(lambda row: False)
    rows.append([{"epoch": 0, "loss": np.float32(0.5)}, {"epoch": 1, "loss": math.nan}])
    rows.append([])
    rows.append([{"epoch": 2, "loss": jnp.float32(0.25), "text": "ä\n\u2028\r"}])
    expected = [
        {"epoch": 0, "loss": 0.5},
        {"epoch": 1, "loss": None},
        {"epoch": 2, "loss": 0.25, "text": "ä\n\u2028\r"},
    ]
    assert rows.read() == expected
    assert [json.loads(line) for line in rows.path.read_text().splitlines()] == expected
    rows.truncate(lambda row: row["epoch"] != 1)
    assert rows.read() == [expected[0], expected[2]] and names(tmp_path) == ["metrics.jsonl"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(), plain_values, max_size=3), max_size=5), st.data())
def test_a_file_cut_at_any_byte_keeps_its_complete_rows(rows, data):
    with tempfile.TemporaryDirectory() as folder:
        file = Rows(Path(folder, "metrics.jsonl"))
        file.append(rows)
        content = file.path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        file.path.write_bytes(content[:cut])
        complete = rows[: content[:cut].count(b"\n")]
        assert file.read() == complete
        if data.draw(st.booleans()):
            file.truncate(lambda row: True)
            assert file.path.read_bytes().count(b"\n") == len(complete)
        file.append([{"next": 1}])
        assert Rows(file.path).read() == [*complete, {"next": 1}]


@pytest.mark.usefixtures("small_files")
def test_rows_that_do_not_fit_on_the_disk_are_not_half_written(tmp_path):
    rows = Rows(tmp_path / "metrics.jsonl")
    rows.append([{"a": 1}])
    with pytest.raises(OSError):
        rows.append([{"a": 2}, {"a": "x" * 5000}])
    assert rows.path.read_bytes() == b'{"a": 1}\n'
    rows.append([{"a": 3}])
    assert rows.read() == [{"a": 1}, {"a": 3}]


def test_rows_without_a_json_form_and_damaged_lines(tmp_path):
    rows = Rows(tmp_path / "metrics.jsonl")
    rows.append([{"a": 1}])
    with pytest.raises(TypeError):
        rows.append([{"a": 2}, {"a": object()}])
    assert rows.read() == [{"a": 1}]
    with open(rows.path, "a") as file:
        file.write("[1]\n")
    for use in (rows.read, lambda: rows.truncate(lambda row: True)):
        with pytest.raises(ValueError, match=r"metrics\.jsonl line 2 is not a JSON object"):
            use()


# Step arrays


def test_a_step_array_is_written_reopened_and_read_by_numpy(tmp_path):
    path = tmp_path / "loss.npy"
    expected = np.full((3, 10), np.nan, np.float32)
    array = StepArray(path, 3, 10)
    np.testing.assert_array_equal(np.load(path), expected)
    array.write(2, block := np.arange(12, dtype=np.float32).reshape(3, 4))
    expected[:, 2:6] = block
    array.write(9, jnp.ones((2, 1)), runs=[0, 2])
    expected[[0, 2], 9] = 1
    array.write(10, np.zeros((3, 0)))
    array.flush()
    np.testing.assert_array_equal(np.load(path), expected)
    again = StepArray(path, 3, 10)
    again.write(0, [[5.0], [6.0]], runs=slice(1, 3))
    again.flush()
    expected[1:, 0] = [5, 6]
    np.testing.assert_array_equal(np.load(path, mmap_mode="r"), expected)
    np.testing.assert_array_equal(again.values, expected)
    assert names(tmp_path) == ["loss.npy"]


@pytest.mark.parametrize(
    ("start", "block", "runs"),
    [
        (-1, np.zeros((3, 2)), slice(None)),
        (9, np.zeros((3, 2)), slice(None)),
        (0, np.zeros((1, 2)), slice(None)),
        (0, np.zeros((3, 2)), [0, 1]),
        (0, np.zeros(3), slice(None)),
        (0, np.zeros((3, 1), complex), slice(None)),
    ],
)
def test_a_block_that_does_not_fit_is_refused(tmp_path, start, block, runs):
    array = StepArray(tmp_path / "loss.npy", 3, 10)
    with pytest.raises(ValueError, match="block"):
        array.write(start, block, runs)
    assert np.isnan(array.values).all()


def test_integer_step_arrays(tmp_path):
    array = StepArray(tmp_path / "units.npy", 2, 3, dtype=np.int32, fill=-1)
    with pytest.raises(ValueError, match="cannot be stored as int32"):
        array.write(0, np.ones((2, 1)))
    assert np.load(array.path).tolist() == [[-1] * 3] * 2
    for dtype, fill in ((np.int32, np.nan), (np.uint8, -1), (np.int32, 0.5)):
        with pytest.raises(ValueError, match="cannot be filled"):
            StepArray(tmp_path / "other.npy", 2, 3, dtype=dtype, fill=fill)
    for shape, dtype in (((0, 3), np.float32), ((2, 0), np.float32), ((2, 3), "U3"), ((2, 3), jnp.bfloat16)):
        with pytest.raises(ValueError, match="needs a run, a step and a NumPy number dtype"):
            StepArray(tmp_path / "other.npy", *shape, dtype=dtype)
    assert names(tmp_path) == ["units.npy"]


def test_another_or_a_damaged_step_array_is_refused(tmp_path):
    path = tmp_path / "loss.npy"
    content = StepArray(path, 3, 10).path.read_bytes()
    for wrong in (lambda: StepArray(path, 3, 11), lambda: StepArray(path, 3, 10, dtype=np.float64)):
        with pytest.raises(ValueError, match=r"expected float.*found float32\[3, 10\]"):
            wrong()
    for cut in (0, 4, 60, 128, len(content) - 1):
        path.write_bytes(content[:cut])
        with pytest.raises(ValueError, match="is damaged or no"):
            StepArray(path, 3, 10)
        assert path.stat().st_size == cut
    np.save(path, np.zeros((10, 3), np.float32).T)
    with pytest.raises(ValueError, match="in C order"):
        StepArray(path, 3, 10)


@pytest.mark.usefixtures("small_files")
def test_a_step_array_that_does_not_fit_on_the_disk_leaves_nothing(tmp_path):
    with pytest.raises(OSError):
        StepArray(tmp_path / "loss.npy", 3, 1000)
    assert names(tmp_path) == []
