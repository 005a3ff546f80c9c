"""What the values of a program are computed from, and where the units of parameters are read."""

from collections.abc import Iterator, Mapping

from jaxsize.units._program.axes import Axis, atoms, find, times_in
from jaxsize.units._program.contraction_rules import summed_axes
from jaxsize.units._program.flatten import Program, Step, Value
from jaxsize.units._program.gate_sets import Fact, Gate, GateSets, atoms_of
from jaxsize.units._program.zeros import find_consumers

DATA = ""
"""Stands for all inputs of the program that are no parameters."""
MADE, READ = Gate("weights that make the unit"), Gate("weights that read the unit")
"""What is 0 of a unit of zeros, written as gates, so that the rules for closed gates carry it through a program."""


def sources_of(program: Program, leaves: Mapping[str, Value]) -> dict[Value, frozenset[str]]:
    """Find the parameters from which every value is computed, by path; `DATA` among them where data are.

    Args:
        program: the program.
        leaves: the values of all parameters, by path; its other inputs are data.
    """
    sources = dict.fromkeys(program.inputs, frozenset([DATA]))
    sources |= {value: frozenset([name]) for name, value in leaves.items()}
    _add_sources(program, sources)
    return sources


def _add_sources(program: Program, sources: dict[Value, frozenset[str]]) -> None:
    for step in program.steps:
        of_step = frozenset().union(*(sources.get(value, frozenset()) for value in step.inputs))
        if step.body is not None:  # what a loop carries may come from anything that the loop is given
            sources |= dict.fromkeys(step.body.inputs, of_step)
            _add_sources(step.body, sources)
        sources |= dict.fromkeys(step.outputs, of_step)


def steps_of(program: Program) -> Iterator[Step]:
    """Yield all steps of a program, those in the bodies of loops too."""
    for step in program.steps:
        yield step
        if step.body is not None:
            yield from steps_of(step.body)


def needed(program: Program) -> Program:
    """Leave out the steps of a program that its results do not depend on. Bodies of loops stay whole."""
    wanted, steps = set(program.outputs), []
    for step in reversed(program.steps):
        if not wanted.isdisjoint(step.outputs):
            wanted.update(step.inputs)
            steps.append(step)
    return Program(program.inputs, program.outputs, steps[::-1])


def read_places(program: Program, leaves: Mapping[str, Value], gates: frozenset[str]) -> frozenset[tuple[str, int]]:
    """Find where weights read units: (path, axis) of parameters whose axis a contraction with data sums over.

    Where a parameter has the same units on several axes, as a recurrent kernel has, its last axis makes them, and the
    others read them.

    Args:
        program: a program with its axes tied.
        leaves: the values of all parameters, by path.
        gates: the paths of the leaves of gates, which read nothing.
    """
    sources, places = sources_of(program, leaves), set()
    for step in steps_of(program):
        for value, axis in summed_axes(step):
            names = sources.get(value, frozenset()) - gates
            if DATA in names:
                continue
            for atom in set(atoms(axis)):
                for name in names:
                    axes = [dim for dim, of_leaf in enumerate(leaves[name].axes) if atom in atoms(of_leaf)]
                    places |= {(name, dim) for dim in (axes[:-1] if len(axes) > 1 else axes)}
    return frozenset(places)


def reasons_against_zeros(
    program: Program, leaves: Mapping[str, Value], read_at: frozenset[tuple[str, int]]
) -> dict[Axis, str]:
    """Find the atoms whose units would not stay as they are in training if all that belongs to them were 0, and why.

    Such a unit has to be 0 wherever it is read, by weights that are 0. Then it changes no result, nor does a gradient
    reach its weights.

    Args:
        program: a program with its axes tied.
        leaves: the values of all parameters, by path.
        read_at: where weights read units (see `read_places`).
    """
    facts = {value: Fact(_zeros(name, value, read_at), {}) for name, value in leaves.items()}
    reasons: dict[Axis, str] = {}
    for consumer in find_consumers(program, facts):
        reason = ""
        if frozenset([MADE]) not in consumer.gate_sets:
            reason = f"{consumer.where} would not read 0 of a unit whose weights are 0"
        elif frozenset([READ]) not in consumer.gate_sets:
            reason = f"{consumer.where} sums over the units without weights, so that those of a new unit would train"
        if reason:
            reasons.setdefault(find(consumer.atom), reason)
    return reasons


def _zeros(name: str, value: Value, read_at: frozenset[tuple[str, int]]) -> dict[Axis, GateSets]:
    """Say by what a unit's entries of a parameter are 0, if all that belongs to the unit is."""
    by_atom: dict[Axis, GateSets] = {}
    for atom in set(atoms_of(value)):
        axes = [dim for dim, axis in enumerate(value.axes) if atom in atoms(axis)]
        if max(times_in(value.axes[dim], atom) for dim in axes) == 1:
            roles = {READ if (name, dim) in read_at else MADE for dim in axes}
            by_atom[atom] = frozenset(frozenset([role]) for role in roles)
    return by_atom
