"""What a unit costs: one each, or the parameters or multiply-adds that go with it (REFERENCE E23).

A penalty that prices all units alike spends them where they are dear; 3 x 3 convolutions got 9 times the price in the
original work, and no layer its true one.
"""

from collections.abc import Iterable
from typing import Literal

from jaxsize.axes import atoms
from jaxsize.groups import UnitGroups
from jaxsize.liveness import gate_name, is_gate

Per = Literal["unit", "parameter", "multiply_add"]


def unit_prices(groups: UnitGroups, gates: Iterable[str], *, per: Per) -> dict[str, float]:
    """The price of a unit of every gate, for `sparsifier.make_learner`, on average 1 over all units.

    groups: of the network before training; gates: their names (liveness.read_liveness). `parameter`, `multiply_add`:
    how many fewer the network has, or does, with one unit less of that gate's group; `unit`: 1. As prices are relative
    to their mean, one penalty weight means about the same for all. ValueError for a gate that is none of the function.
    """
    count = {"unit": None, "parameter": groups.num_parameters, "multiply_add": groups.num_multiply_adds}[per]
    sizes, saved = {}, {}
    for gate in gates:
        group = groups[_group_of(groups, gate)]
        sizes[gate] = group.size
        saved[gate] = 1.0 if count is None else float(count() - count({group.name: group.size - 1}))
    mean = sum(saved[gate] * size for gate, size in sizes.items()) / max(1, sum(sizes.values()))
    return {gate: cost / mean for gate, cost in saved.items()}


def _group_of(groups: UnitGroups, gate: str) -> str:
    """The group of the units that a gate multiplies."""
    for leaf, axes in groups.axes.items():
        if is_gate(leaf) and gate_name(leaf) == gate:
            held = {atom for axis in axes for atom in atoms(axis)}
            return next(name for name, atom in groups.atoms.items() if atom in held)
    raise ValueError(f"unit_prices: expected gates of the function, got {gate!r}")
