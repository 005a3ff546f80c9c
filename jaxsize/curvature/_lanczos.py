"""The Lanczos algorithm: a symmetric matrix, known by its products, as a small tridiagonal one.

The rounding of products makes the plain recurrence lose orthogonality and find eigenvalues twice, so every new vector
is made orthogonal to all before it, twice. Curvature of networks often has low rank (Gauss-Newton at few rows), so that
the space of the start vector is exhausted before all steps are taken; the algorithm then goes on with a random vector
orthogonal to all before it, where others would divide by zero. The tridiagonal matrix falls apart into blocks there,
whose eigenvalues are eigenvalues of the matrix all the same.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp


class Ritz(NamedTuple):
    """Eigenvalues of the tridiagonal matrix of `num_steps` steps, in ascending order."""

    values: jax.Array  # [num_steps]
    weights: jax.Array  # [num_steps], the squared components of the start vector along the eigenvectors; their sum is 1
    errors: jax.Array  # [num_steps], the distance within which there is an eigenvalue of the whole matrix


def lanczos(
    product: Callable[[jax.Array], jax.Array], start: jax.Array, key: jax.Array, num_steps: int
) -> tuple[Ritz, jax.Array]:
    """Run `num_steps` steps of Lanczos with full reorthogonalisation, as one compiled loop.

    Args:
        product: the symmetric matrix times a vector [N].
        start: the first vector [N], of any length above 0.
        key: for the vectors with which the algorithm goes on when a space is exhausted.
        num_steps: products, from 1 to N.

    Returns:
        Eigenvalues with weights and errors; and the product with the first vector, brought to length 1 [N].
    """

    def step(carry: tuple, place: tuple) -> tuple:
        (basis, vector, scale, first), (index, seed) = carry, place
        basis = basis.at[index].set(vector)
        image = product(vector)
        diagonal = _dot(vector, image)
        rest = _orthogonal(basis, image)
        length = jnp.linalg.norm(rest)
        scale = jnp.maximum(scale, jnp.maximum(jnp.abs(diagonal), length))
        exhausted = length <= 10 * jnp.finfo(start.dtype).eps * scale
        following = jax.lax.cond(
            exhausted,
            lambda: _orthogonal(basis, jax.random.normal(jax.random.key(seed), start.shape, start.dtype)),
            lambda: rest,
        )
        beside = jnp.where(exhausted, jnp.zeros_like(length), length)
        return (basis, _unit(following), scale, jnp.where(index == 0, image, first)), (diagonal, beside)

    basis = jnp.zeros((num_steps, start.size), start.dtype)
    begin = (basis, _unit(start), jnp.zeros((), start.dtype), jnp.zeros_like(start))
    seeds = jax.random.bits(key, (num_steps,))  # a key that only one branch uses is refused under `vmap`
    (*_, first), (diagonal, beside) = jax.lax.scan(step, begin, (jnp.arange(num_steps), seeds))
    tridiagonal = jnp.diag(diagonal) + jnp.diag(beside[:-1], 1) + jnp.diag(beside[:-1], -1)
    values, vectors = jnp.linalg.eigh(tridiagonal)
    return Ritz(values, vectors[0] ** 2, jnp.abs(beside[-1] * vectors[-1])), first


def _dot(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.matmul(left, right, precision="highest")


def _orthogonal(basis: jax.Array, vector: jax.Array) -> jax.Array:
    """Return a vector less its parts along the rows of the basis. Once leaves rounding behind; twice is enough."""
    for _ in range(2):
        vector = vector - _dot(_dot(basis, vector), basis)
    return vector


def _unit(vector: jax.Array) -> jax.Array:
    length = jnp.linalg.norm(vector)
    return vector / jnp.where(length == 0, jnp.ones_like(length), length)
