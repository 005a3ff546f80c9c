"""Whether the steps of any optax optimiser take units side by side, read off the program of its update.

Adam's step for one weight depends on that weight alone. A trust ratio (LAMB) or an orthogonalised step (Muon) depends
on all weights of a layer, dead units included, and would change when they are removed. Which of the two an optimiser
does is read off its update, as the groups are read off the network. The update is traced again at other sizes as well:
it must compute no constant from them (a mean's 1 / n).

A sum over gradients, as in clipping by the global norm, is harmless only where the gradients of dead units are 0. An L2
penalty in the loss gives their weights a gradient, and jnp.maximum(liveness, 0) the gate at exactly 0 (jaxsize.relu and
jax.nn.relu have none there). So such an optimiser is accepted only with the loss, whose gradients `_gradients` reads.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from jaxsize.errors import InputError, error_text
from jaxsize.trees import Tree, named_leaves, readable_name
from jaxsize.units._gradients import Gradients
from jaxsize.units._program.axes import Axis, atoms, find, unify
from jaxsize.units._program.axis_rules import tie_axes
from jaxsize.units._program.flatten import Program, Value, flatten
from jaxsize.units._program.gate_sets import Fact, Gate
from jaxsize.units._program.other_sizes import changes_at_other_sizes
from jaxsize.units._program.random_rules import drawn_atoms
from jaxsize.units._program.zeros import find_consumers
from jaxsize.units._state_owners import Owner, is_pair, new_state, owners_of
from jaxsize.units.groups import UnitGroups

_CHANGES = "compact: this optimiser's next steps would change when units are removed"
_DEAD = frozenset([frozenset([Gate("a dead unit")])])
"""What makes gradients 0, written as a gate, so that the rules for closed gates carry it through the update."""


def require_per_unit(
    optimizer: Any, params: Tree, names: Tree, groups: UnitGroups, cut: frozenset[str], gradients: Gradients | None
) -> None:
    """Refuse an optimiser that mixes the units of a group from which units are removed.

    Args:
        optimizer: the optax transformation.
        params: the parameters that it trains, of one run, as shapes.
        names: the same tree, with the path of each parameter in its place.
        groups: the unit groups, at their present size.
        cut: the names of the groups from which units are removed.
        gradients: what is known of the gradients of dead units; None where the loss is not given.

    Raises:
        InputError: when the optimiser's next steps would change; or when some losses would make them change, and the
            loss is one of these or is not given.
    """
    first = groups.origin or groups  # found out once, at the sizes before anything was removed
    leaves = [
        (name, jax.ShapeDtypeStruct(tuple(axis.size for axis in first.axes[name]), leaf.dtype))
        for name, leaf in zip(jax.tree.leaves(names), jax.tree.leaves(params), strict=True)
    ]
    mixed_by = functools.partial(_mixed_units, optimizer, first, tuple(leaves), jax.tree.structure(params))
    mixed, reads_loss = mixed_by(frozenset())
    summed = sorted(cut & set(mixed))
    at_best = mixed_by(_zero_at_best(first))[0] if summed else {}
    for name in summed:
        if name in at_best:
            raise InputError(f"{_CHANGES}: {at_best[name]}")
    if reads_loss and cut:
        _require_same_loss(cut, gradients)
    if summed and gradients is None:
        raise InputError(
            "compact: this optimiser's next steps stay the same only if dead units have no gradient "
            f"({mixed[summed[0]]}): expected `loss_fn`, the loss as a function of the parameters, to see that, got None"
        )
    known = mixed_by(gradients.zero)[0] if summed and gradients is not None else {}
    for name in sorted(cut & set(known)):
        assert gradients is not None
        leaf, where = next((leaf, where) for (leaf, of), where in gradients.open.items() if of == name)
        of_dead = f"of which dead ones have gradients: {readable_name(leaf)} through {where}"
        raise InputError(f"{_CHANGES}: {known[name]}, {of_dead}; {_mend(leaf, first)}")


def _zero_at_best(groups: UnitGroups) -> frozenset[tuple[str, str]]:
    """List (path, group) of the gradients that are 0 at dead units, where the loss depends on the network alone."""
    return frozenset(
        (place.leaf, name)
        for name, group in groups.groups.items()
        for place in group.places
        if not _is_signed_gate(place.leaf, groups)
    )


def _require_same_loss(cut: frozenset[str], gradients: Gradients | None) -> None:
    """Refuse an optimiser that reads the value of the loss, unless dead units do not change it."""
    if gradients is None:
        raise InputError(
            "compact: this optimiser's next steps stay the same only if dead units do not change the value of the loss "
            "(which it reads): expected `loss_fn`, the loss as a function of the parameters, to see that, got None"
        )
    for name in sorted(cut & set(gradients.value)):
        raise InputError(f"{_CHANGES}: it reads the value of the loss, and {gradients.value[name]}")


def _mend(leaf: str, groups: UnitGroups) -> str:
    """Say what to do where a parameter of a dead unit has a gradient that an optimiser sums over."""
    gates = {gate.leaf for group in groups.groups.values() for gate_set in group.gates for gate in gate_set}
    if leaf in gates:
        return "use a gate without a gradient where it is closed, as jaxsize.relu"
    return "leave terms of the weights to the optimiser (optax.add_decayed_weights behind what sums), or clip per entry"


@functools.lru_cache(maxsize=16)
def _mixed_units(
    optimizer: Any, groups: UnitGroups, leaves: tuple, structure: Any, zero: frozenset[tuple[str, str]]
) -> tuple[dict[str, str], bool]:
    """Find the groups whose units an optimiser mixes, with what mixes them, as text; and whether it reads the loss.

    Args:
        optimizer: the optax transformation.
        groups: the unit groups as they were read off the function.
        leaves: path and shape of every parameter that the optimiser trains.
        structure: the tree of these parameters.
        zero: (path, group) of the parameters whose gradient is 0 at dead units of the group.
    """
    names, params = (jax.tree.unflatten(structure, column) for column in zip(*leaves, strict=True))
    state, of_state = new_state(optimizer, params), owners_of(optimizer, params, names)
    own = jax.tree.map(lambda name: Owner((name,)), names)
    value_of_loss = jax.ShapeDtypeStruct((), jax.numpy.result_type(float))
    fast, own_fast = (tree.fast if is_pair(params) else tree for tree in (params, own))  # which have gradients
    given = {"gradient": fast, "parameter": params, "state": state, "value": value_of_loss}
    # A role is the name of an input of the step, such as `gradient.hidden.0.bias`.
    owner_of = named_leaves({"gradient": own_fast, "parameter": own, "state": of_state, "value": Owner()})
    program, step, reads_loss = _step(optimizer, given)
    values = dict(zip(owner_of, program.inputs, strict=True))

    tied = groups.resized({})  # a copy of the axes, to be tied further
    removable = {name: atom for name, atom in tied.atoms.items() if not atom.fixed}
    for role, owner in owner_of.items():
        shape, axes = values[role].shape, owner.axes(tied.axes)
        values[role].axes = axes if shape == tuple(axis.size for axis in axes) else [Axis(size) for size in shape]
    tie_axes(program)
    renewed = [role for role in values if role.split(".")[0] in ("parameter", "state")]
    for role, value in zip(renewed, program.outputs, strict=True):
        for new_axis, axis in zip(value.axes, values[role].axes, strict=False):  # a constant result has no axes
            unify(new_axis, axis, f"the new {role}")

    facts: dict[Value, Fact] = {}
    atom_of = {name: find(atom) for name, atom in removable.items()}
    for role, owner in owner_of.items():
        is_gradient = role.startswith("gradient.")
        closed = [name for name in atom_of if is_gradient and _is_zero(owner, name, groups, zero)]
        facts[values[role]] = Fact({atom_of[name]: _DEAD for name in closed}, {})
    consumers = find_consumers(program, facts)
    mixed: dict[str, str] = {}
    for name, atom in atom_of.items():
        if reasons := [part.fixed for part in atoms(atom) if part.fixed]:
            mixed[name] = f"{reasons[0]}, and {name} goes through it"
        elif readers := [reader.where for reader in consumers if find(reader.atom) is atom and not reader.gate_sets]:
            mixed[name] = f"{readers[0]} mixes the units of {name}"
        elif atom.kind != "atom" or list(atom_of.values()).count(atom) > 1 or atom.ordered != groups[name].ordered:
            mixed[name] = f"it does not keep the units of {name} side by side"
    for atom, where in drawn_atoms(program).items():
        mixed |= {
            name: f"{where} draws other numbers for fewer units of {name}" for name in atom_of if atom_of[name] is atom
        }
    rest = {atom: name for name, atom in atom_of.items() if name not in mixed}
    axes = {role: tuple(value.axes) for role, value in values.items()}
    without_outputs = Program(program.inputs, [], program.steps)
    changes = changes_at_other_sizes(step, given, (), without_outputs, axes, list(rest))
    mixed |= {
        rest[atom]: f"{rest[atom]}: {change.fails or change.changes}" for atom, change in changes.items() if any(change)
    }
    return mixed, reads_loss


def _is_zero(owner: Owner, name: str, groups: UnitGroups, zero: frozenset[tuple[str, str]]) -> bool:
    """Tell whether the gradient of all parameters that are one array here is 0 at dead units of a group."""
    of_group = {place.leaf for place in groups[name].places}.intersection(owner.names)
    return bool(of_group) and all((leaf, name) in zero for leaf in of_group)


def _step(optimizer: Any, given: dict[str, Tree]) -> tuple[Program, Callable[[dict[str, Tree]], tuple], bool]:
    """Trace a step of an optimiser.

    Args:
        optimizer: the optax transformation.
        given: shapes of the `gradient`, the `parameter`s (with optax.lookahead those of fast and slow ones) and the
            `state`, and the `value` of the loss for optimisers that ask for it, such as
            `optax.contrib.reduce_on_plateau`.

    Returns:
        The program of the step, whose results are the updates and the new state; the step as a function of such a dict,
        without results; and whether it asks for the value of the loss.
    """

    def update(given: dict[str, Tree], **extra: Any) -> tuple[Tree, Tree]:
        after = optimizer.update(given["gradient"], given["state"], given["parameter"], **extra)
        before = given["parameter"], given["state"]
        if jax.tree.map(jax.numpy.shape, after) != jax.tree.map(jax.numpy.shape, before):
            raise InputError("its updates or its new state have other shapes than its parameters and state")
        return after

    def update_with_value(given: dict[str, Tree]) -> tuple[Tree, Tree]:
        return update(given, value=given["value"])

    def traced(update: Callable) -> tuple[Program, Callable[[dict[str, Tree]], tuple]]:
        return flatten(update, given), lambda given: (update(given), ())[1]

    try:
        return *traced(update), False
    except Exception as error:  # an optimiser is code of any kind; one that wants the value of the loss is asked again
        try:
            return *traced(update_with_value), True
        except Exception:
            reason = f"its update cannot be traced ({error_text(error)})"
            raise InputError(f"compact: cannot tell how this optimiser goes on: {reason}") from error


def _is_signed_gate(leaf: str, groups: UnitGroups) -> bool:
    """Tell whether a parameter is a gate whose gradient is not 0 where the gate is closed."""
    gates = [gate for group in groups.groups.values() for gate_set in group.gates for gate in gate_set]
    return any(gate.leaf == leaf and not gate.closed_below for gate in gates)
