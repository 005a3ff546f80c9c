"""Which units of a layer matter most, so that a ramp gate closes the least useful ones.

The source is seed `003_d2c286111c329776.txt`, "Pre-Task": units are ordered by the loss if each were disabled, or by a
running spread of their outputs. Both are measured on rows at the end of an epoch.
"""

from typing import Literal

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.gates.liveness import relu
from jaxsize.learners.tasks import Task
from jaxsize.networks.layers import dense, unit_gates
from jaxsize.networks.network import Network
from jaxsize.trees import Tree, named_leaves, with_leaves

Measure = Literal["spread", "leave_one_out"]
UNITS_AT_ONCE = 32


def measure_units(
    measure: str, network: Network, task: Task, params: Tree, inputs: jax.Array, targets: jax.Array
) -> dict[str, jax.Array]:
    """Measure how much every unit of an `mlp` with sizes matters on the given rows.

    Args:
        measure: `spread` (see `spreads`) or `leave_one_out` (see `leave_one_out`).
        network: the `mlp(gate="size")`.
        task: the task whose loss counts; `spread` does not use it.
        params: parameters of the network.
        inputs: floating [B, D].
        targets: [B].

    Returns:
        By layer, such as `hidden.0`, a value per unit [U]. The larger it is, the more the unit matters.

    Raises:
        InputError: when `measure` is neither of the two.
    """
    if measure == "spread":
        return spreads(params, inputs)
    if measure == "leave_one_out":
        return leave_one_out(network, task, params, inputs, targets)
    raise InputError(f"expected spread or leave_one_out, got {measure!r}", field="measure")


def spreads(params: Tree, inputs: jax.Array) -> dict[str, jax.Array]:
    """Compute the standard deviation over rows of every unit's output before its gate (D3, in two passes).

    Args:
        params: parameters of an `mlp(gate="size")`.
        inputs: floating [B, D].

    Returns:
        By layer, such as `hidden.0`, the standard deviations [U].
    """
    spread_of_layer, activations, gates = {}, inputs, None
    for index, layer in enumerate(params["hidden"]):
        activations = relu(dense(layer, activations, gates))
        spread_of_layer[f"hidden.{index}"] = jnp.std(activations, axis=0)
        gates = unit_gates(layer, activations.shape[-1])
    return spread_of_layer


def leave_one_out(
    network: Network, task: Task, params: Tree, inputs: jax.Array, targets: jax.Array
) -> dict[str, jax.Array]:
    """Compute by how much the mean loss grows when one unit is removed, for each unit in turn.

    The other units keep their gates.

    Args:
        network: the `mlp(gate="size")`.
        task: the task whose loss counts.
        params: parameters of the network.
        inputs: floating [B, D].
        targets: [B].

    Returns:
        By layer, such as `hidden.0`, the growth of the loss [U]; it is below 0 where the loss falls.
    """
    whole = jnp.mean(task.loss(network.apply(params, inputs), targets))
    kernels = [*(layer["kernel"] for layer in params["hidden"]), params["output"]["kernel"]]
    growth_of_layer = {}
    for index in range(len(params["hidden"])):
        name = f"hidden.{index}"
        reader = "output.kernel" if index + 1 == len(params["hidden"]) else f"hidden.{index + 1}.kernel"

        def loss_without(unit: jax.Array, reader: str = reader, kernel: jax.Array = kernels[index + 1]) -> jax.Array:
            silenced = with_leaves(params, named_leaves(params) | {reader: jnp.asarray(kernel).at[unit].set(0)})
            return jnp.mean(task.loss(network.apply(silenced, inputs), targets))

        units = jnp.arange(kernels[index].shape[1])
        growth_of_layer[name] = jax.lax.map(loss_without, units, batch_size=UNITS_AT_ONCE) - whole
    return growth_of_layer
