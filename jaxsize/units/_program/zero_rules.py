"""When the results of a step are 0: one small rule per primitive.

A rule says which closed gates make a unit's entries of a result 0, from what is known of the operands. A unit about
which the rule knows nothing counts as open.
"""

import jax

from jaxsize.units._program.axes import Axis, atoms, times_in
from jaxsize.units._program.contraction_rules import CONTRACTIONS, contracted
from jaxsize.units._program.flatten import Step
from jaxsize.units._program.gate_sets import ALWAYS, NEVER, GateSets, Operand, both, either, fold
from jaxsize.units._program.primitives import CUMULATIVE, REDUCTIONS, ZERO_AT_ZERO

# Results that have no other entries than the first operand.
_SOME_ENTRIES = frozenset(
    ("broadcast_in_dim", "reshape", "transpose", "squeeze", "copy", "slice", "split", "rev", "sort", "tile", "unstack")
) | {"dynamic_slice"}
# Results that are 0 where the first operand is: other operands are factors, or lengths and positions. The bits of a 0
# may be those of -0, which are not 0: `bitcast_convert_type` is not among these.
_OF_THE_FIRST = _SOME_ENTRIES | (CUMULATIVE - {"cumlogsumexp"}) | {"fft", "scatter-mul", "select_and_scatter_add"}
# Results with entries of the first operand and of the last, or sums of both, or the larger or the smaller of both.
_OF_FIRST_AND_LAST = frozenset(("scatter", "scatter-add", "scatter-sub", "scatter-min", "scatter-max"))


def keeps_signs(step: Step) -> bool:
    """Tell whether the entries of a step's result have the signs of the entries of its operand."""
    if step.name == "convert_element_type":  # a boolean of a negative number is True
        return jax.numpy.issubdtype(step.params["new_dtype"], jax.numpy.floating)
    return step.name in _SOME_ENTRIES


def zero_gate_sets(step: Step, operands: list[Operand], atom: Axis) -> GateSets:
    """Find what makes the entries of a step's result 0 at a unit. Here as everywhere, numbers are taken to be finite.

    Args:
        step: the step.
        operands: its inputs, with what is known of them.
        atom: the atom of the unit.

    Returns:
        The alternatives; `NEVER` for a primitive without a rule.
    """
    by_operand = [operand.gate_sets(atom) for operand in operands]
    if step.name in _OF_THE_FIRST:
        return by_operand[0]
    if step.name in _OF_FIRST_AND_LAST:
        applies_function = step.name == "scatter" and step.params.get("update_jaxpr") is not None  # `x.at[i].apply(f)`
        return NEVER if applies_function else both(by_operand[0], by_operand[-1])
    if step.name == "dynamic_update_slice":
        return both(*by_operand[:2])
    if step.name in ("mul", "and"):
        return fold(either, by_operand)
    if step.name in CONTRACTIONS:
        return _contraction(step, operands, atom)
    if step.name == "conv_general_dilated":
        return _convolution(step, operands, atom)
    if step.name in ("div", "rem"):  # 0 / 0 is not 0
        return NEVER if by_operand[1] else by_operand[0]
    if step.name == "integer_pow":
        return by_operand[0] if step.params["y"] > 0 else NEVER
    if step.name == "not":
        return operands[0].true_gate_sets(atom)
    if step.name == "ne" and step.inputs[0] is step.inputs[1]:  # which is how NaN is looked for
        return ALWAYS
    if step.name in ("gt", "lt", "ne"):
        gate, zero = compared = operands if step.name == "gt" else operands[::-1]
        not_positive = gate.not_positive(atom) if zero.is_zero and step.name != "ne" else NEVER
        return either(not_positive, fold(both, (operand.gate_sets(atom) for operand in compared)))
    if step.name in ("max", "min"):
        return _extreme(step, operands, atom)
    if step.name == "clamp":
        low, _, high = operands
        return by_operand[1] if _at_most_0(low) and _at_least_0(high) else NEVER
    if step.name == "select_n":
        return _selection(operands, atom)
    if step.name in ("concatenate", "stack"):
        return fold(both, (operand.gate_sets(atom) for operand in operands if atom in operand.atoms))
    if step.name == "pad":
        padded, filler = operands
        return both(padded.gate_sets(atom) if atom in padded.atoms else ALWAYS, filler.gate_sets(atom))
    if step.name == "gather":
        _, indices = operands
        filler = step.params["fill_value"]  # of rows out of range; NaN is there for all units alike
        is_open = atom in indices.atoms or not (filler is None or filler == 0 or filler != filler)
        return NEVER if is_open else by_operand[0]
    if step.name in REDUCTIONS:
        return by_operand[0] if 0 not in operands[0].value.shape else NEVER
    if step.name in ("reduce_window_sum", "reduce_window_max", "reduce_window_min"):
        return by_operand[0] if step.name == "reduce_window_sum" or _windows_are_filled(step) else NEVER
    return fold(both, by_operand) if step.name in ZERO_AT_ZERO else NEVER


def true_gate_sets(step: Step, operands: list[Operand], atom: Axis) -> GateSets:
    """Find what makes the entries of a step's boolean result True at a unit, as `zero_gate_sets` does for 0."""
    if step.name in ("eq", "le", "ge"):
        gate, zero = operands if step.name == "le" else operands[::-1]
        not_positive = gate.not_positive(atom) if zero.is_zero and step.name != "eq" else NEVER
        return either(not_positive, both(gate.gate_sets(atom), zero.gate_sets(atom)))
    if step.name == "is_finite":
        return ALWAYS
    if step.name == "not":
        return operands[0].gate_sets(atom)
    return operands[0].true_gate_sets(atom) if step.name in _SOME_ENTRIES else NEVER


def _contraction(step: Step, operands: list[Operand], atom: Axis) -> GateSets:
    """Find what closes all axes of the result that have the atom.

    Either operand closes a batch axis; any other axis is closed by the operand that it comes from.
    """
    left, right, left_batch, right_batch = contracted(step)
    a, b = operands[:2]
    by_axis = []
    if any(atom in atoms(a.value.axes[dim]) for dim in left_batch):
        by_axis.append(either(a.gate_sets(atom), b.gate_sets(atom)))
    for operand, others in ((a, (*left, *left_batch)), (b, (*right, *right_batch))):
        if any(atom in atoms(axis) for dim, axis in enumerate(operand.value.axes) if dim not in others):
            by_axis.append(operand.gate_sets(atom))
    return fold(both, by_axis)


def _convolution(step: Step, operands: list[Operand], atom: Axis) -> GateSets:
    """Find what closes all axes of the result that have the atom.

    The inputs close the axis of examples, the kernel closes that of units. Where groups of units belong to groups of
    features or of examples, as in a depthwise convolution and in its gradient, the inputs close the units too.
    """
    lhs_spec, rhs_spec, out_spec = step.params["dimension_numbers"]
    inputs, kernel = operands
    batch, features = (inputs.value.axes[dim] for dim in lhs_spec[:2])
    units, summed = (kernel.value.axes[dim] for dim in rhs_spec[:2])
    rest = step.outputs[0].axes[out_spec[0]]  # of the examples
    by_axis = [inputs.gate_sets(atom)] if atom in atoms(rest) else []
    if atom in atoms(units):
        of_features = step.params["feature_group_count"] > 1 and atom in atoms(features) and atom not in atoms(summed)
        of_batch = step.params["batch_group_count"] > 1 and atom in atoms(batch) and atom not in atoms(rest)
        is_shared = (of_features or of_batch) and times_in(units, atom) == 1
        by_kernel = kernel.gate_sets(atom)
        by_axis.append(either(inputs.gate_sets(atom), by_kernel) if is_shared else by_kernel)
    return fold(both, by_axis)


def _extreme(step: Step, operands: list[Operand], atom: Axis) -> GateSets:
    """Find what closes a maximum or minimum of closed values, or of closed values and constants that do not beat 0.

    The maximum of a gate and 0 is closed by the gate at any value up to 0.
    """
    is_harmless = _at_most_0 if step.name == "max" else _at_least_0
    result = fold(both, (operand.gate_sets(atom) for operand in operands if not is_harmless(operand)))
    if step.name == "max":
        for gate, zero in (operands, operands[::-1]):
            result = either(result, gate.not_positive(atom) if zero.is_zero else NEVER)
    return result


def _selection(operands: list[Operand], atom: Axis) -> GateSets:
    """Find what closes a choice: all its values, or a known mask together with the value that it takes."""
    mask, *choices = operands
    by_choice = [choice.gate_sets(atom) for choice in choices]
    result = fold(both, by_choice)
    if len(choices) == 2:
        result = either(result, both(mask.gate_sets(atom), by_choice[0]))
        result = either(result, both(mask.true_gate_sets(atom), by_choice[1]))
    return result


def _windows_are_filled(step: Step) -> bool:
    """Tell whether every window has an entry besides padding: that of a maximum or minimum is infinite."""
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
