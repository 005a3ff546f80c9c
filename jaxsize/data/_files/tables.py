"""Tables in text files. Every row knows its file and line, so that an error can say where it is."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxsize.data._files.places import folders_of
from jaxsize.errors import InputError

_MOST = float(np.finfo(np.float32).max)


class Row(NamedTuple):
    """A row of a table, and the place where it was read."""

    path: Path
    line: int
    """Counted from 1."""
    fields: list[str]

    @property
    def place(self) -> str:
        """File and line, for messages."""
        return f"{self.path}, line {self.line}"


def folder_with(folder_name: str, directory: Path, files: Sequence[str]) -> Path | None:
    """Find the first folder of a data set that holds all of the given files; None if there is none.

    Args:
        folder_name: the name of the folder of the data set.
        directory: the directory of all data sets, or that of this one (see `places.folders_of`).
        files: the names of the files.

    Raises:
        InputError: when it cannot be found out whether a file exists.
    """
    folders = folders_of(folder_name, directory)
    return next((folder for folder in folders if all(exists(folder / file) for file in files)), None)


def exists(path: Path) -> bool:
    """Say whether `path` is a file.

    Raises:
        InputError: when that cannot be found out, such as without the permission to look.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_rows(path: Path, *, num_fields: int, delimiter: str | None) -> list[Row]:
    """Read all rows of a text file.

    Lines that are empty or start with `|` (a comment in UCI files) are skipped.

    Args:
        path: the file, in UTF-8.
        num_fields: the number of fields of every row; blanks around a field are removed.
        delimiter: what separates fields; None stands for any blanks.

    Raises:
        InputError: in one line, when a row has another number of fields (with file and line), or when the file has no
            rows or cannot be read.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for line_number, line in enumerate(file, start=1):
                if not line.strip() or line.startswith("|"):
                    continue
                row = Row(path, line_number, [field.strip() for field in line.split(delimiter)])
                if len(row.fields) != num_fields:
                    raise InputError(f"{row.place}: expected {num_fields} fields, got {len(row.fields)}")
                rows.append(row)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file ({error.reason})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not rows:
        raise InputError(f"{path}: holds no rows")
    return rows


def read_numbers(rows: Sequence[Row], columns: dict[int, str]) -> np.ndarray:
    """Read numbers from the fields of rows.

    Args:
        rows: N rows.
        columns: the names of the columns to read, by index.

    Returns:
        float64 [N, number of columns], in the order of `columns`.

    Raises:
        InputError: when a field is no finite float32 number, with the file, the line and the column.
    """
    return np.array([[_number(row, index, name) for index, name in columns.items()] for row in rows], np.float64)


def _number(row: Row, index: int, name: str) -> float:
    text = row.fields[index]
    try:
        value = float(text.replace("_", "?"))  # float() takes 1_000 for a number
    except ValueError:
        raise InputError(f"{row.place}: {name} {text!r} is not a number") from None
    if not abs(value) <= _MOST:
        raise InputError(f"{row.place}: {name} {text!r} is not a finite float32 number")
    return value
