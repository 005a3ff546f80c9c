"""Comparisons over paired seeds: differences, trends, ratios, and p values of several tests."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError
from jaxsize.statistics._values import Direction, check_direction, dropped_note, joined, pairs, vector
from jaxsize.statistics.estimates import Estimate, bootstrap_interval


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Estimate the median of a - b over pairs, with its bootstrap interval and the Wilcoxon signed-rank p value.

    The p value is two-sided. It is exact, ties included, up to 200 pairs that differ, and by normal approximation
    above. Differences of zero have no sign and do not enter it; if all are zero, it is 1. Only exact zeros and exact
    ties count as such: values that are equal up to rounding should be rounded first. Pairs with a non-finite member are
    dropped and counted in `note`. If no pair is left, the estimate is None; if one is left, there is no interval.

    Args:
        a: [n].
        b: [n]; b[i] is paired with a[i].
        confidence: of the interval, above 0 and below 1.
        seed: draws the resamples of the bootstrap.

    Raises:
        InputError: when the shapes differ.

    Example:
        >>> from jaxsize.statistics import paired_difference
        >>> difference = paired_difference([3, 5, 4, 6, 8, 9], [1, 2, 2, 3, 3, 4])
        >>> difference.estimate, difference.p_value
        (3.0, 0.03125)
    """
    a, b, note = pairs(a, b)
    interval = bootstrap_interval(a - b, confidence=confidence, seed=seed)
    test = "paired bootstrap of the median, Wilcoxon signed-rank"
    p_value = _wilcoxon(a - b) if a.size else None
    return dataclasses.replace(interval, test=test, p_value=p_value, note=joined(note, interval.note))


def _wilcoxon(difference: np.ndarray) -> float:
    """Compute the two-sided p value of the signed-rank test.

    The exact one adds up the chances of rank sums if the sign of every difference is that of a fair coin.
    """
    from scipy import stats

    difference = difference[difference != 0]
    if not difference.size:
        return 1.0
    if difference.size > 200:
        return float(np.asarray(stats.wilcoxon(difference, method="asymptotic"))[1])
    ranks = np.rint(2 * stats.rankdata(np.abs(difference))).astype(int)  # doubled: mean ranks of ties become integers
    chance = np.ones(1)
    for rank in ranks:
        chance = 0.5 * (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0)))
    total = ranks[difference > 0].sum()
    return float(min(1.0, 2 * min(chance[: total + 1].sum(), chance[total:].sum())))


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


def trend(
    settings: ArrayLike, values: ArrayLike, *, direction: Direction, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Estimate the monotone trend of values with a setting.

    The estimate is the median over seeds of Kendall's tau_b of value against setting: 1 if the values always rise with
    the setting, -1 if they always fall, 0 for a seed whose values are all equal. The interval is its bootstrap over
    seeds. The p value is that of Page's trend test, one-sided: no trend against values that rise or fall. It is None
    for fewer than 3 settings, for which there is `paired_difference`, and for fewer than 2 seeds. Seeds with a
    non-finite value are dropped and counted in `note`.

    Args:
        settings: [num_settings], all different.
        values: [num_seeds, num_settings].
        direction: the alternative of the test: values that rise ("positive") or fall ("negative") with the setting.
        confidence: of the interval, above 0 and below 1.
        seed: draws the resamples of the bootstrap.

    Raises:
        InputError: when the shapes are others, there are fewer than 2 settings or equal ones, or the direction is
            another one.

    Example:
        >>> from jaxsize.statistics import trend
        >>> sizes = trend([0.1, 1, 10], [[9, 5, 2], [8, 8, 3], [9, 6, 1]], direction="negative")
        >>> sizes.estimate, sizes.p_value < 0.05
        (-1.0, True)
    """
    from scipy import stats

    check_direction(direction)
    settings, values = vector(settings, "settings"), np.asarray(values, float)
    if values.ndim != 2 or values.shape[1] != settings.size or np.unique(settings).size < max(2, settings.size):
        raise InputError(
            f"a trend needs 2 or more different settings and values [seeds, settings], got "
            f"settings {settings.tolist()} and values {list(values.shape)}"
        )
    used = values[np.isfinite(values).all(axis=1)]
    note = dropped_note(len(values) - len(used), len(values), "seeds")
    upper = np.triu_indices(settings.size, 1)
    step = np.sign(settings[upper[1]] - settings[upper[0]])
    rise = np.sign(used[:, upper[1]] - used[:, upper[0]])
    # Not scipy's kendalltau: it differs in the last bit in 4 of 10 cases, and recorded results keep every digit.
    tau = (rise @ step) / np.sqrt(np.maximum(np.count_nonzero(rise, axis=1), 1) * step.size)
    interval = bootstrap_interval(tau, confidence=confidence, seed=seed)
    p_value = None
    if len(used) >= 2 and settings.size >= 3:
        order = np.argsort(settings if direction == "positive" else -settings)
        p_value = float(stats.page_trend_test(used[:, order]).pvalue)
    test = f"bootstrap of the median Kendall tau_b, Page's trend test (one-sided, {direction})"
    return dataclasses.replace(interval, test=test, p_value=p_value, note=joined(note, interval.note))


def equivalence_ratio(a: ArrayLike, b: ArrayLike, margin: float = 0.15, *, confidence: float = 0.95) -> Estimate:
    """Estimate the geometric mean of a / b over pairs, and test whether it is 1 up to a factor of 1 + margin.

    The interval is Student's t interval of the mean log ratio, as a ratio. The p value is that of two one-sided paired
    t tests on the logs (TOST) of the null hypothesis that the ratio lies outside [1 / (1 + margin), 1 + margin]; a
    small one means equivalent. If all ratios are equal, there is no spread to test with: the p value is then 0 inside
    the bounds and 1 elsewhere. Pairs with a non-finite member are dropped and counted in `note`. If a pair is not
    positive, no ratio stands for all pairs, and the estimate is None.

    Args:
        a: [n], positive.
        b: [n], positive; b[i] is paired with a[i].
        margin: by what share the ratio may exceed 1, positive.
        confidence: of the interval, above 0 and below 1.

    Raises:
        InputError: when the shapes differ or the margin is not positive.

    Example:
        >>> from jaxsize.statistics import equivalence_ratio
        >>> ratio = equivalence_ratio([10, 21, 30, 39], [10, 20, 31, 40], margin=0.15)
        >>> round(ratio.estimate, 2), ratio.p_value < 0.05
        (1.0, True)
    """
    from scipy import stats

    if not margin > 0:
        raise InputError(f"the margin must be positive, got {margin}")
    a, b, note = pairs(a, b)
    test = f"paired t tests on log ratios (TOST), bounds 1/{1 + margin:g} and {1 + margin:g}"
    if not a.size or a.min() <= 0 or b.min() <= 0:
        bad = np.count_nonzero((a <= 0) | (b <= 0))
        reason = f"{bad} of {a.size} pairs are not positive" if a.size else "no pairs"
        return Estimate(None, None, None, confidence, a.size, test, note=joined(note, reason))
    logs, bound = np.log(a / b), math.log1p(margin)
    mean = float(logs.mean())
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
    return Estimate(math.exp(mean), low, high, confidence, a.size, test, p_value, note)
