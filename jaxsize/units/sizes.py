"""How large any network is: parameters, and multiply-adds of one row, with the units that live."""

import functools
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name, is_gate
from jaxsize.trees import Array
from jaxsize.units._group import INPUTS, Group
from jaxsize.units._naming import group_of, is_folded, is_single_unit
from jaxsize.units._program.axes import Axis, find
from jaxsize.units.groups import UnitGroups

_WHERE, _ONLY = "network_sizes", "the only unit always stays"


def network_sizes(groups: UnitGroups, live: Mapping[str, int | Array]) -> dict[str, int]:
    """Count the parameters and the multiply-adds of a network without its dead units.

    Gates do not count, since they can be folded into weights: leaves named `liveness`, and `size` with `slope`.
    It takes some microseconds, as what the numbers depend on is worked out once per network.

    Args:
        groups: the unit groups of the network, read with inputs of one row.
        live: live units by name of the gate, as `gates.read_liveness` and `gates.read_sizes` give them; of the group;
            or of a layer without a gate. Either how many live, or, for all names, which do: bool [U]. Units of other
            groups all live.

    Returns:
        `parameters` and `multiply_adds` (of one row).

    Raises:
        InputError: when a name is unknown, more units live than there are, the network cannot lose such units (its
            `apply` fixes how many there are, or they reach its outputs), or several gates close the same units and
            `live` does not say which units they close. Inputs count as removable, as those without a gate can be left
            out of the data.

    Example:
        >>> import jax, jaxsize
        >>> from jaxsize.units import network_sizes
        >>> network = jaxsize.mlp((4, 8, 3))
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
        >>> network_sizes(groups, {}), network_sizes(groups, {"hidden.0": 2})
        ({'parameters': 67, 'multiply_adds': 56}, {'parameters': 19, 'multiply_adds': 14})
    """
    by_mask = any(np.ndim(units) for units in live.values())
    if by_mask:
        live = _counted(groups, live)
    formulas = _formulas(groups, tuple(live), by_mask)
    numbers = tuple(int(units) for units in live.values())
    if any(limit.stays for limit in formulas.limits):  # the only unit of a layer is not removed when it dies
        numbers = tuple(max(1, n) if at.stays else n for n, at in zip(numbers, formulas.limits, strict=True))
    for number, limit in zip(numbers, formulas.limits, strict=True):
        if not 0 <= number <= limit.size:
            raise InputError(f"{_WHERE}: expected from 0 to {limit.size} units of {limit.name!r}, got {number}")
        if limit.fixed and number != limit.size:
            raise InputError(f"{_WHERE}: {limit.name} cannot lose units: {limit.fixed}")
    return {
        "parameters": _evaluate(formulas.parameters, numbers),
        "multiply_adds": _evaluate(formulas.multiply_adds, numbers),
    }


def input_gates(groups: UnitGroups, gates: Iterable[str]) -> list[str]:
    """Select the gates that multiply inputs of a network, which are none of its units.

    Args:
        groups: the unit groups of the network.
        gates: names of gates, as `gates.read_liveness` gives them.

    Example:
        >>> import jax, jaxsize
        >>> network = jaxsize.mlp((4, 8, 3), gate_inputs=True)
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
        >>> jaxsize.units.input_gates(groups, ["hidden.0", "inputs"])
        ['inputs']
    """
    axes = {gate_name(leaf): of_leaf[-1] for leaf, of_leaf in groups.axes.items() if is_gate(leaf) and of_leaf}
    return [gate for gate in gates if _owner(groups, gate).fixed == INPUTS or find(axes[gate]).fixed == INPUTS]


class _Limit(NamedTuple):
    """How many units a group has, and why it can lose none, or empty."""

    name: str
    size: int
    fixed: str
    stays: bool
    """Whether it is the only unit of its layer."""


_Terms = tuple[tuple[int, tuple[int, ...]], ...]
"""A polynomial of numbers of units: of each term the factor, and the positions of the numbers that it multiplies."""


class _Formulas(NamedTuple):
    parameters: _Terms
    multiply_adds: _Terms
    limits: tuple[_Limit, ...]


def _evaluate(terms: _Terms, numbers: Sequence[int]) -> int:
    return sum(factor * math.prod(numbers[at] for at in positions) for factor, positions in terms)


@functools.lru_cache(maxsize=256)
def _formulas(groups: UnitGroups, names: tuple[str, ...], of_groups: bool) -> _Formulas:
    """Work out how the sizes depend on numbers of units.

    Args:
        groups: the unit groups of the network.
        names: what the numbers are of.
        of_groups: whether the names are known to be those of groups, rather than of gates that may share their units.
    """
    owners = [_owner(groups, name) for name in names]
    for name, group in zip(names, owners, strict=True):
        others = [other for other, owner in zip(names, owners, strict=True) if owner is group and other != name]
        if (len(_gates_of(group)) > 1 or others) and not of_groups:
            raise InputError(_shared_text(name, group, others))
    atoms = [groups.atoms.get(group.name) for group in owners]
    positions = {find(atom): at for at, atom in enumerate(atoms) if atom is not None}
    counted = [axes for leaf, axes in groups.axes.items() if leaf not in _gate_leaves(groups)]
    limits = tuple(
        _Limit(name, group.size, "" if group.fixed == INPUTS else group.fixed, group.fixed == _ONLY)
        for name, group in zip(names, owners, strict=True)
    )
    costs = [(cost.factor, cost.axes) for cost in groups.costs]
    return _Formulas(_sum_of([(1, axes) for axes in counted], positions), _sum_of(costs, positions), limits)


def _owner(groups: UnitGroups, name: str) -> Group:
    """Return the group that a name means."""
    if is_single_unit(groups, name):
        return Group(name, 1, (), frozenset(), _ONLY, "", "")
    return groups[group_of(groups, name, where=_WHERE)]


def _gates_of(group: Group) -> set[str]:
    """Return the names of all gates that take part in closing a group; those known by what they do have none."""
    return {gate_name(gate.leaf) for gate_set in group.gates for gate in gate_set if not group.recognised}


def _shared_text(name: str, group: Group, others: Sequence[str]) -> str:
    shared = ", ".join(sorted({name, *others, *_gates_of(group)}))
    return f"{_WHERE}: {shared} are gates of the same units; expected for each which units live (bool), got how many"


def _gate_leaves(groups: UnitGroups) -> set[str]:
    """Return the paths of the leaves of gates: those by name or by `is_gate`, not those known by what they do."""
    closing = {gate.leaf for group in groups.groups.values() for gate_set in group.gates for gate in gate_set}
    by_what_they_do = frozenset[str]().union(*(group.recognised for group in groups.groups.values()))
    return (closing - by_what_they_do) | {leaf for leaf in groups.axes if is_folded(leaf, groups.axes)}


def _counted(groups: UnitGroups, live: Mapping[str, int | Array]) -> dict[str, int]:
    """Count the live units of every group, given which units of which gates live."""
    counts: dict[str, int] = {}
    by_group: dict[str, dict[str, np.ndarray]] = {}
    for name, units in live.items():
        group = _owner(groups, name)
        mask = np.asarray(units)
        if mask.dtype != bool or mask.shape != (group.size,):
            expected = f"bool [{group.size}], as others are given so"
            raise InputError(f"{_WHERE}: expected {expected}, got {mask.dtype}{list(mask.shape)}", field=name)
        by_group.setdefault(group.name, {})[name] = mask
    for name, masks in by_group.items():
        group = _owner(groups, name)
        if len(masks) == 1 and len(_gates_of(group)) <= 1:
            counts[name] = int(next(iter(masks.values())).sum())
            continue
        if missing := _gates_of(group) - set(masks):
            raise InputError(f"{_WHERE}: expected the live units of all gates of {name}, got none of {min(missing)!r}")
        opened = groups.live_by_gate(masks)
        if name not in opened:
            raise InputError(f"{_WHERE}: {name} cannot lose units: {group.fixed or group.inexact}")
        counts[name] = int(opened[name].sum())
    return counts


def _sum_of(products: Sequence[tuple[int, tuple[Axis, ...]]], positions: Mapping[Axis, int]) -> _Terms:
    """Add up products of axis sizes, with like terms together."""
    terms: dict[tuple[int, ...], int] = {}
    for factor, axes in products:
        product = {(): factor}
        for axis in axes:
            product = _times(product, _size(axis, positions))
        for key, value in product.items():
            terms[key] = terms.get(key, 0) + value
    return tuple((value, key) for key, value in terms.items())


def _size(axis: Axis, positions: Mapping[Axis, int]) -> dict[tuple[int, ...], int]:
    """Return the size of an axis as a polynomial of numbers of units."""
    axis = find(axis)
    if axis.kind == "atom":
        return {(positions[axis],): 1} if axis in positions else {(): axis.size}
    parts = [_size(part, positions) for part in axis.parts]
    if axis.kind == "product":
        return functools.reduce(_times, parts)
    total: dict[tuple[int, ...], int] = {}
    for key, value in itertools.chain.from_iterable(part.items() for part in parts):
        total[key] = total.get(key, 0) + value
    return total


def _times(a: Mapping[tuple[int, ...], int], b: Mapping[tuple[int, ...], int]) -> dict[tuple[int, ...], int]:
    result: dict[tuple[int, ...], int] = {}
    for (left, x), (right, y) in itertools.product(a.items(), b.items()):
        key = tuple(sorted((*left, *right)))
        result[key] = result.get(key, 0) + x * y
    return result
