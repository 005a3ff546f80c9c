"""How many seeds would settle what is open."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from jaxsize.errors import InputError
from jaxsize.statistics._signed_ranks import SIGNED_RANK
from jaxsize.statistics.claims import family
from jaxsize.statistics.estimates import Estimate, smallest_sample

MOST_SEEDS = 1000
"""More seeds than this are no plan."""


def seeds_to_settle(
    parts: Sequence[Estimate | Mapping[str, Any]],
    *,
    tests: int | None = None,
    bounds: Sequence[float] = (0.0,),
) -> int | None:
    """Compute how many seeds would settle the open parts of a claim, if things go on as they are.

    - Too few seeds: `smallest_sample` for the tests that are adjusted together.
    - An interval that includes a bound: n (reach / distance)^2 seeds, rounded up and at least one more than n, where
      distance is that of the estimate from the bound, and reach is that of the interval on that side. It rests on
      intervals that narrow as 1 / sqrt(n) about the same median: an extrapolation, not a power analysis.
    - A trend: n (z / its z)^2 seeds, as Page's statistic grows as sqrt(n); z is the normal quantile of the level, "its
      z" that of the smaller p value.

    Args:
        parts: estimates, which count as open, or rows of `claim`, of which those that are not open, or do not count,
            are passed over. The rows of one `family` with signed-rank tests are adjusted together.
        tests: how many tests are adjusted together with each part; None for what the rows say, and 1 for estimates.
        bounds: the numbers that must be outside the interval: 0 for `verdict`, the ends of the range for
            `range_verdict`, 1 / (1 + margin) and 1 + margin for `equivalence_verdict`.

    Returns:
        The largest number that an open part needs. None where nothing is open, or where a part has no reasonable
        answer: its estimate is missing or lies on a bound, lost runs leave its interval no ends, or it would take more
        than `MOST_SEEDS`.

    Raises:
        InputError: when there are no bounds.

    Example:
        >>> from jaxsize.statistics import Estimate, paired_difference, seeds_to_settle
        >>> seeds_to_settle([paired_difference([3, 5, 4], [1, 2, 2])])
        6
        >>> seeds_to_settle([paired_difference([3, 5, 4], [1, 2, 2])], tests=4)
        8
        >>> seeds_to_settle([Estimate(1.0, -0.5, 2.0, 0.95, 8, "by hand")])  # 8 (1.5 / 1)^2
        18
    """
    if not bounds:
        raise InputError("bounds must name at least one number that settles the claim")
    rows: list[dict[str, Any]] = [part.as_dict() if isinstance(part, Estimate) else dict(part) for part in parts]
    needs = []
    for row in rows:
        if row.get("verdict", "open") != "open" or "uninformative" in row:
            continue
        together = 1 if tests is None else tests
        if tests is None and "verdict" in row and SIGNED_RANK in row["test"]:
            together = sum(SIGNED_RANK in other["test"] and family(other) == family(row) for other in rows)
        needs.append(_seeds(row, together, bounds))
    known = [need for need in needs if need is not None and need <= MOST_SEEDS]
    return max(known) if known and len(known) == len(needs) else None


def _seeds(row: dict[str, Any], tests: int, bounds: Sequence[float]) -> int | None:
    """Compute how many seeds one open part needs; None if there is no telling."""
    n, estimate, low, high = row["n"] + row.get("lost", 0), row["estimate"], row["low"], row["high"]
    if row.get("p_value_opposite") is not None:
        return _seeds_of_trend(row)
    if n < smallest_sample(row["confidence"]):
        return smallest_sample(row["confidence"], tests)
    if estimate is None or low is None or high is None:
        return None
    if not any(low <= bound <= high for bound in bounds):
        return None  # it is not its interval that leaves it open: more seeds do not settle it
    need = float(n + 1)
    for bound in bounds:
        if low <= bound <= high:
            if estimate == bound:
                return None
            reach = estimate - low if estimate > bound else high - estimate
            need = max(need, n * (reach / (estimate - bound)) ** 2)
    return _rounded_up(need)


def _seeds_of_trend(row: dict[str, Any]) -> int | None:
    from scipy import stats

    if min(row["p_value"], row["p_value_opposite"]) <= 1 - row["confidence"]:
        return None  # it is not its test that leaves it open
    z = float(stats.norm.isf(min(row["p_value"], row["p_value_opposite"])))
    n = row["n"] + row.get("lost", 0)
    return _rounded_up(max(n + 1.0, n * (float(stats.norm.isf(1 - row["confidence"])) / z) ** 2)) if z > 0 else None


def _rounded_up(need: float) -> int | None:
    return math.ceil(need - 1e-9) if math.isfinite(need) else None
