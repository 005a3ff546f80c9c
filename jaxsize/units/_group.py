"""A group of units: where they stand, what closes them, and what stands in the way of removing them."""

import dataclasses

from jaxsize.text_tables import format_table
from jaxsize.units._places import Place
from jaxsize.units._program.gate_sets import GateSets


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
    own_size: str = ""
    """Why the function itself does not run with fewer units, though `UnitGroups.apply` does, or empty."""

    @property
    def exact(self) -> bool:
        """Whether units can be removed without changing what the function computes."""
        return not (self.fixed or self.inexact)

    def __str__(self) -> str:
        rows = [[place.leaf, str(place.axis), str(place.stride), place.layout] for place in self.places]
        closing = f"fixed: {self.fixed}" if self.fixed else _closing_text(self.gates)
        lines = [f"{self.name}: {self.size} units, {closing}"]
        lines += [f"not exact: {self.inexact}"] if self.inexact else []
        lines += [f"only the last units can be removed: {self.ordered}"] if self.ordered and not self.fixed else []
        if self.own_size and not self.fixed:
            lines.append("the function fixes this size itself: with fewer units, `apply` of the groups runs it")
        return "\n".join([*lines, format_table(["parameter", "axis", "stride", "layout"], rows)])


def _closing_text(gate_sets: GateSets) -> str:
    if not gate_sets:
        return "closed by no gate"
    return "closed by " + " or ".join(sorted(" and ".join(sorted(map(str, gate_set))) for gate_set in gate_sets))
