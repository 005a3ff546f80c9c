"""A mixture of an exponential and a normal distribution: useless units and useful ones, by their spreads.

The source is seed `003_d2c286111c329776.txt`, "Investigate mixture models" (D4, J4).
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.measures._checks import require_count
from jaxsize.measures._em import Weighted, climb, weighted
from jaxsize.trees import Array

SMALLEST = 1e-6
"""Below which a share, the mean of the exponential or the deviation of the normal ends the fit (D4)."""
PARAMETERS = 4


class ExponentialNormal(NamedTuple):
    """A fitted mixture: share * exponential + (1 - share) * normal; all scalars [].

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import ExponentialNormal, exponential_normal_mixture
        >>> fit = exponential_normal_mixture(np.full(9, 2.0))
        >>> isinstance(fit, ExponentialNormal), float(fit.share), float(fit.exponential_mean)
        (True, 1.0, 2.0)
    """

    share: jax.Array
    """Of the exponential, the useless units; 0 and 1 mean that the other distribution is left alone."""
    exponential_mean: jax.Array
    mean: jax.Array
    """Of the normal."""
    deviation: jax.Array
    """Of the normal."""
    log_likelihood: jax.Array
    bic: jax.Array
    """Bayesian information criterion, 4 log N - 2 log_likelihood; the lower, the better the fit for its parameters."""
    rounds: jax.Array
    converged: jax.Array
    """Whether the share stood still, or one distribution was left alone, within the rounds."""


class _Fit(NamedTuple):
    """A mixture of values in units of their mean."""

    share: jax.Array
    scale: jax.Array
    mean: jax.Array
    deviation: jax.Array


def exponential_normal_mixture(
    values: Array, weights: Array | None = None, *, max_rounds: int = 100, tolerance: float = 1e-6
) -> ExponentialNormal:
    """Fit a mixture of an exponential and a normal distribution by EM, from the journal's start.

    The start is a share of 1/2, an exponential of mean 1, and the mean and the deviation of all values. If the share or
    the exponential's mean falls below 1e-6, a normal is left alone; if 1 - share or the deviation does, an exponential.
    Densities are compared by their logarithms, so that none can be 0. Map over runs with `jax.vmap`.

    Args:
        values: such as the spreads of units that are not dead, real [N], above 0.
        weights: how often each value counts, [N], such as 0 for dead units, whose values are then not looked at. None:
            once.
        max_rounds: the most rounds of EM.
        tolerance: the change of the share that ends it.

    Returns:
        The mixture, in the units of `values`.

    Raises:
        InputError: when a value is not finite or not above 0, or an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import exponential_normal_mixture
        >>> generator = np.random.default_rng(0)
        >>> useless, useful = generator.exponential(0.1, size=300), generator.normal(3.0, 0.5, size=700)
        >>> fit = exponential_normal_mixture(np.concatenate([useless, useful]))
        >>> round(float(fit.share), 2), round(float(fit.mean), 1)
        (0.3, 3.0)
    """
    require_count(max_rounds, "max_rounds")
    return _fitted(weighted(values, weights), max_rounds, tolerance)


@jax.jit
def _fitted(data: Weighted, max_rounds: int, tolerance: float) -> ExponentialNormal:
    normal = _normal(data, jnp.ones_like(data.values))
    start = _Fit(jnp.asarray(0.5, data.mean.dtype), 1 / data.mean, *normal)
    smallest = SMALLEST / data.mean  # the thresholds have the units of the values

    def step(fit: _Fit) -> tuple[_Fit, jax.Array]:
        exponential, gaussian = _log_densities(fit, data.values)
        shares = jax.nn.sigmoid(_logit(fit.share) + exponential - gaussian)
        scale = data.average(data.values, shares)
        new = _Fit(data.average(shares), scale, *_normal(data, 1 - shares))
        # A normal without a deviation, of equal values, is no density.
        only_normal = ((new.share < SMALLEST) | (new.scale < smallest)) & (normal[1] >= smallest)
        only_exponential = ~only_normal & ((1 - new.share < SMALLEST) | (new.deviation < smallest))
        new = jax.tree.map(lambda one, other: jnp.where(only_normal, one, other), _Fit(0 * scale, scale, *normal), new)
        alone = _Fit(jnp.ones_like(scale), jnp.ones_like(scale), *normal)  # the mean of all values is their unit
        new = jax.tree.map(lambda one, other: jnp.where(only_exponential, one, other), alone, new)
        return new, only_normal | only_exponential

    fit, rounds, converged = climb(step, start, lambda fit: fit.share, max_rounds, tolerance)
    exponential, gaussian = _log_densities(fit, data.values)
    log_density = jnp.logaddexp(jnp.log(fit.share) + exponential, jnp.log1p(-fit.share) + gaussian)
    log_likelihood = data.total * (data.average(log_density) - jnp.log(data.mean))
    bic = PARAMETERS * jnp.log(data.total) - 2 * log_likelihood
    scale, mean, deviation = (number * data.mean for number in fit[1:])
    return ExponentialNormal(fit.share, scale, mean, deviation, log_likelihood, bic, rounds, converged)


def _normal(data: Weighted, shares: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the mean and the deviation of values, each counted by its share."""
    mean = data.average(data.values, shares)
    return mean, jnp.sqrt(data.average((data.values - mean) ** 2, shares))


def _log_densities(fit: _Fit, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the logarithms of both densities, [N] each."""
    tiny = jnp.finfo(values.dtype).tiny
    scale, deviation = jnp.maximum(fit.scale, tiny), jnp.maximum(fit.deviation, SMALLEST**2)
    exponential = -jnp.log(scale) - values / scale
    return exponential, jax.scipy.stats.norm.logpdf(values, fit.mean, deviation)


def _logit(share: jax.Array) -> jax.Array:
    return jnp.log(share) - jnp.log1p(-share)
