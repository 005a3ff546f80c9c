"""Reading a user's table: a text file whose first line names the columns."""

import csv
import gzip
import io
import zlib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple

from jaxsize.data._files.tables import Row
from jaxsize.errors import InputError

MISSING = ("", "na", "n/a", "nan", "?", "null")
"""What stands for a missing value, in small or capital letters."""
_MOST_NAMES = 20


class Table(NamedTuple):
    """The rows of a table and the names of its columns."""

    path: Path
    names: list[str]
    rows: list[Row]

    def column(self, name: str) -> list[str]:
        """The texts of a column; a missing value is an empty text."""
        index = self.names.index(name)
        return ["" if row.fields[index].lower() in MISSING else row.fields[index] for row in self.rows]

    def require(self, name: str, field: str) -> str:
        """Return the name of a column.

        Raises:
            InputError: when there is no such column, with the names that there are.
        """
        if name in self.names:
            return name
        lower = {own.lower(): own for own in reversed(self.names)}
        close = get_close_matches(name.lower(), lower, n=1)
        meant = f" (did you mean {lower[close[0]]!r}?)" if close else ""
        raise InputError(f"{self.path}: no column {name!r}{meant}; there are {listed(self.names)}", field=field)


def listed(names: Sequence[str]) -> str:
    """The names, or the first of them and how many more there are."""
    rest = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {rest} more" if rest > 0 else "")


def read_table(path: Path) -> Table:
    """Read a table in UTF-8, packed by gzip if its name ends in .gz.

    Fields are separated by tabs in .tsv, else by the one of comma, semicolon and tab that the first line has most of.
    Blanks around a field are removed, and empty lines are skipped.

    Raises:
        InputError: in one line, when the file cannot be read, holds no rows, its first line does not name every column
            differently, or a row has another number of fields.
    """
    text = _text(path)
    first = text.lstrip("\n").split("\n", 1)[0]
    is_tsv = ".tsv" in path.name.lower()
    delimiter = "\t" if is_tsv else max(",;\t", key=first.count)
    rows: list[Row] = []
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for fields in reader:
            stripped = [field.strip() for field in fields]
            if any(stripped) or len(stripped) > 1:
                rows.append(Row(path, reader.line_num, stripped))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: {error}") from None
    if not rows:
        raise InputError(f"{path}: the file is empty")
    header, *rows = rows
    _check_header(header)
    if not rows:
        raise InputError(f"{path}: holds the names of columns, but no rows")
    for row in rows:
        if len(row.fields) != len(header.fields):
            raise InputError(f"{row.place}: expected {len(header.fields)} fields, got {len(row.fields)}")
    return Table(path, header.fields, rows)


def number(text: str) -> float | None:
    """The number that a text is; None if it is none."""
    try:
        return float(text.replace("_", "?"))  # float() takes 1_000 for a number
    except ValueError:
        return None


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if path.name.lower().endswith(".gz"):
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is no gzip file ({error})") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8 ({error.reason})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if "\0" in text:
        raise InputError(f"{path}: not a text file (it holds zero bytes)")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_header(header: Row) -> None:
    if all(number(name) is not None for name in header.fields):
        raise InputError(f"{header.place}: expected the names of columns, got {listed(header.fields)}")
    for index, name in enumerate(header.fields):
        if not name:
            advice = "an index that pandas wrote? index=False leaves it out"
            raise InputError(f"{header.place}: column {index + 1} has no name ({advice})")
        if name in header.fields[:index]:
            raise InputError(f"{header.place}: two columns are called {name!r}")
