"""A unit group: units that live and die together, with all axes that they occupy, and what is said of it."""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from jaxsize.text_tables import format_table
from jaxsize.trees import readable_name
from jaxsize.units._places import Place
from jaxsize.units._program.gate_sets import GateSets

INPUTS = "belongs to the inputs"
"""Why the units of a group that is an axis of the inputs are fixed."""
_MOST_NAMES = 5
"""So many names are listed in a line, and the others counted."""


@dataclasses.dataclass(frozen=True)
class Group:
    """Units that can only be removed together, from all their places.

    Example:
        >>> import jax, jaxsize
        >>> network = jaxsize.mlp((4, 3, 2))
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
        >>> print(groups["hidden.0"])
        hidden.0: 3 units, closed by hidden.0.liveness <= 0
        parameter          axis  stride  layout
        -----------------  ----  ------  ------
        hidden.0.bias         0       1     [3]
        hidden.0.kernel       1       1     [3]
        hidden.0.liveness     0       1     [3]
        output.kernel         0       1     [3]
        >>> groups["hidden.0"].exact
        True
        >>> groups["output.kernel[1]"].fixed
        'reaches the outputs'
    """

    name: str
    """Path of its gate without the last part (`hidden.0`); without a gate, its first place (`hidden.0.kernel[1]`)."""
    size: int
    """Number of units."""
    places: tuple[Place, ...]
    """Every axis of a parameter that the units occupy."""
    gates: GateSets
    """Sets of gates: a unit can be removed exactly if all gates of one set are closed."""
    fixed: str
    """Why its units cannot be removed at all, or empty."""
    inexact: str
    """Why removing a unit would change what the function computes, or empty."""
    ordered: str
    """What counts the units by position, so that only the last ones can be removed, or empty."""
    read_at: frozenset[tuple[str, int]] = frozenset()
    """Where weights read the units: (leaf, axis) of those of `places` that are outgoing weights."""
    not_inert: str = ""
    """Why units whose weights are all 0 would not stay so in training, or empty."""
    in_law: str = ""
    """What draws random numbers for every unit, as dropout does, or empty. With fewer units it draws others, so that
    the network without dead units and its masked twin have the same law, but not the same numbers."""
    recognised: frozenset[str] = frozenset()
    """Paths of those of its gates that are not named as gates, but close its units and only multiply."""
    own_size: str = ""
    """Why the function itself does not run with fewer units, though `UnitGroups.apply` does, or empty."""

    @property
    def exact(self) -> bool:
        """Whether units can be removed without changing what the function computes, or its law (see `in_law`)."""
        return not (self.fixed or self.inexact)

    def __str__(self) -> str:
        rows = [[readable_name(place.leaf), str(place.axis), str(place.stride), place.layout] for place in self.places]
        closing = f"fixed: {self.fixed}" if self.fixed else _closing_text(self.gates)
        lines = [f"{self.name}: {self.size} units, {closing}"]
        if self.recognised:
            names = _listed(map(readable_name, sorted(self.recognised)))
            lines.append(f"taken for a gate, as it closes these units and only multiplies: {names}")
        if self.inexact:
            lines.append(f"not exact: {self.inexact}")
        if self.exact and self.in_law:
            lines.append(f"equal in law only: {self.in_law} draws other numbers for fewer units")
        if self.ordered and not self.fixed:
            lines.append(f"only the last units can be removed: {self.ordered}")
        if self.own_size and not self.fixed:
            lines.append("the function fixes this size itself: with fewer units, `apply` of the groups runs it")
        return "\n".join([*lines, format_table(["parameter", "axis", "stride", "layout"], rows)])


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f", and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _closing_text(gate_sets: GateSets) -> str:
    if not gate_sets:
        return "closed by no gate"
    return "closed by " + " or ".join(sorted(" and ".join(sorted(map(str, gate_set))) for gate_set in gate_sets))


def summary(groups: Mapping[str, Group], gates: Sequence[str]) -> str:
    """Say in three lines which groups can lose units, by which gates, and which cannot.

    Args:
        groups: the groups of a function, by name.
        gates: the paths of all gates.
    """
    exact = [f"{group.name} ({group.size})" for group in groups.values() if group.exact]
    in_law = sum(bool(group.exact and group.in_law) for group in groups.values())
    can = f"{len(exact)} of {len(groups)} groups can lose units exactly" + (f": {_listed(exact)}" if exact else "")
    can += f"; {in_law} of them equal in law only" if in_law else ""
    by_what = frozenset[str]().union(*(group.recognised for group in groups.values()))
    named = [readable_name(leaf) + (" (by what it does)" if leaf in by_what else "") for leaf in gates]
    no_gates = "none; no parameter is named liveness, or closes units and only multiplies"
    others = {
        "not exact": [group.name for group in groups.values() if not (group.exact or group.fixed)],
        "fixed": [group.name for group in groups.values() if group.fixed],
    }
    rest = ", ".join(f"{len(names)} {what} ({_listed(names)})" for what, names in others.items() if names)
    return f"{can}\ngates: {_listed(named) or no_gates}\nthe others: {rest or 'none'}"


def obstacles(groups: Mapping[str, Group], gates: Collection[str]) -> list[str]:
    """Say what keeps gates from removing units: see `UnitGroups.obstacles`."""
    exact = [group for group in groups.values() if group.exact]
    closing = {gate.leaf for group in exact for gate_set in group.gates for gate in gate_set}
    lines = []
    for leaf in sorted(set(gates) - closing):
        owners = [group for group in groups.values() if any(place.leaf == leaf for place in group.places)]
        reasons = [group.fixed or group.inexact or "it does not close them" for group in owners]
        lines += [f"{readable_name(leaf)}: {reason}" for reason in reasons if reason != INPUTS]
    if lines or closing:
        return lines
    inner = [f"{name}: {group.inexact}" for name, group in groups.items() if group.inexact]
    return ["no gate has units that can be removed" if gates else "no parameter is a gate", *inner]
