"""Mixtures against maximum likelihood by SciPy; degenerate ends; labels that switch; what the scale must not change."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.stats
from scipy.special import expit

from jaxsize.measures import exponential_normal_mixture, two_gamma_mixture
from jaxsize.measures._em import weighted
from jaxsize.measures._gamma import fit_gamma, shape_by_bisection, shape_by_newton

N = 1000


def sample(useless, useful, seed=0):
    generator = np.random.default_rng(seed)
    values = np.concatenate([useless(generator, 300), useful(generator, N - 300)])
    return np.abs(values).astype(np.float32)


def exponential_normal(p, x):
    second = scipy.stats.norm.logpdf(x, p[2], np.exp(p[3]))
    return expit(p[0]), scipy.stats.expon.logpdf(x, scale=np.exp(p[1])), second


def two_gammas(p, x):
    return expit(p[0]), *(scipy.stats.gamma.logpdf(x, np.exp(k), scale=np.exp(s)) for k, s in (p[1:3], p[3:5]))


def log_likelihood(model, p, x):
    share, first, second = model(p, x.astype(float))
    return np.logaddexp(np.log(share) + first, np.log1p(-share) + second).sum()


def most_likely(model, truth, x):
    return scipy.optimize.minimize(lambda p: -log_likelihood(model, p, x), truth, method="L-BFGS-B")


def logit(share):
    return np.log(share) - np.log1p(-share)


def test_exponential_and_normal_against_maximum_likelihood():
    values = sample(lambda g, n: g.exponential(0.2, n), lambda g, n: g.normal(3.0, 0.5, n))
    fit = exponential_normal_mixture(values)
    p = [logit(float(fit.share)), np.log(fit.exponential_mean), float(fit.mean), np.log(fit.deviation)]
    best = most_likely(exponential_normal, [logit(0.3), np.log(0.2), 3.0, np.log(0.5)], values)
    assert fit.log_likelihood == pytest.approx(log_likelihood(exponential_normal, p, values), abs=1e-2)
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-2) and fit.converged
    np.testing.assert_allclose(p, best.x, atol=5e-3)
    np.testing.assert_allclose(p, [logit(0.3), np.log(0.2), 3.0, np.log(0.5)], atol=0.25)
    assert fit.bic == pytest.approx(4 * np.log(len(values)) + 2 * best.fun, abs=2e-2)


def test_one_distribution_may_be_left_alone():
    normal = np.random.default_rng(0).normal(100.0, 1.0, N).astype(np.float32)
    fit = exponential_normal_mixture(normal)  # no value is near the exponential's first mean
    assert fit.share == 0 and fit.converged
    np.testing.assert_allclose([fit.mean, fit.deviation], [normal.mean(), normal.std()], rtol=1e-5)
    assert fit.log_likelihood == pytest.approx(
        scipy.stats.norm.logpdf(normal, normal.mean(), normal.std()).sum(), rel=1e-5
    )
    fit = exponential_normal_mixture(np.full(N, 0.25))  # a normal without a deviation
    assert fit.share == 1 and fit.exponential_mean == pytest.approx(0.25) and fit.converged
    assert fit.log_likelihood == pytest.approx(N * (np.log(4) - 1), rel=1e-5)


def test_two_gammas_against_maximum_likelihood():
    values = sample(lambda g, n: g.gamma(0.8, 0.3, n), lambda g, n: g.gamma(9.0, 0.3, n))
    fit = two_gamma_mixture(values, max_rounds=2000, tolerance=1e-7)
    p = [logit(float(fit.share)), *np.stack([np.log(fit.shapes), np.log(fit.scales)], 1).ravel()]
    shifted = values.astype(float) + 1e-5
    best = most_likely(two_gammas, [logit(0.3), *np.log([0.8, 0.3, 9.0, 0.3])], shifted)
    assert fit.log_likelihood == pytest.approx(log_likelihood(two_gammas, p, shifted), abs=1e-2)
    assert fit.log_likelihood == pytest.approx(-best.fun, abs=1e-2) and fit.converged
    np.testing.assert_allclose(p, best.x, atol=2e-2)
    np.testing.assert_allclose(p[1:], np.log([0.8, 0.3, 9.0, 0.3]), atol=0.25)
    original = two_gamma_mixture(values, form="original")  # a sample that suits the journal's start and its rounds
    assert original.log_likelihood <= fit.log_likelihood + 1e-2 and not original.switched
    np.testing.assert_allclose(original.share, fit.share, atol=0.03)


def test_labels_switch_in_the_journals_form_and_not_in_order():
    """Useless units in a narrow heap, useful ones everywhere: the first gamma of the journal starts as the wide one."""
    values = sample(lambda g, n: g.gamma(1.5, 4.0, n), lambda g, n: g.gamma(20.0, 0.1, n))
    original, corrected = two_gamma_mixture(values, form="original"), two_gamma_mixture(values)
    means = original.shapes * original.scales
    assert original.switched and means[0] > means[1] and original.share == pytest.approx(0.3, abs=0.03)
    assert corrected.share == pytest.approx(0.7, abs=0.03)
    assert (jnp.diff(corrected.shapes * corrected.scales) > 0).all()
    assert corrected.log_likelihood >= original.log_likelihood - 1e-2


@pytest.mark.parametrize("shape", [0.05, 1.0, 20.0, 1e4])
def test_a_weighted_gamma_is_scipys_fit(shape):
    values = np.random.default_rng(0).gamma(shape, 3.0, 500).astype(np.float32) + np.float32(1e-20)
    data = weighted(np.concatenate([values, [9.0]]), np.append(np.ones(500), 0))
    k, _, scale = scipy.stats.gamma.fit(values.astype(float), floc=0)
    for shape_of in (shape_by_newton, shape_by_bisection):
        if shape_of is shape_by_bisection and shape > 100:
            continue  # in float32 the journal's difference has few digits there
        fit = jax.jit(functools.partial(fit_gamma, shape_of=shape_of))
        found_k, found_mean = fit(data, jnp.ones(501))
        np.testing.assert_allclose([found_k, found_mean * data.mean], [k, k * scale], rtol=1e-4)


@pytest.mark.parametrize("fitted", [exponential_normal_mixture, two_gamma_mixture])
def test_weights_runs_and_extremes(fitted):
    values = sample(lambda g, n: g.exponential(0.2, n), lambda g, n: g.normal(3.0, 0.5, n))
    runs = np.stack([values, np.where(np.arange(N) % 3 == 0, 0, values)])  # dead units in the second one
    together = jax.vmap(fitted)(jnp.asarray(runs), jnp.asarray(runs > 0, jnp.float32))
    twice = runs[1][runs[1] > 0]
    again = [fitted(runs[0]), fitted(np.append(twice, np.ones(N - len(twice))), np.arange(N) < len(twice))]
    for run, alone in enumerate(again):
        for name in set(alone._fields) - {"rounds"}:
            np.testing.assert_allclose(getattr(together, name)[run], getattr(alone, name), rtol=2e-3, err_msg=name)
    for extreme in (1e30 * values, 1e-30 * values, np.full(N, 7.0), np.full(N, 1e30)):
        assert all(np.isfinite(np.float64(leaf)).all() for leaf in fitted(extreme))
    assert all(np.isfinite(np.float64(leaf)).all() for leaf in fitted(values, np.arange(N) == 5))  # one value
