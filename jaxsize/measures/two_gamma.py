"""A mixture of two gamma distributions: useless units and useful ones, by their spreads.

The source is seed `003_d2c286111c329776.txt`, "Investigate mixture models" (D5, J4).
"""

import functools
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.measures._checks import require_count
from jaxsize.measures._em import Climbed, Weighted, climb, weighted
from jaxsize.measures._gamma import fit_gamma, log_density, shape_by_bisection, shape_by_newton
from jaxsize.trees import Array

SHIFT = 1e-5
"""What is added to every value, so that none is 0 (D5)."""
PARAMETERS = 5
SPLITS = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Starts beside the journal's: the smallest values up to this share are the first component, the others the second."""


class TwoGammas(NamedTuple):
    """A fitted mixture: share * first gamma + (1 - share) * second gamma.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import TwoGammas, two_gamma_mixture
        >>> fit = two_gamma_mixture(np.random.default_rng(0).gamma(4.0, size=50))
        >>> isinstance(fit, TwoGammas), fit.shapes.shape
        (True, (2,))
    """

    share: jax.Array
    """Of the first gamma, the useless units, []."""
    shapes: jax.Array
    """[2]"""
    scales: jax.Array
    """[2]; mean = shape * scale."""
    log_likelihood: jax.Array
    """[]"""
    bic: jax.Array
    """Bayesian information criterion, 5 log N - 2 log_likelihood, []; the lower, the better for its parameters."""
    rounds: jax.Array
    """[]"""
    converged: jax.Array
    """Whether the share stood still within the rounds, []."""
    switched: jax.Array
    """Whether the gamma that started as the useless units ended with the higher mean, []. In the original form the
    share is then that of the useful units; in the corrected one, the gammas have been put in order."""


class _Fit(NamedTuple):
    """A mixture of values in units of their mean; shapes and means [2]."""

    share: jax.Array
    shapes: jax.Array
    means: jax.Array


def two_gamma_mixture(
    values: Array,
    weights: Array | None = None,
    *,
    form: Literal["original", "corrected"] = "corrected",
    max_rounds: int = 100,
    tolerance: float = 1e-5,
) -> TwoGammas:
    """Fit a mixture of two gamma distributions by EM.

    The journal starts from a share of 1/2, a gamma of shape 1/2 and scale 1, and one of shape 10 and the mean of all
    values. Map over runs with `jax.vmap`. Densities are compared by their logarithms in both forms; what the journal's
    code did where both densities were 0 is not recorded.

    Args:
        values: such as the spreads of units that are not dead, real [N], above 0; 1e-5 is added to each.
        weights: how often each value counts, [N], such as 0 for dead units, whose values are then not looked at. None:
            once.
        form: `original`: shapes by bisection, 1 where no bracket is there; from the journal's start only; components in
            the order in which they started. `corrected`: shapes by Newton's method; from the journal's start and from
            5 splits of the values, of which the likeliest end counts; the component of the lower mean first.
        max_rounds: the most rounds of EM, for each start.
        tolerance: the change of the share that ends it.

    Returns:
        The mixture, in the units of `values`. Shapes are from 1e-3 to 1e6 in the corrected form.

    Raises:
        InputError: when a value is not finite or not above 0, or an argument is out of range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import two_gamma_mixture
        >>> generator = np.random.default_rng(0)
        >>> useless, useful = generator.gamma(1.0, 0.1, size=300), generator.gamma(30.0, 0.1, size=700)
        >>> fit = two_gamma_mixture(np.concatenate([useless, useful]))
        >>> round(float(fit.share), 2), np.round(fit.shapes * fit.scales, 1)
        (0.3, Array([0.1, 3. ], dtype=float32))
    """
    require_count(max_rounds, "max_rounds")
    if form not in ("original", "corrected"):
        raise InputError(f"expected original or corrected, got {form!r}", field="form")
    return _fitted(weighted(values, weights, SHIFT), max_rounds, tolerance, corrected=form == "corrected")


@functools.partial(jax.jit, static_argnames="corrected")
def _fitted(data: Weighted, max_rounds: int, tolerance: float, corrected: bool) -> TwoGammas:
    shape_of = shape_by_newton if corrected else shape_by_bisection

    def maximised(shares: jax.Array) -> _Fit:
        both = jnp.stack([shares, 1 - shares])
        return _Fit(data.average(shares), *jax.vmap(lambda of_one: fit_gamma(data, of_one, shape_of))(both))

    def step(fit: _Fit) -> tuple[_Fit, jax.Array]:
        first, second = _weighted_log_densities(fit, data.values)
        return maximised(jax.nn.sigmoid(first - second)), jnp.asarray(False)

    def climbed(start: _Fit) -> tuple[Climbed, jax.Array]:
        end = climb(step, start, lambda fit: fit.share, max_rounds, tolerance)
        log_densities = jnp.logaddexp(*_weighted_log_densities(end.fit, data.values)) - jnp.log(data.values)
        return end, data.average(log_densities)

    half = jnp.full((1,), 0.5, data.mean.dtype)
    starts = _Fit(half, jnp.array([[0.5, 10.0]], half.dtype), jnp.array([[0.5, 1.0]], half.dtype))
    starts = starts._replace(means=starts.means.at[0, 0].divide(data.mean))
    if corrected:
        more = jax.vmap(maximised)(_lowest(data))
        starts = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), starts, more)
    ends, mean_log_densities = jax.lax.map(climbed, starts)  # one after the other: each takes its own rounds
    best = jnp.argmax(mean_log_densities)
    fit, rounds, converged = jax.tree.map(lambda leaf: leaf[best], ends)
    ordered = fit.means[0] <= fit.means[1]
    if corrected:
        other = _Fit(1 - fit.share, fit.shapes[::-1], fit.means[::-1])
        fit = jax.tree.map(lambda one, two: jnp.where(ordered, one, two), fit, other)
    log_likelihood = data.total * (mean_log_densities[best] - jnp.log(data.mean))
    bic = PARAMETERS * jnp.log(data.total) - 2 * log_likelihood
    scales = fit.means / fit.shapes * data.mean
    return TwoGammas(fit.share, fit.shapes, scales, log_likelihood, bic, rounds, converged, ~ordered)


def _weighted_log_densities(fit: _Fit, values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return the logarithms of both parts of the density, [N] each, without the factor 1 / value that they share."""
    first, second = (log_density(values, fit.shapes[at], fit.means[at]) for at in (0, 1))
    return jnp.log(fit.share) + first, jnp.log1p(-fit.share) + second


def _lowest(data: Weighted) -> jax.Array:
    """Return, for every split, 1 for the smallest values up to its share of all weights and else 0, [splits, N]."""
    order = jnp.argsort(data.values)
    below = jnp.zeros_like(data.values).at[order].set(jnp.cumsum(data.weights[order]))
    bounds = jnp.maximum(jnp.asarray(SPLITS, below.dtype) * data.total, jnp.min(below))
    return (below[None] <= bounds[:, None]).astype(below.dtype)
