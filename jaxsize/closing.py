"""Which gates close which values: where a unit's gate is closed, what is the unit's entry of every value then?

For each value and each atom of its axes: the sets of gates that, all closed at a unit, make every entry of the value at
that unit 0. A product is closed by either factor, a sum only by both together; whoever sums over units (a contraction,
a sum) must find them closed, or removing them would change what comes out.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jaxsize.axes import Axis, atoms, find, times_in
from jaxsize.axis_rules import ELEMENTWISE, REDUCTIONS
from jaxsize.closing_rules import keeps_signs, true_ways_of, ways_of
from jaxsize.flat_program import Program, Step, Value, loop_counts
from jaxsize.ways import NEVER, Fact, Gate, Operand, Ways, atoms_of, both, either, fold


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
        found = atoms_of(value)
        # A gate that has an atom in two axes (units times the same units) has no entry for one unit.
        gated = (
            [atom for atom in found if sum(times_in(axis, atom) for axis in value.axes) == 1] if name in gates else []
        )
        ways = dict.fromkeys(gated, frozenset([frozenset([Gate(name)])]))
        facts[value] = Fact(ways, {atom: name for atom in found if atom not in ways}, name if gated else "")
    return facts


def find_consumers(program: Program, given: Mapping[Value, Fact]) -> list[Consumer]:
    """All steps that sum over an atom, with the gates that close what they read. given: what is known of inputs."""
    consumers: list[Consumer] = []
    _walk(program, dict(given), consumers)
    return consumers


def _walk(program: Program, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    for step in program.steps:
        if step.name == "scan":
            _scan(step, facts, consumers)
            continue
        consumers += _consumed(step, [Operand(value, facts) for value in step.inputs])
        for number, output in enumerate(step.outputs):
            passed = [step.inputs[number]] if step.name == "optimization_barrier" else step.inputs
            operands = [Operand(value, facts, _stretched(step, value, output)) for value in passed]
            facts[output] = _fact(step, operands, output)


def _stretched(step: Step, value: Value, output: Value) -> frozenset[Axis]:
    """The atoms of the axes along which a step repeats an operand: axes that are new, or had size 1."""
    if step.name == "broadcast_in_dim":
        dims = step.params["broadcast_dimensions"]
    elif step.name in ELEMENTWISE and len(value.shape) == len(output.shape):
        dims = range(len(output.shape))
    else:
        return frozenset()
    kept = {dim for dim, size in zip(dims, value.shape, strict=True) if size == output.shape[dim]}
    return frozenset(atom for dim, axis in enumerate(output.axes) if dim not in kept for atom in atoms(axis))


def _consumed(step: Step, operands: list[Operand]) -> list[Consumer]:
    """The atoms that the step sums over."""
    if step.name in ("dot_general", "conv_general_dilated"):
        left, right = operands
        if step.name == "dot_general":
            summed = [left.value.axes[dim] for dim in step.params["dimension_numbers"][0][0]]
        else:
            summed = [right.value.axes[step.params["dimension_numbers"].rhs_spec[1]]]
        found = [atom for axis in summed for atom in atoms(axis)]
        return [_consumer(step, atom, either(left.ways(atom), right.ways(atom)), operands) for atom in found]
    if step.name in REDUCTIONS:
        (operand,) = operands
        found = [atom for dim in step.params["axes"] for atom in atoms(operand.value.axes[dim])]
        is_sum = step.name == "reduce_sum"  # a maximum or a product feels a 0 as well
        return [_consumer(step, atom, operand.ways(atom) if is_sum else NEVER, operands) for atom in found]
    return []


def _consumer(step: Step, atom: Axis, ways: Ways, operands: list[Operand]) -> Consumer:
    return Consumer(atom, step.where, ways, "" if ways else _open_source(atom, operands))


def _open_source(atom: Axis, operands: Iterable[Operand]) -> str:
    """Through which parameter an atom gets past the gates: that of the first operand which is open."""
    sources = [op.fact.open_source.get(atom, "") for op in operands if atom in op.atoms and not op.ways(atom)]
    return next((source for source in sources if source), "")


def _fact(step: Step, operands: list[Operand], output: Value) -> Fact:
    """What is known of a result."""
    ways, true_ways, sources = {}, {}, {}
    for atom in dict.fromkeys(atoms_of(output)):
        ways[atom] = ways_of(step, operands, atom)
        true_ways[atom] = true_ways_of(step, operands, atom)
        if not ways[atom]:
            sources[atom] = _open_source(atom, operands)
    known = ({atom: way for atom, way in found.items() if way} for found in (ways, true_ways))
    return Fact(next(known), sources, operands[0].fact.copy_of if keeps_signs(step) else "", next(known))


def _scan(step: Step, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    """A carried value is closed by what closes it before the loop and after every turn of it."""
    body, (num_consts, num_carry) = step.body, loop_counts(step)
    assert body is not None
    for outer, inner in zip(step.inputs, body.inputs, strict=True):
        operand = Operand(outer, facts)
        facts[inner] = Fact({atom: operand.ways(atom) for atom in operand.atoms}, *operand.fact[1:])
        inner.constant = outer.constant if outer.constant is not None and outer.constant.ndim == 0 else None
    carried = body.inputs[num_consts : num_consts + num_carry]
    for value in carried:  # what it was in the first turn, but for being closed, it may not be in the next
        value.constant = None
        facts[value] = Fact(*facts[value][:2])
    while True:
        found: list[Consumer] = []
        _walk(body, facts, found)
        before = [facts[value] for value in carried]
        for value, result in zip(carried, body.outputs, strict=False):
            start, end = facts[value], Operand(result, facts)
            ways = {atom: both(start.ways.get(atom, NEVER), end.ways(atom)) for atom in atoms_of(value)}
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
    ways = fold(both, (consumer.ways for consumer in mine)) if mine else NEVER
    return ways, next((consumer for consumer in mine if not consumer.ways), None)
