"""Which axes of a primitive's operands and results are the same: one small rule per primitive.

A rule returns the axes of the results, for each result a list, and unifies the axes of the operands that must agree. A
primitive without a rule fixes every axis it touches: nothing is guessed. The names of primitives are those of
`jax.lax`; the rules stand by kind in `contraction_rules`, `layout_rules`, `position_rules` and `random_rules`.
"""

from collections.abc import Callable

from jaxsize.units._program import contraction_rules, layout_rules, position_rules, random_rules
from jaxsize.units._program.axes import Axis, fix, unify
from jaxsize.units._program.flatten import Program, Step, loop_counts
from jaxsize.units._program.primitives import (
    CUMULATIVE,
    ELEMENTWISE,
    MATRIX_FUNCTIONS,
    POOLINGS,
    REDUCTIONS,
    SCATTERS,
)
from jaxsize.units._program.rule_parts import Axes, fixed, pass_through, unknown


def tie_axes(program: Program) -> None:
    """Give every value of the program its axes. The axes of the program's inputs must be there already."""
    for step in program.steps:
        for value in step.inputs:
            if len(value.axes) < len(value.shape):  # a constant: it cannot be cut with the parameters
                reason = "a constant array of the function has these units"
                value.axes = [Axis(size, fixed=reason) for size in value.shape]
        if step.name in ELEMENTWISE:
            _elementwise(step)
            continue
        axes_of_results = RULES.get(step.name, unknown)(step)
        for value, axes in zip(step.outputs, axes_of_results, strict=True):
            if tuple(axis.size for axis in axes) != value.shape:
                raise AssertionError(f"{step.where}: expected axes {value.shape}, got {axes}")
            value.axes = axes


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


def _reduction(step: Step) -> list[Axes]:
    reduced = step.params["axes"]
    if step.name in ("argmax", "argmin"):  # the result is a position
        for dim in reduced:
            fix(step.inputs[0].axes[dim], f"{step.where} names its entries by position")
    return [[axis for dim, axis in enumerate(step.inputs[0].axes) if dim not in reduced]]


def _pooling(step: Step) -> list[Axes]:
    size, stride, padding = (step.params[name] for name in ("window_dimensions", "window_strides", "padding"))
    return pass_through(step, lambda dim: size[dim] == stride[dim] == 1 and not any(padding[dim]), "slides along it")


def _loop(step: Step) -> list[Axes]:
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
            results.append([fixed(output.shape[0], step, "walks along it"), *inner.axes])
    return results


RULES: dict[str, Callable[[Step], list[Axes]]] = {
    "dot_general": contraction_rules.dot_general,
    "ragged_dot_general": contraction_rules.ragged_dot_general,
    "conv_general_dilated": contraction_rules.conv,
    "broadcast_in_dim": layout_rules.broadcast_in_dim,
    "reshape": layout_rules.reshape,
    "transpose": layout_rules.transpose,
    "squeeze": layout_rules.squeeze,
    "concatenate": layout_rules.concatenate,
    "stack": layout_rules.stack,
    "unstack": layout_rules.unstack,
    "tile": layout_rules.tile,
    "iota": layout_rules.iota,
    "slice": layout_rules.slices,
    "split": layout_rules.splits,
    "pad": layout_rules.pad,
    "rev": layout_rules.rev,
    "gather": position_rules.gather,
    "dynamic_slice": position_rules.dynamic_slice,
    "dynamic_update_slice": position_rules.dynamic_update_slice,
    "sort": position_rules.along_one,
    "top_k": position_rules.along_one,
    "fft": position_rules.fft,
    "reduce": position_rules.reduce_by_function,
    "random_bits": random_rules.of_keys,
    "random_split": random_rules.of_keys,
    "random_seed": random_rules.seed,
    "random_clone": random_rules.seed,
    "random_wrap": random_rules.wrap,
    "random_unwrap": random_rules.unwrap,
    "random_fold_in": random_rules.side_by_side,
    "random_gamma": random_rules.gamma,
    "rng_bit_generator": random_rules.bit_generator,
    "rng_uniform": random_rules.uniform,
    "threefry2x32": random_rules.side_by_side,
    "bitcast_convert_type": position_rules.bitcast,
    "scan": _loop,
    "while": _loop,
    **dict.fromkeys(SCATTERS, position_rules.scatter),
    **dict.fromkeys(CUMULATIVE, position_rules.along_one),
    **dict.fromkeys(MATRIX_FUNCTIONS, position_rules.matrix_function),
    **dict.fromkeys(REDUCTIONS, _reduction),
    **dict.fromkeys(POOLINGS, _pooling),
}
