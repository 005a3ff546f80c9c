"""estimates.py against the binomial distribution, all places of lost values, and simulated coverage."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from jaxsize.statistics import describe, median_interval, smallest_sample
from jaxsize.statistics._order_statistics import enclosing_rank

NAN = float("nan")


def ends(result):
    assert result.low is not None and result.high is not None
    return result.low, result.high


def test_smallest_sample_is_where_range_and_signed_ranks_reach_the_level():
    for confidence, tests in itertools.product((0.5, 0.8, 0.9, 0.95, 0.99, 0.999), (1, 2, 4, 8, 9)):
        n = smallest_sample(confidence, tests)
        assert tests * 2.0 ** (1 - n) <= 1 - confidence + 1e-12 and tests * 2.0 ** (2 - n) > 1 - confidence
    assert smallest_sample() == 6 and [smallest_sample(tests=tests) for tests in (4, 5, 8)] == [8, 8, 9]
    for confidence, tests in ((1.0, 1), (0.0, 1), (0.95, 0)):
        with pytest.raises(ValueError, match="must be"):
            smallest_sample(confidence, tests)


# Interval of a median


def test_enclosing_rank_is_that_of_the_binomial_distribution():
    for n, confidence in itertools.product([*range(1, 40), 100, 999], (0.5, 0.8, 0.9, 0.95, 0.99)):
        rank, cover = enclosing_rank(n, confidence)
        missed = 2 * stats.binom.cdf(np.arange(-1, n // 2), n, 0.5)  # by rank: 0, 1, ...
        assert rank == np.flatnonzero(missed <= (1 - confidence) * (1 + 1e-12))[-1]
        assert cover == pytest.approx(1 - missed[rank], abs=1e-12)
        assert (rank > 0) == (n >= smallest_sample(confidence))
    published = {6: 1, 8: 1, 9: 2, 11: 2, 12: 3, 15: 4, 20: 6, 25: 8, 30: 10, 50: 18, 100: 40}  # sign test, 5 %, + 1
    assert {n: enclosing_rank(n, 0.95)[0] for n in published} == published


SHAPES = {
    "normal": (lambda rng, shape: rng.normal(size=shape), 0.0),
    "skewed": (lambda rng, shape: rng.lognormal(0, 1.5, shape), 1.0),
    "heavy-tailed": (lambda rng, shape: rng.standard_cauchy(shape), 0.0),
}


@pytest.mark.parametrize("n", [6, 7, 8, 10, 30])
@pytest.mark.parametrize("name", SHAPES)
def test_coverage_of_the_median_is_exact_for_any_distribution(name, n):
    draw, median = SHAPES[name]
    repeats = 2000
    samples = draw(np.random.default_rng(n), (repeats, n))
    intervals = [median_interval(sample) for sample in samples]
    covered = sum(low <= median <= high for low, high in map(ends, intervals))
    nominal = enclosing_rank(n, 0.95)[1]
    assert nominal >= 0.95 and f"covers {nominal:.1%}" in intervals[0].test
    assert stats.binomtest(covered, repeats, nominal).pvalue > 1e-4


def test_coverage_is_higher_where_values_are_equal():
    samples = np.random.default_rng(0).integers(-1, 2, (1000, 10))
    assert np.mean([low <= 0 <= high for low, high in map(ends, map(median_interval, samples))]) > 0.99


def test_median_interval_of_few_equal_and_missing_values():
    none, one = median_interval([]), median_interval([2.0])
    assert (none.estimate, none.low, none.n, none.note) == (None, None, 0, "no values")
    assert (one.estimate, one.low, one.high, one.n, one.note) == (2.0, None, None, 1, "one value has no interval")
    few = median_interval([3, 1, 2, 5, 4])
    assert (few.low, few.estimate, few.high, few.is_range) == (1, 3, 5, True)
    assert few.test == "range of 5 values: too few for an interval"
    six = median_interval([3, 1, 2, 5, 4, 6])
    assert ends(six) == (1, 6) and not six.is_range and six.test == "order statistics 1 and 6 of 6 (covers 96.9%)"
    assert ends(median_interval([0.3] * 9)) == (0.3, 0.3)
    design = median_interval([1, NAN, 2, 3, 4, 5, 6], missing=[False, True] + 5 * [False])
    assert ends(design) == (1, 6) and (design.n, design.lost) == (6, 0)
    assert design.note == "1 of 7 values left out by design"
    with pytest.raises(ValueError, match=r"one-dimensional, got shape \[2, 2\]"):
        median_interval(np.zeros((2, 2)))
    for wrong in ([True], [0, 1, 0], [[True, False, True]]):
        with pytest.raises(ValueError, match=r"missing must be bool \[3\]"):
            median_interval([1, 2, 3], missing=wrong)


@pytest.mark.parametrize(("n", "lost"), [(6, 1), (9, 1), (9, 2), (12, 2), (15, 3), (15, 4), (4, 1)])
def test_the_interval_contains_those_of_all_places_of_lost_values(n, lost):
    rng = np.random.default_rng(n + lost)
    known = rng.normal(size=n - lost)
    result = median_interval([*known, *[NAN] * lost])
    assert (result.n, result.lost, result.estimate) == (n - lost, lost, np.median(known))
    assert result.note.startswith(f"{lost} of {n} values lost: not finite")
    if n < 6:
        assert result.is_range and ends(result) == (known.min(), known.max())
        return
    places = [-1e9, *np.sort(known) + 1e-9, 1e9]
    orders = itertools.combinations_with_replacement(places, lost)  # which of them is lost does not matter
    filled = [ends(median_interval([*known, *where])) for where in orders]
    low, high = min(low for low, _ in filled), max(high for _, high in filled)
    if low == -1e9:
        assert (result.low, result.high) == (None, None) and result.note.endswith("leave the interval no ends")
    else:
        assert ends(result) == (low, high)


def test_lost_values_of_a_bounded_quantity_lie_at_its_bounds():
    shares = [0.9, 0.95, 0.97, 0.98, 0.99, 1.0, 0.96, NAN]
    result = median_interval(shares, bounds=(0, 1), what="seeds")
    assert ends(result) == (0, 1) and result.note == "1 of 8 seeds lost: not finite"
    with pytest.raises(ValueError, match=r"seeds must be in \[0, 1\], got 0.5 to 1.5"):
        median_interval([0.5, 1.5], bounds=(0, 1), what="seeds")


# Descriptions


def test_describe():
    report = describe([1.0, 2, 3, NAN, 6])
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
    assert (many["low"], many["high"], many["interval"]) == (5.0, 14.0, "95 % of the median")
    one, none = describe([7.0]), describe([NAN])
    assert (one["mean"], one["low"], one["high"], one["std"], one["n"]) == (7.0, 7.0, 7.0, None, 1)
    assert all(none[name] is None for name in ("mean", "median", "std", "low", "high")) and none["n"] == 0


def test_describe_of_lost_and_missing_values():
    values = [*range(9), NAN]
    lost = describe(values)
    assert (lost["low"], lost["high"], lost["n"], lost["dropped"]) == (0, 8, 9, 1)
    assert lost["interval"] == "95 % of the median"  # order statistics 2 and 9 of 10, wherever the lost one is
    more = describe([*range(8), NAN, NAN])
    assert (more["low"], more["high"], more["interval"], more["dropped"]) == (0, 7, "range", 2)
    design = describe(values, missing=np.isnan(values))
    assert (design["low"], design["high"], design["n"], design["dropped"]) == (1, 7, 9, 0)
