"""Does a function take all its sizes from its parameters? Trace it at another size and compare.

Removal is exact only if the smaller parameters run the same program. Where a function fixes a size itself it fails on
them; where it computes a constant from a size (a mean's 1 / n, an attention's scale) the constant changes.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsize.axes import Axis, size_with
from jaxsize.flat_program import Program, flatten
from jaxsize.paths import named_leaves, with_leaves

Tree = Any


class Difference(NamedTuple):
    """What happens at another size."""

    fails: str = ""
    changes: str = ""


def shapes_with(params: Tree, leaves: Mapping[str, tuple[Axis, ...]], sizes: Mapping[Axis, int]) -> Tree:
    """`params` as jax.ShapeDtypeStruct, when some atoms of their axes have other sizes."""
    shapes = {
        name: jax.ShapeDtypeStruct(tuple(size_with(axis, sizes) for axis in leaves[name]), jax.numpy.result_type(leaf))
        for name, leaf in named_leaves(params).items()
    }
    return with_leaves(params, shapes)


def difference(program: Program, function: Callable, smaller: Tree, inputs: tuple[Any, ...]) -> Difference:
    """How function(smaller, *inputs) differs from `program`, other than in shapes."""
    try:
        resized, _ = flatten(function, smaller, *inputs)
    except Exception as error:  # the user's function may raise anything; it is told as the reason
        told = " ".join(str(error).split())
        return Difference(fails=f"{type(error).__name__}: {told:.160}")
    shapes = [[value.shape for value in one.outputs] for one in (program, resized)]
    if shapes[0] != shapes[1]:
        return Difference(fails=f"its outputs {shapes[0]} become {shapes[1]}")
    return Difference(changes=_change(program, resized))


def _change(a: Program, b: Program) -> str:
    if [step.name for step in a.steps] != [step.name for step in b.steps]:
        pairs = zip(a.steps, b.steps, strict=False)
        where = next((x.where for x, y in pairs if x.name != y.name), "its end")
        return f"the function takes another course at another size, from {where} on"
    for x, y in zip(a.steps, b.steps, strict=True):
        if x.params.get("y") != y.params.get("y"):
            told = f"{x.params['y']} becomes {y.params['y']} in {x.where}"
            return f"an exponent computed from the number of units: {told}"
        for before, after in zip(x.inputs, y.inputs, strict=True):
            if before.constant is None and after.constant is None:
                continue
            if not _same(before.constant, after.constant):
                told = " becomes ".join(_told(constant) for constant in (before.constant, after.constant))
                return f"a constant computed from the number of units: {told} in {x.where}"
        if x.body is not None and y.body is not None and (inner := _change(x.body, y.body)):
            return inner
    return ""


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    return a is not None and b is not None and a.shape == b.shape and a.tobytes() == b.tobytes()


def _told(constant: np.ndarray | None) -> str:
    if constant is None:
        return "a computed value"
    return f"{constant:.6g}" if constant.ndim == 0 else f"an array {list(constant.shape)}"
