"""Parts of claims: an estimate, what it is claimed to be, and the verdict."""

from typing import Any

import numpy as np

from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    equivalence_verdict,
    not_decided,
    range_verdict,
    trend_verdict,
    verdict,
)


def above(estimate: Estimate, **label: Any) -> Part:
    """Claim that a number is above 0.

    Args:
        estimate: the number, with its interval.
        **label: what tells this part of the claim from the others.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above
        >>> above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap"), of="size")[2].outcome
        'holds'
    """
    return label, estimate, verdict(estimate, "positive")


def below(estimate: Estimate, **label: Any) -> Part:
    """Claim that a number is below 0.

    Args:
        estimate: the number, with its interval.
        **label: what tells this part of the claim from the others.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import below
        >>> below(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap"))[2].outcome
        'refuted'
    """
    return label, estimate, verdict(estimate, "negative")


def within(estimate: Estimate, low: float, high: float, **label: Any) -> Part:
    """Claim that a number lies in a range; see `statistics.range_verdict`.

    Args:
        estimate: the number, with its interval.
        low: the lower end of the range.
        high: the upper end of the range.
        **label: what tells this part of the claim from the others; `bounds` is added.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import within
        >>> label, _, outcome = within(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap"), 0, 2.5)
        >>> label, outcome.outcome
        ({'bounds': [0, 2.5]}, 'open')
    """
    return label | {"bounds": [low, high]}, estimate, range_verdict(estimate, low, high)


def equal(ratio: Estimate, margin: float = 0.15, **label: Any) -> Part:
    """Claim that a ratio is 1 up to a factor of 1 + margin; see `statistics.equivalence_verdict`.

    Args:
        ratio: the ratio, from `statistics.equivalence_ratio` with the same margin.
        margin: by what share the ratio may exceed 1.
        **label: what tells this part of the claim from the others; `bounds` is added.

    Example:
        >>> from jaxsize.statistics import equivalence_ratio
        >>> from jaxsize.studies import equal
        >>> equal(equivalence_ratio([20, 21, 30, 31, 40, 41], [21, 20, 31, 30, 41, 40]))[2].outcome
        'holds'
    """
    return label | {"bounds": [1 / (1 + margin), 1 + margin]}, ratio, equivalence_verdict(ratio, margin)


def trending(estimate: Estimate, **label: Any) -> Part:
    """Claim that values rise, or fall, with a setting; the estimate's trend test decides.

    Args:
        estimate: the trend, from `statistics.trend`, which also says in which direction.
        **label: what tells this part of the claim from the others.

    Example:
        >>> from jaxsize.statistics import trend
        >>> from jaxsize.studies import trending
        >>> sizes = [[9, 7, 5, 2], [8, 8, 4, 3], [9, 6, 2, 1]]
        >>> trending(trend([0.1, 1, 10, 100], sizes, direction="negative"))[2].outcome
        'holds'
    """
    return label, estimate, trend_verdict(estimate)


def unclear(part: Part, why: str) -> Part:
    """Give a part's estimate without a verdict, where the words of the source leave open what would count as true.

    Args:
        part: the part.
        why: what the source leaves open.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, unclear
        >>> unclear(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), 'it says "nearly"')[2].outcome
        'not decided'
    """
    label, estimate, _ = part
    return label, estimate, not_decided(estimate, why)


def exactly(wanted: float, values: np.ndarray, estimate: Estimate, **label: Any) -> Part:
    """Claim that every run has this very number; open if a run is missing.

    Args:
        wanted: the number.
        values: [num_seeds].
        estimate: what is told of the values.
        **label: what tells this part of the claim from the others.

    Example:
        >>> import numpy as np
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import exactly
        >>> exactly(0.0, np.zeros(3), Estimate(0.0, 0.0, 0.0, 0.95, 3, "bootstrap"))[2].outcome
        'holds'
    """
    if missing := np.count_nonzero(~np.isfinite(values)):
        return label, estimate, Verdict("open", f"{missing} of {values.size} runs have no such number")
    other = np.count_nonzero(values != wanted)
    told = f"{other} of {values.size} runs differ from {wanted:g}"
    return label, estimate, Verdict("refuted" if other else "holds", told)


def listed(part: Part, why: str) -> Part:
    """List a part of a claim that does not count.

    Args:
        part: the part.
        why: why it does not count.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, listed
        >>> listed(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), "a control")[0]
        {'uninformative': 'a control'}
    """
    label, estimate, outcome = part
    return label | {"uninformative": why}, estimate, outcome


def still_open(part: Part, why: str) -> Part:
    """Leave a part of a claim open, whatever its estimate says.

    Args:
        part: the part.
        why: why nothing can be said yet; it is put before the part's own reason.

    Example:
        >>> from jaxsize.statistics import Estimate
        >>> from jaxsize.studies import above, still_open
        >>> still_open(above(Estimate(2.0, 1.0, 3.0, 0.95, 8, "bootstrap")), "not converged")[2].outcome
        'open'
    """
    label, estimate, outcome = part
    return label, estimate, Verdict("open", f"{why}; {outcome.reason}")
