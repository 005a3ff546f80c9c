"""Dimensions against the formulas written out over all pairs of rows, in float64."""

import numpy as np
import pytest

from jaxsize.measures import dimension as module
from jaxsize.measures import likelihood_dimension, participation_ratio, two_nn_dimension

GENERATOR = np.random.default_rng(0)
VALUES = (GENERATOR.uniform(size=(400, 3)) @ GENERATOR.normal(size=(3, 8)) + 100).astype(np.float32)
TWICE = np.concatenate([VALUES[:350], VALUES[:50]])


def distances(values):
    values = values.astype(float)
    return np.sort(np.linalg.norm(values[:, None] - values[None], axis=-1), axis=1)[:, 1:]


def two_nn(values, discarded=0.1):
    """As scikit-dimension does: a line through 0, without the largest ratios."""
    near = distances(values)
    mu = np.sort(near[:, 1] / near[:, 0])[: int(len(values) * (1 - discarded))]
    x, y = np.log(mu), -np.log(1 - np.arange(len(mu)) / len(values))
    return x @ y / (x @ x)


def likelihood(values, k):
    near = distances(values)[:, :k]
    return 1 / np.mean(np.log(near[:, -1:] / near[:, :-1]).mean(1))


@pytest.mark.parametrize("entries", [2**22, 20_000])  # in one block, and in blocks of which the last two overlap
def test_two_nn_against_all_pairs(entries, monkeypatch):
    monkeypatch.setattr(module, "ENTRIES", entries)
    monkeypatch.setattr(module, "SPARE", 8 + (entries < 2**22))  # compiled anew
    values = VALUES if entries == 2**22 else VALUES[:390]
    assert two_nn_dimension(values) == pytest.approx(two_nn(values), rel=1e-3)
    assert two_nn_dimension(values) == pytest.approx(3, abs=0.5)


def test_likelihood_at_any_scale():
    for scale in (1, 1e30, 1e-30):
        assert likelihood_dimension(scale * VALUES, neighbours=10) == pytest.approx(likelihood(VALUES, 10), rel=1e-3)


def test_rows_that_occur_twice_equal_rows_and_lines():
    assert 2 < two_nn_dimension(TWICE) < 5 and 2 < likelihood_dimension(TWICE, neighbours=10) < 5
    still = np.ones((400, 8))
    assert two_nn_dimension(still) == likelihood_dimension(still, neighbours=10) == 0
    line = np.arange(400.0)[:, None] * np.ones((1, 8))  # two neighbours equally far, but for rounding
    assert two_nn_dimension(line) > 1e4


def test_participation_ratio():
    spectrum = np.array([4.0, 2.0, 1.0, 0.0])
    for scale in (1.0, 1e30, 1e-30):
        assert participation_ratio(scale * spectrum) == pytest.approx(49 / 21, rel=1e-6)
