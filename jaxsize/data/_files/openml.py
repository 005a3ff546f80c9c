"""Tables from OpenML, fetched by scikit-learn, compared with what was published, and kept for the next load."""

import contextlib
import dataclasses
import os
import queue
import secrets
import threading
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.data._files.download import DownloadError, arriving_blocks
from jaxsize.data._files.tables import Row, exists, read_rows
from jaxsize.data.dataset import DatasetNotFoundError
from jaxsize.errors import InputError, require_package

_ADDRESS = "https://www.openml.org"
_FETCH_SECONDS = 300.0
_KEPT_FILE = "openml.csv"


@dataclasses.dataclass(frozen=True)
class Part:
    """Consecutive rows of a table, and the sums by which to recognise them as the published ones."""

    num_rows: int
    sums: dict[int, float]
    """The sums over these rows of numeric columns, by index of the column."""


@dataclasses.dataclass(frozen=True)
class OpenmlTable:
    """A table of OpenML's."""

    query: dict[str, Any]
    """Which table: arguments of scikit-learn's `fetch_openml`."""
    num_fields: int
    parts: tuple[Part, ...]
    """What the rows are, from the first to the last."""


def openml_parts(name: str, table: OpenmlTable, folder: Path, files: Sequence[str]) -> tuple[list[list[Row]], Path]:
    """Read the rows of each part of a table of OpenML's, which is fetched if no earlier load has kept it.

    Args:
        name: the name of the data set, for messages.
        table: the table.
        folder: where the fetched rows are kept, as openml.csv.
        files: the files of the data set as shipped, some of which are missing; the message of the error names them.

    Returns:
        The rows of each part, and the file they were read from.

    Raises:
        DatasetNotFoundError: when OpenML cannot be reached or its table is not the published one.
        InputError: when the file that was kept is damaged.
    """
    path = folder / _KEPT_FILE
    if not exists(path):
        try:
            _fetch(table, path)
        except DownloadError as error:
            missing = [file for file in files if not exists(folder / file)]
            verb = "is" if len(missing) == 1 else "are"
            raise DatasetNotFoundError(
                f"{name}: {' and '.join(missing)} {verb} not in {folder}, and fetching the rows from OpenML failed"
                f" ({error}); either put {' and '.join(files)} there, or connect to the network and try again"
            ) from None
    rows = read_rows(path, num_fields=table.num_fields, delimiter=",")
    if problem := _difference([row.fields for row in rows], table):
        raise InputError(f"{path}: {problem}; if you remove the file, it is fetched again")
    ends = np.cumsum([part.num_rows for part in table.parts]).tolist()
    return [rows[end - part.num_rows : end] for part, end in zip(table.parts, ends, strict=True)], path


def _fetch(table: OpenmlTable, path: Path) -> None:
    """Fetch the rows and write them to `path`, which appears whole or not at all. Raises DownloadError."""
    with contextlib.closing(arriving_blocks(_ADDRESS)) as blocks:
        next(blocks)  # scikit-learn would wait for an answer for ever
    rows = _as_text(_fetched_bunch(table.query))
    if problem := _difference(rows, table):
        raise DownloadError(f"the table with {_words(table.query)} is not the published one: {problem}")
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
            os.replace(aside, path)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise DownloadError(f"{path} cannot be written ({error.strerror or error})") from error


def _fetched_bunch(query: dict[str, Any]) -> Any:
    """Call scikit-learn's `fetch_openml`.

    Whatever it raises becomes a DownloadError, and so does a call that takes longer than 300 seconds.
    """
    require_package("sklearn", "data")
    from sklearn.datasets import fetch_openml

    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def ask() -> None:
        try:
            # The parser that needs no pandas; it codes categories as numbers, except in a target.
            arguments = {"as_frame": False, "parser": "liac-arff", "target_column": None, "cache": False}
            answers.put(fetch_openml(**query, **arguments))
        except Exception as error:  # of many kinds: network, file format, settings of the table
            answers.put(error)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about retries: if they do not help, there is an error
        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = answers.get(timeout=_FETCH_SECONDS)
        except queue.Empty:
            raise DownloadError(f"{_ADDRESS}: not done within {_FETCH_SECONDS:.0f} seconds") from None
    if isinstance(answer, Exception):
        reason = " ".join(f"{type(answer).__name__}: {answer}".split())[:300]
        raise DownloadError(f"{_words(query)}: {reason}") from answer
    return answer


def _as_text(bunch: Any) -> list[list[str]]:
    """Write rows as text, like the files as shipped: `?` for what is unknown, whole numbers without a point."""
    columns = []
    for column, name in zip(np.asarray(bunch.data, np.float64).T, bunch.feature_names, strict=True):
        values = (bunch.categories or {}).get(name)
        texts = [
            "?" if np.isnan(value) else f"{value:.12g}" if values is None else str(values[int(value)])
            for value in column.tolist()
        ]
        columns.append(texts)
    return [list(row) for row in zip(*columns, strict=True)]


def _difference(rows: list[list[str]], table: OpenmlTable) -> str | None:
    """Say in what `rows` differ from the published ones; None if in nothing."""
    num_rows = sum(part.num_rows for part in table.parts)
    num_fields = len(rows[0]) if rows else 0
    if (len(rows), num_fields) != (num_rows, table.num_fields):
        return f"{len(rows)} rows of {num_fields} fields instead of {num_rows} rows of {table.num_fields}"
    start = 0
    for part in table.parts:
        for column, expected in part.sums.items():
            try:
                total = sum(float(row[column]) for row in rows[start : start + part.num_rows])
            except ValueError:
                return f"field {column + 1} is not always a number"
            if not abs(total - expected) <= 1e-6 * abs(expected):
                where = f"rows {start + 1} to {start + part.num_rows}"
                return f"in {where} the sum of field {column + 1} is {total:.9g} instead of {expected:.9g}"
        start += part.num_rows
    return None


def _words(query: dict[str, Any]) -> str:
    return " ".join(f"{key} {value}" for key, value in query.items())
