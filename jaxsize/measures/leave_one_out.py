"""What every unit is worth: by how much the loss of a network grows without it.

The source is seed `003_d2c286111c329776.txt`, "Pre-Task", which calls this the ideal metric and too expensive.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.trees import Array, Tree, named_leaves, with_leaves
from jaxsize.units import UnitGroups, unit_groups
from jaxsize.units._naming import group_of
from jaxsize.units._program.entries import units_of

ROWS = 1000
"""Rows that are read at once."""
BYTES = 2**28
"""About the most memory that networks without a unit take at once."""


class LeftOut(NamedTuple):
    """The loss of a network, and what it grows by without each of its units.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize import mlp
        >>> from jaxsize.measures import LeftOut, leave_one_out
        >>> network = mlp((2, 3, 1))
        >>> losses = leave_one_out(network.apply, network.init(0), jnp.ones((4, 2)), jnp.ones(4), lambda y, t: y[:, 0])
        >>> isinstance(losses, LeftOut), losses.growth["hidden.0"].shape
        (True, (3,))
    """

    whole: jax.Array
    """[], the mean loss over rows of the network with all its units."""
    growth: dict[str, jax.Array]
    """By group, or by the names given, [U]: the loss without each unit, less `whole`; below 0 where that is lower."""


def leave_one_out(
    apply: Callable[..., Any],
    params: Tree,
    inputs: Array,
    targets: Array,
    loss: Callable[[Any, Any], jax.Array],
    *,
    names: Iterable[str] | None = None,
    weights: Array | None = None,
) -> LeftOut:
    """Compute by how much the mean loss of a network grows when one unit is left out, for each unit in turn.

    A unit is left out by zeros in place of all weights that read it, wherever these are (`Group.read_at`); what makes
    it is then computed once for all units. So the network needs no gates. What else reads a unit than weights, such as
    the mean over units of a layer norm, goes on reading it. Differences are taken row by row, so that small ones are
    not lost in the loss. As many networks are evaluated at once as fit in about 256 MiB. It can be jitted, and mapped
    over runs with `jax.lax.map`.

    Args:
        apply: the function of the network, parameters and rows of inputs -> outputs.
        params: its parameters.
        inputs: [N, ...].
        targets: [N, ...].
        loss: outputs [B, ...] and targets [B, ...] -> the loss of every row, [B], such as `Task.loss`.
        names: whose units are left out: groups, gates or layers. None: all groups that weights read, except inputs and
            those that reach the outputs.
        weights: how much each row counts, [N], 0 or more. None: all alike.

    Returns:
        The loss with all units, and its growth without each.

    Raises:
        InputError: when no weights of the network read the units of a name, or numbers of rows differ.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize import mlp
        >>> from jaxsize.measures import leave_one_out
        >>> network = mlp((1, 2, 1), gate=None, bias=None)
        >>> params = network.init(0)
        >>> params["hidden"][0]["kernel"][:] = [[1.0, 1.0]]
        >>> params["output"]["kernel"][:] = [[3.0], [0.0]]
        >>> def loss(outputs, targets):
        ...     return (outputs[:, 0] - targets) ** 2
        >>> left_out = leave_one_out(network.apply, params, jnp.ones((5, 1)), jnp.full(5, 3.0), loss)
        >>> float(left_out.whole), left_out.growth["hidden.0.kernel[1]"].tolist()
        (0.0, [9.0, 0.0])
    """
    inputs, targets = jnp.asarray(inputs), jnp.asarray(targets)
    num_rows = len(inputs)
    if len(targets) != num_rows or not num_rows:
        raise InputError(f"expected targets of {num_rows} rows, 1 or more, got {len(targets)}", field="targets")
    if weights is not None and len(weights) != num_rows:
        raise InputError(f"expected weights of {num_rows} rows, got {len(weights)}", field="weights")
    rows = min(ROWS, num_rows)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), params)
    some = jax.ShapeDtypeStruct((rows, *inputs.shape[1:]), inputs.dtype)
    groups = unit_groups(apply, shapes, some)
    wanted = _wanted(groups, names)
    at_once = max(1, BYTES // _bytes_of(apply, shapes, some))

    def growths(batch: tuple[jax.Array, ...]) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return the mean loss of some rows, and what it grows by without each unit."""
        inputs, targets, *shares = batch
        whole = loss(apply(params, inputs), targets)

        def mean(losses: jax.Array) -> jax.Array:
            return jnp.mean(losses * shares[0] if shares else losses)

        def without(group: str, unit: jax.Array) -> jax.Array:
            return mean(loss(apply(_without(groups, group, params, unit), inputs), targets) - whole)

        def of_group(group: str) -> jax.Array:
            units = jnp.arange(groups[group].size)
            return jax.lax.map(lambda unit: without(group, unit), units, batch_size=min(at_once, len(units)))

        return mean(whole), {name: of_group(group) for name, group in wanted.items()}

    times, rest = divmod(num_rows, rows)
    whole, parts = num_rows - rest, (inputs, targets)
    if weights is not None:
        weights = jnp.asarray(weights, jnp.result_type(weights, jnp.float32))
        average = jnp.sum(weights) / num_rows  # 0 where nothing weighs anything: then nothing grows
        parts += (weights / jnp.maximum(average, jnp.finfo(weights.dtype).tiny),)
    blocks = jax.tree.map(lambda part: part[:whole].reshape(times, rows, *part.shape[1:]), parts)
    means = jax.tree.map(lambda leaf: jnp.mean(leaf, axis=0), jax.lax.map(growths, blocks))
    if rest:
        last = growths((inputs[whole:], targets[whole:]))
        means = jax.tree.map(lambda mean, part: (whole * mean + rest * part) / num_rows, means, last)
    return LeftOut(*means)


def _wanted(groups: UnitGroups, names: Iterable[str] | None) -> dict[str, str]:
    """Return the groups whose units are left out, by the names that are asked for."""
    if names is None:
        fixed = {name for name, atom in groups.atoms.items() if atom.fixed}
        return {name: name for name, group in groups.groups.items() if group.read_at and name not in fixed}
    wanted = {name: group_of(groups, name, where="leave_one_out") for name in names}
    for name, group in wanted.items():
        if not groups[group].read_at:
            raise InputError(f"leave_one_out: expected units that weights read, got {name!r}")
    return wanted


def _without(groups: UnitGroups, group: str, params: Tree, unit: jax.Array) -> Tree:
    """Put zeros in place of all weights that read a unit."""
    leaves = named_leaves(params)
    for leaf, dim in groups[group].read_at:
        units = jnp.asarray(units_of(groups.axes[leaf][dim], groups.atoms[group]))
        own = jnp.expand_dims(units == unit, [at for at in range(leaves[leaf].ndim) if at != dim])
        leaves[leaf] = jnp.where(own, 0, leaves[leaf])
    return with_leaves(params, leaves)


def _bytes_of(apply: Callable[..., Any], params: Tree, inputs: Any) -> int:
    """Count the bytes of all values that a network computes; without a unit it is not more that are new."""
    values = (value.aval for step in jax.make_jaxpr(apply)(params, inputs).eqns for value in step.outvars)
    return max(1, sum(value.size * value.dtype.itemsize for value in values))
