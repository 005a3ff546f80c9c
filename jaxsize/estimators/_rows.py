"""The rows that an estimator trains on: every different row once, with a weight, and padded to few lengths."""

from typing import NamedTuple

import numpy as np

from jaxsize.resizing.buckets import bucket


class WeightedRows(NamedTuple):
    """Different rows and how much each counts."""

    inputs: np.ndarray
    """float64 [N, D]."""
    targets: np.ndarray
    """float64 [N, K]."""
    weights: np.ndarray
    """float64 [N], above 0, with mean 1."""


def merged(inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray) -> WeightedRows:
    """Merge equal rows into one with the sum of their weights, and leave out those that weigh nothing.

    The result has an order of its own. So a fit depends neither on the order of the rows that are given, nor on whether
    a row is given twice or with twice the weight.

    Args:
        inputs: floating [N, D].
        targets: floating [N, K].
        weights: floating [N], 0 or more, not all of them 0.
    """
    counted = weights > 0
    table = np.column_stack([inputs, targets])[counted] + 0.0  # -0.0 becomes 0.0, as rows are compared by their bytes
    by_bytes = table.view(np.dtype((np.void, table.itemsize * table.shape[1]))).ravel()
    _, first, which = np.unique(by_bytes, return_index=True, return_inverse=True)
    sums = np.bincount(which, weights[counted])
    inputs, targets = np.split(table[first], [inputs.shape[1]], axis=1)
    return WeightedRows(inputs, targets, sums / sums.mean())


def padded(array: np.ndarray) -> np.ndarray:
    """Pad the rows of an array [N, ...] with zeros to the next of few lengths, 64 or more, at most an eighth apart.

    Data of nearly as many rows, such as the folds of a cross-validation, then share a compiled program.
    """
    length = bucket(len(array), factor=1.125, multiple=64)
    return np.pad(array, [(0, length - len(array)), *[(0, 0)] * (array.ndim - 1)])
