"""What is worth knowing of the curvature at one place: both matrices, their spectra, and how far they agree."""

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxsize.curvature._checks import floating
from jaxsize.curvature._lanczos import Ritz, lanczos
from jaxsize.curvature.products import linear_ggn, linear_hvp
from jaxsize.curvature.spectrum import SpectralDensity
from jaxsize.errors import InputError
from jaxsize.trees import Tree


class SpectrumSummary(NamedTuple):
    """Numbers about the spectrum of a symmetric matrix; scalars [] but for the density.

    Example:
        >>> from jaxsize.curvature import SpectrumSummary
        >>> alike = SpectrumSummary(smallest=2.0, largest=2.0, error=0.0, trace=6.0, effective_rank=3.0, density=None)
        >>> alike.trace / alike.effective_rank
        2.0
    """

    smallest: jax.Array
    """The smallest eigenvalue, from above: the true one can only be smaller."""
    largest: jax.Array
    """The largest eigenvalue, from below."""
    error: jax.Array
    """There are eigenvalues within this distance of `smallest` and of `largest`."""
    trace: jax.Array
    """An estimate of the sum of all eigenvalues, without bias."""
    effective_rank: jax.Array
    """An estimate of (the sum of |eigenvalue|)^2 over the sum of eigenvalue^2: of K equal eigenvalues beside zeros, K.
    The participation ratio; NaN for a matrix of zeros."""
    density: SpectralDensity
    """Of the eigenvalues, for `density_curve`."""


class CurvatureSummary(NamedTuple):
    """The curvature of a loss at one place.

    Example:
        >>> from jaxsize.curvature import CurvatureSummary
        >>> CurvatureSummary(loss=0.5, random_cosine=0.75, gradient_cosine=0.5, hessian=None, gauss_newton=None).loss
        0.5
    """

    loss: jax.Array
    """[], the loss there."""
    random_cosine: jax.Array
    """[], the cosine of the angle between H v and G v, its mean over random vectors v; NaN where either is 0."""
    gradient_cosine: jax.Array
    """[], the same for the gradient as v."""
    hessian: SpectrumSummary
    """Of H, the Hessian of the loss."""
    gauss_newton: SpectrumSummary
    """Of G, the generalised Gauss-Newton matrix."""


def summarise(
    model_fn: Callable[[Any], Any],
    loss_fn: Callable[[Any], Any],
    params: Tree,
    key: jax.Array,
    *,
    num_vectors: int = 2,
    num_steps: int = 20,
) -> CurvatureSummary:
    """Summarise the Hessian H of a loss and its Gauss-Newton matrix G: their spectra, and how far they agree.

    H v and G v agree where residuals vanish or the model is linear, and nowhere else in general: the cosine between
    them says how far a network is from there (E27).

    The spectra come from Lanczos runs that start at random vectors of signs, and at the gradient. They give the ends of
    a spectrum; the runs from random vectors also give, by Gauss quadrature, its density and the means of eigenvalues.
    The square of a mean in the effective rank is a mean over pairs of different vectors: a square has a bias.
    Cost: (num_vectors + 1) num_steps products with each matrix. Memory: `num_steps` vectors.
    Source: Ubaru, Chen and Saad, 2017, for the quadrature.

    Args:
        model_fn: a pure function of the parameters; returns the outputs, floating arrays or a pytree of them. Where it
            ends decides what G is: a squared error of sigmoid outputs has the sigmoid in the model.
        loss_fn: a pure function of the outputs; returns a scalar [].
        params: a pytree of floating arrays.
        key: a key of `jax.random`, for the random vectors.
        num_vectors: random vectors, 2 or more.
        num_steps: steps of Lanczos from each, 1 or more; where there are fewer parameters, as many as those.

    Returns:
        The summary. All is pure, and works within `jax.jit` and `jax.vmap`.

    Raises:
        InputError: when a leaf of `params` or of the outputs is not floating, or a number is out of range.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> from jaxsize.curvature import summarise
        >>> @jax.jit
        ... def at(residual):  # of x^2 over its target: H = 4 x^2 + 2 residual, G = 4 x^2
        ...     loss = lambda z: ((z - (1 - residual)) ** 2).sum() / 2
        ...     return summarise(jnp.square, loss, jnp.array([1.0, -1.0]), jax.random.key(0))
        >>> for there in map(at, (1.0, 0.0)):
        ...     print(*(round(float(x), 3) for x in (there.hessian.largest, there.gauss_newton.largest)))
        6.0 4.0
        4.0 4.0
    """
    params = floating(params)
    flat, unravel = ravel_pytree(params)
    for name, value, least in (("num_vectors", num_vectors, 2), ("num_steps", num_steps, 1)):
        if not isinstance(value, numbers.Integral) or value < least:
            raise InputError(f"expected a whole number, at least {least}, got {value!r}", field=name)
    num_steps = min(num_steps, flat.size)
    gradient, h_product = linear_hvp(lambda params: loss_fn(model_fn(params)), params)
    _, g_product = linear_ggn(model_fn, loss_fn, params)
    of_h, of_g = (lambda v, of=of: ravel_pytree(of(unravel(v)))[0] for of in (h_product, g_product))
    key_signs, key_restart = jax.random.split(key)
    signs = jax.random.rademacher(key_signs, (num_vectors, flat.size), flat.dtype)
    flat_gradient = ravel_pytree(gradient)[0]
    some = jnp.any(flat_gradient != 0)  # no run of Lanczos starts at 0
    starts = jnp.concatenate([signs, jnp.where(some, flat_gradient, signs[0])[None]])
    keys = jax.random.split(key_restart, 2 * len(starts)).reshape(2, -1)

    def of_matrix(is_hessian: jax.Array, keys: jax.Array) -> tuple[SpectrumSummary, jax.Array]:
        def product(vector: jax.Array) -> jax.Array:
            return jax.lax.cond(is_hessian, of_h, of_g, vector)

        ritz, images = jax.lax.map(lambda one: lanczos(product, one[0], one[1], num_steps), (starts, keys))
        return _spectrum(ritz, flat.size), images

    # One loop for both matrices: each product is compiled once, which takes longer than the loop itself.
    matrices, images = jax.lax.map(lambda one: of_matrix(*one), (jnp.array([True, False]), keys))
    cosines = jax.vmap(_cosine)(*images)
    h, g = (jax.tree.map(lambda leaf, i=i: leaf[i], matrices) for i in range(2))
    of_gradient = jnp.where(some, cosines[-1], jnp.nan)
    return CurvatureSummary(loss_fn(model_fn(params)), jnp.mean(cosines[:-1]), of_gradient, h, g)


def _spectrum(ritz: Ritz, size: int) -> SpectrumSummary:
    """Summarise the spectrum of a matrix of this size by Lanczos from vectors of signs, and from another at the end."""
    first, last = jnp.argmin(ritz.values[:, 0]), jnp.argmax(ritz.values[:, -1])
    values, weights = ritz.values[:-1], ritz.weights[:-1]
    count = len(values)
    sizes = jnp.sum(weights * jnp.abs(values), axis=1)
    pairs = (jnp.sum(sizes) ** 2 - jnp.sum(sizes**2)) / (count - 1)
    return SpectrumSummary(
        ritz.values[first, 0],
        ritz.values[last, -1],
        jnp.maximum(ritz.errors[first, 0], ritz.errors[last, -1]),
        size * jnp.sum(weights * values) / count,
        size * pairs / jnp.sum(weights * values**2),
        SpectralDensity(values, weights / count),
    )


def _cosine(one: jax.Array, other: jax.Array) -> jax.Array:
    return jnp.vdot(one, other, precision="highest") / (jnp.linalg.norm(one) * jnp.linalg.norm(other))
