"""Rows of JSON in files that grow and stay readable when their program is killed: one file per batch of runs."""

import contextlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.results.json_files import sync_folder, to_plain


class Rows:
    """The rows of a JSON-lines file, one object per line. This process is the only one that writes it.

    A row counts once its line break is on the disk; what a killed program left after the last line break is ignored.
    The file is read once: from then on its rows are kept in memory, and read again only if its length has changed.

    Args:
        path: the file, which need not exist yet; its folder must.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Rows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = Rows(f"{folder}/losses.jsonl")
        ...     rows.append([{"epoch": 1, "loss": 0.5}])
        ...     mark = rows.mark()  # goes into a checkpoint
        ...     rows.append([{"epoch": 2, "loss": float("nan")}])
        ...     print(rows.read())
        ...     rows.resume(mark)
        ...     print(rows.read())
        [{'epoch': 1, 'loss': 0.5}, {'epoch': 2, 'loss': None}]
        [{'epoch': 1, 'loss': 0.5}]
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)
        self._rows: list[dict[str, Any]] | None = None  # not read yet
        self._size = self._crc = 0  # of the lines that `_rows` are of
        self._torn = 0  # bytes after them that are no line

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows at the end of the file and sync them; a torn last line, left by a kill, is removed first.

        If an error is raised, none of the rows is in the file.

        Raises:
            InputError: when the file holds something else than rows.
            TypeError: when a row has no JSON form.
            OSError: when the rows cannot be written, or another program has shortened the file.
        """
        added = [to_plain(dict(row)) for row in rows]
        lines = b"".join(json.dumps(row, allow_nan=False).encode() + b"\n" for row in added)
        if self._bytes() < self._size:
            raise OSError(f"{self.path} was shortened or deleted by another program")
        known, new = self._known(), not self.path.exists()
        with open(self.path, "a+b", buffering=0) as file:
            file.truncate(self._size)
            try:
                written = 0
                while written < len(lines):
                    written += file.write(lines[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(self._size)
                raise
        known += added
        self._size, self._crc, self._torn = self._size + len(lines), zlib.crc32(lines, self._crc), 0
        if new:
            sync_folder(self.path.parent)

    def read(self) -> list[dict[str, Any]]:
        """Return all complete rows; without a file there are none.

        Raises:
            InputError: when a line is not a JSON object, with its number.
            OSError: when the file cannot be opened.
        """
        return list(self._known())

    def mark(self) -> np.ndarray:
        """Say what the file holds now, for `check` and `resume`: int64 [2], its bytes and their CRC-32."""
        self._known()
        return np.array([self._size, self._crc], np.int64)

    def check(self, mark: np.ndarray) -> None:
        """Refuse a file that does not begin with what it held at a mark.

        Raises:
            InputError: when it was edited, shortened or deleted since.
            OSError: when the file cannot be opened.
        """
        size, crc = map(int, mark)
        content = self._content()
        if len(content) < size or zlib.crc32(content[:size]) != crc:
            raise InputError(f"{self.path} is not what was saved: it was edited, shortened or deleted since")

    def resume(self, mark: np.ndarray) -> None:
        """Go on from a mark: what was written after it is dropped.

        Raises:
            InputError: see `check`; nothing is dropped then.
            OSError: when the file cannot be opened or shortened.
        """
        self.check(mark)
        if self.path.exists():
            os.truncate(self.path, int(mark[0]))
        self._rows = None

    def _bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def _known(self) -> list[dict[str, Any]]:
        if self._rows is None or self._bytes() != self._size + self._torn:  # the second: opened twice in a process
            content = self._content()
            whole = content[: content.rfind(b"\n") + 1]
            self._rows = [self._parse(number, line) for number, line in enumerate(whole.split(b"\n")[:-1], 1)]
            self._size, self._crc, self._torn = len(whole), zlib.crc32(whole), len(content) - len(whole)
        return self._rows

    def _content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        with contextlib.suppress(ValueError, RecursionError):  # the second: nested too deep
            row = json.loads(line)
            if isinstance(row, dict):
                return row
        raise InputError(f"{self.path} line {number} is not a JSON object")


class BatchRows:
    """The rows of a study: a folder with one file per batch of runs, so that no batch reads what others wrote.

    Args:
        directory: the folder, which must exist before rows are appended.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import BatchRows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = BatchRows(folder)
        ...     rows.of("second").append([{"run": 1, "loss": 0.25}])
        ...     rows.of("first").append([{"run": 0, "loss": 0.5}])
        ...     print(rows.read())
        [{'run': 0, 'loss': 0.5}, {'run': 1, 'loss': 0.25}]
    """

    def __init__(self, directory: str | os.PathLike):
        self.directory = Path(directory)
        self._files: dict[str, Rows] = {}

    def of(self, batch: str) -> Rows:
        """Return the rows of a batch: always the same object."""
        return self._files.setdefault(batch, Rows(self.directory / f"{batch}.jsonl"))

    def read(self) -> list[dict[str, Any]]:
        """Return the rows of all batches, in the order of their first runs.

        Raises:
            InputError: when a line of a file is not a JSON object, with its number.
            OSError: when a file cannot be opened.
        """
        names = {path.name.removesuffix(".jsonl") for path in self.directory.glob("*.jsonl")}
        batches = [self.of(name).read() for name in sorted(names)]
        return [row for rows in sorted(batches, key=_first_run) for row in rows]


def _first_run(rows: Sequence[Mapping[str, Any]]) -> float:
    run = rows[0].get("run", rows[0].get("runs", [0])) if rows else 0
    run = run[0] if isinstance(run, list) and run else run
    return run if isinstance(run, (int, float)) else 0
