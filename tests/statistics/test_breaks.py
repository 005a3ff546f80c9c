"""The place where a curve bends: of lines known beforehand, and against SciPy's optimiser."""

import numpy as np
import pytest
import scipy.optimize

from jaxsize.statistics import fit_break

X = np.arange(9.0)


@pytest.mark.parametrize("place", [1.0, 3.3, 5.0, 7.0])
def test_lines_without_noise_are_found(place):
    y = 2 - 1.5 * np.minimum(X - place, 0) - 0.1 * np.maximum(X - place, 0)
    found = fit_break(X, y)
    assert found.place == pytest.approx(place, abs=0.02)
    assert (found.before, found.after) == pytest.approx((-1.5, -0.1), abs=0.02)


@pytest.mark.parametrize("seed", range(4))
def test_no_optimiser_finds_a_better_fit(seed):
    noise = np.random.default_rng(seed)
    y = np.maximum(4 - X, 0.5) + noise.normal(0, 0.3, X.size)
    found = fit_break(X, y)

    def residuals(parameters):
        place, height, before, after = parameters
        return height + before * np.minimum(X - place, 0) + after * np.maximum(X - place, 0) - y

    for start in (2.0, 3.5, 5.0):
        bounds = ([X[1], -np.inf, -np.inf, -np.inf], [X[-2], np.inf, np.inf, np.inf])
        other = scipy.optimize.least_squares(residuals, (start, 1.0, -1.0, 0.0), bounds=bounds)
        assert found.residual <= 2 * other.cost * (1 + 1e-3)


def test_a_run_that_diverged_has_no_break_and_bad_input_is_refused():
    assert np.isnan(fit_break(X, np.where(X == 3, np.nan, 1.0))).all()
    for x, y in (([0, 1, 2, 3], [0, 1, 2, 3]), ([0, 2, 1, 3, 4], [0] * 5), (X, X[:-1])):
        with pytest.raises(ValueError, match="fit_break: expected 5 or more points in ascending order"):
            fit_break(x, y)
