"""What the rules of `axis_rules` share: new axes, fixed axes, and dimensions that pass through a step."""

from collections.abc import Callable

from jaxsize.units._program.axes import Axis, fix, unify
from jaxsize.units._program.flatten import Step, Value

Axes = list[Axis]
BY_POSITION = "takes entries by position"


def fresh(value: Value) -> Axes:
    """Make new axes of the sizes of a value."""
    return [Axis(size) for size in value.shape]


def fixed(size: int, step: Step, what: str) -> Axis:
    """Make a new axis that can lose no entry, since the step does `what` to it."""
    return Axis(size, fixed=f"{step.where} {what}")


def unknown(step: Step) -> list[Axes]:
    """Fix all axes of a step of which nothing is known."""
    for value in step.inputs:
        for axis in value.axes:
            fix(axis, f"{step.where} has no rule")
    return [[fixed(size, step, "has no rule") for size in value.shape] for value in step.outputs]


def pass_through(step: Step, keeps: Callable[[int], bool], what: str) -> list[Axes]:
    """Pass axes from the operands to the results, which all have as many dimensions.

    Args:
        step: the step.
        keeps: whether the axis of a dimension passes through unchanged; otherwise it is fixed in operands and results.
        what: what the step does to the axes that are fixed.
    """
    first, *others = step.inputs
    results: list[Axes] = [[] for _ in step.outputs]
    for dim, axis in enumerate(first.axes):
        for value in others:
            if keeps(dim) and len(value.shape) == len(first.shape):  # else a scalar
                unify(axis, value.axes[dim], step.where)
        if not keeps(dim):
            for value in step.inputs:
                if len(value.shape) == len(first.shape):
                    fix(value.axes[dim], f"{step.where} {what}")
        for output, axes in zip(step.outputs, results, strict=True):
            axes.append(axis if keeps(dim) else fixed(output.shape[dim], step, what))
    return results
