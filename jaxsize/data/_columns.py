"""Columns of texts as numbers: standardised numbers, and a column of 0 and 1 for each category."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsize.data._files.csv_table import Table, number
from jaxsize.data._own_values import MOST_CLASSES
from jaxsize.errors import InputError, require_package

_SOME_TEXTS = 0.1
"""A column with texts is refused, not taken for categories, if a smaller share of its values are texts."""


class Encoded(NamedTuple):
    """The columns of a table as inputs."""

    inputs: np.ndarray
    """[N, D] float32."""
    names: list[str]
    """D names: those of numeric columns, "COLUMN missing" and "COLUMN=CATEGORY"."""
    columns: dict[str, dict[str, Any]]
    """What was learned of each column of the table, in JSON."""


def numbers_of(table: Table, name: str, texts: Sequence[str]) -> np.ndarray | None:
    """Read a column as numbers, float64 [N], NaN where a value is missing; None if it holds texts.

    Raises:
        InputError: when a value is infinite, or a few values only are no numbers, which looks like a slip.
    """
    values = [number(text) if text else np.nan for text in texts]
    wrong = [row for row, value in enumerate(values) if value is None]
    if wrong:
        given = sum(map(bool, texts))
        if len(wrong) < _SOME_TEXTS * given:
            problem = f"{name} {texts[wrong[0]]!r} is not a number, but {given - len(wrong)} of {given} values are"
            advice = f"categorical={name!r} says that they are categories"
            raise InputError(f"{table.rows[wrong[0]].place}: {problem}; {advice}")
        return None
    return _finite(table, name, texts, values)


def encode(
    table: Table, names: Sequence[str], train: np.ndarray, *, categorical: Sequence[str], numeric: Sequence[str]
) -> Encoded:
    """Encode columns of a table; all that is learned for it is learned of the training rows.

    Args:
        table: the table.
        names: the columns.
        train: integers, the numbers of the training rows.
        categorical: columns that hold categories, whatever they look like.
        numeric: columns that hold numbers. All others hold numbers if all their values in the training rows are.

    Raises:
        InputError: naming the column and the row, when a column has no value in the training rows, a numeric one has a
            text, or one holds almost as many texts as there are rows.
    """
    require_package("sklearn", "data")
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    trained = table._replace(rows=[table.rows[row] for row in train])
    measured, sorted_out = {}, {}
    for name in names:
        texts, own = table.column(name), trained.column(name)
        if not any(own):
            raise InputError(f"{table.path}: column {name!r} has no value in the training rows")
        told = name in numeric
        if name not in categorical and (told or numbers_of(trained, name, own) is not None):
            measured[name] = _finite(table, name, texts, [number(text) if text else np.nan for text in texts])
        else:
            _require_categories(table, name, own)
            sorted_out[name] = texts
    blocks, labels, columns = [], [], {}
    if measured:
        values = np.stack(list(measured.values()), axis=1)
        scaler: Any = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()).fit(
            values[train]
        )
        blocks.append(scaler.transform(values))
        fills, indicator = scaler[0].statistics_, scaler[0].indicator_
        labels += [*measured, *(f"{list(measured)[index]} missing" for index in indicator.features_)]
        for name, fill, mean, scale in zip(measured, fills, scaler[1].mean_, scaler[1].scale_, strict=False):
            columns[name] = {"kind": "numeric", "fill": float(fill), "mean": float(mean), "std": float(scale)}
    if sorted_out:
        texts = np.array(list(sorted_out.values()), object).T
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(texts[train])
        blocks.append(encoder.transform(texts))
        for name, categories in zip(sorted_out, encoder.categories_, strict=True):
            labels += [f"{name}={category}" if category else f"{name} missing" for category in categories]
            columns[name] = {"kind": "categorical", "categories": categories.tolist()}
    return Encoded(np.hstack(blocks).astype(np.float32), labels, {name: columns[name] for name in names})


def _finite(table: Table, name: str, texts: Sequence[str], values: Sequence[float | None]) -> np.ndarray:
    for row, (text, value) in enumerate(zip(texts, values, strict=True)):
        if value is None or value in (np.inf, -np.inf):
            wanted = "a number" if value is None else "finite"
            raise InputError(f"{table.rows[row].place}: {name} {text!r} is not {wanted}")
    return np.array(values, np.float64)


def _require_categories(table: Table, name: str, own: Sequence[str]) -> None:
    different = len(set(own))
    if different > max(MOST_CLASSES, len(own) // 2):
        problem = f"column {name!r} has {different} different texts in {len(own)} training rows: no categories"
        raise InputError(f"{table.path}: {problem}; drop={name!r} leaves it out")
