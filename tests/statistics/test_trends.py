"""trends.py against SciPy's tau and the enumeration of all permutations."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxsize.statistics import paired_difference, trend, trend_verdict


def test_kendall_tau_is_scipy_s_per_seed():
    rng = np.random.default_rng(0)
    where = np.array([1e-5, 1.0, 1e-3, 0.1])
    for row in rng.integers(0, 3, (20, 4)).astype(float):
        expected = np.asarray(stats.kendalltau(where, row))[0] if len(set(row)) > 1 else 0.0
        result = trend(where, row[None], direction="positive")
        assert result.estimate == pytest.approx(expected) and result.p_value is None and result.low is None
        assert result.p_value_opposite is None


@pytest.mark.parametrize("direction", ["positive", "negative"])
def test_trend_p_is_that_of_all_permutations(direction):
    values = np.array([[3.0, 9, 1], [2, 5, 4], [4, 5, 1]])
    where = [10.0, 1.0, 100.0]
    place = np.array([2, 1, 3]) if direction == "positive" else np.array([2, 3, 1])
    ranks = values.argsort(1).argsort(1) + 1
    statistic = (ranks @ place).sum()
    sums = [np.dot(order, place) for order in itertools.permutations([1, 2, 3])]
    expected = np.mean([sum(drawn) >= statistic for drawn in itertools.product(sums, repeat=3)])
    result = trend(where, values, direction=direction)
    assert result.p_value == pytest.approx(expected)
    assert direction in result.test and result.n == 3 and result.p_value_direction == direction
    back = trend(where, values, direction="negative" if direction == "positive" else "positive")
    assert (back.p_value, back.p_value_opposite) == (result.p_value_opposite, result.p_value)


def test_trend_of_a_strict_fall():
    penalty = np.array([1e-6, 1e-5, 1e-4])
    values = -np.log(penalty) * np.ones((7, 1)) + np.arange(7)[:, None]
    result = trend(penalty, values, direction="negative")
    assert (result.estimate, result.low, result.high, result.n) == (-1.0, -1.0, -1.0, 7)
    assert result.p_value == pytest.approx(6.0**-7)  # each of 7 seeds has one of 6 orders
    assert trend(penalty, values, direction="positive").p_value == pytest.approx(1.0)


def test_trend_of_few_settings_and_seeds():
    two = trend([1, 2], np.arange(12).reshape(6, 2), direction="positive")
    assert two.estimate == 1 and two.p_value is None
    flat = trend([1, 2, 3], np.ones((6, 3)), direction="positive")
    assert (flat.estimate, flat.low, flat.high) == (0, 0, 0) and flat.p_value is not None and flat.p_value > 0.4
    lost = trend([1, 2, 3], [[1, 2, np.nan]], direction="positive")
    assert lost.estimate is None and lost.p_value is None and lost.note.startswith("1 of 1 seeds lost")
    for where, values in (([1], [[1.0]]), ([1, 1], [[1.0, 2]]), ([1, 2, 3], [[1.0, 2]]), ([1, 2], [1.0, 2])):
        with pytest.raises(ValueError, match="a trend needs 2 or more different settings"):
            trend(where, values, direction="positive")
    with pytest.raises(ValueError, match="'up'"):
        trend([1, 2], [[1.0, 2]], direction="up")  # pyright: ignore[reportArgumentType]


def test_a_lost_seed_is_the_worst_of_all_it_could_be():
    settings = [1.0, 2.0, 3.0]
    values = np.array([[1.0, 2, 3], [1, 3, 2], [1, 2, 3], [2, 3, 1], [1, 2, 3], [1, 2, 3], [1, 2, 3]])
    for row in ([np.nan] * 3, [1.0, np.nan, 3.0], [1.0, 2.0, np.inf]):
        lost = trend(settings, [*values, row], direction="positive")
        filled = [trend(settings, [*values, order], direction="positive") for order in itertools.permutations(settings)]
        assert (lost.n, lost.lost) == (7, 1)
        assert lost.p_value == max(each.p_value or 0 for each in filled)
        assert lost.p_value_opposite == max(each.p_value_opposite or 0 for each in filled)
        assert lost.low == min(each.low or 0 for each in filled) and lost.high == max(each.high or 0 for each in filled)
    known = trend(settings, [*values, [np.nan] * 3], direction="positive", missing=[False] * 7 + [True])
    alone = trend(settings, values, direction="positive")
    assert (known.p_value, known.low, known.n) == (alone.p_value, alone.low, 7)
    assert known.note == "1 of 8 seeds left out by design"


def test_a_trend_is_judged_by_its_test():
    settings = np.arange(5.0)
    three = trend(settings, -settings + np.zeros((3, 1)), direction="negative")
    assert three.p_value == pytest.approx(120.0**-3) and three.is_range
    holds = trend_verdict(three)
    assert holds.outcome == "holds" and "5.79e-07" in holds.reason and "n = 3" in holds.reason
    assert trend_verdict(trend(settings, -settings + np.zeros((3, 1)), direction="positive")).outcome == "refuted"
    mixed = trend(settings, [settings, -settings], direction="positive")
    assert trend_verdict(mixed).outcome == "open"
    lost = trend(settings, np.stack([settings, settings, np.full(5, np.nan)]), direction="positive")
    assert trend_verdict(lost).outcome == "open"
    two = trend([1, 2], np.arange(12).reshape(6, 2), direction="positive")
    assert trend_verdict(two).outcome == "holds"  # by its interval
    assert trend_verdict(trend(settings, settings[None], direction="positive")).outcome == "open"
    with pytest.raises(ValueError, match="needs the estimate of a trend"):
        trend_verdict(paired_difference(np.ones(6), np.zeros(6)))


def test_a_trend_without_an_effect_is_rarely_settled():
    rng = np.random.default_rng(3)
    outcomes = [trend_verdict(trend([1, 2, 3, 4], rng.normal(size=(4, 4)), direction="positive")) for _ in range(300)]
    for outcome in ("holds", "refuted"):
        assert sum(each.outcome == outcome for each in outcomes) <= 300 * 0.08
