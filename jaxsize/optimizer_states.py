"""The state of any optax optimiser: its leaves that belong to parameters, and whether units go through it side by side.

Adam's step for one weight depends on that weight alone; a trust ratio (LAMB) or an orthogonalised step (Muon) depends
on all weights of a layer, dead units included, and would change when they are removed. That is read off the program of
the update, as the groups are read off the network's; traced again at other sizes, it must compute no constant from
them (a mean's 1 / n). A sum over gradients, as in clipping by the global norm, is harmless: those of dead units are 0,
if the loss knows them through the network alone (a penalty on their weights would be felt) and their gates have no
gradient where they are closed (jnp.maximum(liveness, 0) has one at exactly 0; jaxsize.relu and jax.nn.relu have none).
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from jaxsize.axes import Axis, atoms, find, unify
from jaxsize.axis_rules import tie_axes
from jaxsize.closing import find_consumers
from jaxsize.flat_program import Program, Value, flatten
from jaxsize.groups import UnitGroups, tell_apart
from jaxsize.paths import named_leaves
from jaxsize.ways import ALWAYS, Fact

Tree = Any


def map_parameter_like(
    optimizer: Any,
    fn: Callable[[Any, str], Any],
    opt_state: Tree,
    names: Tree,
    *,
    others: Callable[[Any], Any] = lambda leaf: leaf,
) -> Tree:
    """The state with fn(leaf, name of its parameter) for every leaf that belongs to one, others(leaf) elsewhere.

    names: the parameters that the optimiser trains, with the name of each in its place. ValueError, in one line, if
    optax cannot tell which leaves belong to them (as for L-BFGS).
    """
    import optax  # here, so that finding groups needs JAX alone

    def is_masked(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    try:
        return optax.tree_map_params(
            optimizer,
            lambda leaf, name: leaf if is_masked(leaf) else fn(leaf, name),
            opt_state,
            names,
            transform_non_params=others,
            is_leaf=is_masked,
        )
    except Exception as error:  # an optimiser is code of any kind, run here on a placeholder for its parameters
        if str(error).startswith("compact:"):
            raise
        told = f"optax does not find the parameters in it ({_told(error)})"
        raise ValueError(f"compact: this optimiser's state cannot be cut: {told}") from error


def new_state(optimizer: Any, params: Tree) -> Tree:
    """Shapes of the optimiser's state for these parameters, given as shapes."""
    try:
        return jax.eval_shape(optimizer.init, params)
    except Exception as error:
        raise ValueError(f"compact: this optimiser makes no state for these parameters: {_told(error)}") from error


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split()):.160}"


def require_per_unit(optimizer: Any, params: Tree, names: Tree, groups: UnitGroups, cut: frozenset[str]) -> None:
    """ValueError if the optimiser mixes the units of one of the groups `cut`.

    params: what it trains, of one run, as shapes; names: the same tree, of their names.
    """
    first = groups.origin or groups  # found out once, at the sizes before anything was removed
    leaves = [
        (name, jax.ShapeDtypeStruct(tuple(axis.size for axis in first.axes[name]), leaf.dtype))
        for name, leaf in zip(jax.tree.leaves(names), jax.tree.leaves(params), strict=True)
    ]
    mixed = _mixed_units(optimizer, first, tuple(leaves), jax.tree.structure(params))
    for name in sorted(cut & set(mixed)):
        raise ValueError(f"compact: this optimiser's next steps would change when units are removed: {mixed[name]}")


@functools.lru_cache(maxsize=16)
def _mixed_units(optimizer: Any, groups: UnitGroups, leaves: tuple, structure: Any) -> dict[str, str]:
    """The groups whose units the optimiser mixes, and what does."""
    names, params = (jax.tree.unflatten(structure, column) for column in zip(*leaves, strict=True))
    state = new_state(optimizer, params)
    state_names = map_parameter_like(optimizer, lambda _, name: name, state, names, others=lambda _: "")
    value_of_loss = jax.ShapeDtypeStruct((), jax.numpy.result_type(float))
    given = {"gradient": params, "parameter": params, "state": state, "value": value_of_loss}
    parameter_of = named_leaves({"gradient": names, "parameter": names, "state": state_names, "value": ""})
    program, step = _step(optimizer, given)
    values = dict(zip(parameter_of, program.inputs, strict=True))

    tied = groups.resized({})  # a copy of the axes, to be tied further
    removable = {name: atom for name, atom in tied.atoms.items() if not atom.fixed}
    for role, leaf in parameter_of.items():
        shape = values[role].shape
        of_parameter = leaf and shape == tuple(axis.size for axis in tied.axes[leaf])
        values[role].axes = list(tied.axes[leaf]) if of_parameter else [Axis(size) for size in shape]
    tie_axes(program)
    renewed = [role for role in values if role.split(".")[0] in ("gradient", "state")]
    for role, value in zip(renewed, program.outputs, strict=True):
        for axis, its in zip(value.axes, values[role].axes, strict=False):  # a constant result has no axes
            unify(axis, its, f"the new {role}")

    facts: dict[Value, Fact] = {}
    for role, leaf in parameter_of.items():
        closed = role.split(".")[0] == "gradient" and not _is_signed_gate(leaf, groups)
        its_atoms = [atom for axis in values[role].axes for atom in atoms(axis)]
        facts[values[role]] = Fact(dict.fromkeys(its_atoms, ALWAYS) if closed else {}, {})
    consumers = find_consumers(program, facts)
    mixed: dict[str, str] = {}
    found = {name: find(atom) for name, atom in removable.items()}
    for name, atom in found.items():
        if reasons := [part.fixed for part in atoms(atom) if part.fixed]:
            mixed[name] = f"{reasons[0]}, and {name} goes through it"
        elif open_to := [one.where for one in consumers if find(one.atom) is atom and not one.ways]:
            mixed[name] = f"{open_to[0]} mixes the units of {name}"
        elif atom.kind != "atom" or list(found.values()).count(atom) > 1 or atom.ordered != groups[name].ordered:
            mixed[name] = f"it does not keep the units of {name} side by side"
    rest = {atom: name for name, atom in found.items() if name not in mixed}
    axes = {role: tuple(value.axes) for role, value in values.items()}
    changed = tell_apart(step, given, (), Program(program.inputs, [], program.steps), axes, list(rest))
    return mixed | {
        rest[atom]: f"{rest[atom]}: {one.fails or one.changes}" for atom, one in changed.items() if any(one)
    }


def _step(optimizer: Any, given: dict[str, Tree]) -> tuple[Program, Callable[[dict[str, Tree]], tuple]]:
    """A step of the optimiser: its program, with the updates and the new state as results, and a function without.

    given: `gradient`, `parameter`, `state`, and the `value` of the loss, for those that ask for it, such as
    `optax.contrib.reduce_on_plateau`.
    """

    def update(given: dict[str, Tree], **extra: Any) -> tuple[Tree, Tree]:
        before = given["gradient"], given["state"]
        after = optimizer.update(*before, given["parameter"], **extra)
        if jax.tree.map(jax.numpy.shape, after) != jax.tree.map(jax.numpy.shape, before):
            raise ValueError("its updates or its new state have other shapes than its gradient and state")
        return after

    def update_with_value(given: dict[str, Tree]) -> tuple[Tree, Tree]:
        return update(given, value=given["value"])

    def traced(update: Callable) -> tuple[Program, Callable[[dict[str, Tree]], tuple]]:
        return flatten(update, given)[0], lambda given: (update(given), ())[1]

    try:
        return traced(update)
    except Exception as error:
        try:
            return traced(update_with_value)
        except Exception:
            told = f"its update cannot be traced ({_told(error)})"
            raise ValueError(f"compact: no telling how this optimiser goes on: {told}") from error


def _is_signed_gate(leaf: str, groups: UnitGroups) -> bool:
    """A gate whose gradient is not 0 where it is closed."""
    ways = [gate for group in groups.groups.values() for way in group.gates for gate in way]
    return any(gate.leaf == leaf and not gate.closed_below for gate in ways)
