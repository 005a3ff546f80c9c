"""The liveness gate, one trained value per unit, and its price."""

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.gates._checks import dtype_and_shape, require_floating, require_units, wide_dtype
from jaxsize.gates._handed import Handed, scale_by
from jaxsize.gates._scale import scale


def _raw_relu(x: jax.Array) -> jax.Array:
    return jnp.where(x <= 0, jnp.zeros_like(x), x)  # derivative 0 at 0; NaN stays NaN


@jax.custom_vjp
def _relu(x):
    return _raw_relu(x)


def _relu_fwd(x):
    out = _raw_relu(x)
    return out, out


def _relu_bwd(out, ct):
    return (jnp.where(out > 0, ct, jnp.zeros_like(ct)),)


_relu.defvjp(_relu_fwd, _relu_bwd)


def relu(x: jax.Array) -> jax.Array:
    """Compute max(x, 0), keeping only the output for the backward pass.

    Value: max(x, 0) in every entry; NaN stays NaN.
    Backward: the cotangent where x > 0, and 0 elsewhere, at x = 0 too.
    Memory: only the output is kept, which the layer that reads it keeps anyway. `jax.nn.relu` keeps its input or a
    mask as well, and the compiler does not always notice below a gated layer that it can do without. Use this function
    there.

    Args:
        x: floating, any shape.

    Returns:
        An array of the shape and dtype of `x`.

    Raises:
        InputError: when `x` is not floating.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import relu
        >>> x = jnp.array([-1.0, 0.0, 2.0])
        >>> relu(x).tolist()
        [0.0, 0.0, 2.0]
        >>> jax.jit(jax.grad(lambda x: relu(x).sum()))(x).tolist()
        [0.0, 0.0, 1.0]
    """
    if isinstance(x, Handed):  # gates that `hand_in` put in place of liveness count as they are
        return x.factors
    require_floating("relu", "x", x)
    return _relu(x)


def liveness_gate(activations: jax.Array, liveness: jax.Array) -> jax.Array:
    """Multiply each unit's activations by its gate, relu(liveness).

    Value: activations * relu(liveness).
    Backward: d_activations = ct relu(liveness); d_liveness = sum over the leading axes of ct activations where
    liveness > 0, and 0 elsewhere.
    Subgradient: d_liveness is 0 at exactly 0. Death is therefore absorbing: a dead unit gets no gradient, and neither
    do the weights before it.
    Source: the chain rule, with the subgradient that `jax.nn.relu` takes.

    Args:
        activations: floating [..., U].
        liveness: floating [U].

    Returns:
        An array of the shape and dtype of `activations`.

    Raises:
        InputError: when an argument is not floating, or U differs.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import liveness_gate
        >>> activations, liveness = jnp.array([[1.0, 2.0, 3.0]]), jnp.array([2.0, 0.0, -1.0])
        >>> jax.jit(liveness_gate)(activations, liveness).tolist()
        [[2.0, 0.0, 0.0]]
        >>> jax.jit(jax.grad(lambda liveness: liveness_gate(activations, liveness).sum()))(liveness).tolist()
        [1.0, 0.0, 0.0]
    """
    if isinstance(liveness, Handed):
        return scale_by("liveness_gate", activations, liveness.factors)
    require_units("liveness_gate", "liveness", activations, liveness)
    return scale(activations, _relu(liveness))


def liveness_penalty(liveness: jax.Array, *, signed: bool = False) -> jax.Array:
    """Compute the L1 norm of the gates of a layer.

    Value: sum of max(liveness, 0), or of |liveness| for signed gates, added up in at least float32.
    Backward: 1 where liveness > 0 and 0 elsewhere; for signed gates sign(liveness).
    Subgradient: 0 at the kink at 0, so that a dead unit is pulled neither way.
    Source: the subgradient of smallest norm at 0, which `jax.nn.relu` takes too.

    Args:
        liveness: floating [U].
        signed: whether the gate is liveness itself rather than relu(liveness).

    Returns:
        A scalar [], in the dtype of `liveness`.

    Raises:
        InputError: when `liveness` is not floating or has not one axis.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import liveness_penalty
        >>> liveness = jnp.array([2.0, 0.0, -1.0])
        >>> float(liveness_penalty(liveness)), float(liveness_penalty(liveness, signed=True))
        (2.0, 3.0)
    """
    if liveness.ndim != 1 or not jnp.issubdtype(liveness.dtype, jnp.floating):
        raise InputError(f"liveness_penalty: `liveness` must be floating [U], got {dtype_and_shape(liveness)}")
    wide = liveness.astype(wide_dtype(liveness.dtype))
    if signed:  # not jnp.abs, whose derivative at 0 is 1
        return jnp.sum(wide * jax.lax.stop_gradient(jnp.sign(wide))).astype(liveness.dtype)
    return jnp.sum(jnp.where(wide <= 0, jnp.zeros_like(wide), wide)).astype(liveness.dtype)
