"""Dense networks with a gate on every hidden unit."""

import numbers
from collections.abc import Sequence
from typing import Any, Literal

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates.liveness import relu
from jaxsize.networks._dense_layers import Activation, apply_dense_layers, gated_dense_shapes, init_gated_dense
from jaxsize.networks.initializers import BiasInitializer, Initializer
from jaxsize.networks.layers import Gate, init_dense, init_gate, unit_gates
from jaxsize.networks.network import Network
from jaxsize.trees import Tree


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
    activation: Activation = relu,
) -> Network:
    """Make a dense network with a gate after the activation of every hidden layer.

    Its parameters are {"hidden": [layer, ...], "output": layer}. A layer holds `kernel` [D, U], `bias` [U] and the
    leaves of its gate: `liveness` [U], or `size` [] and `slope` []. With `gate_inputs` the parameters hold
    {"inputs": {"liveness": [D]}} as well, so that inputs can be pruned like units.

    Args:
        widths: (inputs, hidden ..., outputs), positive integers.
        gate: "liveness" for relu(liveness), "signed" for liveness itself (on inputs too), "size" for a trained width,
            or None.
        gate_inputs: whether the inputs have gates, too: signed ones where `gate` is "signed", relu gates otherwise.
        liveness: the gates before training: one value above 0, or "uniform" for U(0, 1].
        size: the size of every hidden layer before training; half the units by default.
        slope: the slope of every hidden layer before training, at least 0.
        initializer: the distribution of the weights (see `init_kernel`).
        bias: the distribution of the biases (see `init_bias`); None for layers without biases.
        activation: an elementwise function.

    Returns:
        The network; its `apply` maps inputs [B, inputs] to outputs [B, outputs].

    Raises:
        InputError: when `widths` are not two or more positive integers.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> from jaxsize.networks import mlp
        >>> network = mlp((4, 8, 3))
        >>> params = network.init(0)
        >>> {name: leaf.shape for name, leaf in sorted(params["hidden"][0].items())}
        {'bias': (8,), 'kernel': (4, 8), 'liveness': (8,)}
        >>> jax.jit(network.apply)(params, jnp.ones((2, 4))).shape
        (2, 3)
    """
    if len(widths) < 2 or any(not isinstance(width, numbers.Integral) or width < 1 for width in widths):
        raise InputError(
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
            options: dict[str, Any] = {"initializer": initializer, "bias": bias}
            gates = {"liveness": liveness, "size": size, "slope": slope}
            params["hidden"].append(init_gated_dense(seed, f"hidden.{layer}", fan_in, width, gate, gates, **options))
        params["output"] = init_dense(seed, "output", last_fan_in, widths[-1], initializer=initializer, bias=bias)
        return params

    def structure() -> Tree:
        hidden = [gated_dense_shapes(*fans, gate, bias) for fans in zip(fans_in, hidden_widths, strict=True)]
        inputs = jax.ShapeDtypeStruct((widths[0],), np.dtype(np.float32))
        gated = {"inputs": {"liveness": inputs}} if gate_inputs else {}
        return {"hidden": hidden, "output": gated_dense_shapes(last_fan_in, widths[-1], None, bias)} | gated

    def apply(params: Tree, inputs: jax.Array) -> jax.Array:
        gates = unit_gates(params.get("inputs", {}), inputs.shape[-1], signed)
        layers = [*params["hidden"], params["output"]]
        functions = [*[activation] * len(params["hidden"]), None]
        return apply_dense_layers(layers, functions, inputs, gates=gates, signed=signed)

    gates = [f"hidden.{layer}" for layer in range(len(hidden_widths)) if gate] + ["inputs"] * gate_inputs
    return Network(init, apply, signed if has_liveness else None, (widths[0],), tuple(gates), structure)


def with_gates(params: Tree) -> Tree:
    """Add relu gates at 1, which change no output, to the parameters of an ungated `mlp`.

    Args:
        params: of an `mlp` with gate=None, in NumPy.

    Returns:
        Parameters of the same `mlp` with gate="liveness".

    Example:
        >>> from jaxsize.networks import mlp, with_gates
        >>> params = with_gates(mlp((2, 3, 1), gate=None).init(0))
        >>> params["hidden"][0]["liveness"].tolist()
        [1.0, 1.0, 1.0]
    """
    gates = [np.ones_like(layer["kernel"][0]) for layer in params["hidden"]]
    return params | {
        "hidden": [layer | {"liveness": gate} for layer, gate in zip(params["hidden"], gates, strict=True)]
    }
