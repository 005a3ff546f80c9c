"""Estimates with their spread: every reported number says how sure it is.

Functions take plain NumPy arrays and return frozen dataclasses. SciPy is imported inside the functions that need it:
importing it takes half a second.

Runs that diverged or collapsed are information. A value that is not finite is *lost*: it could lie anywhere, and an
interval allows for that. A value that *never existed* (no control was possible) is marked by `missing`, or left out.
"""

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError
from jaxsize.statistics._order_statistics import enclosing_rank
from jaxsize.statistics._values import Direction, check_confidence, existing, finite_or_none, joined, lost_note, vector


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and how sure it is. A field is None where there is no such number; `note` then says why.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> Estimate(2.0, 1.5, 2.5, 0.95, 8, "bootstrap BCa").as_dict()["low"]
        1.5
    """

    estimate: float | None
    low: float | None
    """Lower end of the interval."""
    high: float | None
    """Upper end of the interval."""
    confidence: float
    """Confidence of the interval, such as 0.95."""
    n: int
    """Number of values, pairs or seeds that are known: the lost ones do not count."""
    test: str
    """How interval and p value were computed."""
    p_value: float | None = None
    note: str = ""
    """Why a number is missing, and how many values were lost or never existed."""
    lost: int = 0
    """Number of values, pairs or seeds that are not finite, and could lie anywhere."""
    is_range: bool = False
    """Whether `low` and `high` are only the smallest and the largest of too few values: no interval of any confidence
    that was asked for."""
    p_value_direction: Direction | None = None
    """Which direction a one-sided `p_value` speaks for; None for a two-sided one."""
    p_value_opposite: float | None = None
    """The one-sided p value of the other direction."""

    def as_dict(self) -> dict[str, Any]:
        """Convert the fields to a dict with a JSON form."""
        return dataclasses.asdict(self)


def smallest_sample(confidence: float = 0.95, tests: int = 1) -> int:
    """Compute how many values a two-sided statement about a median needs: 6 at 95 %, and 8 to settle one of 4 tests.

    The whole range of n values covers the median with probability 1 - 2^(1 - n), and 2^(1 - n) is the smallest p value
    of the two-sided Wilcoxon signed-rank test. With 5 values, neither reaches 95 %. Of m tests together, `holm`
    multiplies the smallest p value by m, so that m 2^(1 - n) must not exceed 1 - confidence.

    Args:
        confidence: of the statement, above 0 and below 1.
        tests: how many tests are adjusted together, 1 or more.

    Raises:
        InputError: when the confidence or the number of tests is another one.

    Example:
        >>> from jaxsize.statistics import smallest_sample
        >>> [smallest_sample(confidence) for confidence in (0.9, 0.95, 0.99)]
        [5, 6, 8]
        >>> [smallest_sample(tests=tests) for tests in (1, 4, 8)]
        [6, 8, 9]
    """
    check_confidence(confidence)
    if tests < 1:
        raise InputError(f"the number of tests must be 1 or more, got {tests}")
    return math.ceil(1 - math.log2((1 - confidence) / tests))


def median_interval(
    values: ArrayLike,
    *,
    confidence: float = 0.95,
    missing: ArrayLike | None = None,
    bounds: tuple[float, float] = (-math.inf, math.inf),
    what: str = "values",
) -> Estimate:
    """Estimate a median with its exact interval, whose ends are two of the values.

    The interval from the r-th smallest to the r-th largest value covers the median of any distribution with at least
    the confidence, by the binomial distribution; r is the greatest such rank, and `test` tells the coverage, which is
    exact for a continuous distribution and higher where values can be equal. Of fewer than `smallest_sample` values (6
    at 95 %) not even the whole range does: then `low` and `high` are that range, and `is_range` says so.

    A value that is not finite is lost and could lie anywhere: the lower end counts it as the smallest of all, the upper
    end as the largest. So the interval contains all intervals that the values could have had. An end that would be
    infinite is None (r lost values are enough for that: 1 of 6 to 8, 2 of 9 to 11). The estimate is the median of the
    known values.

    Args:
        values: [n], independent.
        confidence: of the interval, above 0 and below 1.
        missing: bool [n], True where a value never existed, by design: it is left out.
        bounds: the smallest and the largest value there can be, such as (0, 1) for a share.
        what: the word for the values in notes, such as "seeds".

    Raises:
        InputError: when the values are not one-dimensional or out of bounds, `missing` does not fit, or the confidence
            is another one.

    Example:
        >>> from jaxsize.statistics import median_interval
        >>> interval = median_interval([3, 1, 4, 1.5, 9, 2, 6, 5, 3.5, 8])
        >>> interval.low, interval.estimate, interval.high, interval.test
        (1.5, 3.75, 8.0, 'order statistics 2 and 9 of 10 (covers 97.9%)')
        >>> lost = median_interval([3, 1, 4, 1.5, 9, 2, 6, 5, 3.5, float("nan")])
        >>> lost.low, lost.estimate, lost.high, lost.note
        (1.0, 3.5, 9.0, '1 of 10 values lost: not finite')
    """
    values, note = existing(vector(values, "values"), missing, what)
    known = np.sort(values[np.isfinite(values)])
    if known.size and not bounds[0] <= known[0] <= known[-1] <= bounds[1]:
        raise InputError(f"{what} must be in {list(bounds)}, got {known[0]:g} to {known[-1]:g}")
    lost = values.size - known.size
    note = joined(note, lost_note(lost, values.size, what))
    too_few = values.size < smallest_sample(confidence)
    if not known.size or (too_few and known.size == 1):
        point, reason = (float(known[0]), "one value has no interval") if known.size else (None, "no values")
        return Estimate(point, None, None, confidence, known.size, "median", note=joined(note, reason), lost=lost)
    point = float(np.median(known))
    if too_few:
        test, ends = f"range of {known.size} {what}: too few for an interval", (float(known[0]), float(known[-1]))
        return Estimate(point, *ends, confidence, known.size, test, note=note, lost=lost, is_range=True)
    rank, cover = enclosing_rank(values.size, confidence)
    test = f"order statistics {rank} and {values.size + 1 - rank} of {values.size} (covers {cover:.1%})"
    low = finite_or_none([*[bounds[0]] * lost, *known][rank - 1])
    high = finite_or_none([*known, *[bounds[1]] * lost][-rank])
    if low is None or high is None:
        note = joined(note, "they leave the interval no ends")
    return Estimate(point, low, high, confidence, known.size, test, note=note, lost=lost)


def describe(values: ArrayLike, *, missing: ArrayLike | None = None) -> dict[str, Any]:
    """Describe values: mean, median, std (ddof 1), low, high, n, interval, dropped.

    Args:
        values: [n].
        missing: bool [n], True where a value never existed, by design: it is left out and not counted.

    Returns:
        These entries by name. "low" and "high" are the exact 95 % interval of the median (`median_interval`) or, where
        there is none (fewer than 6 values, or too many that are not finite), the smallest and the largest value;
        "interval" says which. "dropped" counts the values that are not finite, which enter nothing but the interval.
        Undefined entries are None: all numbers for no values, the std for one.

    Raises:
        InputError: when the values are not one-dimensional or `missing` does not fit.

    Example:
        >>> from jaxsize.statistics import describe
        >>> report = describe([1, 2, 6, float("inf")])
        >>> report["median"], report["low"], report["high"], report["interval"], report["dropped"]
        (2.0, 1.0, 6.0, 'range', 1)
    """
    values, _ = existing(vector(values, "values"), missing, "values")
    finite = values[np.isfinite(values)]
    report: dict[str, Any] = dict.fromkeys(("mean", "median", "std", "low", "high"))
    report |= {"n": finite.size, "interval": "range", "dropped": values.size - finite.size}
    if finite.size:
        report |= {"mean": float(finite.mean()), "median": float(np.median(finite))}
        report |= {"low": float(finite.min()), "high": float(finite.max())}
    if finite.size > 1:
        report["std"] = float(finite.std(ddof=1))
    estimate = median_interval(values)
    if not estimate.is_range and estimate.low is not None and estimate.high is not None:
        report |= {"low": estimate.low, "high": estimate.high, "interval": "95 % of the median"}
    return report
