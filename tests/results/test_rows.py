"""rows.py against what plain `json` reads, with torn lines, full disks and edited files."""

import json
import math
import os
import tempfile
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from helpers.files import full_disk, names, plain_values
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsize.results import Rows


def test_rows_are_appended_and_read(tmp_path):
    rows = Rows(tmp_path / "a.jsonl")
    assert rows.read() == [] and names(tmp_path) == []
    rows.append([{"epoch": 0, "loss": np.float32(0.5)}, {"epoch": 1, "loss": math.nan}])
    rows.append([])
    rows.append([{"epoch": 2, "loss": jnp.float32(0.25), "text": "ä\n\u2028\r"}])
    expected = [
        {"epoch": 0, "loss": 0.5},
        {"epoch": 1, "loss": None},
        {"epoch": 2, "loss": 0.25, "text": "ä\n\u2028\r"},
    ]
    assert rows.read() == expected == Rows(rows.path).read()
    assert [json.loads(line) for line in rows.path.read_text().splitlines()] == expected


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.text(), plain_values, max_size=3), max_size=5), st.data())
def test_a_file_cut_at_any_byte_keeps_its_complete_rows(rows, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        Rows(path).append(rows)
        content = path.read_bytes()
        cut = data.draw(st.integers(0, len(content)))
        path.write_bytes(content[:cut])
        complete = rows[: content[:cut].count(b"\n")]
        assert Rows(path).read() == complete
        Rows(path).append([{"next": 1}])
        assert Rows(path).read() == [*complete, {"next": 1}]


def test_going_on_from_a_mark_drops_what_came_after(tmp_path):
    rows = Rows(tmp_path / "a.jsonl")
    nothing = rows.mark()
    rows.append([{"a": 1}])
    mark = rows.mark()
    rows.append([{"a": 2}])
    with open(rows.path, "a") as file:
        file.write('{"a": ')  # torn by a kill
    again = Rows(rows.path)
    again.resume(mark)
    assert again.read() == [{"a": 1}] and rows.path.read_bytes() == b'{"a": 1}\n'
    again.append([{"a": 3}])
    assert Rows(rows.path).read() == [{"a": 1}, {"a": 3}]
    again.resume(nothing)
    assert rows.path.read_bytes() == b"" and again.read() == []


@pytest.mark.parametrize("edit", [lambda old: old.replace(b"1", b"2", 1), lambda old: old[1:], lambda old: b"", None])
def test_a_file_that_is_not_as_it_was_at_the_mark_is_refused_and_left(tmp_path, edit):
    rows = Rows(tmp_path / "a.jsonl")
    rows.append([{"a": 1}, {"a": 2}])
    mark = rows.mark()
    rows.append([{"a": 3}])
    rows.path.write_bytes(edit(rows.path.read_bytes())) if edit else rows.path.unlink()
    before = rows.path.read_bytes() if edit else None
    with pytest.raises(ValueError, match=r"a\.jsonl is not what was saved: it was edited, shortened or deleted"):
        Rows(rows.path).resume(mark)
    assert before is None or rows.path.read_bytes() == before


def test_rows_that_do_not_fit_on_the_disk_are_not_half_written(tmp_path):
    rows = Rows(tmp_path / "a.jsonl")
    rows.append([{"a": 1}])
    with full_disk(), pytest.raises(OSError):
        rows.append([{"a": 2}, {"a": "x" * 5000}])
    assert rows.path.read_bytes() == b'{"a": 1}\n'
    rows.append([{"a": 3}])
    assert rows.read() == [{"a": 1}, {"a": 3}] == Rows(rows.path).read()


def test_rows_are_not_written_to_a_file_that_somebody_shortened(tmp_path):
    rows = Rows(tmp_path / "a.jsonl")
    rows.append([{"a": 1}])
    os.truncate(rows.path, 2)
    with pytest.raises(OSError, match="shortened or deleted by another program"):
        rows.append([{"a": 2}])
    assert rows.path.read_bytes() == b'{"'


def test_rows_without_a_json_form_and_damaged_lines(tmp_path):
    rows = Rows(tmp_path / "a.jsonl")
    rows.append([{"a": 1}])
    with pytest.raises(TypeError):
        rows.append([{"a": 2}, {"a": object()}])
    assert rows.read() == [{"a": 1}] == Rows(rows.path).read()
    for line in ("[1]", "x", "[" * 9000):
        rows.path.write_text('{"a": 1}\n' + line + "\n")
        with pytest.raises(ValueError, match=r"a\.jsonl line 2 is not a JSON object"):
            Rows(rows.path).read()
