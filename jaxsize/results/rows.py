"""Rows of JSON in a file that grows and stays readable when its program is killed."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxsize.errors import InputError
from jaxsize.results.json_files import replace_file, sync_folder, to_plain


class Rows:
    """The rows of a JSON-lines file, one object per line.

    A row counts once its line break is on the disk; what a killed program left after the last line break is ignored.

    Args:
        path: the file, which need not exist yet; its folder must.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Rows
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     rows = Rows(f"{folder}/metrics.jsonl")
        ...     rows.append([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": float("nan")}])
        ...     rows.truncate(lambda row: row["epoch"] > 1)
        ...     print(rows.read())
        [{'epoch': 2, 'loss': None}]
    """

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows at the end of the file and sync them; a torn last line, left by a kill, is removed first.

        If an error is raised, none of the rows is in the file.

        Raises:
            TypeError: when a row has no JSON form.
            OSError: when the rows cannot be written.
        """
        lines = b"".join(json.dumps(to_plain(dict(row)), allow_nan=False).encode() + b"\n" for row in rows)
        new = not self.path.exists()
        with open(self.path, "a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if end and file.read(1) != b"\n":
                end = sum(map(len, self._lines()))
                file.truncate(end)
            try:
                written = 0
                while written < len(lines):
                    written += file.write(lines[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        if new:
            sync_folder(self.path.parent)

    def read(self) -> list[dict[str, Any]]:
        """Read all complete rows; without a file there are none.

        Raises:
            InputError: when a line is not a JSON object, with its number.
        """
        return [self._parse(number, line) for number, line in enumerate(self._lines(), 1)]

    def truncate(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drop the rows for which `keep(row)` is false, and a torn last line; the file is replaced in one step.

        Raises:
            InputError: when a line is not a JSON object, with its number.
        """
        if self.path.exists():
            lines = list(enumerate(self._lines(), 1))
            replace_file(self.path, [line for number, line in lines if keep(self._parse(number, line))])

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        return [line + b"\n" for line in self.path.read_bytes().split(b"\n")[:-1]]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                return row
        raise InputError(f"{self.path} line {number} is not a JSON object")
