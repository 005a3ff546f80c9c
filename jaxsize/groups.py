"""Unit groups: which axis of which parameter belongs to which group of units, read off the program.

The units of a group live and die together: a dense layer's outputs are columns of its kernel, entries of its bias and
gate, rows of the next kernel; a residual sum ties the channels of all layers that write to it. `unit_groups` walks once
over the jaxpr of any pure function and finds them (`axis_rules`), with the gates that close them (`closing`), and then
traces the function again at other sizes, to see that it takes all its sizes from its parameters and computes no
constant from them.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsize.axes import Axis, atoms, find, fix, layout, resized, size_with, stride_of, units_of
from jaxsize.axis_rules import tie_axes
from jaxsize.closing import Consumer, closed_by, facts_of, find_consumers
from jaxsize.flat_program import Program, flatten
from jaxsize.liveness import gate_name
from jaxsize.liveness import is_gate as is_named_liveness
from jaxsize.multiply_adds import Cost, costs_of, total
from jaxsize.paths import named_leaves
from jaxsize.resizing import Difference, difference, shapes_with
from jaxsize.tables import format_table
from jaxsize.ways import ALWAYS, NEVER, Gate, Ways

Tree = Any
Array = jax.Array | np.ndarray


class Place(NamedTuple):
    """One axis of one parameter that the units of a group occupy."""

    leaf: str
    """Path of the parameter, such as `hidden.0.kernel`."""
    axis: int
    stride: int
    """Neighbouring units stand this many entries apart."""
    layout: str
    """The axis as a product or sum of its parts, the group in brackets: `49 * [64]`."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Units that can only be removed together, from all their places."""

    name: str
    """The path of its gate without the last part (`hidden.0`), else its first place (`hidden.0.kernel[1]`)."""
    size: int
    places: tuple[Place, ...]
    gates: Ways
    """Sets of gates: a unit whose gates of one set are all closed can be removed exactly."""
    fixed: str
    """Why its units cannot be removed at all, or empty."""
    inexact: str
    """Why removing a unit would change what the function computes, or empty."""
    ordered: str
    """What counts the units by position, so that only the last ones can be removed, or empty."""

    @property
    def exact(self) -> bool:
        """Whether units can be removed without changing what the function computes."""
        return not (self.fixed or self.inexact)

    def __str__(self) -> str:
        rows = [[place.leaf, str(place.axis), str(place.stride), place.layout] for place in self.places]
        told = [f"{self.name}: {self.size} units, " + (f"fixed: {self.fixed}" if self.fixed else _told(self.gates))]
        told += [f"not exact: {self.inexact}"] if self.inexact else []
        told += [f"only the last units can be removed: {self.ordered}"] if self.ordered and not self.fixed else []
        return "\n".join([*told, format_table(["parameter", "axis", "stride", "layout"], rows)])


def _told(ways: Ways) -> str:
    if not ways:
        return "closed by no gate"
    return "closed by " + " or ".join(sorted(" and ".join(sorted(map(str, way))) for way in ways))


@dataclasses.dataclass(frozen=True, eq=False)
class UnitGroups:
    """All unit groups of a function. `print` shows them: a table for each group that can lose units, then the rest."""

    groups: dict[str, Group]
    axes: dict[str, tuple[Axis, ...]]
    """Axes of every parameter, by path."""
    atoms: dict[str, Axis]
    """The axis of every group, by name of the group."""
    costs: tuple[Cost, ...]
    origin: "UnitGroups | None" = None
    """The groups as they were read off the function, if units have been removed since."""

    def __getitem__(self, name: str) -> Group:
        if name not in self.groups:
            known = ", ".join(self.groups) or "none"
            raise ValueError(f"unit groups: expected one of {known}, got {name!r}")
        return self.groups[name]

    def __str__(self) -> str:
        free = [str(group) for group in self.groups.values() if not group.fixed]
        rest = [f"{name}: {group.size}, {group.fixed}" for name, group in self.groups.items() if group.fixed]
        return "\n\n".join(free + (["fixed:\n" + "\n".join(f"  {line}" for line in rest)] if rest else []))

    def live(self, params: Tree) -> dict[str, np.ndarray]:
        """Which units have an open gate, for every group with gates that can be removed: bool [U], or [R, U] for
        parameters of a batch of runs."""
        leaves = named_leaves(params)

        def closed(gate: Gate) -> np.ndarray:
            value = np.asarray(leaves[gate.leaf])
            return value <= 0 if gate.closed_below else value == 0

        return self._open(closed)

    def live_by_gate(self, live: Mapping[str, Array]) -> dict[str, np.ndarray]:
        """The same from the live units of gates, by the gate's name (`liveness.read_liveness`), as death rules keep
        them; for the groups all of whose gates are given."""

        def given(group: Group) -> bool:
            return all(gate_name(gate.leaf) in live for way in group.gates for gate in way)

        return self._open(lambda gate: ~np.asarray(live[gate_name(gate.leaf)], bool), given)

    def _open(
        self, closed: Callable[[Gate], np.ndarray], given: Callable[[Group], bool] = lambda group: True
    ) -> dict[str, np.ndarray]:
        def unit_closed(name: str, gate: Gate) -> np.ndarray:
            return closed_units(closed(gate), self.axes[gate.leaf], self.atoms[name])

        def unit_open(name: str, ways: Ways) -> np.ndarray:
            return ~np.any([np.all([unit_closed(name, gate) for gate in way], axis=0) for way in ways], axis=0)

        return {
            name: np.asarray(unit_open(name, group.gates))
            for name, group in self.groups.items()
            if group.gates and group.exact and given(group)
        }

    def resized(self, sizes: Mapping[str, int]) -> "UnitGroups":
        """The same groups with other numbers of units."""
        copies: dict[Axis, Axis] = {self.atoms[name]: Axis(size) for name, size in sizes.items()}
        axes = {leaf: tuple(resized(axis, copies) for axis in its) for leaf, its in self.axes.items()}
        atoms_now = {name: resized(atom, copies) for name, atom in self.atoms.items()}
        costs = tuple(Cost(factor, tuple(resized(axis, copies) for axis in its)) for factor, its in self.costs)
        groups = {
            name: dataclasses.replace(group, size=atoms_now[name].size, places=_places(axes, atoms_now[name]))
            for name, group in self.groups.items()
        }
        return UnitGroups(groups, axes, atoms_now, costs, self.origin or self)

    def num_parameters(self, sizes: Mapping[str, int] | None = None) -> int:
        """Entries of all parameters, with other numbers of units in the groups named."""
        by_atom = self._by_atom(sizes)
        return sum(int(np.prod([size_with(axis, by_atom) for axis in axes], dtype=int)) for axes in self.axes.values())

    def num_multiply_adds(self, sizes: Mapping[str, int] | None = None) -> int:
        """Multiply-adds of all contractions and convolutions of one call, for the inputs that were traced."""
        return total(self.costs, self._by_atom(sizes))

    def _by_atom(self, sizes: Mapping[str, int] | None) -> dict[Axis, int]:
        return {self.atoms[self[name].name]: size for name, size in (sizes or {}).items()}


def closed_units(closed: np.ndarray, axes: tuple[Axis, ...], atom: Axis) -> np.ndarray:
    """Units of the atom of which all entries in an array are closed: bool [*array] -> [U]; [R, *array] -> [R, U]."""
    if closed.ndim == len(axes) + 1:
        return np.stack([closed_units(one, axes, atom) for one in closed])
    for dim, axis in enumerate(axes):
        units = units_of(axis, atom)
        if (units >= 0).any():
            entries = np.moveaxis(closed, dim, 0).reshape(len(units), -1).all(axis=1)
            return np.bincount(units[(units >= 0) & ~entries], minlength=atom.size) == 0
    raise AssertionError("a gate has no axis of its group")


def unit_groups(
    apply: Callable[..., Any], params: Tree, *inputs: Any, is_gate: Callable[[str], bool] | None = None
) -> UnitGroups:
    """The unit groups of outputs = apply(params, *inputs), a pure function of any kind that JAX can trace.

    params: a pytree of arrays or of jax.ShapeDtypeStruct; batch statistics may be among them. inputs: likewise; only
    shapes are read, and nothing is computed. is_gate: which parameters are gates, by path; by default those whose
    name is `liveness` (also `liveness.value`, as Flax NNX has it).

    Units of a group can be removed if no input, output or primitive without a rule has them. They can be removed
    exactly if every step that sums over them reads 0 where their gates are closed. What stands in the way is told per
    group, with the line of the function. The function itself must take its sizes from its parameters; it is traced
    again at two other sizes of all groups. Source: DESIGN's idea 3, seed `003_d2c286111c329776.txt` for removal.
    """
    is_gate = is_gate or is_named_liveness
    program, _ = flatten(apply, params, *inputs)
    leaves = named_leaves(params)
    values = dict(zip(leaves, program.inputs, strict=False))
    for number, value in enumerate(program.inputs):
        fixed = "" if number < len(leaves) else "belongs to the inputs"
        value.axes = [Axis(size, fixed=fixed) for size in value.shape]
    tie_axes(program)
    for value in program.outputs:
        for axis in value.axes:
            fix(axis, "reaches the outputs")
    axes = {name: tuple(map(find, value.axes)) for name, value in values.items()}
    found = list(dict.fromkeys(atom for its in axes.values() for axis in its for atom in atoms(axis) if atom.size > 1))
    told = tell_apart(apply, params, inputs, program, axes, [atom for atom in found if not atom.fixed])
    consumers = find_consumers(program, facts_of(values, filter(is_gate, values)))
    groups: dict[str, Group] = {}
    by_name: dict[str, Axis] = {}
    for atom in found:
        group = _group(atom, axes, consumers, told.get(atom, Difference()), groups)
        groups[group.name], by_name[group.name] = group, atom
    return UnitGroups(groups, axes, by_name, tuple(costs_of(program)))


def tell_apart(
    apply: Callable, params: Tree, inputs: tuple, program: Program, axes: dict[str, tuple[Axis, ...]], cut: list[Axis]
) -> dict[Axis, Difference]:
    """What happens to each atom when it alone has another size; nothing where all can have one at once."""

    def at(sizes: Mapping[Axis, int]) -> Difference:
        return difference(program, apply, shapes_with(params, axes, sizes), inputs, sizes)

    # An entry less (of 2 an entry more: at size 1 arrays broadcast); and all changed by different numbers, so that no
    # ratio and no difference of two sizes is the same both times.
    slightly = {atom: atom.size - 1 if atom.size > 2 else 3 for atom in cut}
    widely: dict[Axis, int] = {}
    more = 0
    for atom in cut:
        more = max(more + 1, atom.size // 2)
        widely[atom] = atom.size + more
    together = [told for sizes in (slightly, widely) if cut and (told := at(sizes)) != Difference()]
    if not together:
        return {}
    alone = {atom: [at({atom: sizes[atom]}) for sizes in (slightly, widely)] for atom in cut}
    told = {atom: max(pair, key=lambda one: (bool(one.fails), bool(one.changes))) for atom, pair in alone.items()}
    return told if any(one != Difference() for one in told.values()) else dict.fromkeys(cut, together[0])


def _places(axes: Mapping[str, tuple[Axis, ...]], atom: Axis) -> tuple[Place, ...]:
    return tuple(
        Place(leaf, dim, stride_of(axis, atom), layout(axis, atom))
        for leaf, its in axes.items()
        for dim, axis in enumerate(its)
        if atom in atoms(axis)
    )


def _group(
    atom: Axis, axes: dict[str, tuple[Axis, ...]], consumers: list[Consumer], told: Difference, others: dict[str, Group]
) -> Group:
    places = _places(axes, atom)
    ways, reader = closed_by(consumers, atom)
    inexact = told.changes
    if reader is not None:
        through = f" {reader.open_source}" if reader.open_source else ""
        inexact = inexact or f"{reader.where} reads{through} past every gate"
    elif not ways:
        inexact = inexact or "no step sums over these units"
    elif ways == ALWAYS:
        ways, inexact = NEVER, inexact or "they are multiplied by a constant 0, whatever the gates"
    fixed = atom.fixed or (f"the function fixes this size itself ({told.fails})" if told.fails else "")
    gates = sorted(gate.leaf for way in ways for gate in way)

    def is_made_by(place: Place) -> tuple[bool, int]:  # units are the last axis of the kernel that makes them
        return place.axis == len(axes[place.leaf]) - 1, len(axes[place.leaf])

    first = max(places, key=is_made_by)
    name = gate_name(gates[0]) if gates else f"{first.leaf}[{first.axis}]"
    while name in others:
        name = f"{name}'"
    return Group(name, atom.size, places, ways, fixed, "" if fixed else inexact, atom.ordered)
