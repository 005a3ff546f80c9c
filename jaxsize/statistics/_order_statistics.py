"""Which of n sorted values enclose the median, from the binomial distribution alone (Thompson)."""

import functools
from fractions import Fraction


@functools.lru_cache(maxsize=256)
def enclosing_rank(n: int, confidence: float) -> tuple[int, float]:
    """Find the rank r of which the r-th smallest and the r-th largest of n values enclose the median.

    How many of n independent values lie below the median is binomial with chance 1/2, whatever the distribution. So the
    two fail to enclose it with probability 2 P(B < r), which is at most that where values can be equal.

    Args:
        n: the number of values.
        confidence: the least probability with which they enclose it.

    Returns:
        The greatest rank that is sure enough, 0 if there is none, and the probability with which it encloses.
    """
    allowed = int(Fraction(1 - confidence) * 2**n)  # of the 2^n equally likely ways to lie below or above
    rank, missed, ways = 0, 0, 1
    while 2 * (missed + ways) <= allowed:
        missed, ways, rank = missed + ways, ways * (n - rank) // (rank + 1), rank + 1
    return rank, 1 - float(Fraction(2 * missed, 2**n))
