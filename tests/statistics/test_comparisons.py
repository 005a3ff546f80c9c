"""comparisons.py against enumeration, closed forms, SciPy and published values."""

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
from jaxsize.statistics import describe, equivalence_ratio, holm, paired_difference
from jaxsize.statistics._signed_ranks import signed_rank_p

# Hamilton depression scores of nine patients at two visits (Hollander & Wolfe, Table 3.1); exact p: 20 / 512.
FIRST = [1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30]
SECOND = [0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29]
NAN = float("nan")


def ends(result):
    assert result.low is not None and result.high is not None
    return result.low, result.high


def p_of(result):
    return result.pvalue


def enumerated_p(difference):
    """Two-sided p of the signed-rank test by listing all sign flips."""
    difference = [d for d in difference if d != 0]
    size = [abs(d) for d in difference]
    ranks = [sum(b < a for b in size) + (size.count(a) + 1) / 2 for a in size]
    total = sum(rank for rank, d in zip(ranks, difference, strict=True) if d > 0)
    flips = [np.dot(signs, ranks) for signs in itertools.product([0, 1], repeat=len(ranks))]
    tail = min(np.mean([flip <= total for flip in flips]), np.mean([flip >= total for flip in flips]))
    return min(1.0, 2 * tail)


# Paired difference


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_signed_rank_p_is_that_of_all_sign_flips(difference):
    expected = 1.0 if not any(difference) else enumerated_p(difference)
    assert signed_rank_p(np.array(difference, float)) == pytest.approx(expected, abs=1e-12)
    result = paired_difference(np.array(difference) + 7.0, np.full(len(difference), 7.0))
    assert result.p_value == (pytest.approx(expected, abs=1e-12) if len(difference) >= 6 else None)
    assert ("no p value of fewer than 6 pairs" in result.note) == (len(difference) < 6)
    assert result.estimate == np.median(difference)


def test_paired_difference_of_a_published_example():
    result = paired_difference(FIRST, SECOND)
    assert result.p_value == pytest.approx(20 / 512) and result.n == 9
    assert result.estimate == pytest.approx(0.49)
    # Sorted: -.147, -.08, .01, .43, .49, .59, .62, .952, 1.022; of 9 the ends are the 2nd and the 8th.
    assert ends(result) == pytest.approx((-0.08, 0.952)) and "2 and 8 of 9 (covers 96.1%)" in result.test
    back = paired_difference(SECOND, FIRST)
    assert back.p_value == result.p_value and back.estimate == pytest.approx(-0.49)


@pytest.mark.parametrize("n", [30, 150, 300])
def test_signed_rank_p_of_many_pairs_is_scipy_s(n):
    difference = np.random.default_rng(n).normal(0.1, 1, n)
    method = "exact" if n <= 200 else "asymptotic"
    p_value = paired_difference(difference, np.zeros(n)).p_value
    assert p_value == pytest.approx(p_of(stats.wilcoxon(difference, method=method)), rel=1e-9)


def test_signed_rank_p_is_never_below_its_least_value():
    for n in range(6, 11):
        assert paired_difference(np.arange(1, n + 1), np.zeros(n)).p_value == pytest.approx(2.0 ** (1 - n))


def test_paired_difference_of_few_zero_and_lost_pairs():
    none = paired_difference([], [])
    assert (none.estimate, none.low, none.p_value, none.n) == (None, None, None, 0)
    one = paired_difference([3.0], [1.0])
    assert (one.estimate, one.low, one.high, one.p_value, one.n) == (2.0, None, None, None, 1)
    zero = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (zero.estimate, zero.low, zero.high, zero.p_value) == (0.0, 0.0, 0.0, None)
    assert zero.is_range and paired_difference(np.ones(6), np.ones(6)).p_value == 1.0
    holes = paired_difference([1, np.nan, 3, 4], [0, 0, np.inf, 2])
    assert (holes.n, holes.lost, holes.estimate) == (2, 2, 1.5)
    assert holes.note == "2 of 4 pairs lost: not finite; no p value of fewer than 6 pairs"
    lost = paired_difference([np.nan], [1.0])
    assert lost.estimate is None and lost.note == "1 of 1 pairs lost: not finite; no values"
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_difference([1, 2], [1])


# Lost and missing pairs


def test_lost_pairs_beside_pairs_of_one_sign_settle_nothing():
    known = paired_difference(np.ones(6), np.zeros(6))
    assert (known.low, known.p_value) == (1.0, pytest.approx(2 / 64))
    lost = paired_difference([1] * 6 + [NAN] * 4, np.zeros(10))
    assert (lost.estimate, lost.low, lost.high, lost.n, lost.lost) == (1.0, None, None, 6, 4)
    assert lost.p_value == pytest.approx(1.0) and "4 of 10 pairs lost" in lost.note
    spared = paired_difference([*range(1, 20), NAN], np.zeros(20))  # 19 of one sign carry one that is lost
    assert spared.low == 5 and spared.p_value is not None and spared.p_value < 0.01


@pytest.mark.parametrize(("n", "lost"), [(5, 1), (6, 1), (7, 2), (4, 3), (9, 1)])
def test_p_with_lost_pairs_is_the_largest_over_their_places(n, lost):
    rng = np.random.default_rng(10 * n + lost)
    for shift in (0.0, 1.0, -2.0):
        known = rng.normal(shift, 1, n)
        places = [*(np.sort(np.abs(known)) + 1e-6), 1e-9, 99.0]  # between any two ranks, never a tie
        filled = [
            enumerated_p([*known, *(sign * (size + 1e-7 * i) for i, (sign, size) in enumerate(where))])
            for where in itertools.combinations_with_replacement(itertools.product((-1, 1), places), lost)
        ]
        worst = signed_rank_p(known, lost)
        assert worst >= max(filled) - 1e-12
        if lost == 1:
            assert worst == pytest.approx(max(filled)) or worst == 1.0  # at most 1 where no place gives quite that


@pytest.mark.parametrize("n", [199, 205])
def test_p_with_a_lost_pair_of_many_is_that_of_the_worst_place(n):
    for sign in (1, -1):
        difference = sign * np.random.default_rng(n).normal(0.3, 1, n)
        worst = signed_rank_p(np.append(difference, -99.0 * sign))
        assert signed_rank_p(difference, 1) == pytest.approx(worst, rel=1e-9)
        assert signed_rank_p(difference) < worst < 0.05
    assert signed_rank_p(difference, 100) == 1.0


def test_missing_pairs_are_left_out():
    a, b = np.array([1.0, 2, 3, 4, 5, 6, NAN, 8]), np.zeros(8)
    gone = np.isnan(a)
    design = paired_difference(a, b, missing=gone)
    assert (design.low, design.high, design.n, design.lost) == (1, 8, 7, 0)
    assert design.p_value == pytest.approx(2 / 2**7) and design.note == "1 of 8 pairs left out by design"
    assert equivalence_ratio(a, a, missing=gone).p_value == 0.0
    with pytest.raises(ValueError, match="missing must be bool"):
        paired_difference(a, b, missing=gone[:3])


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
    expected_p = pytest.approx(max(lower, upper), rel=1e-6, abs=1e-12)
    assert result.p_value == (expected_p if n >= 6 else None)
    assert result.estimate == pytest.approx(stats.gmean(a) / stats.gmean(b))
    untested = equivalence_ratio(a, b, None)
    assert (ends(untested), untested.estimate, untested.p_value) == (ends(result), result.estimate, None)
    assert "TOST" not in untested.test
    expected = stats.ttest_1samp(logs, 0).confidence_interval()
    assert (result.low, result.high) == (pytest.approx(math.exp(expected.low)), pytest.approx(math.exp(expected.high)))
    back = equivalence_ratio(b, a, margin=0.2)
    assert back.p_value == (expected_p if n >= 6 else None)
    assert ends(back) == (pytest.approx(1 / ends(result)[1]), pytest.approx(1 / ends(result)[0]))


def test_equivalence_of_equal_few_and_unusable_pairs():
    equal = equivalence_ratio([10.0, 20, 30] * 2, [10.0, 20, 30] * 2)
    assert (equal.estimate, equal.low, equal.high, equal.p_value) == (1.0, 1.0, 1.0, 0.0)
    double = equivalence_ratio([20.0, 40, 60] * 2, [10.0, 20, 30] * 2)
    assert double.estimate == pytest.approx(2.0) and double.p_value == 1.0
    few = equivalence_ratio([20.0, 40, 60], [10.0, 20, 31])
    assert few.p_value is None and few.low is not None and "3 pairs are too few" in few.note
    one = equivalence_ratio([3.0], [2.0])
    assert (one.estimate, one.low, one.p_value, one.n) == (pytest.approx(1.5), None, None, 1)
    dead = equivalence_ratio([0.0, 1, 2], [1.0, 1, 2])
    assert dead.estimate is None and dead.note == "1 of 3 pairs are not positive"
    assert equivalence_ratio([], []).note == "no pairs"
    lost = equivalence_ratio([1.0, 2, NAN], [1.0, 2, 3])
    assert (lost.estimate, lost.low, lost.high, lost.p_value, lost.n, lost.lost) == (1.0, None, None, 1.0, 2, 1)
    assert lost.note.startswith("1 of 3 pairs lost")
    with pytest.raises(ValueError, match="margin must be positive, got 0"):
        equivalence_ratio([1.0], [1.0], margin=0)


def test_results_have_a_json_form():
    result = paired_difference(FIRST, SECOND)
    assert json.loads(json.dumps(result.as_dict())) == to_plain(result) == dataclasses.asdict(result)
    json.dumps([describe(FIRST), equivalence_ratio(FIRST, SECOND).as_dict()])
