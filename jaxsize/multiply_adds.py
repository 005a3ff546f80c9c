"""What a call of a function costs: multiply-adds of its contractions and convolutions, as products of axis sizes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxsize.axes import Axis, size_with
from jaxsize.flat_program import Program, Step


class Cost(NamedTuple):
    """`factor` times the sizes of `axes`."""

    factor: int
    axes: tuple[Axis, ...]


def costs_of(program: Program, factor: int = 1) -> Iterator[Cost]:
    """One per contraction or convolution; the body of a loop counts once per turn."""
    for step in program.steps:
        if step.name == "dot_general":
            yield Cost(factor, _contraction(step))
        elif step.name == "conv_general_dilated":
            rhs_spec = step.params["dimension_numbers"].rhs_spec
            kernel = step.inputs[1].axes
            # Every entry of the result sums over one window of one group of inputs.
            yield Cost(factor, (*step.outputs[0].axes, *(kernel[dim] for dim in rhs_spec[1:])))
        elif step.body is not None:
            yield from costs_of(step.body, factor * step.params["length"])


def _contraction(step: Step) -> tuple[Axis, ...]:
    (contracted, _), _ = step.params["dimension_numbers"]
    return (*step.outputs[0].axes, *(step.inputs[0].axes[dim] for dim in contracted))


def total(costs: Sequence[Cost], sizes: Mapping[Axis, int]) -> int:
    """All multiply-adds when some atoms have other sizes."""
    return sum(cost.factor * math.prod(size_with(axis, sizes) for axis in cost.axes) for cost in costs)
