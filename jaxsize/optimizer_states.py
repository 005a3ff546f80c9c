"""The state of any optax optimiser: its leaves that belong to parameters, and whether units go through it side by side.

Adam's step for one weight depends on that weight alone; a trust ratio (LAMB) or an orthogonalised step (Muon) depends
on all weights of a layer, dead units included, and would change when they are removed. That is read off the program of
the update, as the groups are read off the network's. A sum over gradients, as in clipping by the global norm, is
harmless: those of dead units are 0.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax

from jaxsize.axes import Axis, atoms, find
from jaxsize.axis_rules import tie_axes
from jaxsize.closing import ALWAYS, Fact, find_consumers
from jaxsize.flat_program import Value, flatten
from jaxsize.groups import UnitGroups
from jaxsize.paths import named_leaves, with_leaves

Tree = Any


def map_parameter_like(
    optimizer: Any,
    fn: Callable[[Any, str], Any],
    opt_state: Tree,
    params: Tree,
    *,
    others: Callable[[Any], Any] = lambda leaf: leaf,
) -> Tree:
    """The state with fn(leaf, name of its parameter) for every leaf that belongs to one, others(leaf) elsewhere.

    ValueError, in one line, if optax cannot tell which leaves do (as for L-BFGS).
    """
    import optax  # here, so that finding groups needs JAX alone

    def is_masked(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    names = with_leaves(params, {name: name for name in named_leaves(params)})
    try:
        return optax.tree_map_params(
            optimizer,
            lambda leaf, name: leaf if is_masked(leaf) else fn(leaf, name),
            opt_state,
            names,
            transform_non_params=others,
            is_leaf=is_masked,
        )
    except (TypeError, KeyError, IndexError, AttributeError, ValueError) as error:
        told = " ".join(str(error).split())
        if told.startswith("compact:"):
            raise
        raise ValueError(f"compact: this optimiser's state cannot be cut: {told:.200}") from error


def require_per_unit(optimizer: Any, params: Tree, groups: UnitGroups, cut: frozenset[str]) -> None:
    """ValueError if the optimiser mixes the units of one of the groups `cut`. params: one run's, as shapes."""
    mixed = _mixed_units(optimizer, groups, tuple(named_leaves(params).items()), jax.tree.structure(params))
    for name in sorted(cut & set(mixed)):
        told = f"{mixed[name]} mixes the units of {name}"
        raise ValueError(f"compact: this optimiser's next steps would change when units are removed: {told}")


@functools.lru_cache(maxsize=16)
def _mixed_units(optimizer: Any, groups: UnitGroups, leaves: tuple, structure: Any) -> dict[str, str]:
    """The groups whose units the optimiser mixes, each with the step that does."""
    params = jax.tree.unflatten(structure, [leaf for _, leaf in leaves])
    opt_state = jax.eval_shape(optimizer.init, params)
    names = map_parameter_like(optimizer, lambda _, name: name, opt_state, params, others=lambda _: "")
    tied = groups.resized({})  # a copy of the axes, to be tied further
    program, _ = flatten(optimizer.update, params, opt_state, params)
    roles = [("gradient", leaf) for leaf, _ in leaves]
    roles += [("state", leaf) for leaf in jax.tree.leaves(names)]
    roles += [("parameter", leaf) for leaf, _ in leaves]
    for value, (_, leaf) in zip(program.inputs, roles, strict=True):
        of_parameter = leaf and value.shape == tuple(axis.size for axis in tied.axes[leaf])
        value.axes = list(tied.axes[leaf]) if of_parameter else [Axis(size) for size in value.shape]
    free = {name: atom for name, atom in tied.atoms.items() if not atom.fixed}
    tie_axes(program)
    given: dict[Value, Fact] = {}
    for value, (role, leaf) in zip(program.inputs, roles, strict=True):
        closed = role == "gradient" and not _is_signed_gate(leaf, groups)
        given[value] = Fact({atom: ALWAYS for axis in value.axes for atom in atoms(axis)} if closed else {}, {})
    consumers = find_consumers(program, given)
    mixed = {}
    for name, atom in free.items():
        open_to = [one.where for one in consumers if find(one.atom) is find(atom) and not one.ways]
        if reasons := [part.fixed for part in atoms(atom) if part.fixed] + open_to:
            mixed[name] = reasons[0]
    return mixed


def _is_signed_gate(leaf: str, groups: UnitGroups) -> bool:
    """A gate whose gradient is not 0 where it is closed."""
    ways = [gate for group in groups.groups.values() for way in group.gates for gate in way]
    return any(gate.leaf == leaf and not gate.closed_below for gate in ways)
