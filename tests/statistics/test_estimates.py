"""estimates.py, comparisons.py against enumeration, closed forms, published values, and simulated coverage."""

import dataclasses
import itertools
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from jaxsize.results.json_files import to_plain
from jaxsize.statistics.comparisons import equivalence_ratio, holm, paired_difference
from jaxsize.statistics.estimates import bootstrap_interval, describe, smallest_sample

# Hamilton depression scores of nine patients at two visits (Hollander & Wolfe, Table 3.1); exact p: 20 / 512.
FIRST = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]


def ends(result):
    assert result.low is not None and result.high is not None
    return result.low, result.high


def p_of(result):
    return result.pvalue


def signed_rank_p(difference):
    """Two-sided p of the signed-rank test by listing all sign flips."""
    difference = [d for d in difference if d != 0]
    size = [abs(d) for d in difference]
    ranks = [sum(b < a for b in size) + (size.count(a) + 1) / 2 for a in size]
    total = sum(rank for rank, d in zip(ranks, difference, strict=True) if d > 0)
    flips = [np.dot(signs, ranks) for signs in itertools.product([0, 1], repeat=len(ranks))]
    tail = min(np.mean([flip <= total for flip in flips]), np.mean([flip >= total for flip in flips]))
    return min(1.0, 2 * tail)


def test_smallest_sample_is_where_range_and_signed_ranks_reach_the_level():
    for confidence in (0.5, 0.8, 0.9, 0.95, 0.99, 0.999):
        n = smallest_sample(confidence)
        assert 2.0 ** (1 - n) <= 1 - confidence + 1e-12 and 2.0 ** (2 - n) > 1 - confidence
    assert smallest_sample() == 6


# Bootstrap


def test_bootstrap_interval_of_a_mean_is_the_normal_one_for_many_values():
    values = np.random.default_rng(0).normal(3, 2, 2000)
    result = bootstrap_interval(values, np.mean)
    reach = 1.96 * values.std(ddof=1) / math.sqrt(2000)
    assert result.estimate == values.mean() and result.n == 2000 and result.test == "bootstrap BCa"
    np.testing.assert_allclose(ends(result), [values.mean() - reach, values.mean() + reach], atol=0.05 * reach)


@pytest.mark.parametrize(("n", "least", "most"), [(3, 0.70, 0.80), (10, 0.91, 0.98), (20, 0.91, 0.98)])
def test_coverage_of_the_median(n, least, most):
    # Of 3 values the interval is the whole range, which covers the median unless all three lie on one side: 75 %.
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(500):
        result = bootstrap_interval(rng.normal(size=n), num_resamples=999)
        low, high = ends(result)
        hits += low <= 0 <= high
    assert least <= hits / 500 <= most


def test_bootstrap_of_few_equal_and_non_finite_values():
    none, one = bootstrap_interval([]), bootstrap_interval([2.0])
    assert (none.estimate, none.low, none.n, none.note) == (None, None, 0, "no values")
    assert (one.estimate, one.low, one.high, one.n, one.note) == (2.0, None, None, 1, "one value has no interval")
    equal = bootstrap_interval([0.3] * 5)
    assert (equal.estimate, equal.low, equal.high) == (0.3, 0.3, 0.3)
    holes = bootstrap_interval([1, np.nan, 2, np.inf, 3])
    assert holes.n == 3 and holes.note == "2 of 5 values dropped: not finite"
    assert (holes.low, holes.estimate, holes.high) == (1, 2, 3)
    with pytest.raises(ValueError, match=r"one-dimensional, got shape \[2, 2\]"):
        bootstrap_interval(np.zeros((2, 2)))


def test_bootstrap_is_repeatable_and_falls_back_to_percentile():
    values = np.random.default_rng(1).normal(size=12)
    assert bootstrap_interval(values) == bootstrap_interval(values)
    assert bootstrap_interval(values, np.mean) != bootstrap_interval(values, np.mean, seed=1)
    wide, narrow = (ends(bootstrap_interval(values, confidence=confidence)) for confidence in (0.99, 0.5))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    flat = bootstrap_interval([0, 0, 0, 0, 1])  # the median stays 0 whichever value is left out: BCa is undefined
    assert flat.test == "bootstrap percentile" and ends(flat) == (0, 1)


# Paired difference


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_rank_p_is_that_of_all_sign_flips(difference):
    expected = 1.0 if not any(difference) else signed_rank_p(difference)
    result = paired_difference(np.array(difference) + 7.0, np.full(len(difference), 7.0))
    assert result.p_value == pytest.approx(expected, abs=1e-12)
    assert result.estimate == np.median(difference)


def test_paired_difference_of_a_published_example():
    result = paired_difference(FIRST, SECOND)
    assert result.p_value == pytest.approx(20 / 512) and result.n == 9
    assert result.estimate == pytest.approx(0.49)
    assert result.low is not None and result.high is not None and -0.15 <= result.low < 0.49 < result.high <= 1.03
    back = paired_difference(SECOND, FIRST)
    assert back.p_value == result.p_value and back.estimate == pytest.approx(-0.49)


@pytest.mark.parametrize("n", [30, 150, 300])
def test_signed_rank_p_of_many_pairs_is_scipy_s(n):
    difference = np.random.default_rng(n).normal(0.1, 1, n)
    method = "exact" if n <= 200 else "asymptotic"
    p_value = paired_difference(difference, np.zeros(n)).p_value
    assert p_value == pytest.approx(p_of(stats.wilcoxon(difference, method=method)), rel=1e-9)


def test_signed_rank_p_is_never_below_its_least_value():
    for n in range(1, 9):
        assert paired_difference(np.arange(1, n + 1), np.zeros(n)).p_value == pytest.approx(2.0 ** (1 - n))


def test_paired_difference_of_few_zero_and_non_finite_pairs():
    none = paired_difference([], [])
    assert (none.estimate, none.low, none.p_value, none.n) == (None, None, None, 0)
    one = paired_difference([3.0], [1.0])
    assert (one.estimate, one.low, one.high, one.p_value, one.n) == (2.0, None, None, 1.0, 1)
    zero = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (zero.estimate, zero.low, zero.high, zero.p_value) == (0.0, 0.0, 0.0, 1.0)
    holes = paired_difference([1, np.nan, 3, 4], [0, 0, np.inf, 2])
    assert holes.n == 2 and holes.estimate == 1.5 and holes.note == "2 of 4 pairs dropped: not finite"
    lost = paired_difference([np.nan], [1.0])
    assert lost.estimate is None and lost.note == "1 of 1 pairs dropped: not finite; no values"
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_difference([1, 2], [1])


# Holm


def test_holm_by_hand():
    adjusted = holm([0.01, 0.04, 0.03, 0.005])  # sorted .005 .01 .03 .04, times 4 3 2 1, never falling
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.02, None, 0.04]) == [None, 0.04, None, 0.04]
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == [] and holm([None]) == [None]
    for bad in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
            holm([0.5, bad])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_rejects_what_the_step_down_rule_rejects(p_values):
    adjusted = holm(p_values)
    order = np.argsort(p_values)
    for level in (0.01, 0.05, 0.3):
        rejected = set()
        for step, i in enumerate(order):
            if (len(order) - step) * p_values[i] > level:
                break
            rejected.add(int(i))
        assert {i for i, p in enumerate(adjusted) if p is not None and p <= level} == rejected


# Equivalence


@given(st.integers(0, 1000), st.floats(-0.3, 0.3), st.integers(2, 20))
@settings(max_examples=40, deadline=None)
def test_equivalence_is_two_one_sided_t_tests(seed, shift, n):
    rng = np.random.default_rng(seed)
    b = rng.uniform(1, 100, n)
    a = b * np.exp(rng.normal(shift, 0.1, n))
    result = equivalence_ratio(a, b, margin=0.2)
    logs, bound = np.log(a / b), math.log(1.2)
    lower = p_of(stats.ttest_1samp(logs, -bound, alternative="greater"))
    upper = p_of(stats.ttest_1samp(logs, bound, alternative="less"))
    assert result.p_value == pytest.approx(max(lower, upper), rel=1e-6, abs=1e-12)
    assert result.estimate == pytest.approx(stats.gmean(a) / stats.gmean(b))
    expected = stats.ttest_1samp(logs, 0).confidence_interval()
    assert (result.low, result.high) == (pytest.approx(math.exp(expected.low)), pytest.approx(math.exp(expected.high)))
    back = equivalence_ratio(b, a, margin=0.2)
    assert back.p_value == pytest.approx(result.p_value, rel=1e-6, abs=1e-12)
    assert ends(back) == (pytest.approx(1 / ends(result)[1]), pytest.approx(1 / ends(result)[0]))


def test_equivalence_of_equal_few_and_unusable_pairs():
    equal = equivalence_ratio([10.0, 20, 30], [10.0, 20, 30])
    assert (equal.estimate, equal.low, equal.high, equal.p_value) == (1.0, 1.0, 1.0, 0.0)
    double = equivalence_ratio([20.0, 40, 60], [10.0, 20, 30])
    assert double.estimate == pytest.approx(2.0) and double.p_value == 1.0
    one = equivalence_ratio([3.0], [2.0])
    assert (one.estimate, one.low, one.p_value, one.n) == (pytest.approx(1.5), None, None, 1)
    dead = equivalence_ratio([0.0, 1, 2], [1.0, 1, 2])
    assert dead.estimate is None and dead.note == "1 of 3 pairs are not positive"
    assert equivalence_ratio([], []).note == "no pairs"
    assert equivalence_ratio([1.0, 2, np.nan], [1.0, 2.1, 3]).n == 2
    with pytest.raises(ValueError, match="margin must be positive, got 0"):
        equivalence_ratio([1.0], [1.0], margin=0)


# Descriptions


def test_describe():
    report = describe([1.0, 2, 3, np.nan, 6])
    assert report == {
        "mean": 3.0,
        "median": 2.5,
        "std": pytest.approx(math.sqrt(14 / 3)),
        "low": 1.0,
        "high": 6.0,
        "n": 4,
        "interval": "range",
        "dropped": 1,
    }
    many = describe(np.arange(20.0))
    interval = bootstrap_interval(np.arange(20.0))
    assert (many["low"], many["high"], many["interval"]) == (interval.low, interval.high, "95 % of the median")
    one, none = describe([7.0]), describe([np.nan])
    assert (one["mean"], one["low"], one["high"], one["std"], one["n"]) == (7.0, 7.0, 7.0, None, 1)
    assert all(none[name] is None for name in ("mean", "median", "std", "low", "high")) and none["n"] == 0


def test_results_have_a_json_form():
    result = paired_difference(FIRST, SECOND)
    assert json.loads(json.dumps(result.as_dict())) == to_plain(result) == dataclasses.asdict(result)
    json.dumps([describe(FIRST), equivalence_ratio(FIRST, SECOND).as_dict()])
