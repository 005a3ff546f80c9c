"""Which axes of contractions and convolutions are the same, and over which axes they sum."""

from jaxsize.units._program.axes import Axis, fix, product, unify
from jaxsize.units._program.flatten import Step, Value
from jaxsize.units._program.rule_parts import Axes, fixed, unknown

CONTRACTIONS = ("dot_general", "ragged_dot_general")


def contracted(step: Step) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """List the dimensions of a contraction: those summed over, of the left and the right operand, and the shared ones.

    Shared dimensions are those of a batch. In a ragged contraction, a group of rows has its own right operand.
    """
    numbers = step.params.get("dimension_numbers")
    if numbers is None:
        numbers = step.params["ragged_dot_dimension_numbers"].dot_dimension_numbers
    (left, right), (left_batch, right_batch) = numbers
    return tuple(left), tuple(right), tuple(left_batch), tuple(right_batch)


def summed_axes(step: Step) -> list[tuple[Value, Axis]]:
    """List the axes that a contraction or a convolution sums over, each with the operand that has it."""
    if step.name in CONTRACTIONS:
        pairs = zip(step.inputs[:2], contracted(step)[:2], strict=True)
        return [(value, value.axes[dim]) for value, dims in pairs for dim in dims]
    if step.name == "conv_general_dilated":
        specs = step.params["dimension_numbers"]
        pairs = zip(step.inputs, (specs.lhs_spec[1], specs.rhs_spec[1]), strict=True)
        return [(value, value.axes[dim]) for value, dim in pairs]
    return []


def dot_general(step: Step) -> list[Axes]:
    """Unify the axes that are summed over; the result has the batch axes, then the left operand's, then the right's."""
    left, right, left_batch, right_batch = contracted(step)
    a, b = (value.axes for value in step.inputs)
    for i, j in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        unify(a[i], b[j], step.where)
    free_a = [axis for dim, axis in enumerate(a) if dim not in (*left, *left_batch)]
    free_b = [axis for dim, axis in enumerate(b) if dim not in (*right, *right_batch)]
    return [[a[dim] for dim in left_batch] + free_a + free_b]


def ragged_dot_general(step: Step) -> list[Axes]:
    """Keep the axes of a contraction whose rows come in groups of sizes that are computed; fix rows and groups."""
    left, right, left_batch, right_batch = contracted(step)
    numbers = step.params["ragged_dot_dimension_numbers"]
    (ragged,), groups = numbers.lhs_ragged_dimensions, tuple(numbers.rhs_group_dimensions)
    if ragged in (*left, *left_batch) or step.params["group_offset"] is not None:
        return unknown(step)  # the result has other axes then
    a, b, sizes = (value.axes for value in step.inputs)
    for axis in (a[ragged], *(b[dim] for dim in groups), *sizes):
        fix(axis, f"{step.where} counts its rows by group")
    for i, j in zip((*left, *left_batch), (*right, *right_batch), strict=True):
        unify(a[i], b[j], step.where)
    free_a = [axis for dim, axis in enumerate(a) if dim not in (*left, *left_batch)]
    free_b = [axis for dim, axis in enumerate(b) if dim not in (*right, *right_batch, *groups)]
    return [[a[dim] for dim in left_batch] + free_a + free_b]


def conv(step: Step) -> list[Axes]:
    """Keep the axes of examples and units, sum over the features, and fix all other axes: windows slide along them."""
    lhs_spec, rhs_spec, out_spec = step.params["dimension_numbers"]
    groups, batch_groups = step.params["feature_group_count"], step.params["batch_group_count"]
    lhs, rhs = (value.axes for value in step.inputs)
    batch, features = lhs[lhs_spec[0]], lhs[lhs_spec[1]]
    units, inputs = rhs[rhs_spec[0]], rhs[rhs_spec[1]]
    for axis in [lhs[dim] for dim in lhs_spec[2:]] + [rhs[dim] for dim in rhs_spec[2:]]:
        fix(axis, f"{step.where} slides along it")
    if groups == 1:
        unify(features, inputs, step.where)
    else:  # inputs [groups, inputs per group] and units [groups, units per group] share their groups
        group = Axis(groups)
        unify(features, product([group, inputs]), step.where)
        unify(units, product([group, Axis(units.size // groups)]), step.where)
    if batch_groups > 1:  # as in the gradient of a grouped convolution: examples [groups, rest] share them with units
        group, rest = Axis(batch_groups), Axis(batch.size // batch_groups)
        unify(batch, product([group, rest]), step.where)
        unify(units, product([group, Axis(units.size // batch_groups)]), step.where)
        batch = rest
    axes: Axes = [Axis(1)] * len(out_spec)
    axes[out_spec[0]], axes[out_spec[1]] = batch, units
    for dim in out_spec[2:]:
        axes[dim] = fixed(step.outputs[0].shape[dim], step, "slides along it")
    return [axes]
