"""Which axes are the same where entries are taken, put, sorted or added up by position: the other axes pass through."""

from collections.abc import Sequence

from jaxsize.units._program.axes import Axis, fix, unify
from jaxsize.units._program.flatten import Step
from jaxsize.units._program.primitives import CUMULATIVE
from jaxsize.units._program.rule_parts import BY_POSITION, Axes, fixed, pass_through, unknown


def gather(step: Step) -> list[Axes]:
    """Keep the axes that are taken whole when rows are taken by index, as in an embedding, and those of a batch."""
    numbers, sizes = step.params["dimension_numbers"], step.params["slice_sizes"]
    operand, indices = step.inputs
    output = step.outputs[0]
    batched = numbers.operand_batching_dims
    dropped = (*numbers.collapsed_slice_dims, *batched)
    axes: Axes = [Axis(1)] * len(output.shape)
    for dim, to in zip((d for d in range(len(sizes)) if d not in dropped), numbers.offset_dims, strict=True):
        whole = sizes[dim] == operand.shape[dim] and dim not in numbers.start_index_map
        axes[to] = operand.axes[dim] if whole else fixed(output.shape[to], step, BY_POSITION)
    for dim, axis in enumerate(operand.axes):
        if dim not in batched and (
            dim in dropped or dim in numbers.start_index_map or sizes[dim] != operand.shape[dim]
        ):
            fix(axis, f"{step.where} {BY_POSITION}")
    for dim, along in zip(batched, numbers.start_indices_batching_dims, strict=True):
        unify(operand.axes[dim], indices.axes[along], step.where)
    batch = (dim for dim in range(len(output.shape)) if dim not in numbers.offset_dims)
    for axis, to in zip(indices.axes[:-1], batch, strict=True):
        axes[to] = axis
    fix(indices.axes[-1], f"{step.where} {BY_POSITION}")
    return [axes]


def scatter(step: Step) -> list[Axes]:
    """Keep the axes of which updates have every entry, as units in a sum over segments, and those of a batch."""
    numbers = step.params["dimension_numbers"]
    operand, indices, updates = step.inputs
    what = "puts entries by position"
    batched = numbers.operand_batching_dims
    put = (*numbers.inserted_window_dims, *numbers.scatter_dims_to_operand_dims)
    windows = [dim for dim in range(len(operand.shape)) if dim not in (*numbers.inserted_window_dims, *batched)]
    for dim, along in zip(windows, numbers.update_window_dims, strict=True):
        if dim not in put and operand.shape[dim] == updates.shape[along]:
            unify(operand.axes[dim], updates.axes[along], step.where)
        else:
            fix(updates.axes[along], f"{step.where} {what}")
            fix(operand.axes[dim], f"{step.where} {what}")
    for dim in put:
        fix(operand.axes[dim], f"{step.where} {what}")
    fix(indices.axes[-1], f"{step.where} {what}")
    rows = [dim for dim in range(len(updates.shape)) if dim not in numbers.update_window_dims]
    operand_dim = dict(zip(numbers.scatter_indices_batching_dims, batched, strict=True))
    for number, dim in enumerate(rows):
        unify(updates.axes[dim], indices.axes[number], step.where)
        if number in operand_dim:
            unify(operand.axes[operand_dim[number]], updates.axes[dim], step.where)
        else:
            fix(updates.axes[dim], f"{step.where} {what}")
    return [list(operand.axes)]


def dynamic_slice(step: Step) -> list[Axes]:
    """Keep the axes that are taken whole: a slice is moved so that it lies within the array."""
    operand, output = step.inputs[0], step.outputs[0]
    return [_whole(step, operand.axes, output.shape, BY_POSITION)]


def dynamic_update_slice(step: Step) -> list[Axes]:
    """Keep the axes along which the update has every entry."""
    operand, update = step.inputs[:2]
    _whole(step, operand.axes, update.shape, "puts entries by position")
    for dim, (axis, of_update) in enumerate(zip(operand.axes, update.axes, strict=True)):
        if operand.shape[dim] == update.shape[dim]:
            unify(axis, of_update, step.where)
        else:
            fix(of_update, f"{step.where} puts entries by position")
    return [list(operand.axes)]


def _whole(step: Step, axes: Sequence[Axis], sizes: Sequence[int], what: str) -> Axes:
    """Return the axes that a part of an array of these sizes has in common with it; fix the others."""
    for axis, size in zip(axes, sizes, strict=True):
        if axis.size != size:
            fix(axis, f"{step.where} {what}")
    return [axis if axis.size == size else fixed(size, step, what) for axis, size in zip(axes, sizes, strict=True)]


def along_one(step: Step) -> list[Axes]:
    """Fix the axis along which a step sorts, chooses or adds up; every line along it is on its own."""
    last = len(step.inputs[0].shape) - 1
    along = step.params.get("dimension", step.params.get("axis", last))  # jax before 0.9: top_k has no axis
    what = "adds up its entries in order" if step.name in CUMULATIVE else "sorts its entries"
    return pass_through(step, lambda dim: dim != along, what)


def fft(step: Step) -> list[Axes]:
    first = len(step.inputs[0].shape) - len(step.params["fft_lengths"])
    return pass_through(step, lambda dim: dim < first, "transforms it")


def matrix_function(step: Step) -> list[Axes]:
    """Fix the two axes of the matrices of a decomposition; the axes before are a batch."""
    batch = step.inputs[0].axes[:-2]
    for value in step.inputs:
        for dim, axis in enumerate(value.axes):
            if dim < len(batch):
                unify(axis, batch[dim], step.where)
            else:
                fix(axis, f"{step.where} takes matrices whole")
    results = []
    for value in step.outputs:
        if len(value.shape) < len(batch):
            return unknown(step)
        results.append([*batch, *(fixed(size, step, "takes matrices whole") for size in value.shape[len(batch) :])])
    return results


def reduce_by_function(step: Step) -> list[Axes]:
    """Fix the axes that a function of the user's reduces: what it does with a 0 is not known."""
    reduced, arrays = step.params["dimensions"], step.inputs[: len(step.outputs)]
    for value in arrays:
        for dim, axis in enumerate(value.axes):
            if dim in reduced:
                fix(axis, f"{step.where} mixes its entries")
            else:
                unify(axis, arrays[0].axes[dim], step.where)
    kept = [axis for dim, axis in enumerate(arrays[0].axes) if dim not in reduced]
    return [list(kept) for _ in step.outputs]


def bitcast(step: Step) -> list[Axes]:
    """Keep all axes but the one that holds the parts of a number of another width."""
    operand, output = step.inputs[0], step.outputs[0]
    common = min(len(operand.shape), len(output.shape))
    for axis in operand.axes[common:]:
        fix(axis, f"{step.where} {BY_POSITION}")
    return [[*operand.axes[:common], *(fixed(size, step, BY_POSITION) for size in output.shape[common:])]]
