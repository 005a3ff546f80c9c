"""What becomes of closed units in a step: one small rule per primitive, for the values that it makes.

A rule says which closed gates make a unit's entries of a result 0, from what is known of the operands. Where a rule
does not know, the unit is open.
"""

import jax

from jaxsize.axes import Axis, atoms, times_in
from jaxsize.axis_rules import REDUCTIONS, ZERO_AT_ZERO
from jaxsize.flat_program import Step
from jaxsize.ways import NEVER, Operand, Ways, both, either, fold

_SAME_ENTRIES = frozenset(("broadcast_in_dim", "reshape", "transpose", "squeeze", "copy"))
_SOME_ENTRIES = _SAME_ENTRIES | {"slice", "split", "rev"}


def keeps_signs(step: Step) -> bool:
    if step.name == "convert_element_type":  # a boolean of a negative number is True
        return jax.numpy.issubdtype(step.params["new_dtype"], jax.numpy.floating)
    return step.name in _SAME_ENTRIES


def ways_of(step: Step, operands: list[Operand], atom: Axis) -> Ways:
    """How the entries of a result at a unit of the atom become 0. As everywhere, numbers are taken to be finite."""
    told = [operand.ways(atom) for operand in operands]
    if step.name in _SOME_ENTRIES:
        return told[0]
    if step.name in ("mul", "and"):
        return fold(either, told)
    if step.name == "dot_general":
        return _contraction(step, operands, atom)
    if step.name == "conv_general_dilated":
        return _convolution(step, operands, atom)
    if step.name in ("div", "rem"):  # 0 / 0 is not 0
        return NEVER if told[1] else told[0]
    if step.name == "integer_pow":
        return told[0] if step.params["y"] > 0 else NEVER
    if step.name == "not":
        return operands[0].true_ways(atom)
    if step.name in ("gt", "lt", "ne"):
        gate, zero = told_of = operands if step.name == "gt" else operands[::-1]
        below = gate.below(atom) if zero.is_zero and step.name != "ne" else NEVER
        return either(below, fold(both, (operand.ways(atom) for operand in told_of)))
    if step.name in ("max", "min"):
        return _extreme(step, operands, atom)
    if step.name == "clamp":
        low, _, high = operands
        return told[1] if _at_most_0(low) and _at_least_0(high) else NEVER
    if step.name == "select_n":
        return _selection(operands, atom)
    if step.name == "concatenate":
        return fold(both, (operand.ways(atom) for operand in operands if atom in operand.atoms))
    if step.name == "pad":
        return fold(both, told)
    if step.name == "gather":
        _, indices = operands
        filler = step.params["fill_value"]  # of rows out of range; NaN is there for all units alike
        return NEVER if atom in indices.atoms or not (filler is None or filler == 0 or filler != filler) else told[0]
    if step.name in REDUCTIONS:
        return told[0] if 0 not in operands[0].value.shape else NEVER
    if step.name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min"):
        return told[0] if step.name == "reduce_window_sum" or _windows_are_filled(step) else NEVER
    return fold(both, told) if step.name in ZERO_AT_ZERO else NEVER


def true_ways_of(step: Step, operands: list[Operand], atom: Axis) -> Ways:
    """How the entries of a boolean result at a unit of the atom become True."""
    if step.name in ("eq", "le", "ge"):
        gate, zero = operands if step.name == "le" else operands[::-1]
        below = gate.below(atom) if zero.is_zero and step.name != "eq" else NEVER
        return either(below, both(gate.ways(atom), zero.ways(atom)))
    if step.name == "not":
        return operands[0].ways(atom)
    return operands[0].true_ways(atom) if step.name in _SAME_ENTRIES else NEVER


def _contraction(step: Step, operands: list[Operand], atom: Axis) -> Ways:
    """Every axis of the result that has the atom must be closed: a common one by either operand, else by its own."""
    (left, right), (left_batch, right_batch) = step.params["dimension_numbers"]
    a, b = operands
    told = []
    if any(atom in atoms(a.value.axes[dim]) for dim in left_batch):
        told.append(either(a.ways(atom), b.ways(atom)))
    for operand, others in ((a, (*left, *left_batch)), (b, (*right, *right_batch))):
        if any(atom in atoms(axis) for dim, axis in enumerate(operand.value.axes) if dim not in others):
            told.append(operand.ways(atom))
    return fold(both, told)


def _convolution(step: Step, operands: list[Operand], atom: Axis) -> Ways:
    """The same: the axis of units belongs to the kernel, but for the channels that a depthwise convolution keeps."""
    lhs_spec, rhs_spec, _ = step.params["dimension_numbers"]
    inputs, kernel = operands
    batch, features = (inputs.value.axes[dim] for dim in lhs_spec[:2])
    units, summed = (kernel.value.axes[dim] for dim in rhs_spec[:2])
    told = [inputs.ways(atom)] if atom in atoms(batch) else []
    if atom in atoms(units):
        is_shared = step.params["feature_group_count"] > 1 and atom in atoms(features) and atom not in atoms(summed)
        is_shared = is_shared and times_in(units, atom) == 1
        told.append(either(inputs.ways(atom), kernel.ways(atom)) if is_shared else kernel.ways(atom))
    return fold(both, told)


def _extreme(step: Step, operands: list[Operand], atom: Axis) -> Ways:
    """A maximum or minimum: of closed values, of a closed value and a constant that does not win, max(gate, 0)."""
    harmless = _at_most_0 if step.name == "max" else _at_least_0
    found = fold(both, (operand.ways(atom) for operand in operands if not harmless(operand)))
    if step.name == "max":
        for gate, zero in (operands, operands[::-1]):
            found = either(found, gate.below(atom) if zero.is_zero else NEVER)
    return found


def _selection(operands: list[Operand], atom: Axis) -> Ways:
    """All choices are closed, or the one that is taken there."""
    mask, *choices = operands
    told = [choice.ways(atom) for choice in choices]
    found = fold(both, told)
    if len(choices) == 2:
        found = either(found, both(mask.ways(atom), told[0]))
        found = either(found, both(mask.true_ways(atom), told[1]))
    return found


def _windows_are_filled(step: Step) -> bool:
    """Whether every window has an entry that is not padding, which is infinite."""
    names = ("window_dimensions", "window_strides", "padding", "base_dilation", "window_dilation")
    (operand,), (output,) = step.inputs, step.outputs
    for dim, (size, stride, (low, _), base, dilation) in enumerate(
        zip(*(step.params[name] for name in names), strict=True)
    ):
        entries = range(0, operand.shape[dim] * base, base)
        firsts = range(-low, -low + output.shape[dim] * stride, stride)
        if not all(any(first + at * dilation in entries for at in range(size)) for first in firsts):
            return False
    return True


def _at_most_0(operand: Operand) -> bool:
    constant = operand.value.constant
    return constant is not None and bool((constant <= 0).all())


def _at_least_0(operand: Operand) -> bool:
    constant = operand.value.constant
    return constant is not None and bool((constant >= 0).all())
