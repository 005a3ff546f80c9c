"""What a call of a function costs: multiply-adds of its contractions and convolutions, as products of axis sizes."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from jaxsize.units._program.axes import Axis
from jaxsize.units._program.contraction_rules import CONTRACTIONS, contracted
from jaxsize.units._program.entries import size_with
from jaxsize.units._program.flatten import Program


class Cost(NamedTuple):
    """The multiply-adds of one step: `factor` times the sizes of all `axes`."""

    factor: int
    """How many times the step runs in one call."""
    axes: tuple[Axis, ...]
    """Axes of the result, and those that are summed over."""


def costs_of(program: Program, factor: int = 1) -> Iterator[Cost]:
    """Yield the cost of every contraction and convolution; a step in the body of a loop counts once per turn, in
    that of a `while`, whose turns are not known, once.

    Args:
        program: a program with its axes tied.
        factor: how many times the program runs.
    """
    for step in program.steps:
        if step.name in CONTRACTIONS:
            summed = (step.inputs[0].axes[dim] for dim in contracted(step)[0])
            yield Cost(factor, (*step.outputs[0].axes, *summed))
        elif step.name == "conv_general_dilated":
            rhs_spec = step.params["dimension_numbers"].rhs_spec
            kernel = step.inputs[1].axes
            # Every entry of the result sums over one window of one group of inputs.
            yield Cost(factor, (*step.outputs[0].axes, *(kernel[dim] for dim in rhs_spec[1:])))
        elif step.body is not None:
            yield from costs_of(step.body, factor * step.params.get("length", 1))


def total(costs: Sequence[Cost], sizes: Mapping[Axis, int]) -> int:
    """Add up the multiply-adds of all costs.

    Args:
        costs: those of a program.
        sizes: sizes of the atoms that have another size than in the program.
    """
    return sum(cost.factor * math.prod(size_with(axis, sizes) for axis in cost.axes) for cost in costs)
