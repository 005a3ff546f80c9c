"""Which rows of a user's data train, validate and test."""

import numbers
from typing import Any, NamedTuple

import numpy as np

from jaxsize.data._draws import generator
from jaxsize.errors import InputError


class Index(NamedTuple):
    """The numbers of the rows of each split, int64."""

    train: np.ndarray
    """In random order."""
    validation: np.ndarray | None
    test: np.ndarray


def split_rows(num_rows: int, labels: np.ndarray | None, validation: Any, test: Any, *, seed: int, where: str) -> Index:
    """Choose the rows of each split; what neither validates nor tests trains.

    Args:
        num_rows: N.
        labels: integers [N]; every class has its share of every split, up to one row. None: all rows are alike.
        validation: a share, above 0 and below 1, of the rows that are not given by their numbers; or integers, the
            numbers of rows; or None.
        test: likewise, never None.
        seed: draws the rows.
        where: the data set, for messages.

    Raises:
        InputError: when a share or a number is out of range, a row would be in two splits, or no row is left for one.
    """
    wanted = {"test": test, "validation": validation}
    shares = {part: float(value) for part, value in wanted.items() if isinstance(value, numbers.Real)}
    for part, share in shares.items():
        if not 0 < share < 1:
            raise InputError(f"{where}: {part} must be a share above 0 and below 1, rows or arrays, got {share:g}")
    index = {
        part: _given(value, num_rows, f"{where}: {part}")
        for part, value in wanted.items()
        if part not in shares and value is not None
    }
    if "test" not in index and "test" not in shares:
        raise InputError(f"{where}: expected test rows: a share, their numbers or arrays, got None")
    given = np.concatenate([np.zeros(0, np.int64), *index.values()])
    if len(np.unique(given)) < len(given):
        raise InputError(f"{where}: expected rows that either validate or test, got rows that do both")
    rng = generator(seed, "own", "split")
    free = np.setdiff1d(np.arange(num_rows), given)
    order = free[_by_turns(np.zeros(len(free)) if labels is None else labels[free], rng)]
    for part, share in shares.items():
        held, order = np.split(order, [min(len(order), max(1, round(share * len(free))))])
        index[part] = np.sort(held)
    if not len(order) or any(not len(rows) for rows in index.values()):
        asked = ", ".join(f"{part} {share:g}" for part, share in shares.items()) or "what is given"
        raise InputError(f"{where}: {num_rows} rows are too few: none would be left to train ({asked})")
    return Index(rng.permutation(order), index.get("validation"), index["test"])


def _by_turns(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw an order in which every stretch has about as much of each class as the whole has.

    The rows of a class, in random order, stand at the middles of equal intervals of 0..1.
    """
    order = rng.permutation(len(labels))
    position = np.empty(len(labels))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        position[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return order[np.argsort(position[order], kind="stable")]


def _given(value: Any, num_rows: int, where: str) -> np.ndarray:
    try:
        rows = np.asarray(value)
    except ValueError:
        rows = np.zeros(0)
    if rows.ndim != 1 or rows.dtype.kind not in "iu" or not rows.size:
        raise InputError(f"{where} must be a share, numbers of rows [M], or arrays (inputs, targets)")
    if rows.min() < 0 or rows.max() >= num_rows or len(np.unique(rows)) < len(rows):
        problem = f"must hold different numbers in 0..{num_rows - 1}"
        raise InputError(f"{where} {problem}, got {len(rows)} in {rows.min()}..{rows.max()}")
    return rows.astype(np.int64)
