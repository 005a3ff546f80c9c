"""Checks of the arguments of gates, each with an error of one line.

In all of them `where` is the public function that checks, and `name` the name of the argument; both open the message.
"""

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError

# Bodies of custom_vjp rules below use only these raw functions, never another custom_vjp function.


def wide_dtype(dtype: jnp.dtype) -> jnp.dtype:
    """Return `dtype`, or float32 where `dtype` is narrower; works where a user forbids implicit dtype promotion too."""
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def dtype_and_shape(array: jax.Array) -> str:
    """Describe an array in a message: `float32[2, 3]`."""
    return f"{array.dtype}{list(array.shape)}"


def require_floating(where: str, name: str, array: jax.Array, shape: tuple[int, ...] | None = None) -> None:
    """Check that an array is floating and, unless `shape` is None, has this shape.

    Raises:
        InputError: when it is not.
    """
    if not jnp.issubdtype(array.dtype, jnp.floating) or shape not in (None, array.shape):
        expected = "floating" if shape is None else f"floating {list(shape)}"
        raise InputError(f"{where}: `{name}` must be {expected}, got {dtype_and_shape(array)}")


def require_units(where: str, name: str, activations: jax.Array, gate: jax.Array) -> None:
    """Check that `activations` [..., U] and the gate [U] called `name` are floating and agree in U.

    Raises:
        InputError: when they do not.
    """
    require_floating(where, "activations", activations)
    require_floating(where, name, gate)
    if activations.ndim < 1 or gate.shape != activations.shape[-1:]:
        expected = f"[U] with U the last axis of `activations` {dtype_and_shape(activations)}"
        raise InputError(f"{where}: `{name}` must be {expected}, got {dtype_and_shape(gate)}")


def require_kernel(where: str, shape: str, ndim: int, activations: jax.Array, kernel: jax.Array) -> None:
    """Check that `kernel` [..., U, O] has `ndim` axes, and U and dtype of `activations` [..., U].

    Args:
        where: the function that checks.
        shape: the expected shape as text for the message, such as "[U, O]".
        ndim: the expected number of axes.
        activations: floating [..., U].
        kernel: the array to check.

    Raises:
        InputError: when the kernel does not fit.
    """
    units = activations.shape[-1]
    if kernel.ndim != ndim or kernel.shape[-2] != units or kernel.dtype != activations.dtype:
        expected = f"{activations.dtype} {shape} with U = {units}, as `activations`"
        raise InputError(f"{where}: `kernel` must be {expected}, got {dtype_and_shape(kernel)}")
