"""bootstrap.py against the normal interval of a mean, and where it has none."""

import math

import numpy as np
import pytest

from jaxsize.statistics import bootstrap_interval, median_interval


def ends(result):
    assert result.low is not None and result.high is not None
    return result.low, result.high


def test_bootstrap_interval_of_a_mean_is_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(3, 2, 2000)
    result = bootstrap_interval(values, np.mean)
    reach = 1.96 * values.std(ddof=1) / math.sqrt(2000)
    assert result.estimate == values.mean() and result.n == 2000 and result.test == "bootstrap BCa"
    np.testing.assert_allclose(ends(result), [values.mean() - reach, values.mean() + reach], atol=0.05 * reach)


def test_bootstrap_of_few_equal_and_lost_values():
    none, one = bootstrap_interval([], np.mean), bootstrap_interval([2.0], np.mean)
    assert (none.estimate, none.low, none.n, none.note) == (None, None, 0, "no values")
    assert (one.estimate, one.low, one.high, one.n, one.note) == (2.0, None, None, 1, "one value has no interval")
    equal = bootstrap_interval([0.3] * 5, np.median)
    assert (equal.estimate, equal.low, equal.high) == (0.3, 0.3, 0.3)
    holes = bootstrap_interval([1, np.nan, 2, np.inf, 3], np.mean)
    assert (holes.estimate, holes.low, holes.high, holes.n, holes.lost) == (2.0, None, None, 3, 2)
    assert holes.note == "2 of 5 values lost: not finite; they leave no interval"
    with pytest.raises(ValueError, match=r"one-dimensional, got shape \[2, 2\]"):
        bootstrap_interval(np.zeros((2, 2)), np.mean)


def test_bootstrap_is_repeatable_and_falls_back_to_percentile():
    values = np.random.default_rng(1).normal(size=12)
    assert bootstrap_interval(values, np.mean) == bootstrap_interval(values, np.mean)
    assert bootstrap_interval(values, np.mean) != bootstrap_interval(values, np.mean, seed=1)
    wide, narrow = (ends(bootstrap_interval(values, np.mean, confidence=confidence)) for confidence in (0.99, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    flat = bootstrap_interval([0, 0, 0, 0, 1], np.median)  # the median is 0 whichever value is left out: no BCa
    assert flat.test == "bootstrap percentile" and ends(flat) == (0, 1)


def test_without_a_statistic_it_is_the_exact_interval_of_the_median():
    values = np.random.default_rng(2).normal(size=9)
    assert bootstrap_interval(values, confidence=0.9) == median_interval(values, confidence=0.9)
