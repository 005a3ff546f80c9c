"""Comparisons over paired seeds: differences, ratios, and p values of several tests."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError
from jaxsize.statistics._signed_ranks import SIGNED_RANK, signed_rank_p
from jaxsize.statistics._values import joined, lost_note, pairs
from jaxsize.statistics.estimates import Estimate, median_interval, smallest_sample


def paired_difference(
    a: ArrayLike,
    b: ArrayLike,
    *,
    confidence: float = 0.95,
    missing: ArrayLike | None = None,
) -> Estimate:
    """Estimate the median of a - b over pairs, with its exact interval and the Wilcoxon signed-rank p value.

    The interval is `median_interval`. The p value is two-sided. It is exact, ties included, up to 200 pairs that
    differ, and by normal approximation above. Differences of zero have no sign and do not enter it; if all are zero, it
    is 1. Only exact zeros and exact ties count as such: values that are equal up to rounding should be rounded first.
    Fewer than `smallest_sample` pairs (6 at 95 %) have no p value, as none of theirs could reach 5 %. If no pair is
    left, the estimate is None; if one is left, there is no interval.

    A pair with a member that is not finite is lost, not left out: a run that diverged is information. Its difference
    could be anything, so the interval allows for minus and plus infinity, and the p value is the largest over the
    places the lost pairs could have among the ranks. Six pairs of +1 beside four lost ones show nothing. A pair that
    *never existed*, because its design has no control, is marked by `missing`, or left out by the caller.

    Args:
        a: [n].
        b: [n]; b[i] is paired with a[i].
        confidence: of the interval, above 0 and below 1.
        missing: bool [n], True where a pair never existed, by design.

    Raises:
        InputError: when the shapes differ.

    Example:
        >>> from jaxsize.statistics import paired_difference
        >>> difference = paired_difference([3, 5, 4, 6, 8, 9], [1, 2, 2, 3, 3, 4])
        >>> difference.low, difference.estimate, difference.high, difference.p_value
        (2.0, 3.0, 5.0, 0.03125)
        >>> lost = paired_difference([1] * 6 + [float("nan")] * 4, [0] * 10)
        >>> lost.estimate, lost.low, lost.high, lost.p_value > 0.5
        (1.0, None, None, True)
    """
    a, b, note = pairs(a, b, missing)
    interval = median_interval(a - b, confidence=confidence, what="pairs")
    difference = (a - b)[np.isfinite(a - b)]
    p_value, needed = None, smallest_sample(confidence)
    if difference.size and a.size >= needed:
        p_value = signed_rank_p(difference, interval.lost)
    elif difference.size:
        note = joined(note, f"no p value of fewer than {needed} pairs")
    test = f"median of differences: {interval.test}; {SIGNED_RANK}"
    return dataclasses.replace(interval, test=test, p_value=p_value, note=joined(interval.note, note))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values for being tested together, by Holm's step-down method.

    Args:
        p_values: numbers in [0, 1]; None does not count as a test.

    Returns:
        The adjusted p values in the given order; None stays None.

    Raises:
        InputError: when a p value is outside [0, 1] or NaN.

    Example:
        >>> from jaxsize.statistics import holm
        >>> holm([0.25, None, 0.125])
        [0.25, None, 0.25]
    """
    known = [(p, i) for i, p in enumerate(p_values) if p is not None]
    if not all(0 <= p <= 1 for p, _ in known):
        raise InputError(f"p values must be in [0, 1], got {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for smaller, (p, i) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, (len(known) - smaller) * p))
        adjusted[i] = largest
    return adjusted


def equivalence_ratio(
    a: ArrayLike,
    b: ArrayLike,
    margin: float | None = 0.15,
    *,
    confidence: float = 0.95,
    missing: ArrayLike | None = None,
) -> Estimate:
    """Estimate the geometric mean of a / b over pairs, and test whether it is 1 up to a factor of 1 + margin.

    The interval is Student's t interval of the mean log ratio, as a ratio. The p value is that of two one-sided paired
    t tests on the logs (TOST) of the null hypothesis that the ratio lies outside [1 / (1 + margin), 1 + margin]; a
    small one means equivalent. If all ratios are equal, there is no spread to test with: the p value is then 0 inside
    the bounds and 1 elsewhere. Below `smallest_sample` pairs there is no p value: they are too few to tell whether log
    ratios are normal. If a pair is not positive, no ratio stands for all pairs, and the estimate is None.

    A pair with a member that is not finite is lost. Its ratio could be anything, and one such ratio moves a mean
    anywhere: then there is no interval, the p value is 1, and the estimate is that of the known pairs. A pair that
    never existed is marked by `missing`, or left out by the caller.

    Args:
        a: [n], positive.
        b: [n], positive; b[i] is paired with a[i].
        margin: by what share the ratio may exceed 1, positive. None: there is no test, for claims that two numbers are
            alike whose source does not say how near is alike.
        confidence: of the interval, above 0 and below 1.
        missing: bool [n], True where a pair never existed, by design.

    Raises:
        InputError: when the shapes differ or the margin is not positive.

    Example:
        >>> from jaxsize.statistics import equivalence_ratio
        >>> ratio = equivalence_ratio([10, 21, 30, 39, 52, 60], [10, 20, 31, 40, 50, 61], margin=0.15)
        >>> round(ratio.estimate, 2), ratio.p_value < 0.05
        (1.0, True)
    """
    from scipy import stats

    if margin is None:
        ratio = equivalence_ratio(a, b, confidence=confidence, missing=missing)
        return dataclasses.replace(ratio, p_value=None, test="geometric mean, t interval of log ratios")
    if not margin > 0:
        raise InputError(f"the margin must be positive, got {margin}")
    a, b, note = pairs(a, b, missing)
    known = np.isfinite(a)
    lost, a, b = int(np.count_nonzero(~known)), a[known], b[known]
    note = joined(note, lost_note(lost, known.size, "pairs"))
    test = f"paired t tests on log ratios (TOST), bounds 1/{1 + margin:g} and {1 + margin:g}"
    if not a.size or a.min() <= 0 or b.min() <= 0:
        bad = np.count_nonzero((a <= 0) | (b <= 0))
        reason = f"{bad} of {a.size} pairs are not positive" if a.size else "no pairs"
        return Estimate(None, None, None, confidence, a.size, test, note=joined(note, reason), lost=lost)
    logs, bound = np.log(a / b), math.log1p(margin)
    mean = float(logs.mean())
    if lost:
        note = joined(note, "a mean ratio with them could be anything")
        return Estimate(math.exp(mean), None, None, confidence, a.size, test, p_value=1.0, note=note, lost=lost)
    if a.size == 1:
        note = joined(note, "one pair has no interval")
        return Estimate(math.exp(mean), None, None, confidence, 1, test, note=note)
    error = float(logs.std(ddof=1)) / math.sqrt(a.size)
    if error <= 1e-12:
        note, p_value, reach = joined(note, "all ratios are equal"), float(abs(mean) >= bound), 0.0
    else:
        student = stats.t(a.size - 1)
        p_value = float(student.sf((bound - abs(mean)) / error))  # the larger of the two one-sided ones
        reach = float(student.ppf((1 + confidence) / 2)) * error
    low, high = math.exp(mean - reach), math.exp(mean + reach)
    if a.size < smallest_sample(confidence):
        note = joined(note, f"{a.size} pairs are too few to tell whether log ratios are normal: no p value")
        return Estimate(math.exp(mean), low, high, confidence, a.size, test, None, note)
    return Estimate(math.exp(mean), low, high, confidence, a.size, test, p_value, note)
