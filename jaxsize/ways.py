"""Ways to close a unit, and what is known of a value: the algebra of `closing`."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jaxsize.axes import Axis, atoms
from jaxsize.flat_program import Value


class Gate(NamedTuple):
    """A parameter that closes units: at value 0, or (a relu gate) at any value up to 0."""

    leaf: str
    closed_below: bool = False

    def __str__(self) -> str:
        return f"{self.leaf} {'<=' if self.closed_below else '=='} 0"


Ways = frozenset[frozenset[Gate]]
"""Ways to close a unit: each a set of gates that must all be closed. Nothing closes it: no way. It is 0 anyway: the
empty set is a way."""
NEVER: Ways = frozenset()
ALWAYS: Ways = frozenset([frozenset()])
MOST_WAYS = 64


def either(a: Ways, b: Ways) -> Ways:
    """Closed if one of two factors is."""
    return _simplest(a | b)


def both(a: Ways, b: Ways) -> Ways:
    """Closed if both terms of a sum are."""
    return _simplest(left | right for left in a for right in b)


def _simplest(ways: Iterable[frozenset[Gate]]) -> Ways:
    """The ways that ask least: a way that another follows from is dropped. At most MOST_WAYS, since sums of many terms
    with several ways each would have very many; to know fewer ways is safe."""
    kept: list[frozenset[Gate]] = []
    for way in sorted(
        set(map(_merged, ways)), key=lambda way: (len(way), -sum(gate.closed_below for gate in way), sorted(way))
    ):
        if not any(_follows(other, way) for other in kept):
            kept.append(way)
    return frozenset(kept[:MOST_WAYS])


def _follows(other: frozenset[Gate], way: frozenset[Gate]) -> bool:
    """Whether the gates of `other` are closed where those of `way` are."""
    return all(gate in way or (gate.closed_below and Gate(gate.leaf) in way) for gate in other)


def _merged(way: frozenset[Gate]) -> frozenset[Gate]:
    """A gate that must be 0 need not be below 0 as well."""
    return frozenset(gate for gate in way if not (gate.closed_below and Gate(gate.leaf) in way))


class Fact(NamedTuple):
    """What is known of a value."""

    ways: Mapping[Axis, Ways]
    """Per atom; an atom that is not there is never closed. Where an atom stands in several axes, the entries of a unit
    are those that have it in any of them."""
    open_source: Mapping[Axis, str]
    """Per atom: the parameter through which it gets past all gates."""
    copy_of: str = ""
    """The gate of which the value is a copy: of the same sign."""
    true_ways: Mapping[Axis, Ways] = MappingProxyType({})
    """Of a boolean, per atom: what makes it True."""


def fold(how: Callable[[Ways, Ways], Ways], ways: Iterable[Ways]) -> Ways:
    first, *rest = list(ways) or [NEVER]
    for other in rest:
        first = how(first, other)
    return first


class Operand:
    """A value of a step, with what is known of it."""

    def __init__(self, value: Value, facts: Mapping[Value, Fact], stretched: frozenset[Axis] = frozenset()):
        self.value = value
        self.fact = facts.get(value, Fact({}, {}))
        self.atoms = atoms_of(value)
        self.stretched = stretched  # along these the step repeats the value: every unit has all its entries
        self.is_zero = value.is_zero or ALWAYS in self.fact.ways.values()

    def ways(self, atom: Axis) -> Ways:
        if self.is_zero:
            return ALWAYS
        return NEVER if atom in self.stretched else self.fact.ways.get(atom, NEVER)

    def true_ways(self, atom: Axis) -> Ways:
        return NEVER if atom in self.stretched else self.fact.true_ways.get(atom, NEVER)

    def below(self, atom: Axis) -> Ways:
        """A way where the value is not above 0, if it is a copy of a gate."""
        copied = self.fact.copy_of and frozenset([Gate(self.fact.copy_of)]) in self.ways(atom)
        return frozenset([frozenset([Gate(self.fact.copy_of, closed_below=True)])]) if copied else NEVER


def atoms_of(value: Value) -> list[Axis]:
    return [atom for axis in value.axes for atom in atoms(axis)]
