"""The ends and the density of the spectrum of a symmetric matrix of which only products are known."""

import numbers
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxsize.curvature._checks import floating
from jaxsize.curvature._lanczos import Ritz, lanczos
from jaxsize.errors import InputError
from jaxsize.trees import Tree

Product = Callable[[Tree], Tree]


class ExtremeEigenvalues(NamedTuple):
    """The two ends of a spectrum, and how far off they can be; all scalars [].

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import ExtremeEigenvalues, extreme_eigenvalues
        >>> ends = extreme_eigenvalues(lambda x: 2 * x, jnp.ones(3), jax.random.key(0), 1)
        >>> isinstance(ends, ExtremeEigenvalues), round(float(ends.largest), 4)
        (True, 2.0)
    """

    smallest: jax.Array
    largest: jax.Array
    smallest_error: jax.Array
    """There is an eigenvalue within this distance of `smallest`."""
    largest_error: jax.Array
    """There is an eigenvalue within this distance of `largest`."""


class SpectralDensity(NamedTuple):
    """The eigenvalues of a matrix as a distribution: points with weights, of V random vectors and M steps each.

    The mean of f over all eigenvalues is about (weights * f(nodes)).sum().

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import SpectralDensity, spectral_density
        >>> density = spectral_density(lambda x: 2 * x, jnp.ones(3), jax.random.key(0), 1, 4)
        >>> isinstance(density, SpectralDensity), density.nodes.shape, round(float(density.weights.sum()), 4)
        (True, (4, 1), 1.0)
    """

    nodes: jax.Array
    """[V, M], in ascending order for each vector."""
    weights: jax.Array
    """[V, M], at least 0; their sum is 1."""


def extreme_eigenvalues(product: Product, like: Tree, key: jax.Array, num_steps: int) -> ExtremeEigenvalues:
    """Find the smallest and the largest eigenvalue of a symmetric matrix by Lanczos.

    The ends of a spectrum come out first, from inside: the true ones are never further in, up to rounding. Memory:
    `num_steps` vectors.
    Source: C. Lanczos, 1950, with full reorthogonalisation.

    Args:
        product: the matrix times a vector of the form of `like`: of `linear_hvp`, `linear_ggn`, or any other. Call all
            within one `jax.jit`, so that the loop is compiled once for all parameters.
        like: the parameters, or any other pytree of floating arrays of their form.
        key: a key of `jax.random`, for the first vector.
        num_steps: products that are taken, from 1 to the number of parameters.

    Returns:
        Both ends, each with the distance within which there is an eigenvalue.

    Raises:
        InputError: when a leaf of `like` is not floating or `num_steps` is out of range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import extreme_eigenvalues
        >>> ends = extreme_eigenvalues(lambda x: jnp.array([-1.0, 2.0, 5.0]) * x, jnp.ones(3), jax.random.key(0), 3)
        >>> round(float(ends.smallest), 3), round(float(ends.largest), 3)
        (-1.0, 5.0)
    """
    flat, size, dtype = _flat_product(product, like, num_steps)
    key_start, key_restart = jax.random.split(key)
    ritz, _ = lanczos(flat, jax.random.normal(key_start, (size,), dtype), key_restart, num_steps)
    return ExtremeEigenvalues(ritz.values[0], ritz.values[-1], ritz.errors[0], ritz.errors[-1])


def spectral_density(product: Product, like: Tree, key: jax.Array, num_steps: int, num_vectors: int) -> SpectralDensity:
    """Estimate the density of the eigenvalues of a symmetric matrix by stochastic Lanczos quadrature.

    Each random vector of signs gives the quadrature of Gauss for its own mixture of the eigenvalues, whose first
    2 num_steps - 1 moments are exact; the mean over vectors of its moment k is the trace of the k-th power over the
    number of parameters.
    Source: Golub and Meurant, 1994; Ubaru, Chen and Saad, 2017.

    Args:
        product: the matrix times a vector of the form of `like`: of `linear_hvp`, `linear_ggn`, or any other. Call all
            within one `jax.jit`.
        like: the parameters, or any other pytree of floating arrays of their form.
        key: a key of `jax.random`.
        num_steps: products per vector, from 1 to the number of parameters.
        num_vectors: random vectors, 1 or more, one after the other.

    Returns:
        Nodes and weights; `density_curve` makes a curve of them.

    Raises:
        InputError: when a leaf of `like` is not floating, or a number is out of range.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import spectral_density
        >>> eigenvalues = jnp.array([-1.0, 2.0, 5.0])
        >>> density = spectral_density(lambda x: eigenvalues * x, jnp.ones(3), jax.random.key(0), 3, 1)
        >>> round(float((density.weights * density.nodes).sum()), 3)  # their mean
        2.0
    """
    flat, size, dtype = _flat_product(product, like, num_steps)
    _require_count("num_vectors", num_vectors)

    def of_vector(key: jax.Array) -> Ritz:
        key_start, key_restart = jax.random.split(key)
        return lanczos(flat, jax.random.rademacher(key_start, (size,), dtype), key_restart, num_steps)[0]

    ritz = jax.lax.map(of_vector, jax.random.split(key, num_vectors))
    return SpectralDensity(ritz.values, ritz.weights / num_vectors)


def density_curve(density: SpectralDensity, points: jax.Array, width: float) -> jax.Array:
    """Smooth a spectral density: every node becomes a normal distribution.

    Args:
        density: of `spectral_density`.
        points: where the curve is wanted, floating [K].
        width: the standard deviation of each, above 0.

    Returns:
        The density at every point [K]; its integral over all eigenvalues is 1.

    Raises:
        InputError: when `width` is not above 0.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import density_curve, spectral_density
        >>> density = spectral_density(lambda x: 2 * x, jnp.ones(3), jax.random.key(0), 1, 1)
        >>> [round(float(height), 3) for height in density_curve(density, jnp.array([1.0, 2.0]), 0.5)]
        [0.108, 0.798]
    """
    if not width > 0:
        raise InputError(f"expected a number above 0, got {width}", field="width")
    heights = jax.scipy.stats.norm.pdf(points[:, None], density.nodes.reshape(1, -1), width)
    return heights @ density.weights.ravel()


def _flat_product(
    product: Product, like: Tree, num_steps: int
) -> tuple[Callable[[jax.Array], jax.Array], int, jnp.dtype]:
    """Return the product as a function of flat vectors, their length and their dtype; check the number of steps."""
    flat, unravel = ravel_pytree(floating(like, "like"))
    _require_count("num_steps", num_steps)
    if num_steps > flat.size:
        raise InputError(f"expected at most {flat.size}, the number of parameters, got {num_steps}", field="num_steps")
    return lambda vector: ravel_pytree(product(unravel(vector)))[0], flat.size, flat.dtype


def _require_count(field: str, value: int) -> None:
    if not isinstance(value, numbers.Integral) or value < 1:
        raise InputError(f"expected a whole number, at least 1, got {value!r}", field=field)
