"""How well numbers put things into an order that is known."""

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError
from jaxsize.statistics._values import vector
from jaxsize.statistics.bootstrap import bootstrap_interval
from jaxsize.statistics.estimates import Estimate


def rank_agreement(
    values: ArrayLike, truth: ArrayLike, *, confidence: float = 0.95, num_resamples: int = 1999, seed: int = 0
) -> Estimate:
    """Estimate how well values put things into the order of a truth: Kendall's tau over pairs that differ in the truth.

    This is Somers' D of the values given the truth (Somers 1962, `scipy.stats.somersd`): 1 if of any two things that
    differ in the truth the larger one has the larger value, -1 if it has the smaller one, 0 for a guess. (d + 1) / 2 is
    the share of these pairs that are put in the right order, where equal values count as half. Unlike tau_b it can be 1
    where several things share a truth. The interval is that of `bootstrap_interval` over the things, which have to be
    independent. The p value is that of Kendall's two-sided test that values and truth have nothing to do with each
    other (`scipy.stats.kendalltau`).

    Args:
        values: [n], a number of each thing.
        truth: [n], by which the things are ordered.
        confidence: of the interval, above 0 and below 1.
        num_resamples: how many resamples of the things are drawn.
        seed: draws the resamples.

    Returns:
        The estimate. A thing whose value or truth is not finite is lost: it could be anywhere in the order, and there
        is neither an interval nor a p value. No estimate where no two things differ in the truth.

    Raises:
        InputError: when the two are no vectors of one length.

    Example:
        >>> from jaxsize.statistics import rank_agreement
        >>> agreement = rank_agreement([3, 5, 9, 8, 7, 20], [4, 4, 8, 8, 16, 16])
        >>> round(agreement.estimate, 2), agreement.n
        (0.67, 6)
    """
    from scipy import stats

    values, truth = vector(values, "values"), vector(truth, "truth")
    if values.shape != truth.shape:
        raise InputError(f"expected as many values as truths, got {values.size} and {truth.size}", field="values")
    known = np.isfinite(values) & np.isfinite(truth)
    test = "Kendall's tau over pairs that differ in the truth (Somers' D)"
    if np.unique(truth[known]).size < 2:
        note = "no two things differ in the truth"
        return Estimate(None, None, None, confidence, int(known.sum()), test, note=note, lost=int((~known).sum()))

    def agreement(index: np.ndarray, axis: int = -1) -> np.ndarray:
        """Compute the agreement of the things of these numbers, along an axis."""
        index = np.moveaxis(index, axis, -1).astype(int)
        says, right = values[index], truth[index]
        ordered = differ = 0
        for apart in range(1, index.shape[-1]):  # not all pairs at once, which need n times the memory
            steps = np.sign(right[..., apart:] - right[..., :-apart])
            ordered = ordered + (np.sign(says[..., apart:] - says[..., :-apart]) * steps).sum(-1)
            differ = differ + np.count_nonzero(steps, axis=-1)
        with np.errstate(invalid="ignore"):
            return np.divide(ordered, differ)

    numbers = np.where(known, np.arange(values.size), np.nan)
    interval = bootstrap_interval(numbers, agreement, confidence=confidence, num_resamples=num_resamples, seed=seed)
    p_value = None
    if known.all() and np.unique(values).size > 1:
        test_of: Any = stats.kendalltau(values, truth)
        p_value = float(test_of.pvalue)
    return dataclasses.replace(interval, test=f"{test}, {interval.test} over things; Kendall's test", p_value=p_value)
