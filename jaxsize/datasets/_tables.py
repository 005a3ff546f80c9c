"""Tables in text files: rows of fields that know their file and line, so that whatever is wrong can be pointed at."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxsize.datasets.places import folders_of

_MOST = float(np.finfo(np.float32).max)


class Row(NamedTuple):
    path: Path
    line: int  # counted from 1
    fields: list[str]

    @property
    def place(self) -> str:
        return f"{self.path}, line {self.line}"


def folder_with(folder_name: str, directory: Path, files: Sequence[str]) -> Path | None:
    """The first folder for `folder_name` under `directory` that holds all `files`. Raises ValueError as `exists`."""
    folders = folders_of(folder_name, directory)
    return next((folder for folder in folders if all(exists(folder / file) for file in files)), None)


def exists(path: Path) -> bool:
    """Whether `path` is a file. Raises ValueError where that cannot be found out."""
    try:
        return path.is_file()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None


def read_rows(path: Path, *, num_fields: int, delimiter: str | None) -> list[Row]:
    """All rows of a file, each of `num_fields` fields without the blanks around them.

    delimiter: None stands for any blanks. Lines that are empty or start with `|` (a comment in UCI files) are passed
    over. Raises ValueError, in one line with the file and the line, for another number of fields, for a file without
    rows, and for one that cannot be read.
    """
    rows = []
    try:
        with path.open(encoding="utf-8") as file:
            for line_number, line in enumerate(file, start=1):
                if not line.strip() or line.startswith("|"):
                    continue
                row = Row(path, line_number, [field.strip() for field in line.split(delimiter)])
                if len(row.fields) != num_fields:
                    raise ValueError(f"{row.place}: expected {num_fields} fields, got {len(row.fields)}")
                rows.append(row)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text file ({error.reason})") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not rows:
        raise ValueError(f"{path}: holds no rows")
    return rows


def read_numbers(rows: Sequence[Row], columns: dict[int, str]) -> np.ndarray:
    """The fields of `columns` (index -> name) as numbers: [N, number of columns] float64, in the order of `columns`.

    Raises ValueError with the file, the line and the column for a field that is no finite float32 number.
    """
    return np.array([[_number(row, index, name) for index, name in columns.items()] for row in rows], np.float64)


def _number(row: Row, index: int, name: str) -> float:
    text = row.fields[index]
    try:
        value = float(text.replace("_", "?"))  # float() takes 1_000 for a number
    except ValueError:
        raise ValueError(f"{row.place}: {name} {text!r} is not a number") from None
    if not abs(value) <= _MOST:
        raise ValueError(f"{row.place}: {name} {text!r} is not a finite float32 number")
    return value
