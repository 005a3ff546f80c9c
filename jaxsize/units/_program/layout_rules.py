"""Which axes are the same where entries only move: reshapes, transposes, slices, splits, concatenations, padding.

A slice at static positions cuts an axis into a sum of pieces, as a concatenation makes one of parts. The pieces are
kept with the step, so that `retrace` can see whether the function cuts at the same units when the sizes are others.
"""

import math

from jaxsize.units._program.axes import Axis, concatenated, cut_into, find, fix, order, product, split, unify
from jaxsize.units._program.flatten import Step
from jaxsize.units._program.rule_parts import BY_POSITION, Axes, fixed, fresh, pass_through, unknown


def broadcast_in_dim(step: Step) -> list[Axes]:
    axes = fresh(step.outputs[0])
    for axis, dim in zip(step.inputs[0].axes, step.params["broadcast_dimensions"], strict=True):
        if axis.size == axes[dim].size:
            axes[dim] = axis
    return [axes]


def reshape(step: Step) -> list[Axes]:
    """Flatten axes into products, and split axes into factors, in the order in which they stand.

    A reshape may put the axes into another order first, as the gradient of a grouped convolution does.
    """
    operand, output = step.inputs[0], step.outputs[0]
    if 0 in operand.shape:
        return unknown(step)
    dimensions = step.params.get("dimensions")
    order = range(len(operand.shape)) if dimensions is None else dimensions
    factors = [operand.axes[dim] for dim in order if operand.shape[dim] != 1]
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
                return unknown(step)
        axes.append(parts[0] if len(parts) == 1 else product(parts) if parts else Axis(1))
    return [axes]


def transpose(step: Step) -> list[Axes]:
    return [[step.inputs[0].axes[dim] for dim in step.params["permutation"]]]


def squeeze(step: Step) -> list[Axes]:
    return [[axis for dim, axis in enumerate(step.inputs[0].axes) if dim not in step.params["dimensions"]]]


def concatenate(step: Step) -> list[Axes]:
    along = step.params["dimension"]
    first, *others = [value.axes for value in step.inputs]
    for axes in others:
        for dim, axis in enumerate(axes):
            if dim != along:
                unify(first[dim], axis, step.where)
    joined = concatenated([value.axes[along] for value in step.inputs])
    return [[joined if dim == along else axis for dim, axis in enumerate(first)]]


def stack(step: Step) -> list[Axes]:
    along = step.params["axis"]
    first, *others = [value.axes for value in step.inputs]
    for axes in others:
        for one, other in zip(first, axes, strict=True):
            unify(one, other, step.where)
    new = fixed(len(step.inputs), step, "counts its operands")
    return [[*first[:along], new, *first[along:]]]


def unstack(step: Step) -> list[Axes]:
    along = step.params["axis"]
    axes = list(step.inputs[0].axes)
    fix(axes[along], f"{step.where} {BY_POSITION}")
    return [axes[:along] + axes[along + 1 :] for _ in step.outputs]


def tile(step: Step) -> list[Axes]:
    repeats = step.params["reps"]
    axes = step.inputs[0].axes
    return [[product([fixed(n, step, "repeats it"), axis]) for n, axis in zip(repeats, axes, strict=True)]]


def iota(step: Step) -> list[Axes]:
    axes = fresh(step.outputs[0])
    order(axes[step.params["dimension"]], step.where)
    return [axes]


def slices(step: Step) -> list[Axes]:
    """Cut an axis into the entries before, in and after a slice; of every n-th entry, into a product with n."""
    (operand,), (output,) = step.inputs, step.outputs
    starts, limits = step.params["start_indices"], step.params["limit_indices"]
    strides = step.params["strides"] or (1,) * len(starts)
    axes: Axes = []
    for dim, (axis, start, limit, stride) in enumerate(zip(operand.axes, starts, limits, strides, strict=True)):
        if output.shape[dim] == axis.size:
            axes.append(axis)
            continue
        if stride == 1 and (pieces := cut_into(axis, [start, limit - start, axis.size - limit])):
            step.pieces[dim] = pieces
            axes.append(pieces[1])
        elif output.shape[dim] * stride == axis.size and start < stride and (rows := _rows(step, axis, stride)):
            axes.append(rows)
        else:
            fix(axis, f"{step.where} {BY_POSITION}")
            axes.append(fixed(output.shape[dim], step, BY_POSITION))
    return [axes]


def _rows(step: Step, axis: Axis, stride: int) -> Axis | None:
    """Return the axis of the rows of `stride` entries that an axis consists of, if its atoms allow it."""
    split(axis, "product", axis.size // stride)
    axis = find(axis)
    *outer, inner = axis.parts if axis.kind == "product" else [axis]
    if inner.size != stride:
        return None
    fix(inner, f"{step.where} {BY_POSITION}")
    return product(outer)


def splits(step: Step) -> list[Axes]:
    """Cut an axis into consecutive pieces, one per result."""
    along, (operand,) = step.params["axis"], step.inputs
    pieces = cut_into(operand.axes[along], step.params["sizes"])
    if pieces is None:
        fix(operand.axes[along], f"{step.where} {BY_POSITION}")
        pieces = [fixed(size, step, BY_POSITION) for size in step.params["sizes"]]
    else:
        step.pieces[along] = pieces
    return [[piece if dim == along else axis for dim, axis in enumerate(operand.axes)] for piece in pieces]


def pad(step: Step) -> list[Axes]:
    """Put entries of a constant before and after those of the operand, which are pieces of the result then."""
    operand, padding = step.inputs[0], step.params["padding_config"]
    axes: Axes = []
    for dim, (axis, (low, high, inner)) in enumerate(zip(operand.axes, padding, strict=True)):
        if not (low or high or inner):
            axes.append(axis)
        elif min(low, high) < 0 or inner:
            fix(axis, f"{step.where} adds entries by position")
            axes.append(fixed(step.outputs[0].shape[dim], step, "adds entries by position"))
        else:
            step.pieces[dim] = [Axis(low), axis, Axis(high)]
            axes.append(concatenated(step.pieces[dim]))
    return [axes]


def rev(step: Step) -> list[Axes]:
    return pass_through(step, lambda dim: dim not in step.params["dimensions"], "turns its entries around")
