"""Units put in another order, in parameters and optimiser state."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._naming import group_of, is_single_unit
from jaxsize.units._program.axes import Axis, find
from jaxsize.units._program.entries import kept_of
from jaxsize.units._state_owners import Owner, map_state
from jaxsize.units.groups import UnitGroups


def reorder_units(
    optimizer: Any, groups: UnitGroups, params: Tree, opt_state: Tree, scores: Mapping[str, jax.Array]
) -> tuple[Tree, Tree, dict[str, jax.Array]]:
    """Put the units with the largest scores first.

    Whatever belongs to a unit moves with it: its incoming weights, its bias, its outgoing weights, its liveness, and
    what the optimiser keeps of them. A ramp gate stays where it is, so that other units are at its edge. Units with
    equal scores keep their order.

    Args:
        optimizer: the optax transformation that made `opt_state`.
        groups: the unit groups of the network, at its present size.
        params: the parameters of the network.
        opt_state: the optimiser's state.
        scores: floating [U] by name of the group, of the gate or of the layer (`hidden.0`). Units of other groups keep
            their places.

    Returns:
        The parameters, the optimiser's state, and by each name in `scores` the original index of every unit, int [U].

    Raises:
        InputError: when a name is unknown, two names mean the same units, these units cannot change places, or there is
            not a score for each; when optax cannot tell which leaves of the state belong to parameters (as for L-BFGS).

    Example:
        >>> import jaxsize, numpy as np, optax
        >>> from jaxsize.units import reorder_units
        >>> network, optimizer = jaxsize.mlp((2, 3, 2), gate="size", bias=None), optax.sgd(0.1)
        >>> params = network.init(0)
        >>> groups = jaxsize.unit_groups(network.apply, params, np.ones((1, 2), np.float32))
        >>> scores = {"hidden.0": np.array([2.0, 9.0, 5.0])}
        >>> ordered, _, order = reorder_units(optimizer, groups, params, optimizer.init(params), scores)
        >>> order["hidden.0"].tolist()
        [1, 2, 0]
        >>> ordered["output"]["kernel"].tolist() == params["output"]["kernel"][[1, 2, 0]].tolist()
        True
    """
    order: dict[str, jax.Array] = {}
    by_atom: dict[Axis, jax.Array] = {}
    for name, score in scores.items():
        order[name] = jnp.argsort(-score, stable=True)
        if is_single_unit(groups, name):
            continue
        group = groups[group_of(groups, name, where="reorder_units")]
        atom = find(groups.atoms[group.name])
        if group.fixed:
            raise InputError(f"reorder_units: the units of {name} cannot change places: {group.fixed}")
        if atom in by_atom:
            raise InputError(f"reorder_units: expected one score for each unit of {group.name}, got {name!r} as well")
        if jnp.shape(score) != (group.size,):
            raise InputError(f"reorder_units: expected scores [{group.size}], got {list(jnp.shape(score))}", field=name)
        by_atom[atom] = order[name]

    def moved(leaf: jax.Array, owner: Owner) -> jax.Array:
        for dim, axis in enumerate(owner.axes(groups.axes)):
            if (entries := kept_of(axis, by_atom, jnp)) is not None:
                leaf = jnp.take(leaf, entries, axis=dim)
        return leaf

    leaves = named_leaves(params)
    names = with_leaves(params, {name: name for name in leaves})
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)), params)
    params = with_leaves(params, {name: moved(leaf, Owner((name,))) for name, leaf in leaves.items()})
    return params, map_state(optimizer, moved, opt_state, shapes, names), order
