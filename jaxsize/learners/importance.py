"""Which units of a layer matter most, so that a ramp gate closes the least useful ones.

The source is seed `003_d2c286111c329776.txt`, "Pre-Task": units are ordered by the loss if each were disabled, or by a
running spread of their outputs. Both are measured on rows at the end of an epoch.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.gates.leaves import hand_in, read_sizes, units_beside
from jaxsize.gates.ramp import size_gates
from jaxsize.learners.tasks import Task
from jaxsize.networks.network import Network
from jaxsize.trees import Tree
from jaxsize.units.activations import activations

Measure = Literal["spread", "leave_one_out"]
UNITS_AT_ONCE = 32


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
    widths = {name: units_beside(params, name) for name in read_sizes(params)}
    several = [name for name, width in widths.items() if width > 1]  # the order of one unit is known
    values = activations(apply, params, inputs, names=several)
    alone = jnp.zeros(1)
    return {name: _spread(values[name], weights) if name in values else alone for name in widths}


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

    A unit is removed by a gate of 0 in place of its own; the other units keep their gates.

    Args:
        network: a network with ramp gates, of any kind.
        task: the task whose loss counts.
        params: parameters of the network.
        inputs: [B, ...].
        targets: [B, ...].
        weights: of the rows, [B]. None: all count alike.

    Returns:
        By gate, such as `hidden.0`, the growth of the loss [U]; it is below 0 where the loss falls.
    """
    own = {name: size_gates(size, slope, units_beside(params, name)) for name, (size, slope) in _ramps(params).items()}

    def loss_with(gates: Mapping[str, jax.Array]) -> jax.Array:
        losses = task.loss(network.apply(hand_in(params, gates), inputs), targets)
        return jnp.mean(losses) if weights is None else _weighted_mean(losses, weights)

    def growth(name: str) -> jax.Array:
        def loss_without(unit: jax.Array) -> jax.Array:
            return loss_with({name: own[name].at[unit].set(0)})

        return jax.lax.map(loss_without, jnp.arange(own[name].size), batch_size=UNITS_AT_ONCE) - whole

    whole = loss_with({})
    return {name: growth(name) for name in own}


def _ramps(params: Tree) -> dict[str, tuple[jax.Array, jax.Array]]:
    """Return size and slope of every ramp gate, by name."""
    slopes = read_sizes(params, "slope")
    return {name: (jnp.asarray(size), slopes[name]) for name, size in read_sizes(params).items()}
