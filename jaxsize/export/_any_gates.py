"""Gates of any network multiplied into the parameters that read their units, if that can be seen to change nothing."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.export._any_network import expected_leaves, require_leaves, table_of
from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units import UnitGroups
from jaxsize.units._program.entries import units_of

_NUM_TRIALS = 3
"""How many networks a fold is tried out with; the scale of their values grows, since activations may saturate."""


def fold_any(groups: UnitGroups, params: Tree) -> Tree:
    """Fold the gates of any network; see `fold_gates`.

    Args:
        groups: the unit groups of the function that reads the parameters, at their present size.
        params: the parameters.
    """
    leaves = {name: np.asarray(leaf) for name, leaf in named_leaves(params).items()}
    require_leaves(expected_leaves(groups, {}), table_of(leaves))
    folded_by = {name: folded for name, group in groups.groups.items() if (folded := _gates_of(groups, name))}
    if not folded_by:
        raise InputError("fold_gates: expected gates that close units, got none in these groups")
    _require_same(groups, params, folded_by)
    return with_leaves(params, _folded(groups, leaves, folded_by))


def _gates_of(groups: UnitGroups, name: str) -> dict[str, bool]:
    """Return the gates that close the units of a group, by path of the leaf: whether values below 0 are 0 as well."""
    return {gate.leaf: gate.closed_below for gate_set in groups[name].gates for gate in gate_set}


def _folded(
    groups: UnitGroups, leaves: Mapping[str, np.ndarray], folded_by: Mapping[str, Mapping[str, bool]]
) -> dict[str, np.ndarray]:
    """Multiply gates into the parameters that read their units.

    Args:
        groups: the unit groups.
        leaves: the parameters by path.
        folded_by: by name of the group, its gates (see `_gates_of`).
    """
    folded = {name: np.array(leaf) for name, leaf in leaves.items()}
    for name, gates in folded_by.items():
        atom = groups.atoms[name]
        if not groups[name].read_at:
            raise InputError("cannot be folded: no parameter reads its units", field=min(gates))
        for gate, closed_below in gates.items():
            if leaves[gate].ndim != 1:
                problem = f"cannot be folded: expected one value per unit, got {list(leaves[gate].shape)}"
                raise InputError(problem, field=gate)
            values = np.maximum(leaves[gate], 0) if closed_below else leaves[gate]
            at = units_of(groups.axes[gate][0], atom)
            factors = np.ones(atom.size, values.dtype)
            factors[at[at >= 0]] = values[at >= 0]
            folded[gate][at >= 0] = 1
            for reader, axis in sorted(groups[name].read_at):
                units = units_of(groups.axes[reader][axis], atom)
                along = np.where(units >= 0, factors[units], 1).astype(folded[reader].dtype)
                with np.errstate(all="ignore"):  # what overflows here overflows in the function
                    folded[reader] *= along.reshape([-1 if dim == axis else 1 for dim in range(folded[reader].ndim)])
    return folded


def _require_same(groups: UnitGroups, params: Tree, folded_by: Mapping[str, Mapping[str, bool]]) -> None:
    """Run the function with gates that are powers of two, of their own signs; refuse those that cannot be folded."""
    assert groups.function is not None
    shapes, apply = groups.function.inputs, jax.jit(groups.apply)

    def differs(of_groups: Mapping[str, Mapping[str, bool]]) -> bool:
        for trial in range(_NUM_TRIALS):
            rng = np.random.default_rng(trial)
            leaves = {name: _other_values(rng, np.asarray(leaf), trial) for name, leaf in named_leaves(params).items()}
            for name, gates in folded_by.items():
                for gate in gates:
                    powers = 2.0 ** rng.integers(-2, 3, leaves[gate].shape) * np.where(leaves[gate] < 0, -1, 1)
                    leaves[gate] = (powers if name in of_groups else 1 + 0 * powers).astype(leaves[gate].dtype)
            inputs = jax.tree.map(lambda leaf, rng=rng: _input(rng, leaf), shapes)
            one, other = (
                jax.tree.leaves(apply(with_leaves(params, tried), *inputs))
                for tried in (leaves, _folded(groups, leaves, of_groups))
            )
            if not all(np.isfinite(np.asarray(value, np.complex128)).all() for value in one):
                raise InputError("fold_gates: cannot be tried out, as the outputs for random inputs are not finite")
            if not all(np.array_equal(np.asarray(a), np.asarray(b)) for a, b in zip(one, other, strict=True)):
                return True
        return False

    if differs(folded_by):
        guilty = next((name for name in folded_by if differs({name: folded_by[name]})), min(folded_by))
        readers = ", ".join(sorted({leaf for leaf, _ in groups[guilty].read_at}))
        problem = f"cannot be folded into {readers}: the function computes something else then, as where an activation"
        raise InputError(f"{problem} or another reader stands between them", field=min(folded_by[guilty]))


def _other_values(rng: np.random.Generator, leaf: np.ndarray, trial: int) -> np.ndarray:
    """Draw values of the signs of given ones; where these are 0, small positive ones. Whole numbers stay."""
    if not jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating):
        return leaf
    drawn = np.where(leaf == 0, 0.1, leaf.astype(np.float64)) * rng.uniform(0.5, 2, leaf.shape) * 2.0 ** (trial - 1)
    return drawn.astype(leaf.dtype)


def _input(rng: np.random.Generator, leaf: Any) -> Any:
    """Draw an input of the shape and dtype given: normal numbers, 0 or 1 for whole numbers, a random key for a key."""
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.extended):
        return jax.random.split(jax.random.key(int(rng.integers(2**31))), leaf.shape)
    if jax.numpy.issubdtype(leaf.dtype, jax.numpy.floating):
        return rng.normal(size=leaf.shape).astype(leaf.dtype)
    return rng.integers(0, 2, leaf.shape).astype(leaf.dtype)
