"""The gradients of a loss at dead units, and whether those of live units feel dead ones: read off its program.

A network from which dead units are removed trains on as before only if their removal changes no gradient of what is
left. That is so where the loss depends on the parameters through the network alone; but a loss may have terms of its
own: a mean over weights has a factor that changes, a norm mixes the weights of live and dead units. An optimiser that
sums over gradients, as clipping by the global norm does, asks for more: dead units must have no gradient at all. An L2
penalty gives their weights one, and so does a gate whose derivative is not 0 where it is closed. All of it is read off
the program of the gradient, as the groups are read off the program of the network.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError, error_text
from jaxsize.trees import Tree, named_leaves, readable_name, with_leaves
from jaxsize.units._program.axes import Axis, atoms, find, unify
from jaxsize.units._program.axis_rules import tie_axes
from jaxsize.units._program.flatten import Program, Value, flatten
from jaxsize.units._program.gate_sets import Fact, GateSets, Operand, closes
from jaxsize.units._program.other_sizes import changes_at_other_sizes
from jaxsize.units._program.random_rules import drawn_atoms
from jaxsize.units._program.sources import needed
from jaxsize.units._program.zeros import Consumer, facts_of, find_consumers, find_facts
from jaxsize.units.groups import UnitGroups

_FACTOR = jax.ShapeDtypeStruct((), jnp.float32)
"""By how much what a loss returns changes what is minimised: a number of which nothing is known."""


class Gradients(NamedTuple):
    """What is known of the gradients of a loss, per unit group that gates close exactly."""

    zero: frozenset[tuple[str, str]]
    """(leaf, group): the gradient of this parameter is 0 at the units of the group that are dead."""
    open: Mapping[tuple[str, str], str]
    """(leaf, group) of the other parameters that have units of the group: the step that gives dead ones a gradient."""
    changes: Mapping[str, str]
    """group: why the gradients of live units change when dead ones are removed."""
    drawn: Mapping[str, str]
    """group: what draws random numbers for its units in the loss or its gradient, as dropout does."""
    value: Mapping[str, str]
    """group: what in the loss, or in its gradient, reads dead units, so that the value of the loss changes."""


def gradients_of(loss_fn: Callable[[Tree], Any], params: Tree, groups: UnitGroups) -> Gradients:
    """Find out what dead units have to do with the gradients of a loss.

    Args:
        loss_fn: (params) -> the loss, or values that the loss depends on in whatever way.
        params: the parameters, of one run, as shapes of any sizes.
        groups: the unit groups of the network, at any sizes.

    Raises:
        InputError: when the gradient cannot be traced.
    """
    first = groups.origin or groups  # found out once, at the sizes before anything was removed
    leaves = tuple(
        (name, jax.ShapeDtypeStruct(tuple(axis.size for axis in first.axes[name]), leaf.dtype))
        for name, leaf in named_leaves(params).items()
    )
    return _gradients_of(loss_fn, leaves, jax.tree.structure(params), first)


@functools.lru_cache(maxsize=16)
def _gradients_of(loss_fn: Callable[[Tree], Any], leaves: tuple, structure: Any, groups: UnitGroups) -> Gradients:
    """Walk the gradient of a loss at the sizes at which the groups were read.

    Args:
        loss_fn: the loss.
        leaves: path and shape of every parameter.
        structure: the tree of the parameters.
        groups: the unit groups as they were read off the function.
    """
    params = jax.tree.unflatten(structure, [leaf for _, leaf in leaves])
    trained = [name for name, leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
    whole, gradient = _traced(loss_fn, params, trained)
    program = needed(whole)
    tied = groups.resized({})  # a copy of the axes, to be tied further
    values, results = _tie(whole, tied, [name for name, _ in leaves], trained)

    closing = {name: group.gates for name, group in groups.groups.items() if group.gates and group.exact}
    gates = {gate.leaf for gate_sets in closing.values() for gate_set in gate_sets for gate in gate_set}
    facts, consumers = find_facts(program, facts_of(values, gates))
    atom_of = {name: find(tied.atoms[name]) for name in closing}

    def reader_of_dead(consumers: list[Consumer], name: str) -> str:
        readers = (one for one in consumers if find(one.atom) is atom_of[name])
        opened = next((one for one in readers if not closes(one.gate_sets, closing[name])), None)
        through = f" {readable_name(opened.open_source)} of" if opened and opened.open_source else ""
        return f"{opened.where} reads{through} dead units of {name}" if opened else ""

    changes: dict[str, str] = {}
    for name, atom in atom_of.items():
        if reasons := [part.fixed for part in atoms(atom) if part.fixed]:
            changes[name] = reasons[0]
        elif atom.kind != "atom" or list(atom_of.values()).count(atom) > 1 or atom.ordered != groups[name].ordered:
            changes[name] = f"it does not keep the units of {name} side by side"
        elif reason := reader_of_dead(consumers, name):
            changes[name] = reason
    rest = {atom: name for name, atom in atom_of.items() if name not in changes}
    axes = {name: tuple(value.axes) for name, value in values.items()}
    others = changes_at_other_sizes(
        gradient, params, (_FACTOR,), _without_results(program), axes, list(rest), trace=_steps
    )
    changes |= {rest[atom]: change.fails or change.changes for atom, change in others.items() if any(change)}

    zero, opened = set(), {}
    for name, atom in atom_of.items():
        for leaf in dict.fromkeys(place.leaf for place in groups[name].places if place.leaf in results):
            if closes(Operand(results[leaf], facts).gate_sets(atom), closing[name]):
                zero.add((leaf, name))
            else:
                opened[leaf, name] = _opened_by(program, results[leaf], facts, atom, closing[name])
    draws = drawn_atoms(program)
    drawn = {name: draws[atom] for name, atom in atom_of.items() if atom in draws}
    of_value = find_consumers(whole, facts_of(values, gates))
    value = {name: reason for name in closing if (reason := reader_of_dead(of_value, name))}
    return Gradients(frozenset(zero), opened, changes, drawn, value)


def _tie(
    program: Program, groups: UnitGroups, leaves: Sequence[str], trained: Sequence[str]
) -> tuple[dict[str, Value], dict[str, Value]]:
    """Tie the axes of a gradient's program to those of unit groups; return parameters and gradients, by path.

    Args:
        program: the program, whose inputs are the parameters and a factor, and whose results are the gradients.
        groups: unit groups whose axes may be tied further.
        leaves: the paths of the parameters.
        trained: the paths of those that have a gradient.
    """
    values = dict(zip(leaves, program.inputs, strict=False))
    results = dict(zip(trained, program.outputs, strict=True))
    for value in program.inputs:
        value.axes = [Axis(size) for size in value.shape]
    for name, value in values.items():
        value.axes = list(groups.axes[name])
    tie_axes(program)
    for name, result in results.items():
        for axis, of_parameter in zip(result.axes, values[name].axes, strict=False):  # a constant has no axes
            unify(axis, of_parameter, f"the gradient of {name}")
    return values, results


def _traced(
    loss_fn: Callable[[Tree], Any], params: Tree, trained: list[str]
) -> tuple[Program, Callable[[Tree, jax.Array], list[jax.Array]]]:
    """Trace the gradient of a loss.

    Args:
        loss_fn: the loss; what else it returns may matter as well, but for integers.
        params: the parameters, as shapes.
        trained: the paths of those that have a gradient.

    Returns:
        The program, in which the loss itself is computed on the way; and the function, of parameters and of a number of
        which nothing is known: by how much what `loss_fn` returns changes what is minimised.
    """

    def gradient(params: Tree, factor: jax.Array) -> list[jax.Array]:
        named = named_leaves(params)

        def of_trained(values: list[jax.Array]) -> list[jax.Array]:
            results = loss_fn(with_leaves(params, named | dict(zip(trained, values, strict=True))))
            return [leaf for leaf in jax.tree.leaves(results) if jnp.issubdtype(jnp.result_type(leaf), jnp.inexact)]

        results, pull_back = jax.vjp(of_trained, [named[name] for name in trained])
        return pull_back([jnp.broadcast_to(factor, leaf.shape).astype(leaf.dtype) for leaf in results])[0]

    try:
        return flatten(gradient, params, _FACTOR), gradient
    except Exception as error:  # the user's function may raise anything
        expected = "expected a function of the parameters alone that has a gradient"
        raise InputError(f"compact: loss_fn: {expected}, got {error_text(error)}") from error


def _steps(function: Callable, *arguments: Any) -> Program:
    return _without_results(needed(flatten(function, *arguments)))


def _without_results(program: Program) -> Program:
    """Leave out the results: those of a gradient have other shapes at other sizes, as the parameters have."""
    return Program(program.inputs, [], program.steps)


_ADDED_UP = frozenset(("add", "add_any", "sub", "neg", "reduce_sum", "copy", "convert_element_type")) | frozenset(
    ("broadcast_in_dim", "reshape", "transpose", "squeeze")
)
"""Steps whose result is not 0 because an operand is not: what made the operand so is looked for before them."""


def _opened_by(program: Program, value: Value, facts: Mapping[Value, Fact], atom: Axis, closing: GateSets) -> str:
    """Find the step that makes a value not 0 at closed units."""
    makers = {made: step for step in program.steps for made in step.outputs}
    step = makers.get(value)
    while step is not None and step.name in _ADDED_UP:
        opened = [one for one in step.inputs if not closes(Operand(one, facts).gate_sets(atom), closing)]
        before = next((makers[one] for one in opened if one in makers), None)
        if before is None:
            break
        step = before
    return step.where if step is not None else "what it returns"
