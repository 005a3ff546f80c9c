"""Which gates close which values: if a unit's gate is closed, what is the unit's entry of every value?

For each value and each atom of its axes: the sets of gates that, all closed at a unit, make every entry of the value at
that unit 0. A product is closed by either factor, a sum only by both terms together. A step that sums over units (a
contraction, a sum) must find them closed; otherwise removing them would change its result.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from jaxsize.units._program.axes import Axis, atoms, find, times_in
from jaxsize.units._program.contraction_rules import CONTRACTIONS, contracted
from jaxsize.units._program.flatten import Program, Step, Value, loop_counts
from jaxsize.units._program.gate_sets import ALWAYS, NEVER, Fact, Gate, GateSets, Operand, atoms_of, both, either, fold
from jaxsize.units._program.primitives import ELEMENTWISE, REDUCTIONS, SIDE_BY_SIDE
from jaxsize.units._program.zero_rules import keeps_signs, true_gate_sets, zero_gate_sets

_NO_ATOM = Axis(1)
"""An atom of no value: what is 0 at it is 0 everywhere."""


class Consumer(NamedTuple):
    """A step that sums over the units of an atom."""

    atom: Axis
    where: str
    """The step, such as `dot_general at model.py:12`."""
    gate_sets: GateSets
    """What makes the units 0 where the step reads them."""
    open_source: str
    """Where nothing does: the path of the parameter through which the units get past all gates, if it is known."""


def facts_of(leaves: Mapping[str, Value], gates: Iterable[str]) -> dict[Value, Fact]:
    """Say what is known of parameters: a gate closes its units where it is 0, all other parameters are open.

    Args:
        leaves: the values of all parameters, by path.
        gates: the paths of the parameters that are gates.
    """
    gates = set(gates)
    facts = {}
    for name, value in leaves.items():
        atoms_of_value = atoms_of(value)
        gated = []
        if name in gates:  # a gate that has an atom in two axes (units times the same units) has no entry for one unit
            gated = [atom for atom in atoms_of_value if sum(times_in(axis, atom) for axis in value.axes) == 1]
        gate_sets = dict.fromkeys(gated, frozenset([frozenset([Gate(name)])]))
        open_source = {atom: name for atom in atoms_of_value if atom not in gate_sets}
        facts[value] = Fact(gate_sets, open_source, name if gated else "")
    return facts


def find_consumers(program: Program, given: Mapping[Value, Fact]) -> list[Consumer]:
    """List all steps that sum over an atom, with the gates that close what they read.

    Args:
        program: a program with its axes tied.
        given: what is known of the inputs of the program.
    """
    return find_facts(program, given)[1]


def find_facts(program: Program, given: Mapping[Value, Fact]) -> tuple[dict[Value, Fact], list[Consumer]]:
    """Find what is known of every value of a program, and what `find_consumers` lists.

    Args:
        program: a program with its axes tied.
        given: what is known of the inputs of the program.
    """
    facts, consumers = dict(given), []
    _walk(program, facts, consumers)
    return facts, consumers


def _walk(program: Program, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    """Add what is known of the results of all steps to `facts`, and the steps that sum over an atom to `consumers`."""
    for step in program.steps:
        if step.body is not None:
            _loop(step, facts, consumers)
            continue
        consumers += _consumed(step, [Operand(value, facts) for value in step.inputs])
        for number, output in enumerate(step.outputs):
            inputs = [step.inputs[number]] if step.name in SIDE_BY_SIDE else step.inputs
            operands = [Operand(value, facts, _stretched(step, value, output)) for value in inputs]
            facts[output] = _fact(step, operands, output)


def _stretched(step: Step, value: Value, output: Value) -> frozenset[Axis]:
    """List the atoms of the axes along which a step repeats an operand: axes that are new, or had size 1."""
    if step.name == "broadcast_in_dim":
        dims = step.params["broadcast_dimensions"]
    elif step.name in ELEMENTWISE and len(value.shape) == len(output.shape):
        dims = range(len(output.shape))
    else:
        return frozenset()
    kept = {dim for dim, size in zip(dims, value.shape, strict=True) if size == output.shape[dim]}
    return frozenset(atom for dim, axis in enumerate(output.axes) if dim not in kept for atom in atoms(axis))


def _consumed(step: Step, operands: list[Operand]) -> list[Consumer]:
    """List the atoms that a step sums over."""
    if step.name in (*CONTRACTIONS, "conv_general_dilated"):
        left, right = operands[:2]
        if step.name in CONTRACTIONS:
            summed = [left.value.axes[dim] for dim in contracted(step)[0]]
        else:
            summed = [right.value.axes[step.params["dimension_numbers"].rhs_spec[1]]]
        summed_atoms = [atom for axis in summed for atom in atoms(axis)]
        return [
            _consumer(step, atom, either(left.gate_sets(atom), right.gate_sets(atom)), operands)
            for atom in summed_atoms
        ]
    if step.name in REDUCTIONS:
        (operand,) = operands
        summed_atoms = [atom for dim in step.params["axes"] for atom in atoms(operand.value.axes[dim])]
        harmless = {  # a maximum or a product feels a 0 as well
            "reduce_sum": operand.gate_sets,
            "reduce_or": operand.gate_sets,
            "reduce_and": operand.true_gate_sets,
        }.get(step.name, lambda atom: NEVER)
        return [_consumer(step, atom, harmless(atom), operands) for atom in summed_atoms]
    return []


def _consumer(step: Step, atom: Axis, gate_sets: GateSets, operands: list[Operand]) -> Consumer:
    return Consumer(atom, step.where, gate_sets, "" if gate_sets else _open_source(atom, operands))


def _open_source(atom: Axis, operands: Iterable[Operand]) -> str:
    """Find the parameter through which an atom gets past the gates: that of the first operand that is open."""
    sources = [op.fact.open_source.get(atom, "") for op in operands if atom in op.atoms and not op.gate_sets(atom)]
    return next((source for source in sources if source), "")


def _fact(step: Step, operands: list[Operand], output: Value) -> Fact:
    """Derive what is known of a result from what is known of the operands."""
    to_0, to_true, sources = {}, {}, {}
    for atom in dict.fromkeys(atoms_of(output)):
        to_0[atom] = zero_gate_sets(step, operands, atom)
        to_true[atom] = true_gate_sets(step, operands, atom)
        if not to_0[atom]:
            sources[atom] = _open_source(atom, operands)
    copy_of = operands[0].fact.copy_of if keeps_signs(step) else ""
    is_zero = output.shape == () and zero_gate_sets(step, operands, _NO_ATOM) == ALWAYS
    return Fact(_without_never(to_0), sources, copy_of, _without_never(to_true), is_zero)


def _without_never(gate_sets: Mapping[Axis, GateSets]) -> dict[Axis, GateSets]:
    """Leave out the atoms that nothing closes."""
    return {atom: alternatives for atom, alternatives in gate_sets.items() if alternatives}


def _loop(step: Step, facts: dict[Value, Fact], consumers: list[Consumer]) -> None:
    """Walk a loop: a carried value is closed by what closes it both before the loop and after every turn."""
    body, (num_consts, num_carry) = step.body, loop_counts(step)
    assert body is not None
    for outer, inner in zip(step.inputs, body.inputs, strict=True):
        operand = Operand(outer, facts)
        facts[inner] = Fact({atom: operand.gate_sets(atom) for atom in operand.atoms}, *operand.fact[1:])
        inner.constant = outer.constant if outer.constant is not None and outer.constant.ndim == 0 else None
    carried = body.inputs[num_consts : num_consts + num_carry]
    for value in carried:  # in the second turn, it may be no constant and no copy of a gate any more
        value.constant = None
        facts[value] = Fact(*facts[value][:2])
    while True:  # until a turn changes nothing that is known
        in_body: list[Consumer] = []
        _walk(body, facts, in_body)
        before = [facts[value] for value in carried]
        for value, result in zip(carried, body.outputs, strict=False):
            start, end = facts[value], Operand(result, facts)
            gate_sets = {atom: both(start.gate_sets.get(atom, NEVER), end.gate_sets(atom)) for atom in atoms_of(value)}
            sources = {**end.fact.open_source, **start.open_source}
            facts[value] = Fact(_without_never(gate_sets), sources)
        if [fact.gate_sets for fact in before] == [facts[value].gate_sets for value in carried]:
            break
    consumers += in_body
    for inner in body.inputs:  # which are no constants of the program, with which `retrace` compares others
        inner.constant = None
    for number, (output, result) in enumerate(zip(step.outputs, body.outputs, strict=True)):
        # The loop may take no turn at all: then its results are the values that it was given.
        facts[output] = facts[carried[number]] if number < num_carry else facts.get(result, Fact({}, {}))


def closed_by(consumers: Iterable[Consumer], atom: Axis) -> tuple[GateSets, Consumer | None]:
    """Find what closes the units of an atom wherever a step sums over them.

    Args:
        consumers: all steps that sum over an atom.
        atom: the atom.

    Returns:
        The alternatives that close a unit for every consumer of the atom, `NEVER` without a consumer; and the first
        consumer that reads the units open, None if there is none.
    """
    readers = [consumer for consumer in consumers if find(consumer.atom) is atom]
    gate_sets = fold(both, (consumer.gate_sets for consumer in readers)) if readers else NEVER
    return gate_sets, next((consumer for consumer in readers if not consumer.gate_sets), None)
