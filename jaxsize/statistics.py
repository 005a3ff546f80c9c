"""Estimates with their spread and tests over seeds: every reported number says how sure it is.

Plain NumPy in, frozen dataclasses out. SciPy is imported inside the functions: importing it takes half a second.
"""

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

Direction = Literal["positive", "negative"]


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A number and how sure it is. None where there is no such number; `note` then says why."""

    estimate: float | None
    low: float | None  # lower end of the interval
    high: float | None
    confidence: float  # of the interval, such as 0.95
    n: int  # values, pairs or seeds that were used
    test: str  # how interval and p value were made
    p_value: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The fields as a dict with a JSON form."""
        return dataclasses.asdict(self)


def smallest_sample(confidence: float = 0.95) -> int:
    """How many values a two-sided statement about a median needs: 6 at 95 %.

    The whole range of n values covers the median with probability 1 - 2^(1 - n), and 2^(1 - n) is the smallest p value
    of the two-sided Wilcoxon signed-rank test. With 5, neither reaches 95 %.
    """
    return math.ceil(1 - math.log2(1 - confidence))


def bootstrap_interval(
    values: ArrayLike,
    statistic: Callable[..., Any] = np.median,
    *,
    confidence: float = 0.95,
    num_resamples: int = 9999,
    seed: int = 0,
) -> Estimate:
    """`statistic` of `values` [n] with its bootstrap interval; the same seed gives the same interval.

    statistic: a NumPy-like reduction `statistic(array, axis=...)`. The interval is BCa (bias-corrected, accelerated),
    or percentile where BCa is undefined. Values that are not finite are dropped and counted in `note`. One value, or
    none, has no interval; equal values have one of width 0. The interval of a median is a little too narrow for few
    values: at a nominal 95 % it covers 89 to 95 % for 5 to 11 normal values, and 75 % for 3.
    """
    from scipy import stats

    values = _vector(values, "values")
    finite = values[np.isfinite(values)]
    note = _dropped(values.size - finite.size, values.size, "values")
    if finite.size < 2:
        point = _finite(statistic(finite, axis=0)) if finite.size else None
        reason = "one value has no interval" if finite.size else "no values"
        return Estimate(point, None, None, confidence, finite.size, "bootstrap", note=joined(note, reason))
    point = float(statistic(finite, axis=0))
    if np.all(finite == finite[0]):
        note = joined(note, "all values are equal")
        return Estimate(point, point, point, confidence, finite.size, "bootstrap", note=note)
    batch = max(1, 2_000_000 // finite.size)  # at most 16 MB of resamples at a time
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a degenerate BCa, which gives NaN
            low, high = stats.bootstrap(
                (finite,),
                statistic,
                n_resamples=num_resamples,
                batch=batch,
                vectorized=True,
                confidence_level=confidence,
                method=method,
                rng=np.random.default_rng(seed),
            ).confidence_interval
        if np.isfinite(low) and np.isfinite(high):
            return Estimate(point, float(low), float(high), confidence, finite.size, f"bootstrap {method}", note=note)
    note = joined(note, "the statistic is not finite on some resamples")
    return Estimate(_finite(point), None, None, confidence, finite.size, "bootstrap", note=note)


def paired_difference(a: ArrayLike, b: ArrayLike, *, confidence: float = 0.95, seed: int = 0) -> Estimate:
    """Median of a - b over pairs (a, b: [n]), its bootstrap interval and the two-sided Wilcoxon signed-rank p value.

    The p value is exact, ties included, up to 200 pairs that differ, and by normal approximation above. Zero
    differences carry no sign and do not enter it; if there is nothing else it is 1. Only exact zeros and exact ties
    count as such: round values that are equal up to rounding. Pairs with a non-finite member are dropped and counted
    in `note`. No pair left: the estimate is None; one: it has no interval. ValueError if the shapes differ.
    """
    a, b, note = _pairs(a, b)
    interval = bootstrap_interval(a - b, confidence=confidence, seed=seed)
    test = "paired bootstrap of the median, Wilcoxon signed-rank"
    p_value = _wilcoxon(a - b) if a.size else None
    return dataclasses.replace(interval, test=test, p_value=p_value, note=joined(note, interval.note))


def _wilcoxon(difference: np.ndarray) -> float:
    """Two-sided p value of the signed-rank test; exact: the chances of each rank sum if every sign is a fair coin."""
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
    """p values adjusted for testing them together (Holm's step-down), in the given order; None passes through.

    None does not count as a test. ValueError for a p value outside [0, 1] or NaN.
    """
    known = [(p, i) for i, p in enumerate(p_values) if p is not None]
    if not all(0 <= p <= 1 for p, _ in known):
        raise ValueError(f"p values must be in [0, 1], got {list(p_values)}")
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for smaller, (p, i) in enumerate(sorted(known)):
        largest = max(largest, min(1.0, (len(known) - smaller) * p))
        adjusted[i] = largest
    return adjusted


def trend(
    settings: ArrayLike, values: ArrayLike, *, direction: Direction, confidence: float = 0.95, seed: int = 0
) -> Estimate:
    """Monotone trend of `values` [num_seeds, num_settings] with `settings` [num_settings], all different.

    The estimate is the median over seeds of Kendall's tau_b of value against setting: 1 if the values always rise with
    the setting, -1 if they always fall, 0 for a seed whose values are all equal. The interval is its bootstrap over
    seeds. The p value is of Page's trend test, one-sided: no trend against values that rise ("positive") or fall
    ("negative"); None for fewer than 3 settings, where `paired_difference` serves, or 2 seeds. Seeds with a non-finite
    value are dropped and counted in `note`. ValueError for other shapes, fewer than 2 settings or equal ones.
    """
    from scipy import stats

    check_direction(direction)
    settings, values = _vector(settings, "settings"), np.asarray(values, float)
    if values.ndim != 2 or values.shape[1] != settings.size or np.unique(settings).size < max(2, settings.size):
        raise ValueError(
            f"a trend needs 2 or more different settings and values [seeds, settings], got "
            f"settings {settings.tolist()} and values {list(values.shape)}"
        )
    used = values[np.isfinite(values).all(axis=1)]
    note = _dropped(len(values) - len(used), len(values), "seeds")
    upper = np.triu_indices(settings.size, 1)
    step = np.sign(settings[upper[1]] - settings[upper[0]])
    rise = np.sign(used[:, upper[1]] - used[:, upper[0]])
    tau = (rise @ step) / np.sqrt(np.maximum(np.count_nonzero(rise, axis=1), 1) * step.size)
    interval = bootstrap_interval(tau, confidence=confidence, seed=seed)
    p_value = None
    if len(used) >= 2 and settings.size >= 3:
        order = np.argsort(settings if direction == "positive" else -settings)
        p_value = float(stats.page_trend_test(used[:, order]).pvalue)
    test = f"bootstrap of the median Kendall tau_b, Page's trend test (one-sided, {direction})"
    return dataclasses.replace(interval, test=test, p_value=p_value, note=joined(note, interval.note))


def equivalence_ratio(a: ArrayLike, b: ArrayLike, margin: float = 0.15, *, confidence: float = 0.95) -> Estimate:
    """Geometric mean of a / b over pairs (a, b: [n], positive) and whether it is 1 up to a factor of 1 + margin.

    The interval is Student's t interval of the mean log ratio, as a ratio. The p value is of two one-sided paired
    t tests on the logs (TOST), null: the ratio lies outside [1 / (1 + margin), 1 + margin]; small means equivalent. If
    all ratios are equal there is no spread to test with: it is then 0 inside the bounds and 1 elsewhere.
    Pairs with a non-finite member are dropped and counted in `note`. If a pair is not positive no ratio stands for all,
    and the estimate is None. ValueError if the shapes differ or the margin is not positive.
    """
    from scipy import stats

    if not margin > 0:
        raise ValueError(f"the margin must be positive, got {margin}")
    a, b, note = _pairs(a, b)
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


def describe(values: ArrayLike) -> dict[str, Any]:
    """What to report of `values` [n]: mean, median, std (ddof 1), low, high, n, interval, dropped.

    low and high are the 95 % bootstrap interval of the median or, of fewer than 6 values, the smallest and the
    largest; "interval" says which. "dropped" counts values that are not finite and enter nothing else. None where
    undefined: everything of no values, the std of one.
    """
    values = _vector(values, "values")
    finite = values[np.isfinite(values)]
    report: dict[str, Any] = dict.fromkeys(("mean", "median", "std", "low", "high"))
    report |= {"n": finite.size, "interval": "range", "dropped": values.size - finite.size}
    if finite.size:
        report |= {"mean": float(finite.mean()), "median": float(np.median(finite))}
        report |= {"low": float(finite.min()), "high": float(finite.max())}
    if finite.size > 1:
        report["std"] = float(finite.std(ddof=1))
    if finite.size >= smallest_sample():
        found = bootstrap_interval(finite)
        report |= {"low": found.low, "high": found.high, "interval": "95 % of the median"}
    return report


def _vector(values: ArrayLike, name: str) -> np.ndarray:
    values = np.asarray(values, float)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {list(values.shape)}")
    return values


def _pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray, str]:
    a, b = _vector(a, "a"), _vector(b, "b")
    if a.shape != b.shape:
        raise ValueError(f"pairs need as many a as b, got {a.size} and {b.size}")
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both], _dropped(int(np.sum(~both)), a.size, "pairs")


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _dropped(count: int, total: int, what: str) -> str:
    return f"{count} of {total} {what} dropped: not finite" if count else ""


def joined(*notes: str) -> str:
    """The notes that are not empty, as one."""
    return "; ".join(note for note in notes if note)


def check_direction(direction: str) -> None:
    """ValueError if the direction is neither "positive" nor "negative"."""
    if direction not in ("positive", "negative"):
        raise ValueError(f'the direction must be "positive" or "negative", got {direction!r}')
