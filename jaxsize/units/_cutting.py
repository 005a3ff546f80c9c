"""Arrays cut to the units that stay: one gather for parameters, optimiser state and bookkeeping."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.tree_util import tree_leaves_with_path, tree_map_with_path

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name, is_gate
from jaxsize.trees import Array, Tree, leaf_name, path_parts
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.entries import kept_of
from jaxsize.units._state_owners import CANNOT_BE_CUT, NotCuttableError, Owner, map_state, new_state
from jaxsize.units.groups import UnitGroups

Kept = Sequence[np.ndarray | None]
"""Per axis of an array the entries that stay, int [n], or [R, n] for a batch of R runs; None where all stay."""


def gather(value: Array, plan: Kept, num_runs: int | None) -> Array:
    """Take the entries of an array that stay.

    Args:
        value: an array, of one run or with a leading axis [R] of runs.
        plan: the entries that stay, per axis of one run.
        num_runs: R, or None for one run.

    Returns:
        A NumPy array for a NumPy array, a JAX array for a JAX array; `value` itself if all entries stay.
    """
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


def cut_opt_state(
    optimizer: Any,
    opt_state: Tree,
    params: Tree,
    smaller: Tree,
    names: Tree,
    groups: UnitGroups,
    kept: Mapping[Axis, Any],
    num_runs: int | None,
) -> Tree:
    """Cut every leaf of an optimiser's state that belongs to parameters, as these are cut.

    Args:
        optimizer: the optax transformation that made the state.
        opt_state: the state; its arrays may be in wrappers, as in that of `flax.nnx.Optimizer`.
        params: the parameters that the optimiser trains, of one run, as shapes.
        smaller: what is left of them, likewise.
        names: the same tree, with the path of each parameter in its place.
        groups: the unit groups, at the size of `params`.
        kept: by axis of a group, the entries that stay.
        num_runs: R for a batch of runs, or None for one run.

    Raises:
        NotCuttableError: when the state has other shapes than a new one, before or after, or it cannot be told which
            of its leaves belong to parameters.
    """
    before, after = new_state(optimizer, params), new_state(optimizer, smaller)
    _require_shapes("the state given has", opt_state, before, num_runs)

    def cut(leaf: Array, owner: Owner) -> Array:
        axes = owner.axes(groups.axes)
        shape = [*(() if num_runs is None else (num_runs,)), *(axis.size for axis in axes)]
        if owner.names and list(np.shape(leaf)) != shape:
            raise NotCuttableError(f"{CANNOT_BE_CUT}: for {owner.names[0]} {shape} it keeps {list(np.shape(leaf))}")
        return gather(leaf, [kept_of(axis, kept) for axis in axes], num_runs)

    plain = jax.tree.unflatten(jax.tree.structure(before), jax.tree.leaves(opt_state))
    result = map_state(optimizer, cut, plain, params, names)
    _require_shapes("cut, it would have", result, after, num_runs)
    return jax.tree.unflatten(jax.tree.structure(opt_state), jax.tree.leaves(result))


def _require_shapes(what: str, opt_state: Tree, new: Tree, num_runs: int | None) -> None:
    """Refuse a state that has not the shapes of a new one; `what` begins the message."""
    leaves, new_leaves = jax.tree.leaves(opt_state), tree_leaves_with_path(new)
    problem = ""
    if len(leaves) != len(new_leaves):
        problem = f"{len(leaves)} arrays, a new one {len(new_leaves)}"
    for leaf, (path, new_leaf) in zip(leaves, new_leaves, strict=False):
        if np.shape(leaf) != (() if num_runs is None else (num_runs,)) + new_leaf.shape:
            problem = problem or f"{leaf_name(path)} {list(np.shape(leaf))}, a new one {list(new_leaf.shape)}"
    if problem:
        raise NotCuttableError(f"{CANNOT_BE_CUT}: {what} {problem}")


def one_run(params: Tree, num_runs: int | None) -> Tree:
    """Return the shapes of the parameters of one run, given those of a batch of `num_runs` runs (None: of one run)."""

    def shape(leaf: Array) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(np.shape(leaf)[0 if num_runs is None else 1 :], jax.numpy.result_type(leaf))

    return jax.tree.map(shape, params)


def cut_bookkeeping(groups: UnitGroups, bookkeeping: Tree, plans: Mapping[str, Kept], num_runs: int | None) -> Tree:
    """Cut the arrays below the name of a gate as the gate is cut.

    Args:
        groups: the unit groups, at their present size.
        bookkeeping: a pytree; arrays below a key that is the name or the path of a gate have the gate's shape.
        plans: by path, which entries of the parameter stay.
        num_runs: R for a batch of runs, or None for one run.

    Raises:
        InputError: when such an array has another shape than its gate.
    """
    gates = {gate.leaf for group in groups.groups.values() for gate_set in group.gates for gate in gate_set}
    gates |= set(filter(is_gate, groups.axes))  # also of groups that nothing closes
    by_what_they_do = frozenset[str]().union(*(group.recognised for group in groups.groups.values()))
    by_name = {gate_name(leaf): leaf for leaf in gates - by_what_they_do} | {leaf: leaf for leaf in gates}

    def cut(path: tuple, leaf: Array) -> Array:
        gate = next((by_name[part] for part in path_parts(path) if part in by_name), None)
        if gate is None:
            return leaf
        expected = tuple(axis.size for axis in groups.axes[gate])
        if np.shape(leaf) != (expected if num_runs is None else (num_runs, *expected)):
            shape_text = f"{list(np.shape(leaf))} at {leaf_name(path)}"
            raise InputError(
                f"compact: bookkeeping: expected the shape of the gate {gate} {list(expected)}, got {shape_text}"
            )
        return gather(leaf, plans[gate], num_runs)

    return tree_map_with_path(cut, bookkeeping)
