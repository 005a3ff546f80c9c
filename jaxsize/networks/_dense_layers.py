"""Dense layers with their gates, drawn, described and applied one after the other: what dense networks are made of."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.networks.initializers import BiasInitializer
from jaxsize.networks.layers import Gate, dense, init_dense, init_gate, unit_gates
from jaxsize.trees import Tree

Activation = Callable[[jax.Array], jax.Array]
"""An elementwise function."""


def init_gated_dense(
    seed: int, name: str, fan_in: int, width: int, gate: Gate | None, gates: dict[str, Any], **weights: Any
) -> dict[str, np.ndarray]:
    """Draw a dense layer and its gate; `gates` are options of `init_gate`, `weights` those of `init_dense`."""
    layer = init_dense(seed, name, fan_in, width, **weights)
    return layer | init_gate(seed, name, width, gate, **gates)


def gated_dense_shapes(
    fan_in: int, width: int, gate: Gate | None, bias: BiasInitializer | None
) -> dict[str, jax.ShapeDtypeStruct]:
    """Describe the leaves that `init_gated_dense` draws."""
    shapes: dict[str, tuple[int, ...]] = {"kernel": (fan_in, width)} | ({} if bias is None else {"bias": (width,)})
    shapes |= {"size": (), "slope": ()} if gate == "size" else {"liveness": (width,)} if gate else {}
    return {name: jax.ShapeDtypeStruct(shape, np.dtype(np.float32)) for name, shape in shapes.items()}


def apply_dense_layers(
    layers: Sequence[Tree],
    activations: Sequence[Activation | None],
    inputs: jax.Array,
    *,
    gates: jax.Array | None = None,
    signed: bool = False,
) -> jax.Array:
    """Apply dense layers one after the other, each followed by its activation and then by its gate.

    Args:
        layers: the parameters of every layer.
        activations: the function of every layer; None for none.
        inputs: floating [B, D].
        gates: factors of the inputs, [D] or [B, D]; None for none.
        signed: whether a leaf `liveness` is a signed gate.

    Returns:
        [B, U] of the last layer, whose gate, if it has one, is not applied.
    """
    for layer, activation in zip(layers, activations, strict=True):
        inputs = dense(layer, inputs, gates)
        inputs = inputs if activation is None else activation(inputs)
        gates = unit_gates(layer, inputs.shape[-1], signed)
    return inputs
