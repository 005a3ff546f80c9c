"""What an estimate says about a claim: it holds, is refuted or is open.

A claim holds if the 95 % interval excludes 0 in the stated direction, and is refuted if the interval excludes 0 in the
other direction. Otherwise it is open, and also where there are too few runs for any 95 % statement about a median.
"""

import dataclasses
from typing import Literal

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

    outcome: Literal["holds", "refuted", "open"]
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
    if n < (needed := smallest_sample(confidence)):
        cover = f"even the whole range of {n} values covers a median only {1 - 2.0 ** (1 - n):.4g} of the time"
        return joined(f"n = {n}, and {confidence:.0%} needs {needed}: {cover}", estimate.note)
    return None


def _reason(estimate: Estimate, place: str) -> str:
    interval = f"{estimate.confidence:.0%} interval [{estimate.low:.4g}, {estimate.high:.4g}] {place}"
    p_value = f", p = {estimate.p_value:.3g}" if estimate.p_value is not None else ""
    return joined(f"{estimate.estimate:.4g}, {interval} (n = {estimate.n}{p_value})", estimate.note)
