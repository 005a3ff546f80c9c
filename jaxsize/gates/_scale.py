"""The product of activations and a gate, one factor per unit, which `liveness_gate` and `size_gate` share."""

import jax
import jax.numpy as jnp

from jaxsize.gates._checks import wide_dtype


def raw_scale(activations: jax.Array, gate: jax.Array) -> jax.Array:
    """Multiply `activations` [..., U] by `gate` [U], rounded to the dtype of the activations first."""
    row = gate.astype(activations.dtype).reshape((1,) * (activations.ndim - 1) + gate.shape)
    return activations * row


@jax.custom_vjp
def scale(activations, gate):
    """Multiply each unit's activations by its gate.

    Backward: d_activations = ct gate; d_gate = sum over the leading axes of ct activations, in at least float32.

    Args:
        activations: floating [..., U].
        gate: floating [U].

    Returns:
        The product, in the shape and dtype of `activations`.
    """
    return raw_scale(activations, gate)


def _scale_fwd(activations, gate):
    return raw_scale(activations, gate), (activations, gate)


def _scale_bwd(saved, ct):
    activations, gate = saved
    wide = wide_dtype(ct.dtype)
    d_gate = jnp.sum(ct.astype(wide) * activations.astype(wide), axis=tuple(range(ct.ndim - 1)))
    return raw_scale(ct, gate), d_gate.astype(gate.dtype)


scale.defvjp(_scale_fwd, _scale_bwd)
