"""Magnitude pruning: the units with the smallest weights removed."""

from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates.ramp import size_gates
from jaxsize.trees import Tree, named_leaves
from jaxsize.units._group import Group
from jaxsize.units._naming import group_of, is_folded, is_single_unit
from jaxsize.units._program.entries import units_of
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups

_WHERE = "prune_by_magnitude"


def prune_by_magnitude(groups: UnitGroups, params: Tree, sizes: Mapping[str, int]) -> Tree:
    """Remove the units with the smallest weights.

    A unit counts by the norm of its incoming weights (with the bias) times the norm of its outgoing weights, with the
    gates multiplied onto the weights that read them. A scale that moves between the two changes nothing. The units that
    stay keep their order, and their gates.

    Args:
        groups: the unit groups of the network.
        params: the parameters of the network, as NumPy arrays. Those of an `mlp` can be pruned after `fold_gates`, with
            the groups of the `mlp` without gates.
        sizes: how many units are kept, by name of the group, of the gate or of the layer (`hidden.0`). Groups that are
            not named stay whole.

    Returns:
        The parameters, as NumPy arrays, of the smaller network.

    Raises:
        InputError: when a name is unknown, a number is not from 1 to the units there are, or units cannot be removed;
            when several gates act on the units of one group, so that what they multiply is not known.

    Example:
        >>> import jaxsize, numpy as np
        >>> from jaxsize.units import prune_by_magnitude
        >>> network = jaxsize.mlp((4, 3, 2), gate=None)
        >>> params = network.init(0)
        >>> params["hidden"][0]["kernel"][:, 1] = 0
        >>> params["hidden"][0]["bias"][1] = 0
        >>> groups = jaxsize.unit_groups(network.apply, params, np.ones((1, 4), np.float32))
        >>> pruned = prune_by_magnitude(groups, params, {"hidden.0": 2})
        >>> pruned["hidden"][0]["bias"].tolist() == params["hidden"][0]["bias"][[0, 2]].tolist()
        True
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    weights = _folded(groups, leaves)
    kept: dict[str, np.ndarray] = {}
    for name, size in sizes.items():
        units = 1 if is_single_unit(groups, name) else groups[group_of(groups, name, where=_WHERE)].size
        if not 1 <= size <= units:
            raise InputError(f"{_WHERE}: expected from 1 to {units} units of {name!r}, got {size}")
        if size < units:
            group = groups[group_of(groups, name, where=_WHERE)]
            into, out = (np.sqrt(_squares(groups, group, weights, read=read)) for read in (False, True))
            kept[group.name] = np.sort(np.argsort(-into * out, kind="stable")[:size])
    return compact(groups, params, kept, exact=False).params


def _folded(groups: UnitGroups, leaves: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return all leaves but those of gates, in float64, with the gates multiplied onto the weights that read them."""
    weights = {name: leaf.astype(float) for name, leaf in leaves.items() if not is_folded(name, leaves)}
    for group in groups.groups.values():
        gate = _gate(groups, group, leaves)
        if gate is None:
            continue
        for name, dim in group.read_at:
            units = units_of(groups.axes[name][dim], groups.atoms[group.name])
            factors = np.where(units >= 0, gate[units], 1.0)
            weights[name] = weights[name] * factors.reshape(
                [-1 if at == dim else 1 for at in range(weights[name].ndim)]
            )
    return weights


def _gate(groups: UnitGroups, group: Group, leaves: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """Return the factors that the only gate of a group puts on its units, float64 [U]; None without a gate."""
    gates = sorted({gate for gate_set in group.gates for gate in gate_set if gate.leaf not in group.recognised})
    owners = {place.leaf.removesuffix(".value").rpartition(".")[0] for place in group.places}
    ramps = [name for name in leaves if is_folded(name, leaves) and name.removesuffix(".value").endswith("size")]
    ramps = [name for name in ramps if group.ordered and name.removesuffix(".value").rpartition(".")[0] in owners]
    if len(gates) + len(ramps) > 1:
        names = ", ".join([*(gate.leaf for gate in gates), *ramps])
        raise InputError(f"{_WHERE}: expected one gate for the units of {group.name}, got {names}")
    if gates:
        value = leaves[gates[0].leaf].astype(float)
        if value.shape != (group.size,):
            raise InputError(f"{_WHERE}: expected {gates[0].leaf} [{group.size}], got {list(value.shape)}")
        return np.maximum(value, 0) if gates[0].closed_below else value
    if ramps:
        owner, suffix = ramps[0].removesuffix(".value").removesuffix("size"), ".value" * ramps[0].endswith(".value")
        return np.asarray(size_gates(jnp.asarray(leaves[ramps[0]]), leaves[f"{owner}slope{suffix}"], group.size), float)
    return None


def _squares(groups: UnitGroups, group: Group, weights: Mapping[str, np.ndarray], *, read: bool) -> np.ndarray:
    """Add up the squares of all weights of every unit that read it, or that make it, float64 [U]."""
    total = np.zeros(group.size)
    for name, dim in dict.fromkeys((place.leaf, place.axis) for place in group.places):
        if name in weights and ((name, dim) in group.read_at) == read:
            others = tuple(at for at in range(weights[name].ndim) if at != dim)
            units = units_of(groups.axes[name][dim], groups.atoms[group.name])
            squares = np.sum(weights[name] ** 2, axis=others)
            total += np.bincount(units[units >= 0], squares[units >= 0], minlength=group.size)
    return total
