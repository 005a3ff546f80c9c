"""Fits of growth laws find the law that made the values."""

import numpy as np
import pytest

from jaxsize.statistics.growth_laws import LAWS, fit_laws

TIMES = np.arange(1, 41)
MADE = {
    "logarithmic": (lambda t: 60 + 25 * np.log(t), (60, 25)),
    "saturating": (lambda t: 120 * -np.expm1(-t / 6), (120, 6)),
    "power": (lambda t: 30 * t**0.4, (30, 0.4)),
}


@pytest.mark.parametrize("law", LAWS)
def test_the_law_that_made_the_values_has_the_smallest_aic_and_its_parameters(law):
    made, parameters = MADE[law]
    noise = np.random.default_rng(0).normal(0, 0.5, TIMES.size)
    fits = fit_laws(TIMES, made(TIMES) + noise)
    assert min(fits, key=lambda name: fits[name]["aic"]) == law
    np.testing.assert_allclose(fits[law]["parameters"], parameters, rtol=0.05)


def test_aic_of_a_straight_line_in_log_t_is_that_of_least_squares():
    """Against numpy's linear regression, in closed form."""
    values = 3 + 2 * np.log(TIMES) + np.random.default_rng(1).normal(0, 0.3, TIMES.size)
    _, (residual,), *_ = np.polyfit(np.log(TIMES), values, 1, full=True)
    expected = TIMES.size * np.log(residual / TIMES.size) + 2 * 3
    assert fit_laws(TIMES, values)["logarithmic"]["aic"] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("times", [[1, 2, 3], [0, 1, 2, 3], [1, 2, 3, 4, 5]])
def test_too_few_values_or_times_at_0_are_refused(times):
    with pytest.raises(ValueError, match="fit_laws: expected 4 or more values"):
        fit_laws(np.array(times), np.ones(4 if len(times) != 3 else 3))
