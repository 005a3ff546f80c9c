"""Gamma distributions by shape and mean: log densities and weighted fits that lose no digits at large shapes.

JAX's `polygamma` would do for Newton's slope; it takes seconds to compile, and log k - psi(k) has no digits left in
float32 where k is large.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.scipy.special import digamma, gammaln

from jaxsize.measures._em import Weighted

LOW, HIGH = 1e-3, 1e6
"""The shapes that a fit can have; a gamma of shape 1e6 has a deviation of a thousandth of its mean."""
LARGE = 8.0
"""From where on the series of Stirling are more accurate than differences of functions, in float32."""
SHIFTS = 8
NEWTON_STEPS = 4
HALVINGS = 40


def gap(ratio: jax.Array) -> jax.Array:
    """Compute t - 1 - log t, which is 0 at t = 1 and never below. t: above 0."""
    distance = ratio - 1
    near = jnp.abs(distance) < 0.5
    return distance - jnp.where(near, jnp.log1p(jnp.where(near, distance, 0)), jnp.log(ratio))


def log_density(values: jax.Array, shape: jax.Array, mean: jax.Array) -> jax.Array:
    """Return the logarithms of the density of a gamma of this shape and mean, [N], times its values."""
    return _log_top(shape) - shape * gap(values / mean)


def _log_top(shape: jax.Array) -> jax.Array:
    """Compute k log k - k - log gamma(k)."""
    large = shape > LARGE
    small = jnp.where(large, 1, shape)
    k = jnp.where(large, shape, LARGE)
    series = jnp.log(k / (2 * jnp.pi)) / 2 - 1 / (12 * k) + 1 / (360 * k**3)
    return jnp.where(large, series, small * jnp.log(small) - small - gammaln(small))


def _gap_and_slope(shape: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Compute log k - psi(k), which falls from infinity to 0, and its derivative by log k, times k."""
    large = shape > LARGE
    k = jnp.where(large, shape, shape + SHIFTS)  # psi(k) = psi(k + 8) - 1 / k - ... - 1 / (k + 7)
    near = jnp.where(large, LARGE, shape)
    steps = 1 / (near + jnp.arange(SHIFTS, dtype=shape.dtype))
    series = (1 + (1 / 6 - (1 / 60 - 1 / (126 * k**2)) / k**2) / k) / (2 * k)
    gap = series + jnp.where(large, 0, jnp.log(near / k) + jnp.sum(steps))
    trigamma = (1 + (1 / 2 + (1 / 6 - (1 / 30 - 1 / (42 * k**2)) / k**2) / k) / k) / k
    of_large = -(1 / 2 + (1 / 6 - (1 / 30 - 1 / (42 * k**2)) / k**2) / k)
    return gap, jnp.where(large, of_large, near - near**2 * (trigamma + jnp.sum(steps**2)))


def shape_by_newton(c: jax.Array) -> jax.Array:
    """Solve log k - psi(k) = c by Newton's method in 1 / k (Minka 2002), from the start of D5. c: [], 0 or more."""
    c = jnp.maximum(c, 1 / (2 * HIGH))
    start = (3 - c + jnp.sqrt((c - 3) ** 2 + 24 * c)) / (12 * c)

    def step(_: int, k: jax.Array) -> jax.Array:
        gap, slope = _gap_and_slope(k)
        return jnp.clip(1 / (1 / k + (gap - c) / slope), k / 4, 4 * k)

    return jnp.clip(jax.lax.fori_loop(0, NEWTON_STEPS, step, start), LOW, HIGH)


def shape_by_bisection(c: jax.Array) -> jax.Array:
    """Solve log k - psi(k) = c as the journal did: brackets by halving and doubling, then bisection; 1 on overflow."""

    def rest(k: jax.Array) -> jax.Array:
        return jnp.log(k) - digamma(k) - c

    def grown(k: float, factor: float, wanted: Callable[[jax.Array], jax.Array]) -> jax.Array:
        start = jnp.asarray(k, c.dtype)
        return jax.lax.while_loop(lambda k: wanted(k) & jnp.isfinite(k) & (k > 0), lambda k: factor * k, start)

    low, high = grown(0.5, 0.5, lambda k: rest(k) < 0), grown(1.0, 2.0, lambda k: rest(k) > 0)

    def halved(_: int, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        middle = (ends[0] + ends[1]) / 2
        right = rest(middle) > 0
        return jnp.where(right, middle, ends[0]), jnp.where(right, ends[1], middle)

    low, high = jax.lax.fori_loop(0, HALVINGS, halved, (low, high))
    return jnp.where(jnp.isfinite(high) & (low > 0), (low + high) / 2, 1)


def fit_gamma(
    data: Weighted, shares: jax.Array, shape_of: Callable[[jax.Array], jax.Array] = shape_by_newton
) -> tuple[jax.Array, jax.Array]:
    """Fit a gamma to values, each counted by its share, by maximum likelihood.

    Returns:
        Shape and mean, in units of the mean of all values.
    """
    mean = jnp.maximum(data.average(data.values, shares), jnp.finfo(data.values.dtype).tiny)
    return shape_of(data.average(gap(data.values / mean), shares)), mean
