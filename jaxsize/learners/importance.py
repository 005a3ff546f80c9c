"""Which units of a layer matter most, so that a ramp gate closes the least useful ones.

The source is seed `003_d2c286111c329776.txt`, "Pre-Task": units are ordered by the loss if each were disabled, or by a
running spread of their outputs. Both are measured on rows at the end of an epoch.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp

from jaxsize import measures
from jaxsize.errors import InputError
from jaxsize.gates.leaves import read_sizes, units_beside
from jaxsize.learners.tasks import Task
from jaxsize.networks.network import Network
from jaxsize.trees import Tree
from jaxsize.units.activations import activations

Measure = Literal["spread", "leave_one_out"]


def measure_units(
    measure: str,
    network: Network,
    task: Task,
    params: Tree,
    inputs: jax.Array,
    targets: jax.Array,
    weights: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """Measure how much every unit of a network with sizes matters on the given rows.

    Args:
        measure: `spread` (see `spreads`) or `leave_one_out` (see `leave_one_out`).
        network: a network with ramp gates, of any kind.
        task: the task whose loss counts; `spread` does not use it.
        params: parameters of the network.
        inputs: [B, ...].
        targets: [B, ...].
        weights: of the rows, [B]. None: all count alike.

    Returns:
        By gate, such as `hidden.0`, a value per unit [U]. The larger it is, the more the unit matters.

    Raises:
        InputError: when `measure` is neither of the two.
    """
    if measure == "spread":
        return spreads(network.apply, params, inputs, weights)
    if measure == "leave_one_out":
        return leave_one_out(network, task, params, inputs, targets, weights)
    raise InputError(f"expected spread or leave_one_out, got {measure!r}", field="measure")


def spreads(
    apply: Callable[..., jax.Array], params: Tree, inputs: jax.Array, weights: jax.Array | None = None
) -> dict[str, jax.Array]:
    """Compute the standard deviation of every unit's output before its gate (D3, in two passes).

    Args:
        apply: the function of a network with ramp gates, of any kind.
        params: its parameters.
        inputs: [B, ...].
        weights: of the rows, [B]. None: all count alike.

    Returns:
        By gate, such as `hidden.0`, the standard deviations [U] over rows, and over positions where units have several.
    """
    several, alone = _in_order(params)
    values = activations(apply, params, inputs, names=several)
    return {name: _spread(values[name], weights) if name in values else alone for name in read_sizes(params)}


def _spread(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Compute the standard deviation of values [B, ..., U] over all but the last axis, by the weights of rows."""
    axes = tuple(range(values.ndim - 1))
    if weights is None:
        return jnp.std(values, axis=axes)
    mean = _weighted_mean(jnp.mean(values, axis=axes[1:]), weights)
    return jnp.sqrt(_weighted_mean(jnp.mean((values - jnp.expand_dims(mean, axes)) ** 2, axis=axes[1:]), weights))


def _weighted_mean(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Average values [B, ...] over rows; 0 where nothing weighs anything."""
    return jnp.tensordot(weights, values, 1) / jnp.maximum(jnp.sum(weights), jnp.finfo(weights.dtype).tiny)


def leave_one_out(
    network: Network,
    task: Task,
    params: Tree,
    inputs: jax.Array,
    targets: jax.Array,
    weights: jax.Array | None = None,
) -> dict[str, jax.Array]:
    """Compute by how much the mean loss grows when one unit is removed, for each unit in turn.

    The other units keep their gates; see `measures.leave_one_out`.

    Args:
        network: a network with ramp gates, of any kind.
        task: the task whose loss counts.
        params: parameters of the network.
        inputs: [B, ...].
        targets: [B, ...].
        weights: of the rows, [B]. None: all count alike.

    Returns:
        By gate, such as `hidden.0`, the growth of the loss [U]; it is below 0 where the loss falls. 0 for the unit of a
        layer that has one only.
    """
    several, alone = _in_order(params)
    left_out = measures.leave_one_out(network.apply, params, inputs, targets, task.loss, names=several, weights=weights)
    return {name: left_out.growth.get(name, alone) for name in read_sizes(params)}


def _in_order(params: Tree) -> tuple[list[str], jax.Array]:
    """Return the gates of more than one unit, whose order matters, and what is said of the unit of the others, [1]."""
    return [name for name in read_sizes(params) if units_beside(params, name) > 1], jnp.zeros(1)
