"""Which units of a layer matter most, and putting them first, so that a ramp gate closes the least useful ones.

The source is seed `003_d2c286111c329776.txt`, "Pre-Task": order units by the loss if each were disabled, or by a
running spread of their outputs. Both are measured on rows at the end of an epoch; moving units changes nothing but
their gates.
"""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxsize.flexible_gates import read_sizes
from jaxsize.gates import relu
from jaxsize.layers import dense, unit_gates
from jaxsize.networks import Network
from jaxsize.optimizer_states import map_parameter_like
from jaxsize.paths import named_leaves, with_leaves
from jaxsize.training import Task

Tree = Any
Measure = Literal["spread", "leave_one_out"]
UNITS_AT_ONCE = 32


def measure_units(
    measure: str, network: Network, task: Task, params: Tree, inputs: jax.Array, targets: jax.Array
) -> dict[str, jax.Array]:
    """How much every unit of an `mlp` with sizes matters on these rows, [U] by layer; more is more."""
    if measure == "spread":
        return spreads(params, inputs)
    if measure == "leave_one_out":
        return leave_one_out(network, task, params, inputs, targets)
    raise ValueError(f"measure: expected spread or leave_one_out, got {measure!r}")


def spreads(params: Tree, inputs: jax.Array) -> dict[str, jax.Array]:
    """Standard deviation over rows of every unit's output before its gate, [U] by layer (REFERENCE D3, two passes)."""
    found, activations, gates = {}, inputs, None
    for index, layer in enumerate(params["hidden"]):
        activations = relu(dense(layer, activations, gates))
        found[f"hidden.{index}"] = jnp.std(activations, axis=0)
        gates = unit_gates(layer, activations.shape[-1])
    return found


def leave_one_out(
    network: Network, task: Task, params: Tree, inputs: jax.Array, targets: jax.Array
) -> dict[str, jax.Array]:
    """How much larger the mean loss is without each unit, [U] by layer, the others as gated as they are."""
    whole = jnp.mean(task.loss(network.apply(params, inputs), targets))
    kernels = [*(layer["kernel"] for layer in params["hidden"]), params["output"]["kernel"]]
    found = {}
    for index in range(len(params["hidden"])):
        name = f"hidden.{index}"
        reader = "output.kernel" if index + 1 == len(params["hidden"]) else f"hidden.{index + 1}.kernel"

        def loss_without(unit: jax.Array, reader: str = reader, kernel: jax.Array = kernels[index + 1]) -> jax.Array:
            silenced = with_leaves(params, named_leaves(params) | {reader: jnp.asarray(kernel).at[unit].set(0)})
            return jnp.mean(task.loss(network.apply(silenced, inputs), targets))

        units = jnp.arange(kernels[index].shape[1])
        found[name] = jax.lax.map(loss_without, units, batch_size=UNITS_AT_ONCE) - whole
    return found


def reorder_units(
    optimizer: Any, params: Tree, opt_state: Tree, scores: Mapping[str, jax.Array]
) -> tuple[Tree, Tree, dict[str, jax.Array]]:
    """Puts the units with the largest scores first: (parameters, optimiser state, original index of every unit [U]).

    Layers of an `mlp` with sizes. Equal scores keep their order. Whatever belongs to a unit moves with it: its incoming
    weights, bias and outgoing weights, and what the optimiser keeps of them. Gates stay where they are.
    """
    order = {name: jnp.argsort(-scores[name], stable=True) for name in read_sizes(params)}
    layers = [f"hidden.{index}" for index in range(len(params["hidden"]))] + ["output"]

    def moved(leaf: jax.Array, name: str) -> jax.Array:
        layer, kind = name.rsplit(".", 1)
        if kind in ("kernel", "bias") and layer in order:
            leaf = jnp.take(leaf, order[layer], axis=-1)
        before = layers[layers.index(layer) - 1] if layers.index(layer) else None
        return jnp.take(leaf, order[before], axis=0) if kind == "kernel" and before in order else leaf

    leaves = named_leaves(params)
    names = with_leaves(params, {name: name for name in leaves})
    params = with_leaves(params, {name: moved(leaf, name) for name, leaf in leaves.items()})
    return params, map_parameter_like(optimizer, moved, opt_state, names), order
