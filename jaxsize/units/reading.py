"""Unit groups read off a program: which axis of which parameter belongs to which group of units.

The units of a group live and die together: a unit of a dense layer is a column of its kernel, an entry of its bias and
of its gate, and a row of the next kernel; a residual sum ties the channels of all layers that write to it.
`unit_groups` walks once over the jaxpr of any pure function and finds the groups (`axis_rules`) and the gates that
close them (`zeros`). Then it traces the function again at other sizes, to see whether the function takes all its sizes
from its parameters and computes no constant from them; where it does not, its program is run there instead (`replay`).
"""

import collections
import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import jax

from jaxsize.gates._names import gate_name
from jaxsize.gates._names import is_gate as is_named_liveness
from jaxsize.trees import Tree, named_leaves, readable_name
from jaxsize.units._function import Function, at_other_sizes
from jaxsize.units._group import INPUTS, Group
from jaxsize.units._places import Place, places_of
from jaxsize.units._program.axes import Axis, atoms, find, fix
from jaxsize.units._program.axis_rules import tie_axes
from jaxsize.units._program.fingerprint import fingerprint_of
from jaxsize.units._program.flatten import Program, Value, flatten
from jaxsize.units._program.gate_sets import ALWAYS, NEVER
from jaxsize.units._program.multipliers import multipliers
from jaxsize.units._program.multiply_adds import costs_of
from jaxsize.units._program.other_sizes import changes_at_other_sizes
from jaxsize.units._program.random_rules import drawn_atoms
from jaxsize.units._program.retrace import Difference
from jaxsize.units._program.sources import read_places, reasons_against_zeros
from jaxsize.units._program.zeros import Consumer, closed_by, facts_of, find_consumers
from jaxsize.units.groups import UnitGroups


def unit_groups(
    apply: Callable[..., Any], params: Tree, *inputs: Any, is_gate: Callable[[str], bool] | None = None
) -> UnitGroups:
    """Find the unit groups of outputs = apply(params, *inputs), a pure function of any kind that JAX can trace.

    A group is fixed if its units are an axis of the inputs or outputs, or reach a primitive without a rule. Units of
    the others can be removed, and exactly if every step that sums over them reads 0 where their gates are closed. Each
    group says what stands in the way, with the line of the function. Where the function draws random numbers for every
    unit, as dropout does in training, groups say that their masked twin is one in law (`Group.in_law`); read them off
    the function that is trained to be told so. The function is traced again at other sizes of all groups, a few times
    in all, to see whether it takes its sizes from its parameters. Where it fixes a size itself, as modules with
    written-out widths do, `UnitGroups.apply` runs its traced program at other sizes. Only shapes are read, and nothing
    is computed. Source for removal: seed `003_d2c286111c329776.txt`.

    Args:
        apply: the function.
        params: a pytree of arrays or of jax.ShapeDtypeStruct; batch statistics may be among them.
        inputs: further arguments of `apply`, likewise.
        is_gate: which parameters are gates, by path. By default those whose name is `liveness` (also `liveness.value`,
            as Flax NNX has it), and for units that none of these closes any parameter, whatever its name, that closes
            them and only multiplies (`Group.recognised`).

    Raises:
        InputError: when two leaves of `params` have the same path.

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> from jaxsize.gates import liveness_gate
        >>> from jaxsize.units import unit_groups
        >>> def apply(params, inputs):
        ...     units = liveness_gate(jnp.tanh(inputs @ params["first"]), params["liveness"])
        ...     return units @ params["second"]
        >>> params = {"first": np.ones((4, 6)), "liveness": np.ones(6), "second": np.ones((6, 3))}
        >>> print(unit_groups(apply, params, np.ones((1, 4))))
        1 of 3 groups can lose units exactly: liveness (6)
        gates: liveness
        the others: 2 fixed (first[0], second[1])
        <BLANKLINE>
        liveness: 6 units, closed by liveness <= 0
        parameter  axis  stride  layout
        ---------  ----  ------  ------
        first         1       1     [6]
        liveness      0       1     [6]
        second        0       1     [6]
        <BLANKLINE>
        fixed:
          first[0]: 4, belongs to the inputs
          second[1]: 3, reaches the outputs
    """
    program = flatten(apply, params, *inputs)
    leaves = named_leaves(params)
    values = dict(zip(leaves, program.inputs, strict=False))
    for number, value in enumerate(program.inputs):
        fixed = "" if number < len(leaves) else INPUTS
        value.axes = [Axis(size, fixed=fixed) for size in value.shape]
    tie_axes(program)
    for value in program.outputs:
        for axis in value.axes:
            fix(axis, "reaches the outputs")
    axes = {name: tuple(map(find, value.axes)) for name, value in values.items()}
    parameter_atoms = dict.fromkeys(atom for of_leaf in axes.values() for axis in of_leaf for atom in atoms(axis))
    unit_atoms = [atom for atom in parameter_atoms if atom.size > 1]
    removable = [atom for atom in unit_atoms if not atom.fixed]
    gates = frozenset(filter(is_gate or is_named_liveness, values))
    readers = _readers(program, values, gates)
    recognised = frozenset[str]()
    if is_gate is None and (still_open := [atom for atom in removable if not _closing(readers, atom)]):
        recognised = _recognise(program, values, gates, still_open, readers)
    gated = {atom for atom in removable if _closing(readers, atom)}
    changes = changes_at_other_sizes(apply, params, inputs, program, axes, removable, first=gated)
    run = at_other_sizes(apply, axes)
    fixing = {atom: change.fails for atom, change in changes.items() if change.fails}  # sizes that the function fixes
    changes |= dict.fromkeys(fixing, Difference())
    changes |= changes_at_other_sizes(apply, params, inputs, program, axes, list(fixing), first=gated, at_sizes=run)
    read_at = read_places(program, values, gates | recognised)
    drawn = drawn_atoms(program)
    against_zeros = reasons_against_zeros(program, values, read_at)
    leaves_of: dict[Axis, dict[str, tuple[Axis, ...]]] = {atom: {} for atom in parameter_atoms}
    for name, of_leaf in axes.items():
        for atom in {atom for axis in of_leaf for atom in atoms(axis)}:
            leaves_of[atom][name] = of_leaf
    groups: dict[str, Group] = {}
    by_name: dict[str, Axis] = {}
    for atom in unit_atoms:
        change = changes.get(atom, Difference())
        group = _group(atom, leaves_of[atom], readers[atom], change, groups, recognised)
        if atom in fixing:
            own = f"the function fixes this size itself ({fixing[atom]})"
            group = dataclasses.replace(group, **({"fixed": own, "inexact": ""} if change.fails else {"own_size": own}))
        not_inert = change.changes or against_zeros.get(atom, "")
        if not readers[atom]:
            not_inert = "no step sums over these units"
        places = frozenset((place.leaf, place.axis) for place in group.places)
        group = dataclasses.replace(group, read_at=read_at & places, not_inert=not_inert, in_law=drawn.get(atom, ""))
        groups[group.name], by_name[group.name] = group, atom
    of_params, of_inputs = jax.eval_shape(lambda *arguments: arguments, params, inputs)
    function = Function(apply, of_params, of_inputs, fingerprint_of(program), run)
    return UnitGroups(groups, axes, by_name, tuple(costs_of(program)), gates=gates | recognised, function=function)


def _readers(program: Program, values: Mapping[str, Value], gates: Collection[str]) -> dict[Axis, list[Consumer]]:
    """List the steps that sum over each atom, given the paths of the gates."""
    readers: dict[Axis, list[Consumer]] = collections.defaultdict(list)
    for consumer in find_consumers(program, facts_of(values, gates)):
        readers[find(consumer.atom)].append(consumer)
    return readers


def _closing(readers: Mapping[Axis, list[Consumer]], atom: Axis) -> frozenset[str]:
    """Return the paths of all gates that take part in closing the units of an atom."""
    gate_sets, _ = closed_by(readers[atom], atom)
    return frozenset(gate.leaf for gate_set in gate_sets for gate in gate_set)


def _recognise(
    program: Program,
    values: Mapping[str, Value],
    gates: frozenset[str],
    still_open: Sequence[Axis],
    readers: dict[Axis, list[Consumer]],
) -> frozenset[str]:
    """Find the parameters that close units though they are not named as gates: they only multiply.

    Args:
        program: the program, with its axes tied.
        values: the values of all parameters, by path.
        gates: the paths of the gates by name.
        still_open: the atoms that these do not close.
        readers: the steps that sum over each atom; those of atoms that turn out to be closed are replaced.

    Returns:
        The paths of the parameters that close some of `still_open`.
    """
    candidates = frozenset(multipliers(program, values, still_open)) - gates
    if not candidates:
        return candidates
    again = _readers(program, values, gates | candidates)
    closed = {atom: closing for atom in still_open if (closing := _closing(again, atom))}
    readers |= {atom: again[atom] for atom in closed}
    return candidates.intersection(*[frozenset().union(*closed.values())])


def _group(
    atom: Axis,
    axes: dict[str, tuple[Axis, ...]],
    readers: list[Consumer],
    change: Difference,
    others: dict[str, Group],
    recognised: frozenset[str],
) -> Group:
    """Make the group of an atom.

    Args:
        atom: the atom.
        axes: the axes of every parameter that has the atom, by path.
        readers: all steps that sum over the atom.
        change: what happens to the function when the atom has another size.
        others: the groups made so far, whose names are taken.
        recognised: the paths of gates that are known by what they do.
    """
    places = places_of(axes, atom)
    gate_sets, reader = closed_by(readers, atom)
    inexact = change.changes
    if reader is not None:
        through = f" {readable_name(reader.open_source)}" if reader.open_source else ""
        inexact = inexact or f"{reader.where} reads{through} past every gate"
    elif not gate_sets:
        inexact = inexact or "no step sums over these units"
    elif gate_sets == ALWAYS:
        gate_sets, inexact = NEVER, inexact or "they are multiplied by a constant 0, whatever the gates"
    fixed = atom.fixed
    gates = sorted(gate.leaf for gate_set in gate_sets for gate in gate_set)

    def is_made_by(place: Place) -> tuple[bool, int]:  # units are the last axis of the kernel that makes them
        return place.axis == len(axes[place.leaf]) - 1, len(axes[place.leaf])

    first = max(places, key=is_made_by)
    name = f"{readable_name(first.leaf)}[{first.axis}]"
    if gates:
        name = readable_name(gates[0]) if gates[0] in recognised else gate_name(gates[0])
    while name in others:
        name = f"{name}'"
    of_group = recognised.intersection(gates)
    return Group(name, atom.size, places, gate_sets, fixed, "" if fixed else inexact, atom.ordered, recognised=of_group)
