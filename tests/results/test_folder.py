"""folder.py against what plain `json` reads, and against foreign files, torn lines and full disks."""

import json
import math
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.files import full_disk, names, plain_values
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsize.results.folder import open_folder
from jaxsize.results.json_files import read_json
from jaxsize.results.rows import Rows

SETTINGS = {"widths": (300, 100), "learning_rate": 0.1, "data": Path("a/b")}


# The folder


def test_a_folder_from_its_making_to_its_end(tmp_path):
    path = tmp_path / "results" / "mnist"
    folder = open_folder(path, SETTINGS, device={"platform": "cpu", "count": np.int64(4)})
    assert folder.status == "created" and folder.path == path
    record = json.loads((path / "config.json").read_text())
    assert record["config"] == {"widths": [300, 100], "learning_rate": 0.1, "data": "a/b"}
    assert record["device"] == {"platform": "cpu", "count": 4}
    assert record["versions"]["jax"] == jax.__version__ and record["versions"]["numpy"] == np.__version__
    assert {"python", "jaxlib", "jaxsize", "optax"} <= set(record["versions"])

    with pytest.raises(ValueError, match="unfinished run of the same settings: --resume continues it"):
        open_folder(path, SETTINGS)
    assert open_folder(path, SETTINGS, resume=True).status == "resumed"
    folder.write_summary({"size": np.float32(np.nan)})
    for resume in (False, True):
        finished = open_folder(path, SETTINGS, resume=resume)
        assert finished.status == "finished" and finished.read_summary() == {"size": None}
    with pytest.raises(ValueError, match="other settings"):
        open_folder(path, SETTINGS | {"learning_rate": 0.2}, resume=True)


def test_rows_and_events_are_files_of_their_own(tmp_path):
    folder = open_folder(tmp_path, SETTINGS)
    assert folder.rows.read() == folder.events.read() == []
    folder.rows.append([{"run": 1, "epoch": 1}])
    folder.events.append([{"event": "collapse", "runs": [1], "epoch": 1}])
    assert names(tmp_path) == ["config.json", "events.jsonl", "metrics.jsonl"]
    again = open_folder(tmp_path, SETTINGS, resume=True)
    again.events.truncate(lambda row: row["epoch"] < 1)
    assert again.rows.read() == [{"run": 1, "epoch": 1}] and again.events.read() == []


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

    monkeypatch.setattr(Path, "mkdir", fail)
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


def test_rows_that_do_not_fit_on_the_disk_are_not_half_written(tmp_path):
    rows = Rows(tmp_path / "metrics.jsonl")
    rows.append([{"a": 1}])
    with full_disk(), pytest.raises(OSError):
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
