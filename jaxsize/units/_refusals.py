"""What keeps units from being removed exactly: open gates, other gradients, a function that turns into another one."""

import warnings
from collections.abc import Mapping

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Tree
from jaxsize.units._gradients import Gradients
from jaxsize.units._group import Group
from jaxsize.units.groups import UnitGroups


def require_removable(group: Group, width: int, exact: bool) -> None:
    """Refuse to cut a group that can lose no units, or not exactly."""
    if width == group.size:
        return
    why = group.fixed or (group.inexact if exact else "")
    if why:
        raise InputError(f"compact: {group.name} ({group.places[0].leaf}) cannot lose units: {why}")


def require_closed(groups: UnitGroups, params: Tree, staying: Mapping[str, np.ndarray], whose: str = "") -> None:
    """Refuse to remove a unit that has an open gate.

    Args:
        groups: the unit groups.
        params: the parameters with the gates.
        staying: the units that stay, per group.
        whose: which gates these are, as `slow `, where they are not the network's own.
    """
    live = groups.live(params, quiet=True)
    for name, index in staying.items():
        if index.shape[-1] == groups[name].size:
            continue
        gone = np.ones_like(live[name])
        np.put_along_axis(gone, index, False, -1)
        if (opened := np.argwhere(gone & live[name])).size:
            *run, unit = opened[0].tolist()
            unit_text = f"unit {unit}" + (f" of run {run[0]}" if run else "")
            gates = " or ".join(sorted(" and ".join(map(str, gate_set)) for gate_set in groups[name].gates))
            problem = f"{unit_text} is to be removed but its {whose}gate is open, expected {gates}"
            raise InputError(f"compact: {name}: {problem}")


def require_same_gradients(groups: UnitGroups, gradients: Gradients, cut: frozenset[str]) -> None:
    """Refuse a loss whose gradients change, or are other draws, when units of the groups `cut` are removed."""
    for name in sorted(cut):
        if reason := gradients.changes.get(name):
            raise InputError(f"compact: the gradients of this loss would change when units are removed: {reason}")
        if name in gradients.drawn and not groups[name].in_law:
            reason = (
                f"{gradients.drawn[name]} draws other numbers for fewer units, so that later steps have the same law"
            )
            expected = "expected unit groups read off the function that is trained, which say so"
            raise InputError(f"compact: {name}: {reason} only: {expected}")


def warn_if_it_runs(groups: UnitGroups, smaller: Tree) -> None:
    """Warn where a function that fixes sizes that were cut runs with fewer units, though as another function.

    Args:
        groups: the unit groups.
        smaller: the parameters that are left, of one run, as shapes.
    """
    assert groups.function is not None  # or no group had `own_size`
    try:
        jax.eval_shape(groups.function.apply, smaller, *groups.function.inputs)
    except Exception:  # the user's function may raise anything, as it should here
        return
    problem = "the function fixes sizes itself and runs with these parameters all the same, as another function"
    warnings.warn(f"compact: {problem}; use the `apply` of what is returned", stacklevel=3)
