"""Networks: pairs of `init(seed) -> params` and `apply(params, inputs) -> outputs`.

`apply` reads every size off its parameters, so the same function runs the network before and after units are removed.
"""

import itertools
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import jax
import numpy as np

from jaxsize.gates import relu
from jaxsize.initializers import BiasInitializer, Initializer
from jaxsize.layers import Gate, dense, init_dense, init_gate, unit_gates

Tree = Any  # a pytree of arrays


class Network(NamedTuple):
    """`init` takes a seed and returns NumPy parameters; `apply` takes parameters and a batch of inputs."""

    init: Callable[[int], Tree]
    apply: Callable[[Tree, jax.Array], jax.Array]
    signed: bool | None = None
    """Whether leaves named `liveness` are signed gates or relu gates; None if there are none, or nothing is known."""


def mlp(
    widths: Sequence[int],
    *,
    gate: Gate | None = "liveness",
    gate_inputs: bool = False,
    liveness: float | Literal["uniform"] = 1.0,
    size: float | None = None,
    slope: float = 1.0,
    initializer: Initializer = "pytorch",
    bias: BiasInitializer | None = "pytorch",
    activation: Callable[[jax.Array], jax.Array] = relu,
) -> Network:
    """Dense layers of `widths` = (inputs, hidden ..., outputs), with a gate after the activation of every hidden layer.

    Parameters: {"hidden": [layer, ...], "output": layer}; a layer holds `kernel` [D, U], `bias` [U] and its gate's
    leaves (`liveness` [U], or `size` [] and `slope` []). With `gate_inputs`, {"inputs": {"liveness": [D]}} as well,
    so that inputs can be pruned like units. `gate`: "liveness" for relu(liveness), "signed" for the value itself, on
    inputs too, or "size". `liveness`, `size` and `slope` are the values before training (layers.init_gate).
    apply: [B, inputs] -> [B, outputs]. Raises ValueError unless every width is a positive integer.
    """
    if len(widths) < 2 or any(not isinstance(width, numbers.Integral) or width < 1 for width in widths):
        raise ValueError(
            f"mlp: expected widths (inputs, hidden ..., outputs), all positive integers, got {tuple(widths)}"
        )
    *fans_in, last_fan_in = widths[:-1]
    hidden_widths = widths[1:-1]
    signed = gate == "signed"
    has_liveness = gate_inputs or gate in ("liveness", "signed")

    def init(seed: int) -> Tree:
        params: dict[str, Any] = {"hidden": []}
        if gate_inputs:
            params["inputs"] = init_gate(
                seed, "inputs", widths[0], "signed" if signed else "liveness", liveness=liveness
            )
        for layer, (fan_in, width) in enumerate(zip(fans_in, hidden_widths, strict=True)):
            name = f"hidden.{layer}"
            weights = init_dense(seed, name, fan_in, width, initializer=initializer, bias=bias)
            gates = init_gate(seed, name, width, gate, liveness=liveness, size=size, slope=slope)
            params["hidden"].append(weights | gates)
        params["output"] = init_dense(seed, "output", last_fan_in, widths[-1], initializer=initializer, bias=bias)
        return params

    def apply(params: Tree, inputs: jax.Array) -> jax.Array:
        activations = inputs
        gates = unit_gates(params.get("inputs", {}), inputs.shape[-1], signed)
        for layer in params["hidden"]:
            activations = activation(dense(layer, activations, gates))
            gates = unit_gates(layer, activations.shape[-1], signed)
        return dense(params["output"], activations, gates)

    return Network(init, apply, signed if has_liveness else None)


def num_mlp_parameters(widths: Sequence[int]) -> int:
    """Weights and biases of a dense network of `widths` = (inputs, hidden ..., outputs); gates are folded into
    weights."""
    return sum((fan_in + 1) * width for fan_in, width in itertools.pairwise(widths))


def num_mlp_multiply_adds(widths: Sequence[int]) -> int:
    """Multiply-adds of one row through a dense network of `widths` = (inputs, hidden ..., outputs)."""
    return sum(fan_in * width for fan_in, width in itertools.pairwise(widths))


def mlp_sizes(num_inputs: int, live: Mapping[str, int], num_outputs: int) -> dict[str, int]:
    """`parameters` and `multiply_adds` of an mlp without its dead units. live: units per gate, `inputs` if gated."""
    hidden = [live[f"hidden.{layer}"] for layer in range(len(live) - ("inputs" in live))]
    widths = (live.get("inputs", num_inputs), *hidden, num_outputs)
    return {"parameters": num_mlp_parameters(widths), "multiply_adds": num_mlp_multiply_adds(widths)}


def pad_mlp(params: Tree, widths: Sequence[int]) -> Tree:
    """Widens an ungated `mlp` to hidden `widths` by units whose weights are all 0: NumPy parameters in and out.

    Such a unit puts out 0 (if the activation of 0 is 0), receives gradient 0 and stays as it is under any optimiser
    whose step is 0 for a weight 0 with gradient 0, so the padded network trains exactly like the original: networks
    of several widths can share a program. A `liveness` is padded with 0, a closed relu gate, whose gradient is 0 too;
    a signed gate at 0 would not stay inert. Raises ValueError for a layer with a `size` or a width below the present
    one.
    """
    layers = [*params["hidden"], params["output"]]
    padding = [0]
    for layer, width in zip(params["hidden"], widths, strict=True):
        extra = width - layer["kernel"].shape[1]
        if extra < 0 or "size" in layer:
            raise ValueError(
                f"pad_mlp: expected layers without a size, no wider than {list(widths)}, got {sorted(layer)} {extra=}"
            )
        padding.append(extra)
    padded = [
        {
            name: np.pad(leaf, [(0, right)] if leaf.ndim == 1 else [(0, left), (0, right)])
            for name, leaf in layer.items()
        }
        for layer, left, right in zip(layers, padding, [*padding[1:], 0], strict=True)
    ]
    return {**params, "hidden": padded[:-1], "output": padded[-1]}
