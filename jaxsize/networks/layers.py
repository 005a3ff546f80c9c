"""Layers as pure functions of explicit parameters: an `init_*` draws the parameters, another function applies them.

The parameters of a layer are a dict of arrays. The leaf that sets the size of the layer stands beside the kernel:
`liveness` [U] (one trained gate per unit), or `size` [] with `slope` [] (one trained edge for the whole layer, whose
units are the last axis of all arrays beside it, see `gates.units_beside`). A gate
multiplies the *outputs* of its layer, after the activation, but the layer that reads these outputs applies it: fused
there, the gate needs no second copy of the activations for the backward pass. So a layer takes the gate of its own
inputs as an argument.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates._handed import factors_of
from jaxsize.gates.fused import gated_conv, gated_matmul
from jaxsize.gates.liveness import relu
from jaxsize.gates.ramp import size_gates
from jaxsize.networks.initializers import BiasInitializer, Initializer, init_bias, init_kernel, init_liveness

Params = Mapping[str, Any]
"""The parameters of one layer: arrays by the name of the leaf."""
Gate = Literal["liveness", "signed", "size"]
"""The kinds of gates: relu(liveness) per unit, liveness itself per unit, or a ramp over the units of a layer."""


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
    """Make the leaves of the gate of a layer, before training.

    A signed gate has the same leaf as a relu gate; only the factors that it puts on its units differ (`unit_gates`).

    Args:
        seed: the seed of the run.
        name: the name of the layer.
        num_units: units of the layer.
        gate: the kind of gate, or None for no gate.
        liveness: the value of every gate, above 0, or "uniform" for U(0, 1].
        size: the size; half the units by default.
        slope: the slope, at least 0.

    Returns:
        `liveness` [U] for gates per unit, `size` [] and `slope` [] for a ramp, {} without a gate; float32.

    Raises:
        InputError: when `gate` is unknown, or `liveness` is not above 0.

    Example:
        >>> from jaxsize.networks import init_gate
        >>> {name: leaf.tolist() for name, leaf in init_gate(0, "hidden.0", 10, "size").items()}
        {'size': 5.0, 'slope': 1.0}
        >>> init_gate(0, "hidden.0", 3, "liveness")["liveness"].tolist()
        [1.0, 1.0, 1.0]
    """
    if gate is None:
        return {}
    if gate in ("liveness", "signed"):
        return {"liveness": init_liveness(seed, name, num_units, start=liveness)}
    if gate == "size":
        start = num_units / 2 if size is None else size
        return {"size": np.array(start, np.float32), "slope": np.array(slope, np.float32)}
    raise InputError(f"expected 'liveness', 'signed', 'size' or None, got {gate!r}", field="gate")


def unit_gates(params: Params, num_units: int, signed: bool = False) -> jax.Array | None:
    """Return the factors that the parameters of a layer put on its units.

    Args:
        params: the parameters of the layer.
        num_units: units of the layer.
        signed: whether the gate is liveness itself, so that a gate of 0 has a gradient, rather than relu(liveness).

    Returns:
        Floating [num_units], or None where the parameters hold no gate. Gates of each row, [B, num_units], where those
        were handed in (`gates.hand_in`).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import unit_gates
        >>> params = {"liveness": jnp.array([2.0, -1.0])}
        >>> unit_gates(params, 2).tolist(), unit_gates(params, 2, signed=True).tolist()
        ([2.0, 0.0], [2.0, -1.0])
    """
    if "liveness" in params:
        return factors_of(params["liveness"]) if signed else relu(params["liveness"])
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
    """Draw the parameters of a dense layer.

    Args:
        seed: the seed of the run.
        name: the name of the layer, so that layers of one seed differ.
        num_inputs: inputs of the layer.
        num_units: units of the layer.
        initializer: the distribution of the weights (see `init_kernel`).
        bias: the distribution of the biases (see `init_bias`); None for none.

    Returns:
        `kernel` [num_inputs, num_units] and, unless `bias` is None, `bias` [num_units]; float32.

    Raises:
        InputError: when `initializer` or `bias` is unknown.

    Example:
        >>> from jaxsize.networks import init_dense
        >>> {name: leaf.shape for name, leaf in init_dense(0, "hidden.0", 4, 8).items()}
        {'kernel': (4, 8), 'bias': (8,)}
    """
    params = {"kernel": init_kernel(seed, name, num_units, num_inputs, initializer=initializer).T.copy()}
    if bias is not None:
        params["bias"] = init_bias(seed, name, num_units, num_inputs, initializer=bias)
    return params


def dense(params: Params, inputs: jax.Array, gate: jax.Array | None = None) -> jax.Array:
    """Apply a dense layer to gated inputs: (inputs * gate) @ kernel + bias.

    Args:
        params: `kernel` [D, U] and, optionally, `bias` [U].
        inputs: floating [..., D].
        gate: floating [D], the gate of the layer before (see `unit_gates`), or None; [B, D] for gates of each row.

    Returns:
        [..., U], in the dtype of the inputs.

    Raises:
        InputError: when a gate is given and a shape or a dtype does not fit (see `gated_matmul`).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import dense
        >>> params = {"kernel": jnp.ones((2, 1)), "bias": jnp.array([10.0])}
        >>> dense(params, jnp.array([[1.0, 2.0]]), jnp.array([3.0, 0.0])).tolist()
        [[13.0]]
    """
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
    """Draw the parameters of a 2-d convolution.

    Args:
        seed: the seed of the run.
        name: the name of the layer, so that layers of one seed differ.
        num_inputs: input channels.
        num_units: output channels.
        window: (height, width) of the kernel.
        initializer: the distribution of the weights (see `init_kernel`); fan-in is num_inputs * height * width.
        bias: the distribution of the biases (see `init_bias`); None for none.

    Returns:
        `kernel` [height, width, num_inputs, num_units] and, unless `bias` is None, `bias` [num_units]; float32.

    Raises:
        InputError: when `initializer` or `bias` is unknown.

    Example:
        >>> from jaxsize.networks import init_conv
        >>> {name: leaf.shape for name, leaf in init_conv(0, "hidden.0", 3, 8, window=(5, 5)).items()}
        {'kernel': (5, 5, 3, 8), 'bias': (8,)}
    """
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
    """Apply a 2-d convolution to gated channels.

    Args:
        params: `kernel` [h, w, D, U] and, optionally, `bias` [U].
        inputs: floating [B, H, W, D].
        gate: floating [D], the gate of the layer before (see `unit_gates`), or None; [B, D] for gates of each row.
        strides: one number per spatial axis.
        padding: "SAME" or "VALID".

    Returns:
        [B, H', W', U], in the dtype of the inputs.

    Raises:
        InputError: when a gate is given and a shape or a dtype does not fit (see `gated_conv`).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import conv
        >>> params = {"kernel": jnp.ones((2, 2, 1, 1))}
        >>> conv(params, jnp.ones((1, 3, 3, 1)), jnp.array([0.5]), padding="VALID").ravel().tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
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
