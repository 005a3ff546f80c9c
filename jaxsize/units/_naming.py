"""Which group a name means: the name of a group, of a gate, or of a layer."""

from collections.abc import Container

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name, is_gate, owner_of_gate
from jaxsize.trees import owner_of
from jaxsize.units._program.axes import Axis, atoms, find
from jaxsize.units.groups import UnitGroups


def group_of(groups: UnitGroups, name: str, *, where: str) -> str:
    """Find the group whose units a gate multiplies, or a layer makes.

    Args:
        groups: the unit groups of a function.
        name: the name of a group; of a gate, as `gates.read_liveness` and `gates.read_sizes` give them (`hidden.0`); or
            of a layer, which is the path of the dict whose arrays all have its units on their last axis (`output`).
        where: what asks, which begins the message of an error.

    Returns:
        The name of the group.

    Raises:
        InputError: when the name is of none of these, or its units are cut into those of several groups.
    """
    candidates = _axes_named(groups, name)
    if name in groups.groups and not _is_cut(groups, name):
        return name
    if len(candidates) == 1:
        (axis,) = candidates
        for group, atom in groups.atoms.items():
            if axis is find(atom):
                return group
        if len(list(atoms(axis))) > 1:
            raise InputError(f"{where}: the units of {name!r} are cut into {axis!r}, expected those of one group")
    known = ", ".join(dict.fromkeys([*groups.groups, *filter(None, map(owner_of, groups.axes))]))
    raise InputError(f"{where}: expected a group, a gate or a layer of the function ({known}), got {name!r}")


def _is_cut(groups: UnitGroups, name: str) -> bool:
    """Tell whether the gate of this name multiplies units of several groups; one of them may have its name."""
    axes = [axes[-1] for leaf, axes in groups.axes.items() if axes and is_gate(leaf) and gate_name(leaf) == name]
    return any(find(axis).kind == "sum" for axis in axes)


def _axes_named(groups: UnitGroups, name: str) -> set[Axis]:
    """Return the last axes of the gate of this name, or else of all arrays of the layer of this name."""
    gated = [axes for leaf, axes in groups.axes.items() if is_gate(leaf) and gate_name(leaf) == name]
    beside = [axes for leaf, axes in groups.axes.items() if owner_of(leaf) == owner_of_gate(name) and axes]
    return {find(axes[-1]) for axes in gated or beside}


def is_single_unit(groups: UnitGroups, name: str) -> bool:
    """Tell whether a gate or a layer has one unit only, which belongs to no group, as it always stays."""
    axes = _axes_named(groups, name)
    return name not in groups.groups and bool(axes) and all(axis.size == 1 for axis in axes)


def is_folded(leaf: str, leaves: Container[str]) -> bool:
    """Tell whether a leaf is one of a gate, which can be folded into weights: `liveness`, or `size` beside `slope`.

    Args:
        leaf: the path of the leaf.
        leaves: the paths of all leaves.
    """
    path = leaf.removesuffix(".value")
    owner, _, last = path.rpartition(".")
    both = {"size": "slope", "slope": "size"}
    partner = f"{owner}.{both.get(last, '')}".removeprefix(".") + leaf[len(path) :]
    return is_gate(leaf) or (last in both and partner in leaves)
