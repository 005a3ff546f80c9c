"""Compaction: dead units leave parameters, optimiser state and bookkeeping, and nothing else changes.

One generic gather: every axis of every array keeps the entries of the units that stay. The optimiser's state is reached
through its parameter-shaped leaves, so that training goes on as if nothing had happened. Source: seed
`003_d2c286111c329776.txt` and its paper; REFERENCE D8.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import tree_leaves_with_path, tree_map_with_path

from jaxsize.axes import Axis, kept_of
from jaxsize.groups import Group, UnitGroups
from jaxsize.liveness import gate_name, is_gate
from jaxsize.optimizer_states import map_parameter_like, new_state, require_per_unit
from jaxsize.paths import leaf_name, named_leaves, path_parts, with_leaves

Tree = Any
Array = jax.Array | np.ndarray
Kept = Sequence[np.ndarray | None]  # per axis of an array: the entries that stay, [n] or [R, n]; None: all


class Compacted(NamedTuple):
    """What is left of a network, and of its training."""

    params: Tree
    opt_state: Tree
    bookkeeping: Tree
    groups: UnitGroups
    """The same groups, smaller."""
    survivors: dict[str, np.ndarray]
    """Per group the original index of every unit that is left, ascending: int [U], or [R, U] for a batch of runs."""


def compact(
    groups: UnitGroups,
    params: Tree,
    live: Mapping[str, Array | Sequence[int]],
    *,
    optimizer: Any = None,
    opt_state: Tree = None,
    trained: Callable[[Tree], Tree] = lambda params: params,
    bookkeeping: Tree = None,
    survivors: Mapping[str, Array] | None = None,
    widths: Mapping[str, int] | None = None,
    exact: bool = True,
) -> Compacted:
    """Removes the units that are not live from everything that has one entry per unit.

    groups: of the function that `params` belong to, at their present size. live: per group either which units stay,
    bool [U], or their indices, int [n]; groups that are not named stay whole. For a batch of runs (every array with a
    leading axis of R runs): bool [R, U] or int [R, n].
    optimizer, opt_state: the optax transformation and its state; every leaf shaped like a parameter is cut like it.
    trained: the part of `params` that the optimiser was given, such as `lambda variables: variables["params"]`.
    bookkeeping: arrays of the shape of a gate, each below a dict key that is the gate's name, as death rules keep them.
    survivors: those of an earlier compaction, whose original indices are carried on.
    widths: units to keep per group, by default the live ones (for a batch of runs: of the run with most); what is
    missing is filled up with dead units, the first ones, so that runs share their shapes. At least one unit stays.
    exact: refuse what would change the network's outputs, or how it goes on training.

    NumPy arrays in, NumPy arrays out, JAX arrays likewise. Nothing given is changed. Raises ValueError, in one line,
    for units out of range or repeated, a group that is unknown, fixed or not exact, a live unit count above the width,
    a unit whose gate is open, parameters of other shapes, and an optimiser state that cannot be cut.
    """
    leaves = named_leaves(params)
    num_runs = _num_runs(groups, leaves)
    kept: dict[Axis, np.ndarray] = {}
    names: dict[str, np.ndarray] = {}
    for name, given in live.items():
        group = groups[name]
        mask = _as_mask(group, given, num_runs)
        width = (widths or {}).get(name, max(1, int(mask.sum(-1).max())))
        _require_removable(group, width, exact)
        names[name] = kept[groups.atoms[name]] = _filled(group, mask, width)
    if unknown := set(widths or {}) - set(live):
        raise ValueError(f"compact: expected widths of groups in `live` ({', '.join(live)}), got {min(unknown)!r}")
    if exact:
        _require_closed(groups, params, names)

    leaf_names = with_leaves(params, {leaf: leaf for leaf in leaves})
    plans = {leaf: tuple(kept_of(axis, kept) for axis in axes) for leaf, axes in groups.axes.items()}
    smaller = with_leaves(params, {leaf: _gather(value, plans[leaf], num_runs) for leaf, value in leaves.items()})
    if opt_state is not None:
        if optimizer is None:
            raise ValueError("compact: expected the optimizer that made `opt_state`, got None")
        if exact:
            cut = frozenset(name for name, index in names.items() if index.shape[-1] < groups[name].size)
            require_per_unit(optimizer, _one_run(trained(params), num_runs), trained(leaf_names), groups, cut)
        before, after = (new_state(optimizer, _one_run(trained(tree), num_runs)) for tree in (params, smaller))
        opt_state = _cut_opt_state(optimizer, opt_state, trained(leaf_names), leaves, plans, before, after, num_runs)
    original = {name: _all_units(group, num_runs) for name, group in groups.groups.items()}
    original |= {name: _checked_survivors(groups[name], ids, num_runs) for name, ids in (survivors or {}).items()}
    return Compacted(
        smaller,
        opt_state,
        _cut_bookkeeping(groups, bookkeeping, plans, num_runs),
        groups.resized({name: index.shape[-1] for name, index in names.items()}),
        {name: np.take_along_axis(ids, names[name], -1) if name in names else ids for name, ids in original.items()},
    )


def _num_runs(groups: UnitGroups, leaves: Mapping[str, Array]) -> int | None:
    """The length of the run axis, None without one; ValueError unless the parameters are those of the groups."""
    if list(leaves) != list(groups.axes):
        odd = min(set(leaves) ^ set(groups.axes), default="another order")
        raise ValueError(f"compact: expected the parameters that the groups were read from, got a difference in {odd}")
    runs = set()
    for name, axes in groups.axes.items():
        expected, shape = tuple(axis.size for axis in axes), np.shape(leaves[name])
        runs.add(shape[: len(shape) - len(expected)])
        if shape[len(shape) - len(expected) :] != expected or len(runs) > 1 or len(min(runs)) > 1:
            raise ValueError(f"compact: expected {name} {list(expected)}, or one run axis before, got {list(shape)}")
    (leading,) = runs or {()}
    return leading[0] if leading else None


def _all_units(group: Group, num_runs: int | None) -> np.ndarray:
    units = np.arange(group.size)
    return units if num_runs is None else np.tile(units, (num_runs, 1))


def _checked_survivors(group: Group, given: Array, num_runs: int | None) -> np.ndarray:
    ids = np.asarray(given)
    expected = (group.size,) if num_runs is None else (num_runs, group.size)
    if ids.shape != expected or ids.dtype.kind not in "iu":
        told = f"{ids.dtype}{list(ids.shape)}"
        raise ValueError(f"compact: {group.name}: expected survivors as int{list(expected)}, got {told}")
    return ids


def _as_mask(group: Group, given: Array | Sequence[int], num_runs: int | None) -> np.ndarray:
    """Which units stay, bool [U] or [R, U]."""
    given = np.asarray(given)
    leading = () if num_runs is None else (num_runs,)
    if given.dtype == bool and given.shape == (*leading, group.size):
        return given
    if not given.size:  # an empty list is one of floats
        given = given.astype(int)
    if given.dtype.kind not in "iu" or given.shape[:-1] != leading or given.ndim != len(leading) + 1:
        shape = f"{[*leading, group.size]}"
        told = f"{given.dtype}{list(given.shape)}"
        raise ValueError(f"compact: {group.name}: expected live units as bool{shape} or as indices, got {told}")
    if outside := [unit for unit in given.reshape(-1).tolist() if not 0 <= unit < group.size]:
        raise ValueError(f"compact: {group.name}: expected indices from 0 to {group.size - 1}, got {outside[0]}")
    mask = np.zeros((*leading, group.size), bool)
    np.put_along_axis(mask, given.astype(int), True, -1)
    if (mask.sum(-1) != given.shape[-1]).any():
        raise ValueError(f"compact: {group.name}: expected different indices, got one twice")
    return mask


def _require_removable(group: Group, width: int, exact: bool) -> None:
    if width == group.size:
        return
    why = group.fixed or (group.inexact if exact else "")
    if why:
        raise ValueError(f"compact: {group.name} ({group.places[0].leaf}) cannot lose units: {why}")


def _filled(group: Group, mask: np.ndarray, width: int) -> np.ndarray:
    """Indices of the units that stay, ascending: the live ones and as many dead ones as make up `width`."""
    most = int(mask.sum(-1).max())
    if not max(most, 1) <= width <= group.size:
        raise ValueError(f"compact: {group.name}: expected a width from {max(most, 1)} to {group.size}, got {width}")
    index = np.sort(np.argsort(~mask, axis=-1, kind="stable")[..., :width], axis=-1)
    if group.ordered and (index != np.arange(width)).any():
        raise ValueError(f"compact: {group.name}: only its last units can be removed, for {group.ordered}")
    return index


def _require_closed(groups: UnitGroups, params: Tree, names: Mapping[str, np.ndarray]) -> None:
    """ValueError if a unit that goes has an open gate."""
    live = groups.live(params)
    for name, index in names.items():
        if index.shape[-1] == groups[name].size:
            continue
        gone = np.ones_like(live[name])
        np.put_along_axis(gone, index, False, -1)
        if (opened := np.argwhere(gone & live[name])).size:
            *run, unit = opened[0].tolist()
            told = f"unit {unit}" + (f" of run {run[0]}" if run else "")
            gates = " or ".join(sorted(" and ".join(map(str, way)) for way in groups[name].gates))
            raise ValueError(f"compact: {name}: {told} is to be removed but its gate is open, expected {gates}")


def _gather(value: Array, plan: Kept, num_runs: int | None) -> Array:
    """The entries of an array that stay."""
    if all(index is None for index in plan):
        return value
    array = np.asarray(value)
    if num_runs is None:
        cut = _take(array, plan)
    else:
        runs = [_take(array[run], [None if i is None else i[run] for i in plan]) for run in range(num_runs)]
        cut = np.stack(runs)
    return jax.numpy.asarray(cut) if isinstance(value, jax.Array) else cut


def _take(array: np.ndarray, plan: Kept) -> np.ndarray:
    for dim, index in enumerate(plan):
        if index is not None:
            array = np.take(array, index, axis=dim)
    return array


def _cut_opt_state(
    optimizer: Any,
    opt_state: Tree,
    names: Tree,
    leaves: Mapping[str, Array],
    plans: Mapping[str, Kept],
    before: Tree,
    after: Tree,
    num_runs: int | None,
) -> Tree:
    """Every leaf shaped like a parameter is cut like it.

    names: of the parameters that are trained, as a tree. before, after: new states of one run, as shapes, for the
    parameters as they were and for the smaller ones. The state given may have its arrays in wrappers, as that of
    `flax.nnx.Optimizer` has.
    """
    _require_shapes("the state given has", opt_state, before, num_runs)

    def cut(leaf: Array, name: str) -> Array:
        if np.shape(leaf) != np.shape(leaves[name]):
            kept, shape = list(np.shape(leaf)), list(np.shape(leaves[name]))
            raise ValueError(f"compact: this optimiser's state cannot be cut: for {name} {shape} it keeps {kept}")
        return _gather(leaf, plans[name], num_runs)

    plain = jax.tree.unflatten(jax.tree.structure(before), jax.tree.leaves(opt_state))
    result = map_parameter_like(optimizer, cut, plain, names)
    _require_shapes("cut, it would have", result, after, num_runs)
    return jax.tree.unflatten(jax.tree.structure(opt_state), jax.tree.leaves(result))


def _require_shapes(what: str, opt_state: Tree, new: Tree, num_runs: int | None) -> None:
    """ValueError unless the state has the shapes of a new one."""
    found, wanted = jax.tree.leaves(opt_state), tree_leaves_with_path(new)
    told = ""
    if len(found) != len(wanted):
        told = f"{len(found)} arrays, a new one {len(wanted)}"
    for leaf, (path, one) in zip(found, wanted, strict=False):
        if np.shape(leaf) != (() if num_runs is None else (num_runs,)) + one.shape:
            told = told or f"{leaf_name(path)} {list(np.shape(leaf))}, a new one {list(one.shape)}"
    if told:
        raise ValueError(f"compact: this optimiser's state cannot be cut: {what} {told}")


def _one_run(params: Tree, num_runs: int | None) -> Tree:
    def shape(leaf: Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(np.shape(leaf)[0 if num_runs is None else 1 :], jax.numpy.result_type(leaf))

    return jax.tree.map(shape, params)


def _cut_bookkeeping(groups: UnitGroups, bookkeeping: Tree, plans: Mapping[str, Kept], num_runs: int | None) -> Tree:
    """Arrays below the name of a gate have the gate's shape, and are cut like it."""
    gates = {gate.leaf for group in groups.groups.values() for way in group.gates for gate in way}
    gates |= set(filter(is_gate, groups.axes))  # also of groups that nothing closes
    by_name = {gate_name(leaf): leaf for leaf in gates} | {leaf: leaf for leaf in gates}

    def cut(path: tuple, leaf: Array) -> Array:
        gate = next((by_name[part] for part in path_parts(path) if part in by_name), None)
        if gate is None:
            return leaf
        expected = tuple(axis.size for axis in groups.axes[gate])
        if np.shape(leaf) != (expected if num_runs is None else (num_runs, *expected)):
            told = f"{list(np.shape(leaf))} at {leaf_name(path)}"
            raise ValueError(
                f"compact: bookkeeping: expected the shape of the gate {gate} {list(expected)}, got {told}"
            )
        return _gather(leaf, plans[gate], num_runs)

    return tree_map_with_path(cut, bookkeeping)
