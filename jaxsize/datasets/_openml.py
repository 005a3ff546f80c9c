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

from jaxsize.datasets._dataset import DatasetNotFoundError
from jaxsize.datasets._tables import Row, exists, read_rows
from jaxsize.datasets.download import DownloadError, arriving_blocks

_ADDRESS = "https://www.openml.org"
_FETCH_SECONDS = 300.0
_KEPT_FILE = "openml.csv"


@dataclasses.dataclass(frozen=True)
class Part:
    """Consecutive rows, and how to tell that they are those published: the sums of numeric columns, by index."""

    num_rows: int
    sums: dict[int, float]


@dataclasses.dataclass(frozen=True)
class OpenmlTable:
    """query: which table, as arguments of `fetch_openml`. parts: what its rows are, from the first to the last."""

    query: dict[str, Any]
    num_fields: int
    parts: tuple[Part, ...]


def openml_parts(name: str, table: OpenmlTable, folder: Path, files: Sequence[str]) -> tuple[list[list[Row]], Path]:
    """The rows of each part of a table, and the file they came from, which is fetched if it is not in `folder` yet.

    files: those of the data set as shipped, some of which are missing. Raises DatasetNotFoundError where OpenML
    cannot be reached or has something else, ValueError where the file that was kept is damaged.
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
        raise ValueError(f"{path}: {problem}; if you remove the file, it is fetched again")
    ends = np.cumsum([part.num_rows for part in table.parts]).tolist()
    return [rows[end - part.num_rows : end] for part, end in zip(table.parts, ends, strict=True)], path


def _fetch(table: OpenmlTable, path: Path) -> None:
    """Writes the rows to `path`, which appears whole or not at all. Raises DownloadError."""
    with contextlib.closing(arriving_blocks(_ADDRESS)) as blocks:
        next(blocks)  # scikit-learn would wait for an answer for ever
    rows = _as_text(_fetched_bunch(table.query))
    if problem := _difference(rows, table):
        raise DownloadError(f"what it has under {_words(table.query)} is something else: {problem}")
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
    """What `fetch_openml` returns; whatever it raises, or its silence for 300 seconds, becomes a DownloadError."""
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
        warnings.simplefilter("ignore")  # about retries, which the error tells of if they do not help
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
    """Rows of text as in the files as shipped: `?` for what is unknown, whole numbers without a point."""
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
    """In which way `rows` are not those published, or None."""
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
