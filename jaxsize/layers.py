"""Layers as pure functions of explicit parameters: an `init_*` that draws them, and the function that applies them.

A layer's parameters are a dict of arrays. What says how large the layer is, is a leaf like the kernel: `liveness` [U]
(one trained gate per unit), or `size` [] and `slope` [] (one trained edge for the whole layer). A gate multiplies the
*outputs* of its layer, after the activation, and is applied by the layer that reads them: fused there, it needs no
second copy of the activations for the backward pass. So a layer takes the gate of its own inputs as an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.gates import gated_conv, gated_matmul, relu, size_gates
from jaxsize.initializers import BiasInitializer, Initializer, init_bias, init_kernel, init_liveness

Params = Mapping[str, Any]
Gate = Literal["liveness", "signed", "size"]


def init_gate(
    seed: int,
    name: str,
    num_units: int,
    gate: Gate | None,
    *,
    liveness: float | Literal["uniform"] = 1.0,
    size: float | None = None,
    slope: float = 1.0,
) -> dict[str, np.ndarray]:
    """The leaves of a gate: {} without one, `liveness` [U], or `size` [] (default: half the units) and `slope` [].

    A signed gate has the leaf of a relu gate, `liveness` [U]; what it puts on its units differs (unit_gates).
    """
    if gate is None:
        return {}
    if gate in ("liveness", "signed"):
        return {"liveness": init_liveness(seed, name, num_units, start=liveness)}
    if gate == "size":
        start = num_units / 2 if size is None else size
        return {"size": np.array(start, np.float32), "slope": np.array(slope, np.float32)}
    raise ValueError(f"gate: expected 'liveness', 'signed', 'size' or None, got {gate!r}")


def unit_gates(params: Params, num_units: int, signed: bool = False) -> jax.Array | None:
    """The factors [num_units] that a layer's parameters put on its units; None if they hold no gate.

    A `liveness` stands for relu(liveness), or for itself where gates are `signed`: then a gate of 0 has a gradient.
    """
    if "liveness" in params:
        return params["liveness"] if signed else relu(params["liveness"])
    if "size" in params:
        return size_gates(params["size"], params["slope"], num_units)
    return None


def init_dense(
    seed: int,
    name: str,
    num_inputs: int,
    num_units: int,
    *,
    initializer: Initializer = "pytorch",
    bias: BiasInitializer | None = "pytorch",
) -> dict[str, np.ndarray]:
    """`kernel` [num_inputs, num_units] and, unless `bias` is None, `bias` [num_units]; float32."""
    params = {"kernel": init_kernel(seed, name, num_units, num_inputs, initializer=initializer).T.copy()}
    if bias is not None:
        params["bias"] = init_bias(seed, name, num_units, num_inputs, initializer=bias)
    return params


def dense(params: Params, inputs: jax.Array, gate: jax.Array | None = None) -> jax.Array:
    """(inputs * gate) @ kernel + bias. inputs [..., D], gate [D] or None -> [..., U], in the dtype of the inputs."""
    kernel = params["kernel"]
    outputs = inputs @ kernel if gate is None else gated_matmul(inputs, gate, kernel)
    return _add_bias(outputs, params)


def init_conv(
    seed: int,
    name: str,
    num_inputs: int,
    num_units: int,
    *,
    window: tuple[int, int] = (3, 3),
    initializer: Initializer = "pytorch",
    bias: BiasInitializer | None = "pytorch",
) -> dict[str, np.ndarray]:
    """`kernel` [height, width, num_inputs, num_units] and, unless `bias` is None, `bias` [num_units]; float32."""
    height, width = window
    fan_in = num_inputs * height * width
    rows = init_kernel(seed, name, num_units, fan_in, initializer=initializer)
    params = {"kernel": rows.reshape(num_units, num_inputs, height, width).transpose(2, 3, 1, 0).copy()}
    if bias is not None:
        params["bias"] = init_bias(seed, name, num_units, fan_in, initializer=bias)
    return params


def conv(
    params: Params,
    inputs: jax.Array,
    gate: jax.Array | None = None,
    *,
    strides: Sequence[int] = (1, 1),
    padding: str = "SAME",
) -> jax.Array:
    """2-d convolution of gated channels. inputs [B, H, W, D], gate [D] or None -> [B, H', W', U]."""
    kernel = params["kernel"]
    if gate is None:
        numbers = ("NHWC", "HWIO", "NHWC")
        outputs = jax.lax.conv_general_dilated(inputs, kernel, strides, padding, dimension_numbers=numbers)
    else:
        outputs = gated_conv(inputs, gate, kernel, strides=strides, padding=padding)
    return _add_bias(outputs, params)


def _add_bias(outputs: jax.Array, params: Params) -> jax.Array:
    if "bias" not in params:
        return outputs
    return outputs + jnp.expand_dims(params["bias"], range(outputs.ndim - 1))
