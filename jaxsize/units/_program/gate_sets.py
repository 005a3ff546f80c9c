"""Which gates make a unit 0 when they are closed, and what is known of a value.

`GateSets` is the answer for one unit; `either` and `both` combine the answers for the factors of a product and for the
terms of a sum. `zeros` carries them through a program, by the rules of `zero_rules`.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from jaxsize.trees import readable_name
from jaxsize.units._program.axes import Axis, atoms
from jaxsize.units._program.flatten import Value


class Gate(NamedTuple):
    """A parameter with one value per unit that closes a unit where its value is 0 or, for a relu gate, at most 0."""

    leaf: str
    """Path of the parameter, such as `hidden.0.liveness`."""
    closed_below: bool = False
    """Whether values below 0 close a unit as well (a relu gate)."""

    def __str__(self) -> str:
        return f"{readable_name(self.leaf)} {'<=' if self.closed_below else '=='} 0"


GateSets = frozenset[frozenset[Gate]]
"""A unit's alternatives: each is a set of gates whose joint closing makes the unit 0. `NEVER` (no alternative): nothing
does. `ALWAYS` (the empty set): the unit is 0 whatever the gates. Example: {{a <= 0}, {b == 0, c == 0}} says that the
unit is 0 where a is at most 0, and also where b and c are both 0."""
NEVER: GateSets = frozenset()
ALWAYS: GateSets = frozenset([frozenset()])
MOST_GATE_SETS = 64
"""At most so many alternatives are kept for a unit."""


def either(a: GateSets, b: GateSets) -> GateSets:
    """Combine the alternatives of two factors: their product is 0 where one of them is 0."""
    return _simplest(a | b)


def both(a: GateSets, b: GateSets) -> GateSets:
    """Combine the alternatives of two terms: their sum is known to be 0 where both of them are 0."""
    return _simplest(left | right for left in a for right in b)


def _simplest(alternatives: Iterable[frozenset[Gate]]) -> GateSets:
    """Drop every alternative that asks for more than another one does, and keep at most MOST_GATE_SETS.

    Without a limit, a sum of many terms with several alternatives each would have very many. To know fewer of them than
    there are is safe: a unit then only counts as open more often.
    """
    kept: list[frozenset[Gate]] = []
    for gate_set in sorted(set(map(_merged, alternatives)), key=_order):
        if not any(_follows(other, gate_set) for other in kept):
            kept.append(gate_set)
    return frozenset(kept[:MOST_GATE_SETS])


def _order(gate_set: frozenset[Gate]) -> tuple:
    """Order alternatives: those with few gates first and, at equal numbers, those with many relu gates."""
    return len(gate_set), -sum(gate.closed_below for gate in gate_set), sorted(gate_set)


def _follows(other: frozenset[Gate], gate_set: frozenset[Gate]) -> bool:
    """Tell whether the gates of `other` are all closed wherever those of `gate_set` are."""
    return all(gate in gate_set or (gate.closed_below and Gate(gate.leaf) in gate_set) for gate in other)


def closes(gate_sets: GateSets, closing: GateSets) -> bool:
    """Tell whether some alternative of `gate_sets` holds wherever one of `closing` does."""
    return all(any(_follows(other, gate_set) for other in gate_sets) for gate_set in closing)


def _merged(gate_set: frozenset[Gate]) -> frozenset[Gate]:
    """Drop `a <= 0` where `a == 0` is asked for as well."""
    return frozenset(gate for gate in gate_set if not (gate.closed_below and Gate(gate.leaf) in gate_set))


def fold(combine: Callable[[GateSets, GateSets], GateSets], parts: Iterable[GateSets]) -> GateSets:
    """Combine the alternatives of any number of parts by `either` or `both`; `NEVER` where there is no part."""
    first, *rest = list(parts) or [NEVER]
    for other in rest:
        first = combine(first, other)
    return first


class Fact(NamedTuple):
    """What is known of a value of a program, for the units of the atoms of its axes."""

    gate_sets: Mapping[Axis, GateSets]
    """Per atom: what makes all entries of a unit 0. An atom that is missing is never closed. Where an atom stands in
    several axes, the entries of a unit are those that have the unit in any of these axes."""
    open_source: Mapping[Axis, str]
    """Per atom: the path of the parameter through which its units get past all gates."""
    copy_of: str = ""
    """The path of the gate of which the value is a copy, with the same signs, or empty."""
    true_gate_sets: Mapping[Axis, GateSets] = MappingProxyType({})
    """For a boolean value, per atom: what makes all entries of a unit True."""
    is_zero: bool = False
    """Whether the value is a number, of no axes, that is 0 whatever the gates."""


class Operand:
    """A value that a step reads, with what is known of it.

    Args:
        value: the value.
        facts: what is known of every value so far; nothing is known of a value that is missing.
        stretched: the atoms along whose axes the step repeats the value, so that every unit has all of its entries.
    """

    def __init__(self, value: Value, facts: Mapping[Value, Fact], stretched: frozenset[Axis] = frozenset()):
        self.value = value
        self.fact = facts.get(value, Fact({}, {}))
        self.atoms = atoms_of(value)
        self.stretched = stretched
        # Padding is 0 at the units that it adds, and only there: a value is 0 where it is so for all of its atoms.
        known = self.fact.gate_sets
        self.is_zero = (
            value.is_zero
            or self.fact.is_zero
            or (bool(known) and all(known.get(atom) == ALWAYS for atom in self.atoms))
        )

    def gate_sets(self, atom: Axis) -> GateSets:
        """Return what makes all entries of a unit of `atom` 0."""
        if self.is_zero:
            return ALWAYS
        return NEVER if atom in self.stretched else self.fact.gate_sets.get(atom, NEVER)

    def true_gate_sets(self, atom: Axis) -> GateSets:
        """Return what makes all entries of a unit of `atom` True, for a boolean value."""
        return NEVER if atom in self.stretched else self.fact.true_gate_sets.get(atom, NEVER)

    def not_positive(self, atom: Axis) -> GateSets:
        """Return what makes all entries of a unit of `atom` at most 0: the gate of which the value is a copy, if any.

        Nothing else is known to have a sign: `NEVER` for a value that is no copy of a gate.
        """
        is_copy = self.fact.copy_of and frozenset([Gate(self.fact.copy_of)]) in self.gate_sets(atom)
        return frozenset([frozenset([Gate(self.fact.copy_of, closed_below=True)])]) if is_copy else NEVER


def atoms_of(value: Value) -> list[Axis]:
    """List the atoms of all axes of a value, with repeats."""
    return [atom for axis in value.axes for atom in atoms(axis)]
