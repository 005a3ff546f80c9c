"""What an estimate says about a claim: it holds, is refuted or is open.

The rule of a claim: it holds if the 95 % interval excludes 0 in the stated direction, is refuted if it excludes 0
the other way, and is open otherwise, or if there are too few runs for any 95 % statement about a median.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

from jaxsize.statistics import Direction, Estimate, check_direction, holm, joined, smallest_sample


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer to a claim and the numbers it rests on, in words."""

    outcome: Literal["holds", "refuted", "open"]
    reason: str


Part = tuple[dict[str, Any], Estimate, Verdict]


def verdict(estimate: Estimate, direction: Direction) -> Verdict:
    """Whether a claim "above 0" ("positive") or "below 0" ("negative") holds, is refuted or is open.

    It holds if the interval excludes 0 in that direction, is refuted if it excludes 0 the other way, else open; also
    open below `smallest_sample` values (6 at 95 %). The p value does not decide, but the reason quotes it.
    """
    check_direction(direction)
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    above, below = estimate.low > 0, estimate.high < 0
    place = "lies above 0" if above else "lies below 0" if below else "includes 0"
    if not (above or below):
        return Verdict("open", _said(estimate, place))
    return Verdict("holds" if above == (direction == "positive") else "refuted", _said(estimate, place))


def equivalence_verdict(estimate: Estimate, margin: float = 0.15) -> Verdict:
    """Whether the ratio of `equivalence_ratio`, with the same margin, is 1 up to a factor of 1 + margin.

    It holds if p <= 1 - confidence, is refuted if the whole interval lies outside the bounds, else open; also open
    below `smallest_sample` pairs, too few to see whether log ratios are anything like normal.
    """
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    bounds = f"[{1 / (1 + margin):.4g}, {1 + margin:.4g}]"
    if estimate.p_value is not None and estimate.p_value <= 1 - estimate.confidence:
        return Verdict("holds", _said(estimate, f"shows a ratio inside {bounds}"))
    if estimate.low > 1 + margin or estimate.high < 1 / (1 + margin):
        return Verdict("refuted", _said(estimate, f"lies outside {bounds}"))
    return Verdict("open", _said(estimate, f"does not settle {bounds}"))


def range_verdict(estimate: Estimate, low: float, high: float) -> Verdict:
    """Whether a number from low to high holds, is refuted or is open.

    It holds if the whole interval lies there, is refuted if none of it does, else open; also open below
    `smallest_sample` values.
    """
    if (short := _too_few(estimate)) is not None:
        return Verdict("open", short)
    assert estimate.low is not None and estimate.high is not None
    bounds = f"[{low:.4g}, {high:.4g}]"
    if low <= estimate.low and estimate.high <= high:
        return Verdict("holds", _said(estimate, f"lies inside {bounds}"))
    if estimate.low > high or estimate.high < low:
        return Verdict("refuted", _said(estimate, f"lies outside {bounds}"))
    return Verdict("open", _said(estimate, f"does not settle {bounds}"))


def _too_few(estimate: Estimate) -> str | None:
    n, confidence = estimate.n, estimate.confidence
    if estimate.estimate is None or estimate.low is None or estimate.high is None:
        return joined(f"n = {n}: no interval", estimate.note)
    if n < (needed := smallest_sample(confidence)):
        cover = f"even the whole range of {n} values covers a median only {1 - 2.0 ** (1 - n):.4g} of the time"
        return joined(f"n = {n}, and {confidence:.0%} needs {needed}: {cover}", estimate.note)
    return None


def _said(estimate: Estimate, place: str) -> str:
    interval = f"{estimate.confidence:.0%} interval [{estimate.low:.4g}, {estimate.high:.4g}] {place}"
    p_value = f", p = {estimate.p_value:.3g}" if estimate.p_value is not None else ""
    return joined(f"{estimate.estimate:.4g}, {interval} (n = {estimate.n}{p_value})", estimate.note)


def claim(text: str, parts: Sequence[Part], untested: str = "") -> dict[str, Any]:
    """A claim with its parts, ready for JSON: it holds or is refuted if all its parts say so.

    Every part is a label, an estimate and its verdict; one whose label says `uninformative` is listed but does not
    count. p values are given raw and adjusted by Holm within a `family`. untested: why there are no parts.
    """
    outcomes = {found.outcome for label, _, found in parts if "uninformative" not in label}
    outcome = outcomes.pop() if len(outcomes) == 1 else "open" if parts else "not tested"
    rows: list[dict[str, Any]] = []
    for label, estimate, found in parts:
        rows.append(label | estimate.as_dict() | {"verdict": found.outcome, "reason": found.reason})
    for kin in {family(row) for row in rows}:
        members = [row for row in rows if family(row) == kin]
        for row, adjusted in zip(members, holm([row["p_value"] for row in members]), strict=True):
            row["p_value_holm"] = adjusted
    return {"claim": text, "verdict": outcome, "parts": rows} | ({"reason": untested} if not parts else {})


def family(row: dict[str, Any]) -> tuple:
    """Parts tested together: those of a data set, a depth and a start."""
    return row.get("dataset"), row.get("depth"), row.get("start_width"), tuple(row.get("start_widths", ()))
