"""What arrays have to be to be measured."""

import numbers

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxsize.errors import InputError
from jaxsize.trees import Array


def floating(values: Array, field: str, layout: str) -> jax.Array:
    """Return an array as a floating JAX array of at least 32 bits, with its rank checked and its values finite.

    Args:
        values: the array. Inside `jax.jit` or `jax.vmap` values cannot be looked at, and NaN goes on to the result.
        field: the argument that an error names.
        layout: what its axes are, such as "[N, U]".

    Raises:
        InputError: when it is empty, has another number of axes, or holds a value that is not finite.
    """
    array = jnp.asarray(values)
    if array.ndim != layout.count(",") + 1 or not array.size or jnp.issubdtype(array.dtype, jnp.complexfloating):
        raise InputError(f"expected real numbers {layout}, got {array.dtype}{list(array.shape)}", field=field)
    array = array.astype(jnp.promote_types(array.dtype, jnp.float32))
    if not isinstance(array, Tracer) and not (finite := np.isfinite(array)).all():  # NumPy: nothing to compile
        raise InputError(f"expected finite numbers, got {int((~finite).sum())} that are not", field=field)
    return array


def require_count(value: int, field: str, *, low: int = 1, high: int | None = None, of: str = "") -> None:
    """Check that a number is whole and in its range.

    Args:
        value: the number.
        field: the argument that an error names.
        low: the smallest that is allowed.
        high: the largest that is allowed; None for any.
        of: what the largest one is, for the error.

    Raises:
        InputError: when it is not.
    """
    if not isinstance(value, numbers.Integral) or value < low or (high is not None and value > high):
        to = "or more" if high is None else f"to {high}{of and f', {of}'}"
        raise InputError(f"expected a whole number, {low} {to}, got {value!r}", field=field)
