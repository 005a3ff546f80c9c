"""Norms of the incoming weights of units, the price of a group lasso."""

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.gates._checks import dtype_and_shape, wide_dtype


def group_norms(kernel: jax.Array) -> jax.Array:
    """Compute the Euclidean norm of each column of a kernel, the incoming weights of one unit.

    Value: sqrt(sum of squares of a column). Each column is divided by its largest absolute entry first, so that no
    square overflows or vanishes; squares are summed in at least float32.
    Backward: column / norm, and 0, not NaN, at a zero column (the subgradient of smallest norm).
    Source: the norm of the group lasso. Zero columns are replaced before the square root, since a branch of a
    `jnp.where` that is not taken still has a gradient.

    Args:
        kernel: floating [D, U].

    Returns:
        [U], in the dtype of `kernel`.

    Raises:
        InputError: when `kernel` is not floating or has not two axes.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import group_norms
        >>> kernel = jnp.array([[3.0, 0.0], [4.0, 0.0]])
        >>> jax.jit(group_norms)(kernel).tolist()
        [5.0, 0.0]
        >>> gradient = jax.jit(jax.grad(lambda kernel: group_norms(kernel).sum()))(kernel)
        >>> [[round(entry, 3) for entry in row] for row in gradient.tolist()]
        [[0.6, 0.0], [0.8, 0.0]]
    """
    if kernel.ndim != 2 or not jnp.issubdtype(kernel.dtype, jnp.floating):
        raise InputError(f"group_norms: `kernel` must be floating [D, U], got {dtype_and_shape(kernel)}")
    wide = kernel.astype(wide_dtype(kernel.dtype))
    # The norm does not depend on the scale, so neither does any derivative.
    scale = jax.lax.stop_gradient(jnp.max(jnp.abs(wide), axis=0, initial=0))
    filled = scale != 0
    scaled = wide / jnp.where(filled, scale, 1)[None, :]
    squares = jnp.where(filled, jnp.sum(scaled * scaled, axis=0), 1)
    return jnp.where(filled, scale * jnp.sqrt(squares), 0).astype(kernel.dtype)
