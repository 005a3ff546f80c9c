"""Fronts of size against score, and how large a network must be for a score, by one front and by another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError


class Front(NamedTuple):
    """The networks whose score no smaller network reaches.

    Example:
        >>> import numpy as np
        >>> from jaxsize.statistics import Front, size_at
        >>> round(size_at(Front(sizes=np.array([1.0, 4.0]), scores=np.array([0.5, 0.9])), 0.7), 3)
        2.0
    """

    sizes: np.ndarray
    """[n] ascending."""
    scores: np.ndarray
    """[n] strictly ascending."""


def front(sizes: ArrayLike, scores: ArrayLike) -> Front:
    """Find the front of networks: those whose score no smaller network reaches.

    Networks whose size or score is not finite are left out.

    Args:
        sizes: [n], positive.
        scores: [n], of which more is better.

    Raises:
        InputError: when the shapes differ or a size is not positive.

    Example:
        >>> from jaxsize.statistics import front
        >>> best = front([30, 10, 20, 40], [0.7, 0.6, 0.8, 0.9])
        >>> best.sizes.tolist(), best.scores.tolist()
        ([10.0, 20.0, 40.0], [0.6, 0.8, 0.9])
    """
    best = on_front(sizes, scores)
    return Front(np.asarray(sizes, float)[best], np.asarray(scores, float)[best])


def on_front(sizes: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Say which networks are on the front: their indices, by ascending size; see `front`.

    Of several networks of one size and score it is the first.

    Example:
        >>> from jaxsize.statistics import on_front
        >>> on_front([30, 10, 20, 40], [0.7, 0.6, 0.8, 0.9]).tolist()
        [1, 2, 3]
    """
    sizes, scores = np.asarray(sizes, float), np.asarray(scores, float)
    if sizes.shape != scores.shape or sizes.ndim != 1 or (sizes <= 0).any():
        raise InputError(f"front: expected as many positive sizes as scores, got {sizes.shape} and {scores.shape}")
    known = np.flatnonzero(np.isfinite(sizes) & np.isfinite(scores))
    order = known[np.lexsort((-scores[known], sizes[known]))]
    before = np.maximum.accumulate([-np.inf, *scores[order]])[:-1]
    return order[scores[order] > before]


def size_at(curve: Front, level: float) -> float:
    """Find the size at which a front reaches a score, interpolated between networks on a log scale of sizes.

    Args:
        curve: the front.
        level: the score.

    Returns:
        The size: infinity where the front never reaches the score, the smallest network's where that already does.

    Example:
        >>> from jaxsize.statistics import front, size_at
        >>> best = front([10, 1000], [0.5, 1.0])
        >>> [round(float(size_at(best, score))) for score in (0.4, 0.75, 1.0)]
        [10, 100, 1000]
    """
    above = np.flatnonzero(curve.scores >= level)
    if not above.size:
        return np.inf
    index = above[0]
    if index == 0:
        return float(curve.sizes[0])
    (low, high), ends = curve.scores[index - 1 : index + 1], np.log(curve.sizes[index - 1 : index + 1])
    return float(np.exp(ends[0] + (ends[1] - ends[0]) * (level - low) / (high - low)))
