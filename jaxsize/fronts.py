"""Fronts of size against score, and how large a network must be for a score, by one front and by another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Front(NamedTuple):
    """The networks that no smaller one equals: sizes [n] ascending, scores [n] strictly ascending."""

    sizes: np.ndarray
    scores: np.ndarray


def front(sizes: ArrayLike, scores: ArrayLike) -> Front:
    """Of networks [n] with positive sizes and scores, of which more is better; those not finite are left out.

    ValueError for shapes that differ or a size that is not positive.
    """
    sizes, scores = np.asarray(sizes, float), np.asarray(scores, float)
    if sizes.shape != scores.shape or sizes.ndim != 1 or (sizes <= 0).any():
        raise ValueError(f"front: expected as many positive sizes as scores, got {sizes.shape} and {scores.shape}")
    known = np.isfinite(sizes) & np.isfinite(scores)
    sizes, scores = sizes[known], scores[known]
    order = np.lexsort((-scores, sizes))
    sizes, scores = sizes[order], scores[order]
    before = np.concatenate([[-np.inf], np.maximum.accumulate(scores)[:-1]]) if scores.size else scores
    return Front(sizes[scores > before], scores[scores > before])


def size_at(found: Front, level: float) -> float:
    """The size at which the front reaches the level, interpolated between its networks on a log scale.

    infinity where it never does; the smallest network where that is better already.
    """
    above = np.flatnonzero(found.scores >= level)
    if not above.size:
        return np.inf
    index = above[0]
    if index == 0:
        return float(found.sizes[0])
    (low, high), ends = found.scores[index - 1 : index + 1], np.log(found.sizes[index - 1 : index + 1])
    return float(np.exp(ends[0] + (ends[1] - ends[0]) * (level - low) / (high - low)))
