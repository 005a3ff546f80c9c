"""ranks.py against scipy's Somers' D, and what is lost."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import stats

from jaxsize.errors import InputError
from jaxsize.statistics import rank_agreement

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("noise", [0.0, 3.0, 30.0])
def test_agreement_is_somers_d(noise):
    truth = np.repeat([4.0, 8, 16, 32], 5)
    values = np.round(truth + GENERATOR.normal(0, noise, truth.size) if noise else truth)  # rounded: some are ties
    agreement: Any = rank_agreement(values, truth)
    kendall: Any = stats.kendalltau(values, truth)
    assert agreement.estimate == pytest.approx(stats.somersd(truth, values).statistic, abs=1e-12)
    assert agreement.p_value == pytest.approx(kendall.pvalue)
    assert agreement.low <= agreement.estimate <= agreement.high and agreement.n == 20
    assert rank_agreement(-values, truth).estimate == -agreement.estimate


def test_the_interval_covers_what_is_true():
    """Of values that rise by 1 with a truth of 0 or 1 and spread by 1, P(larger) is Phi(1 / sqrt 2): .760."""
    right, truth = 2 * stats.norm.cdf(2**-0.5) - 1, np.repeat([0.0, 1.0], 12)
    covered = 0
    for _ in range(40):
        one: Any = rank_agreement(truth + GENERATOR.normal(size=24), truth, num_resamples=199)
        covered += one.low <= right <= one.high
    assert covered >= 33  # fewer have a probability of 1 % if the intervals cover 93 %


def test_many_things_take_little_memory():
    """All pairs of 300 things, for as many samples without one of them, would be 13 million numbers, 100 MB."""
    truth = np.arange(300.0)
    tracemalloc.start()
    try:
        agreement: Any = rank_agreement(truth + GENERATOR.normal(0, 90, 300), truth, num_resamples=9)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < agreement.low < agreement.high < 1 and peak < 30e6


def test_what_is_lost_could_be_anywhere():
    lost = rank_agreement([1, 2, np.nan, 4], [1, 2, 3, 4])
    assert (lost.estimate, lost.low, lost.p_value, lost.lost, lost.n) == (1.0, None, None, 1, 3)
    none = rank_agreement([1, 2, 3], [5, 5, 5])
    assert none.estimate is None and none.note == "no two things differ in the truth"
    with pytest.raises(InputError, match="expected as many values as truths, got 2 and 3"):
        rank_agreement([1, 2], [1, 2, 3])
