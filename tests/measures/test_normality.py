"""W against SciPy's, of all values and of samples."""

import itertools

import numpy as np
import scipy.stats

from jaxsize.measures import shapiro_w

VALUES = np.random.default_rng(0).gamma(2.0, size=64).astype(np.float32)


def test_w_of_all_values_is_scipys_at_any_scale():
    expected = scipy.stats.shapiro(VALUES.astype(float)).statistic
    for values in (VALUES, 1e30 * VALUES, 1e-30 * VALUES):
        np.testing.assert_allclose(shapiro_w(values), [expected], rtol=1e-6)
    assert shapiro_w(np.tile(VALUES, 100), sample_size=None).shape == (1,)  # 6400 values, no warning


def test_samples_are_drawn_without_replacement():
    four = VALUES[:4].astype(float)
    possible = [scipy.stats.shapiro(list(three)).statistic for three in itertools.combinations(four, 3)]
    drawn = shapiro_w(VALUES[:4], sample_size=3, num_draws=100, seed=1)
    counts = [np.isclose(drawn, w, rtol=1e-5).sum() for w in possible]
    assert sum(counts) == 100 and min(counts) > 10
    again = shapiro_w(VALUES[:4], sample_size=3, num_draws=100, seed=1)
    np.testing.assert_array_equal(drawn, again)


def test_a_sample_of_equal_values_has_no_w():
    drawn = shapiro_w(np.eye(4)[0], sample_size=3)
    assert 10 < np.isnan(drawn).sum() < 100 and np.nanmax(drawn) <= 1
