"""`from_table`: a data set of a user's own table, with numbers, categories and missing values."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxsize.data._columns import encode, numbers_of
from jaxsize.data._files.csv_table import Table, listed, read_table
from jaxsize.data._files.own_names import safe_name
from jaxsize.data._own_splits import split_rows
from jaxsize.data._own_values import MOST_CLASSES, encode_targets
from jaxsize.data.arrays import from_arrays
from jaxsize.data.dataset import Dataset
from jaxsize.errors import InputError, require_path

SPLITS = {"train": "train", "validation": "validation", "val": "validation", "valid": "validation", "test": "test"}


def from_table(
    path: str | os.PathLike[str],
    *,
    target: str | None = None,
    task: Literal["classification", "regression"] | None = None,
    categorical: str | Sequence[str] = (),
    numeric: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    split: str | None = None,
    weights: str | None = None,
    validation: float | None = 0.15,
    test: float = 0.15,
    seed: int = 0,
    name: str | None = None,
) -> Dataset:
    """Make a data set of a table in a text file: .csv or .tsv, also packed as .gz, whose first line names the columns.

    A column is numeric if all its values in the training rows are numbers, else categorical. Numbers are standardised;
    a missing one (nothing, NA, N/A, nan, ? or null) becomes the median, and columns with missing ones get a further
    input that says so. A category is an input that is 1 in its rows; a missing one is a category of its own, and one
    that no training row has is 0 in all inputs. Everything is learned of the training rows. `info` has `input_names`,
    `columns` (what was learned of each), and `classes` or `target_mean` and `target_std`: see `from_arrays`.

    Args:
        path: the file, in UTF-8; fields are separated by commas, semicolons or tabs.
        target: the column to be predicted. It may have no missing value.
        task: None: regression if the target has numbers that are not whole, or more than 20 different ones; else
            classification.
        categorical: columns of categories that look like numbers.
        numeric: columns of numbers, in which a text is an error.
        drop: columns to leave out.
        split: the column that says train, validation (or val, valid) or test. By default one called "split", if there
            is one. Without validation rows in it, the share `validation` of the training rows is drawn.
        weights: the column with the weights of the rows. By default all count alike.
        validation: the share of the rows that validates. None: no rows, unless a column names some.
        test: the share of the rows that tests, if no column says so.
        seed: draws these rows, and the order of the training rows.
        name: names the data set in results and messages. Default: that of the file.

    Raises:
        InputError: in one line that names the column and the row, when the table is not of this kind.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.data import from_table
        >>> lines = [f"{i},{'red' if i % 3 else ''},{i / 7}" for i in range(40)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "paint.csv")
        ...     _ = path.write_text("\\n".join(["length,colour,price", *lines]))
        ...     dataset = from_table(path, target="price")
        >>> dataset.name, dataset.task, len(dataset.train), dataset.info["input_names"]
        ('paint', 'regression', 28, ['length', 'colour missing', 'colour=red'])
    """
    require_path(path, "path")
    if task not in (None, "classification", "regression"):
        raise InputError(f"expected classification or regression for a table, got {task!r}", field="task")
    table = read_table(Path(path))
    name = safe_name(table.path) if name is None else name
    if target is None:
        raise InputError(f"{table.path}: expected the column to predict, one of {listed(table.names)}", field="target")
    table.require(target, "target")
    sorts = {"categorical": categorical, "numeric": numeric, "drop": drop}
    named = {field: [names] if isinstance(names, str) else list(names) for field, names in sorts.items()}
    for field, names in named.items():
        for column in names:
            table.require(column, field)
    if split is None and "split" in table.names and target != "split" and "split" not in named["drop"]:
        split = "split"
    others = {target, *named["drop"]}
    for field, column in (("split", split), ("weights", weights)):
        if column is not None:
            others.add(table.require(column, field))
    inputs = [column for column in table.names if column not in others]
    if not inputs:
        raise InputError(f"{table.path}: no column is left to predict {target!r} from")

    targets = _targets(table, target, task)
    encoded = encode_targets(targets, f"{table.path}: {target}", task)
    labels = encoded.values if encoded.task == "classification" else None
    parts = {"validation": validation, "test": test} if split is None else _splits(table, split, validation)
    index = split_rows(len(table.rows), labels, **parts, seed=seed, where=str(table.path))
    features = encode(table, inputs, index.train, categorical=named["categorical"], numeric=named["numeric"])
    dataset = from_arrays(
        features.inputs,
        targets,
        task=task,
        validation=index.validation,
        test=index.test,
        weights=None if weights is None else _numbers(table, weights),
        seed=seed,
        standardize=False,
        name=name,
        source=f"table {table.path.name}",
    )
    info = dataset.info | {"target": target, "input_names": features.names, "columns": features.columns}
    return dataclasses.replace(dataset, info=info)


def _targets(table: Table, target: str, task: str | None) -> np.ndarray:
    texts = table.column(target)
    if "" in texts:
        raise InputError(
            f"{table.rows[texts.index('')].place}: {target} has no value; the target may have none missing"
        )
    if task == "regression":
        return _numbers(table, target)
    values = numbers_of(table, target, texts) if task is None else _whole_numbers(texts)
    if values is None:
        return np.array(texts)
    if (values == np.floor(values)).all() and (task or len(np.unique(values)) <= MOST_CLASSES):
        return values.astype(np.int64)
    return values


def _whole_numbers(texts: Sequence[str]) -> np.ndarray | None:
    """The classes that are told to be classes, as whole numbers if all are: 10 then follows 9."""
    return (
        np.array(texts, np.int64)
        if all(text.lstrip("-").isascii() and text.lstrip("-").isdigit() for text in texts)
        else None
    )


def _numbers(table: Table, name: str) -> np.ndarray:
    texts = table.column(name)
    for row, text in enumerate(texts):
        if not text:
            raise InputError(f"{table.rows[row].place}: {name} has no value")
    values = numbers_of(table, name, texts)
    if values is None:
        raise InputError(f"{table.path}: column {name!r} holds texts such as {texts[0]!r}, expected numbers")
    return values


def _splits(table: Table, name: str, validation: float | None) -> dict[str, Any]:
    """Which rows validate and test, by a column; the share `validation` where that has no row to validate."""
    found = []
    for row, text in zip(table.rows, table.column(name), strict=True):
        if text.lower() not in SPLITS:
            raise InputError(f"{row.place}: {name} must be train, validation or test, got {text!r}", field="split")
        found.append(SPLITS[text.lower()])
    rows = {part: np.flatnonzero(np.array(found) == part) for part in ("train", "validation", "test")}
    for part in ("train", "test"):
        if not rows[part].size:
            raise InputError(f"{table.path}: column {name!r} names no {part} row", field="split")
    return {"test": rows["test"], "validation": rows["validation"] if rows["validation"].size else validation}
