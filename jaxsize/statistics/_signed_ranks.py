"""The p value of Wilcoxon's signed-rank test, exact with ties, and at its worst over lost pairs."""

import numpy as np

SIGNED_RANK = "Wilcoxon signed-rank"
"""Stands in `Estimate.test` where the p value is, or would be with enough pairs, that of this test."""


def signed_rank_p(difference: np.ndarray, lost: int = 0) -> float:
    """Compute the two-sided p value of the signed-rank test.

    The exact one adds up the chances of rank sums if the sign of every difference is that of a fair coin. Differences
    of zero have no sign and do not enter. Above 200 pairs it is the normal approximation.

    Lost pairs count as the largest differences, once all of them below zero against a positive shift, once all above
    against a negative one: no other place of theirs among the ranks has a larger p value.

    Args:
        difference: [n], finite.
        lost: how many more pairs there are, whose differences are not known.
    """
    difference = difference[difference != 0]
    if difference.size + lost == 0:
        return 1.0
    if difference.size + lost > 200:
        return _approximate(difference, lost)
    from scipy import stats

    ranks = np.rint(2 * stats.rankdata(np.abs(difference))).astype(int)  # doubled: mean ranks of ties become integers
    beyond = 2 * np.arange(difference.size + 1, difference.size + 1 + lost)
    chance = np.ones(1)
    for rank in [*ranks.tolist(), *beyond.tolist()]:
        chance = 0.5 * (np.pad(chance, (0, rank)) + np.pad(chance, (rank, 0)))
    total = ranks[difference > 0].sum()
    return float(min(1.0, 2 * min(chance[: total + beyond.sum() + 1].sum(), chance[total:].sum())))


def _approximate(difference: np.ndarray, lost: int) -> float:
    from scipy import stats

    if not lost:
        return float(np.asarray(stats.wilcoxon(difference, method="asymptotic"))[1])
    beyond = np.abs(difference).max(initial=1.0) * np.arange(2, 2 + lost)
    tails = [
        np.asarray(stats.wilcoxon([*difference, *place], alternative=alternative, method="asymptotic"))[1]
        for place, alternative in ((-beyond, "greater"), (beyond, "less"))
    ]
    return float(min(1.0, 2 * min(tails)))
