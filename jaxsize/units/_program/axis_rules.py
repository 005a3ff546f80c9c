"""Which axes of a primitive's operands and results are the same: one small rule per primitive.

A rule returns the axes of the results, for each result a list, and unifies the axes of the operands that must agree. A
primitive without a rule fixes every axis it touches: nothing is guessed. The names of primitives are those of
`jax.lax`.
"""

import math
from collections.abc import Callable

from jaxsize.units._program.axes import Axis, concatenated, find, fix, order, product, split, unify
from jaxsize.units._program.flatten import Program, Step, Value, loop_counts

Axes = list[Axis]


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Functions of each entry alone. Those of the first set are 0 where all their operands are 0.
ZERO_AT_ZERO = _names(
    "neg sign floor ceil round abs tanh sin tan asin atan sinh asinh atanh sqrt cbrt erf expm1 log1p square copy "
    "convert_element_type reduce_precision real imag name optimization_barrier sharding_constraint stop_gradient "
    "add sub add_any or xor max min select_n"
)
ELEMENTWISE = ZERO_AT_ZERO | _names(
    "mul and div rem pow integer_pow clamp exp exp2 log cos acos cosh acosh logistic rsqrt erfc erf_inv lgamma digamma "
    "one_minus_square "  # of jax 0.11, in the derivative of tanh
    "atan2 nextafter is_finite not population_count eq ne lt le gt ge "
    "shift_left shift_right_logical shift_right_arithmetic"
)
REDUCTIONS = _names("reduce_sum reduce_max reduce_min reduce_prod reduce_and reduce_or argmax argmin")
POOLINGS = _names("reduce_window reduce_window_sum reduce_window_max reduce_window_min")


def tie_axes(program: Program) -> None:
    """Give every value of the program its axes. The axes of the program's inputs must be there already."""
    for step in program.steps:
        for value in step.inputs:
            if len(value.axes) < len(value.shape):  # a constant: it cannot be cut with the parameters
                fixed = "a constant array of the function has these units"
                value.axes = [Axis(size, fixed=fixed) for size in value.shape]
        if step.name in ELEMENTWISE:
            _elementwise(step)
            continue
        axes_of_results = RULES.get(step.name, _unknown)(step)
        for value, axes in zip(step.outputs, axes_of_results, strict=True):
            if tuple(axis.size for axis in axes) != value.shape:
                raise AssertionError(f"{step.where}: expected axes {value.shape}, got {axes}")
            value.axes = axes


def _fresh(value: Value) -> Axes:
    """Make new axes of the sizes of a value."""
    return [Axis(size) for size in value.shape]


def _fixed(size: int, step: Step, what: str = "mixes its entries") -> Axis:
    """Make a new axis that can lose no entry, since the step does `what` to it."""
    return Axis(size, fixed=f"{step.where} {what}")


def _unknown(step: Step) -> list[Axes]:
    """Fix all axes of a step of which nothing is known."""
    for value in step.inputs:
        for axis in value.axes:
            fix(axis, f"{step.where} has no rule")
    return [[_fixed(size, step, "has no rule") for size in value.shape] for value in step.outputs]


def _elementwise(step: Step) -> None:
    """Unify the axes of operands and results, dimension by dimension; an axis of size 1 may be repeated."""
    for number, output in enumerate(step.outputs):
        # An optimization_barrier passes several values side by side; all others have one result.
        operands = [step.inputs[number]] if len(step.outputs) > 1 else step.inputs
        output.axes = [Axis(size) for size in output.shape]
        for operand in operands:
            if len(operand.shape) == len(output.shape):  # else a scalar
                for dim, axis in enumerate(operand.axes):
                    if axis.size == output.shape[dim]:
                        unify(axis, output.axes[dim], step.where)


def _pass_through(step: Step, keeps: Callable[[int], bool], what: str = "mixes its entries") -> list[Axes]:
    """Pass axes from the first operand to the only result, which has as many dimensions.

    Args:
        step: the step.
        keeps: whether the axis of a dimension passes through unchanged; otherwise it is fixed in operand and result.
        what: what the step does to the axes that are fixed.
    """
    operand, output = step.inputs[0], step.outputs[0]
    axes = []
    for dim, axis in enumerate(operand.axes):
        if keeps(dim):
            axes.append(axis)
        else:
            fix(axis, f"{step.where} {what}")
            axes.append(_fixed(output.shape[dim], step, what))
    return [axes]


def _dot_general(step: Step) -> list[Axes]:
    """Unify the axes that are summed over; the result has the batch axes, then the left operand's, then the right's."""
    (left, right), (left_batch, right_batch) = step.params["dimension_numbers"]
    a, b = (value.axes for value in step.inputs)
    for i, j in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        unify(a[i], b[j], step.where)
    free_a = [axis for dim, axis in enumerate(a) if dim not in (*left, *left_batch)]
    free_b = [axis for dim, axis in enumerate(b) if dim not in (*right, *right_batch)]
    return [[a[dim] for dim in left_batch] + free_a + free_b]


def _conv(step: Step) -> list[Axes]:
    """Keep the axes of examples and units, sum over the features, and fix all other axes: windows slide along them."""
    lhs_spec, rhs_spec, out_spec = step.params["dimension_numbers"]
    groups = step.params["feature_group_count"]
    if step.params["batch_group_count"] != 1:
        return _unknown(step)
    lhs, rhs = (value.axes for value in step.inputs)
    batch, features = lhs[lhs_spec[0]], lhs[lhs_spec[1]]
    units, inputs = rhs[rhs_spec[0]], rhs[rhs_spec[1]]
    for axis in [lhs[dim] for dim in lhs_spec[2:]] + [rhs[dim] for dim in rhs_spec[2:]]:
        fix(axis, f"{step.where} slides along it")
    if groups == 1:
        unify(features, inputs, step.where)
    else:  # inputs [groups, inputs per group] and units [groups, units per group] share their groups
        group = Axis(groups)
        if inputs.size > 1:
            fix(group, f"{step.where} has {groups} groups of {inputs.size} inputs")
        unify(features, product([group, inputs]), step.where)
        unify(units, product([group, Axis(units.size // groups)]), step.where)
    axes: Axes = [Axis(1)] * len(out_spec)
    axes[out_spec[0]], axes[out_spec[1]] = batch, units
    for dim in out_spec[2:]:
        axes[dim] = _fixed(step.outputs[0].shape[dim], step, "slides along it")
    return [axes]


def _broadcast_in_dim(step: Step) -> list[Axes]:
    axes = _fresh(step.outputs[0])
    for axis, dim in zip(step.inputs[0].axes, step.params["broadcast_dimensions"], strict=True):
        if axis.size == axes[dim].size:
            axes[dim] = axis
    return [axes]


def _reshape(step: Step) -> list[Axes]:
    """Flatten axes into products, and split axes into factors, in the order in which they stand."""
    operand, output = step.inputs[0], step.outputs[0]
    if step.params.get("dimensions") is not None:
        return _unknown(step)
    if 0 in operand.shape:
        return _unknown(step)
    factors = [axis for axis in operand.axes if axis.size != 1]
    axes: Axes = []
    for size in output.shape:
        parts: Axes = []
        while math.prod(part.size for part in parts) < size:
            wanted = size // math.prod(part.size for part in parts)
            axis = find(factors.pop(0))
            if axis.kind == "product":
                factors[:0] = axis.parts
            elif wanted % axis.size == 0:
                parts.append(axis)
            elif axis.size % wanted == 0 and split(axis, "product", wanted):
                factors[:0] = axis.parts
            else:  # the new sizes cut across the factors that there are
                return _unknown(step)
        axes.append(parts[0] if len(parts) == 1 else product(parts) if parts else Axis(1))
    return [axes]


def _transpose(step: Step) -> list[Axes]:
    return [[step.inputs[0].axes[dim] for dim in step.params["permutation"]]]


def _squeeze(step: Step) -> list[Axes]:
    return [[axis for dim, axis in enumerate(step.inputs[0].axes) if dim not in step.params["dimensions"]]]


def _reduction(step: Step) -> list[Axes]:
    reduced = step.params["axes"]
    if step.name in ("argmax", "argmin"):  # the result is a position
        for dim in reduced:
            fix(step.inputs[0].axes[dim], f"{step.where} names its entries by position")
    return [[axis for dim, axis in enumerate(step.inputs[0].axes) if dim not in reduced]]


def _pooling(step: Step) -> list[Axes]:
    if len(step.outputs) > 1:
        return _unknown(step)
    size, stride, padding = (step.params[name] for name in ("window_dimensions", "window_strides", "padding"))
    return _pass_through(step, lambda dim: size[dim] == stride[dim] == 1 and not any(padding[dim]), "slides along it")


def _concatenate(step: Step) -> list[Axes]:
    along = step.params["dimension"]
    first, *others = [value.axes for value in step.inputs]
    for axes in others:
        for dim, axis in enumerate(axes):
            if dim != along:
                unify(first[dim], axis, step.where)
    joined = concatenated([value.axes[along] for value in step.inputs])
    return [[joined if dim == along else axis for dim, axis in enumerate(first)]]


def _iota(step: Step) -> list[Axes]:
    axes = _fresh(step.outputs[0])
    order(axes[step.params["dimension"]], step.where)
    return [axes]


def _slice(step: Step) -> list[Axes]:
    shape = step.inputs[0].shape
    return _pass_through(step, lambda dim: step.outputs[0].shape[dim] == shape[dim], "takes entries by position")


def _split(step: Step) -> list[Axes]:
    along = step.params["axis"]
    fix(step.inputs[0].axes[along], f"{step.where} takes entries by position")
    return [
        [
            _fixed(size, step, "takes entries by position") if dim == along else step.inputs[0].axes[dim]
            for dim, size in enumerate(output.shape)
        ]
        for output in step.outputs
    ]


def _pad(step: Step) -> list[Axes]:
    padding = step.params["padding_config"]
    return _pass_through(step, lambda dim: not any(padding[dim]), "adds entries by position")


def _rev(step: Step) -> list[Axes]:
    return _pass_through(step, lambda dim: dim not in step.params["dimensions"], "turns its entries around")


def _gather(step: Step) -> list[Axes]:
    """Keep the axes that are taken whole when rows are taken by index, as in an embedding."""
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    operand, indices = step.inputs
    output = step.outputs[0]
    dropped = (*numbers.collapsed_slice_dims, *numbers.operand_batching_dims)
    axes: Axes = [Axis(1)] * len(output.shape)
    for dim, to in zip((d for d in range(len(sizes)) if d not in dropped), numbers.offset_dims, strict=True):
        whole = sizes[dim] == operand.shape[dim] and dim not in numbers.start_index_map
        axes[to] = operand.axes[dim] if whole else _fixed(output.shape[to], step, "takes entries by position")
    for dim, axis in enumerate(operand.axes):
        if dim in dropped or dim in numbers.start_index_map or sizes[dim] != operand.shape[dim]:
            fix(axis, f"{step.where} takes entries by position")
    batch = (dim for dim in range(len(output.shape)) if dim not in numbers.offset_dims)
    for axis, to in zip(indices.axes[:-1], batch, strict=True):
        axes[to] = axis
    fix(indices.axes[-1], f"{step.where} takes entries by position")
    return [axes]


def _scan(step: Step) -> list[Axes]:
    """Tie the body of a loop: carried values keep their axes in every turn; the axis that it walks along is fixed."""
    body, (num_consts, num_carry) = step.body, loop_counts(step)
    assert body is not None
    for number, (outer, inner) in enumerate(zip(step.inputs, body.inputs, strict=True)):
        if number < num_consts + num_carry:
            inner.axes = outer.axes
        else:
            fix(outer.axes[0], f"{step.where} walks along it")
            inner.axes = outer.axes[1:]
    tie_axes(body)
    results = []
    for number, (output, inner) in enumerate(zip(step.outputs, body.outputs, strict=True)):
        if len(inner.axes) < len(inner.shape):
            inner.axes = [Axis(size, fixed="a constant array of the function has these units") for size in inner.shape]
        if number < num_carry:
            for carried, axis in zip(body.inputs[num_consts + number].axes, inner.axes, strict=True):
                unify(carried, axis, step.where)
            results.append(inner.axes)
        else:
            results.append([_fixed(output.shape[0], step, "walks along it"), *inner.axes])
    return results


RULES: dict[str, Callable[[Step], list[Axes]]] = {
    "dot_general": _dot_general,
    "conv_general_dilated": _conv,
    "broadcast_in_dim": _broadcast_in_dim,
    "reshape": _reshape,
    "transpose": _transpose,
    "squeeze": _squeeze,
    "concatenate": _concatenate,
    "iota": _iota,
    "slice": _slice,
    "split": _split,
    "pad": _pad,
    "rev": _rev,
    "gather": _gather,
    "scan": _scan,
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(POOLINGS, _pooling),
}
