"""folder.py against what plain `json` reads, and against foreign files, torn lines and full disks."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import numpy as np
import pytest
from helpers.files import names, plain_values
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsize import load_network
from jaxsize.results.folder import open_folder
from jaxsize.results.json_files import read_json

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


def test_every_batch_has_rows_and_events_of_its_own(tmp_path):
    folder = open_folder(tmp_path, SETTINGS)
    assert folder.rows.read() == folder.events.read() == []
    folder.rows.of("mnist.learned").append([{"run": 2, "epoch": 1}, {"run": 3, "epoch": 1}])
    folder.rows.of("digits").append([{"run": 0, "epoch": 1}])
    folder.events.of("digits").append([{"event": "collapse", "runs": [0], "epoch": 1}])
    assert names(tmp_path / "rows") == ["digits.jsonl", "mnist.learned.jsonl"]
    assert names(tmp_path / "events") == ["digits.jsonl"]
    again = open_folder(tmp_path, SETTINGS, resume=True)
    assert [row["run"] for row in again.rows.read()] == [0, 2, 3] and again.events.read() == folder.events.read()


def test_an_unfinished_folder_of_an_earlier_version_is_refused_a_finished_one_is_read(tmp_path):
    (tmp_path / "config.json").write_text('{"config": {"a": 1}, "versions": {}, "device": {}}')
    (tmp_path / "metrics.jsonl").write_text('{"run": 0, "epoch": 1}\n')
    before = names(tmp_path)
    with pytest.raises(
        ValueError, match=r"unfinished run of another version \(format 1, here 2\); choose another --out"
    ):
        open_folder(tmp_path, {"a": 1}, resume=True)
    assert names(tmp_path) == before
    (tmp_path / "summary.json").write_text('{"size": 3}')
    assert open_folder(tmp_path, {"a": 1}).read_summary() == {"size": 3}


def test_a_folder_has_one_process_until_that_ends(tmp_path):
    """Another one is refused, whether it would start or go on; what a killed one held is free."""
    code = f"""
import sys
import tempfile
from jaxsize.results import open_folder
try:
    open_folder({str(tmp_path / "r")!r}, {{"a": 1}}, resume=True)
except ValueError as error:
    sys.exit(str(error))
print("open", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None and first.stdout.readline() == "open\n"
        with pytest.raises(ValueError, match="in use by another process"):
            open_folder(tmp_path / "r", {"a": 1}, resume=True)
        first.kill()
    assert open_folder(tmp_path / "r", {"a": 1}, resume=True).status == "resumed"
    assert open_folder(tmp_path / "r", {"a": 1}, resume=True).status == "resumed"  # this process has it
    second = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert second.returncode == 1 and "in use by another process" in second.stderr and second.stderr.count("\n") == 1


@pytest.mark.parametrize(("path", "message"), [(None, "got None"), (b"r", "got b'r'"), ("r\udcc3", "PYTHONUTF8=1")])
def test_what_is_no_path_is_told_in_one_line(path, message):
    """The last one is what Python makes of UTF-8 where file names are ASCII."""
    for use in (lambda: open_folder(path, {}), lambda: load_network(path)):
        with pytest.raises(ValueError, match=message) as caught:
            use()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "record", ["[]", "{}", '{"config": {"a": 1}, "resumed": 3}', '{"config": {"a": 1}, "resumed": [1]}', "[" * 9000]
)
def test_config_of_another_form_is_refused(tmp_path, record):
    (tmp_path / "config.json").write_text(record)
    with pytest.raises(ValueError, match=r"config\.json is not|other settings") as caught:
        open_folder(tmp_path, {"a": 1}, resume=True)
    assert "\n" not in str(caught.value) and names(tmp_path) == ["config.json"]


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
