"""Factors that stand in place of the gates of a network, as leaves of its parameters."""

import dataclasses
from typing import Any

import jax

from jaxsize.errors import InputError
from jaxsize.gates._checks import dtype_and_shape, require_floating, require_units
from jaxsize.gates._scale import scale


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Handed:
    """The factors that units are multiplied by, whatever the gate would have made of its leaves."""

    factors: Any
    """Floating [U], or [B, U] for factors of each row."""

    def __jax_array__(self) -> jax.Array:
        """Refuse to be an array: what is computed with a gate's leaf itself does not know that it was replaced."""
        raise InputError(
            "hand_in: expected a network whose gates are applied by functions of jaxsize (liveness_gate, size_gate,"
            " relu, size_gates, unit_gates, gated_matmul, gated_conv), got one that computes with the leaf itself"
        )


def factors_of(gate: Any) -> Any:
    """Return the factors that were handed in, or the gate itself if none were."""
    return gate.factors if isinstance(gate, Handed) else gate


def scale_by(where: str, activations: jax.Array, factors: jax.Array) -> jax.Array:
    """Multiply activations [..., U] by factors that were handed in, [U] or, for activations [B, ..., U], [B, U]."""
    if factors.ndim == 2:
        return per_row(where, activations, factors)
    require_units(where, "gate", activations, factors)
    return scale(activations, factors)


def per_row(where: str, activations: jax.Array, factors: jax.Array) -> jax.Array:
    """Multiply activations [B, ..., U] by factors [B, U], rounded to the dtype of the activations first.

    Raises:
        InputError: when an argument is not floating, or B or U differs.
    """
    require_floating(where, "activations", activations)
    require_floating(where, "gate", factors)
    if activations.ndim < 2 or factors.shape != (activations.shape[0], activations.shape[-1]):
        expected = f"[U] or [B, U] of `activations` {dtype_and_shape(activations)}"
        raise InputError(f"{where}: `gate` must be {expected}, got {dtype_and_shape(factors)}")
    shape = (factors.shape[0], *(1,) * (activations.ndim - 2), factors.shape[-1])
    return activations * factors.astype(activations.dtype).reshape(shape)
