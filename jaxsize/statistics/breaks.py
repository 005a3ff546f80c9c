"""Where a falling curve bends: two straight lines that meet, fitted by least squares."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError

_PLACES = 400


class Break(NamedTuple):
    """Two lines that meet at `place`.

    Example:
        >>> from jaxsize.statistics import Break
        >>> Break(place=2.0, height=1.0, before=-1.0, after=0.0, residual=0.0).after
        0.0
    """

    place: float
    """Where they meet, in the units of x."""
    height: float
    """The value there."""
    before: float
    """The slope to the left."""
    after: float
    """The slope to the right."""
    residual: float
    """The sum of the squared differences."""


def fit_break(x: ArrayLike, y: ArrayLike) -> Break:
    """Fit two lines that meet, by least squares over the place where they do and their three parameters.

    Args:
        x: [n], ascending and different, n at least 5; logarithms of sizes, for example.
        y: [n].

    Returns:
        The best fit among places between the second and the last but one x. All numbers are NaN where a y is not
        finite, as that of a run that diverged.

    Raises:
        InputError: when there are fewer than 5 points, x is not ascending, or the shapes differ.

    Example:
        >>> from jaxsize.statistics import fit_break
        >>> found = fit_break([0, 1, 2, 3, 4, 5, 6], [9, 6, 3, 0, 0, 0, 0])
        >>> round(found.place, 2), round(found.before, 2), abs(round(found.after, 2))
        (3.0, -3.0, 0.0)
    """
    x, y = np.asarray(x, float), np.asarray(y, float)
    if x.shape != y.shape or x.ndim != 1 or x.size < 5 or not (np.diff(x) > 0).all():
        raise InputError(f"fit_break: expected 5 or more points in ascending order, got x {x.tolist()} and y {y.shape}")
    if not np.isfinite(y).all():
        return Break(*[np.nan] * 5)
    best = Break(np.nan, np.nan, np.nan, np.nan, np.inf)
    for place in np.unique(np.concatenate([np.linspace(x[1], x[-2], _PLACES), x[1:-1]])):
        columns = np.stack([np.ones_like(x), np.minimum(x - place, 0), np.maximum(x - place, 0)], axis=1)
        parameters, *_ = np.linalg.lstsq(columns, y, rcond=None)
        residual = float(np.sum((columns @ parameters - y) ** 2))
        if residual < best.residual:
            height, before, after = parameters.tolist()
            best = Break(float(place), height, before, after, residual)
    return best
