"""What an estimate says about a claim: it holds, is refuted or is open, or its source does not decide it.

A claim holds if the 95 % interval excludes 0 in the stated direction, and is refuted if the interval excludes 0 in the
other direction. Otherwise it is open, and also where there are too few runs for any 95 % statement about a median, or
so many lost ones that the interval has no ends. A trend is judged by its test. Where the words of the source leave open
what would count as true, no number of runs decides, and the verdict says so.
"""

import dataclasses
from typing import Literal

from jaxsize.errors import InputError
from jaxsize.statistics._values import Direction, check_direction, joined
from jaxsize.statistics.estimates import Estimate, smallest_sample


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer to a claim, and the numbers that it rests on.

    Example:
        >>> from jaxsize.statistics import Verdict
        >>> Verdict("open", "n = 2: no interval").outcome
        'open'
    """

    outcome: Literal["holds", "refuted", "open", "not decided"]
    """More runs can settle what is open, and cannot settle what the words of the source leave not decided."""
    reason: str
    """The numbers in words."""


def verdict(estimate: Estimate, direction: Direction) -> Verdict:
    """Decide whether the claim that a number is above or below 0 holds, is refuted or is open.

    It holds if the interval excludes 0 in the claimed direction, is refuted if it excludes 0 in the other one, and is
    open otherwise. Fewer than `smallest_sample` values (6 at 95 %) leave it open. The p value does not decide,
    but the reason quotes it.

    Args:
        estimate: the number and its interval.
        direction: "positive" claims that the number is above 0, "negative" that it is below.

    Raises:
        InputError: when the direction is another one.

    Example:
        >>> from jaxsize.statistics import Estimate, verdict
        >>> estimate = Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")
        >>> verdict(estimate, "positive")
        Verdict(outcome='holds', reason='2, 95% interval [1, 3] lies above 0 (n = 8)')
        >>> verdict(estimate, "negative").outcome
        'refuted'
    """
    check_direction(direction)
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    above, below = estimate.low > 0, estimate.high < 0
    place = "lies above 0" if above else "lies below 0" if below else "includes 0"
    if not (above or below):
        return Verdict("open", _reason(estimate, place))
    return Verdict("holds" if above == (direction == "positive") else "refuted", _reason(estimate, place))


def trend_verdict(estimate: Estimate) -> Verdict:
    """Decide by its test whether the claim that values rise, or fall, with a setting holds, is refuted or is open.

    It holds if Page's p value in the claimed direction is at most 1 - confidence, is refuted if that in the other
    direction is, and is open otherwise. Three seeds can carry that: with 4 settings the least p value is 24^-3. Without
    a p value (fewer than 3 settings, or than 2 seeds) the interval of tau decides, as in `verdict`.

    Args:
        estimate: from `trend`, which was told the claimed direction.

    Raises:
        InputError: when the estimate has no direction: it is not that of a trend.

    Example:
        >>> from jaxsize.statistics import trend, trend_verdict
        >>> sizes = trend([0.1, 1, 10, 100], [[9, 5, 2, 1], [8, 7, 3, 0], [9, 6, 1, 1]], direction="negative")
        >>> trend_verdict(sizes).outcome
        'holds'
    """
    if estimate.p_value_direction is None:
        raise InputError(f"trend_verdict needs the estimate of a trend, got one by {estimate.test!r}")
    if estimate.p_value is None or estimate.p_value_opposite is None:
        return verdict(estimate, estimate.p_value_direction)
    level, words = 1 - estimate.confidence, ("rise", "fall")
    claimed, other = words if estimate.p_value_direction == "positive" else words[::-1]
    tests = f"Page's p that they {claimed} is {estimate.p_value:.3g}, that they {other} {estimate.p_value_opposite:.3g}"
    reason = joined(f"median tau {estimate.estimate:.4g}, {tests} (n = {estimate.n})", estimate.note)
    if estimate.p_value <= level:
        return Verdict("holds", reason)
    return Verdict("refuted" if estimate.p_value_opposite <= level else "open", reason)


def not_decided(estimate: Estimate, why: str) -> Verdict:
    """Say that the words of a source do not decide a claim, whatever the number.

    It is for claims such as "about twice" or "an equal loss", of which the source does not say how near is near. The
    estimate is reported; a margin of our own choice would make the verdict ours, not the source's.

    Args:
        estimate: the number that was measured.
        why: what the source leaves open.

    Example:
        >>> from jaxsize.statistics import Estimate, not_decided
        >>> unclear = not_decided(Estimate(2.3, 2.1, 2.6, 0.95, 8, "by hand"), "how near 2 is about twice")
        >>> unclear.reason
        "the source's words do not decide this: how near 2 is about twice; 2.3, 95% interval [2.1, 2.6] (n = 8)"
    """
    return Verdict("not decided", f"the source's words do not decide this: {why}; {_reason(estimate)}")


def equivalence_verdict(estimate: Estimate, margin: float = 0.15) -> Verdict:
    """Decide whether a ratio is 1 up to a factor of 1 + margin.

    This holds if p <= 1 - confidence, is refuted if the whole interval lies outside the bounds, and is open otherwise,
    and also for fewer than `smallest_sample` pairs: too few to see whether log ratios are anything like normal.

    Args:
        estimate: the ratio, from `equivalence_ratio` with the same margin.
        margin: by what share the ratio may exceed 1, positive.

    Example:
        >>> from jaxsize.statistics import Estimate, equivalence_verdict
        >>> equivalence_verdict(Estimate(1.0, 0.98, 1.02, 0.95, 8, "TOST", p_value=0.001)).outcome
        'holds'
        >>> equivalence_verdict(Estimate(1.5, 1.4, 1.6, 0.95, 8, "TOST", p_value=1.0)).outcome
        'refuted'
    """
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    bounds = f"[{1 / (1 + margin):.4g}, {1 + margin:.4g}]"
    if estimate.p_value is not None and estimate.p_value <= 1 - estimate.confidence:
        return Verdict("holds", _reason(estimate, f"shows a ratio inside {bounds}"))
    if estimate.low > 1 + margin or estimate.high < 1 / (1 + margin):
        return Verdict("refuted", _reason(estimate, f"lies outside {bounds}"))
    return Verdict("open", _reason(estimate, f"does not settle {bounds}"))


def range_verdict(estimate: Estimate, low: float, high: float) -> Verdict:
    """Decide whether the claim that a number lies in a range holds, is refuted or is open.

    It holds if the whole interval lies in the range, is refuted if none of the interval does, and is open otherwise,
    and also for fewer than `smallest_sample` values.

    Args:
        estimate: the number and its interval.
        low: lower end of the range.
        high: upper end of the range.

    Example:
        >>> from jaxsize.statistics import Estimate, range_verdict
        >>> estimate = Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")
        >>> [range_verdict(estimate, low, 4.0).outcome for low in (0.5, 1.5, 3.5)]
        ['holds', 'open', 'refuted']
    """
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    bounds = f"[{low:.4g}, {high:.4g}]"
    if low <= estimate.low and estimate.high <= high:
        return Verdict("holds", _reason(estimate, f"lies inside {bounds}"))
    if estimate.low > high or estimate.high < low:
        return Verdict("refuted", _reason(estimate, f"lies outside {bounds}"))
    return Verdict("open", _reason(estimate, f"does not settle {bounds}"))


def _too_few(estimate: Estimate) -> str | None:
    """Say why an estimate rests on too few values for a verdict; None if it does not."""
    n, confidence = estimate.n, estimate.confidence
    if estimate.estimate is None or estimate.low is None or estimate.high is None:
        return joined(f"n = {n}: no interval", estimate.note)
    total, needed = n + estimate.lost, smallest_sample(confidence)
    if total < needed:
        cover = f"even the whole range of {total} values covers a median only {1 - 2.0 ** (1 - total):.4g} of the time"
        return joined(f"n = {n}, and {confidence:.0%} needs {needed}: {cover}", estimate.note)
    return None


def _reason(estimate: Estimate, place: str = "") -> str:
    if estimate.estimate is None:
        return joined(f"n = {estimate.n}: no estimate", estimate.note)
    interval = "no interval"
    if estimate.low is not None and estimate.high is not None:
        name = "range" if estimate.is_range else f"{estimate.confidence:.0%} interval"
        interval = f"{name} [{estimate.low:.4g}, {estimate.high:.4g}]"
    p_value = f", p = {estimate.p_value:.3g}" if estimate.p_value is not None else ""
    words = " ".join(word for word in (interval, place) if word)
    return joined(f"{estimate.estimate:.4g}, {words} (n = {estimate.n}{p_value})", estimate.note)
