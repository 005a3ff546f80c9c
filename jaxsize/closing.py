"""Which gates close which values: where a unit's gate is closed, what is the unit's entry of every value then?

For each value and each atom of its axes: the sets of gates that, all closed at a unit, make every entry of the value at
that unit 0. A product is closed by either factor, a sum only by both together; whoever sums over units (a contraction,
a sum) must find them closed, or removing them would change what comes out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jaxsize.axes import Axis, atoms, find
from jaxsize.axis_rules import ELEMENTWISE, POOLINGS, REDUCTIONS, ZERO_AT_ZERO
from jaxsize.flat_program import Program, Step, Value


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


def either(a: Ways, b: Ways) -> Ways:
    """Closed if one of two factors is."""
    return _simplest(a | b)


def both(a: Ways, b: Ways) -> Ways:
    """Closed if both terms of a sum are."""
    return _simplest({_merged(left | right) for left in a for right in b})


def _simplest(ways: Iterable[frozenset[Gate]]) -> Ways:
    found = frozenset(ways)
    return frozenset(way for way in found if not any(other < way for other in found))


def _merged(way: frozenset[Gate]) -> frozenset[Gate]:
    """A gate that must be 0 need not be below 0 as well."""
    exact = {gate.leaf for gate in way if not gate.closed_below}
    return frozenset(gate for gate in way if not (gate.closed_below and gate.leaf in exact))


class Fact(NamedTuple):
    """What is known of a value."""

    ways: Mapping[Axis, Ways]
    """Per atom; an atom that is not there is never closed."""
    open_source: Mapping[Axis, str]
    """Per atom: the parameter through which it gets past all gates."""
    copy_of: str = ""
    """The gate of which the value is a copy: of the same sign."""
    is_closed: tuple[str, bool] | None = None
    """(gate, True): a boolean that is True just where the gate is at most 0; (gate, False): that is False there."""


class Consumer(NamedTuple):
    """A step that sums over the units of an atom."""

    atom: Axis
    where: str
    ways: Ways
    open_source: str


def facts_of(leaves: Mapping[str, Value], gates: Iterable[str]) -> dict[Value, Fact]:
    """What is known of parameters, by name: a gate is closed where it is 0, all others are open."""
    gates = set(gates)
    facts = {}
    for name, value in leaves.items():
        found = _atoms_of(value)
        if name in gates:
            facts[value] = Fact(dict.fromkeys(found, frozenset([frozenset([Gate(name)])])), {}, name)
        else:
            facts[value] = Fact({}, dict.fromkeys(found, name))
    return facts


def find_consumers(program: Program, given: Mapping[Value, Fact]) -> list[Consumer]:
    """All steps that sum over an atom, with the gates that close what they read. given: what is known of inputs."""
    consumers: list[Consumer] = []
    _walk(program, dict(given), consumers)
    return consumers


class _Operand:
    """A value of a step, with what is known of it."""

    def __init__(self, value: Value, facts: Mapping[Value, Fact]):
        self.value = value
        self.fact = facts.get(value, Fact({}, {}))
        self.atoms = _atoms_of(value)

    def ways(self, atom: Axis) -> Ways:
        return ALWAYS if self.value.is_zero else self.fact.ways.get(atom, NEVER)


def _atoms_of(value: Value) -> list[Axis]:
    return [atom for axis in value.axes for atom in atoms(axis)]


def _walk(program: Program, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    for step in program.steps:
        if step.name == "scan":
            _scan(step, facts, consumers)
            continue
        operands = [_Operand(value, facts) for value in step.inputs]
        consumers += _consumed(step, operands)
        for number, output in enumerate(step.outputs):
            passed = [operands[number]] if step.name == "optimization_barrier" else operands
            facts[output] = _fact(step, passed, output)


def _consumed(step: Step, operands: list[_Operand]) -> list[Consumer]:
    """The atoms that the step sums over."""
    kept = {atom for output in step.outputs for atom in _atoms_of(output)}
    if step.name in ("dot_general", "conv_general_dilated"):
        left, right = operands
        contracted = [atom for atom in left.atoms if atom in right.atoms]
        if step.name == "dot_general":
            dims = step.params["dimension_numbers"][0][0]
            contracted = [atom for dim in dims for atom in atoms(left.value.axes[dim])]
        else:
            contracted = [atom for atom in contracted if atom not in kept]
        return [_consumer(step, atom, either(left.ways(atom), right.ways(atom)), [left, right]) for atom in contracted]
    if step.name in REDUCTIONS:
        (operand,) = operands
        reduced = [atom for dim in step.params["axes"] for atom in atoms(operand.value.axes[dim])]
        # A maximum or a product feels a 0 as well.
        return [
            _consumer(step, atom, operand.ways(atom) if step.name == "reduce_sum" else NEVER, operands)
            for atom in reduced
        ]
    return []


def _consumer(step: Step, atom: Axis, ways: Ways, operands: list[_Operand]) -> Consumer:
    return Consumer(atom, step.where, ways, "" if ways else _open_source(atom, operands))


def _open_source(atom: Axis, operands: Iterable[_Operand]) -> str:
    """Through which parameter an atom gets past the gates: that of the first operand which is open."""
    sources = [op.fact.open_source.get(atom, "") for op in operands if atom in op.atoms and not op.ways(atom)]
    return next((source for source in sources if source), "")


def _fact(step: Step, operands: list[_Operand], output: Value) -> Fact:
    """What is known of a result."""
    copied = operands[0].fact if step.name in _COPIES else Fact({}, {})
    ways, sources = {}, {}
    for atom in _atoms_of(output):
        found = _ways(step, operands, atom)
        # The same atom may stand in two axes, from two operands: both must be closed.
        ways[atom] = both(ways[atom], found) if atom in ways else found
        if not ways[atom]:
            sources[atom] = _open_source(atom, operands)
    is_closed = copied.is_closed or _compared(step, operands)
    return Fact({atom: way for atom, way in ways.items() if way}, sources, copied.copy_of, is_closed)


def _compared(step: Step, operands: list[_Operand]) -> tuple[str, bool] | None:
    """What a comparison of a gate with 0 says."""
    true_where_closed = {"le": True, "gt": False}
    if step.name in true_where_closed and operands[0].fact.copy_of and _is_0(operands[1]):
        return operands[0].fact.copy_of, true_where_closed[step.name]
    return None


_COPIES = frozenset(("broadcast_in_dim", "reshape", "transpose", "squeeze", "copy", "convert_element_type"))
_PASSING = _COPIES | {"slice", "split", "pad", "rev", "gather"} | REDUCTIONS | POOLINGS
_SMALL = frozenset(("max", "gt"))  # 0 where one operand is 0 and the other, a constant, is at most 0


def _ways(step: Step, operands: list[_Operand], atom: Axis) -> Ways:
    """How the entries of a result at a unit of the atom become 0."""
    if step.name in ("mul", "and"):
        return _fold(either, (operand.ways(atom) for operand in operands))
    if step.name in ("dot_general", "conv_general_dilated"):
        return _contraction(step, operands, atom)
    if step.name in _PASSING or step.name in ("div", "rem"):
        return operands[0].ways(atom)
    if step.name == "integer_pow":
        return operands[0].ways(atom) if step.params["y"] > 0 else NEVER
    if step.name in ("max", "select_n") and (relu := _relu_of_gate(step, operands, atom)):
        return relu
    if step.name == "clamp":
        low, operand, high = operands
        return operand.ways(atom) if _at_most_0(low) and _at_least_0(high) else NEVER
    if step.name in ("max", "min", "gt", "lt"):
        harmless = {"max": _at_most_0, "gt": _is_0, "min": _at_least_0, "lt": _is_0}[step.name]
        told = [operand.ways(atom) for operand in operands if not harmless(operand)]
        return _fold(both, told) if len(told) == len(operands) - 1 or step.name in ("max", "min") else NEVER
    if step.name == "select_n":
        return _fold(both, (operand.ways(atom) for operand in operands[1:]))
    if step.name == "concatenate":
        return _fold(both, (operand.ways(atom) for operand in operands if atom in operand.atoms))
    if step.name in ZERO_AT_ZERO & ELEMENTWISE:
        return _fold(both, (operand.ways(atom) for operand in operands))
    return NEVER


def _contraction(step: Step, operands: list[_Operand], atom: Axis) -> Ways:
    left, right = operands
    holding = [operand for operand in operands if atom in operand.atoms]
    if len(holding) < 2:
        return holding[0].ways(atom) if holding else NEVER
    if step.name == "dot_general":
        batch = {found for dim in step.params["dimension_numbers"][1][0] for found in atoms(left.value.axes[dim])}
        if atom not in batch:  # it stands in the result twice
            return both(left.ways(atom), right.ways(atom))
    return either(left.ways(atom), right.ways(atom))


def _relu_of_gate(step: Step, operands: list[_Operand], atom: Axis) -> Ways:
    """max(gate, 0), or a choice of 0 where gate <= 0: closed wherever the gate is at most 0."""
    gate = ""
    if step.name == "max":
        others = [operand for operand in operands if not _is_0(operand)]
        gate = others[0].fact.copy_of if len(others) == 1 else ""
    elif operands[0].fact.is_closed is not None:
        name, true_where_closed = operands[0].fact.is_closed
        gate = name if operands[1 + true_where_closed].ways(atom) == ALWAYS else ""
    return frozenset([frozenset([Gate(gate, closed_below=True)])]) if gate else NEVER


def _fold(how, ways: Iterable[Ways]) -> Ways:
    first, *rest = list(ways) or [NEVER]
    for other in rest:
        first = how(first, other)
    return first


def _is_0(operand: _Operand) -> bool:
    return operand.value.is_zero


def _at_most_0(operand: _Operand) -> bool:
    constant = operand.value.constant
    return constant is not None and bool((constant <= 0).all())


def _at_least_0(operand: _Operand) -> bool:
    constant = operand.value.constant
    return constant is not None and bool((constant >= 0).all())


def _scan(step: Step, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    """A carried value is closed by what closes it before the loop and after every turn of it."""
    body, num_consts, num_carry = step.body, step.params["num_consts"], step.params["num_carry"]
    assert body is not None
    for outer, inner in zip(step.inputs, body.inputs, strict=True):
        operand = _Operand(outer, facts)
        facts[inner] = Fact({atom: operand.ways(atom) for atom in operand.atoms}, *operand.fact[1:])
        inner.constant = outer.constant if outer.constant is not None and outer.constant.ndim == 0 else None
    carried = body.inputs[num_consts : num_consts + num_carry]
    for value in carried:
        value.constant = None
    while True:
        found: list[Consumer] = []
        _walk(body, facts, found)
        before = [facts[value] for value in carried]
        for value, result in zip(carried, body.outputs, strict=False):
            start, end = facts[value], _Operand(result, facts)
            ways = {atom: both(start.ways.get(atom, NEVER), end.ways(atom)) for atom in _atoms_of(value)}
            sources = {**end.fact.open_source, **start.open_source}
            facts[value] = Fact({atom: way for atom, way in ways.items() if way}, sources)
        if [fact.ways for fact in before] == [facts[value].ways for value in carried]:
            break
    consumers += found
    for number, (output, result) in enumerate(zip(step.outputs, body.outputs, strict=True)):
        # No turn may have been taken at all: what comes out is what was carried in.
        facts[output] = facts[carried[number]] if number < num_carry else facts.get(result, Fact({}, {}))


def closed_by(consumers: Iterable[Consumer], atom: Axis) -> tuple[Ways, Consumer | None]:
    """The ways that close a unit for every consumer of the atom, and a consumer that reads it open, if there is one."""
    mine = [consumer for consumer in consumers if find(consumer.atom) is atom]
    ways = _fold(both, (consumer.ways for consumer in mine)) if mine else NEVER
    return ways, next((consumer for consumer in mine if not consumer.ways), None)
