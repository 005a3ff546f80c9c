"""The trend of comparisons.py against SciPy's tau and the enumeration of all permutations."""

import itertools

import numpy as np
import pytest
from scipy import stats

from jaxsize.statistics.comparisons import trend


def test_kendall_tau_is_scipy_s_per_seed():
    rng = np.random.default_rng(0)
    where = np.array([1e-5, 1.0, 1e-3, 0.1])
    for row in rng.integers(0, 3, (20, 4)).astype(float):
        expected = np.asarray(stats.kendalltau(where, row))[0] if len(set(row)) > 1 else 0.0
        result = trend(where, row[None], direction="positive")
        assert result.estimate == pytest.approx(expected) and result.p_value is None and result.low is None


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
    assert direction in result.test and result.n == 3


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
    assert lost.estimate is None and lost.p_value is None and lost.note.startswith("1 of 1 seeds dropped")
    for where, values in (([1], [[1.0]]), ([1, 1], [[1.0, 2]]), ([1, 2, 3], [[1.0, 2]]), ([1, 2], [1.0, 2])):
        with pytest.raises(ValueError, match="a trend needs 2 or more different settings"):
            trend(where, values, direction="positive")
    with pytest.raises(ValueError, match="'up'"):
        trend([1, 2], [[1.0, 2]], direction="up")  # pyright: ignore[reportArgumentType]
