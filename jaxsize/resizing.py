"""Does a function take all its sizes from its parameters? Trace it at another size and compare.

Removal is exact only if the smaller parameters run the same program. Where a function fixes a size itself it fails on
them; where it computes a constant from a size (a mean's 1 / n, an attention's scale) the constant changes.
"""

import re
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
    """`params`, when some atoms of their axes have other sizes, as jax.ShapeDtypeStruct where that changes them."""
    shapes = {}
    for name, leaf in named_leaves(params).items():
        shape = tuple(size_with(axis, sizes) for axis in leaves[name])
        same = shape == np.shape(leaf)
        shapes[name] = leaf if same else jax.ShapeDtypeStruct(shape, jax.numpy.result_type(leaf))
    return with_leaves(params, shapes)


def difference(
    program: Program, function: Callable, resized: Tree, inputs: tuple[Any, ...], sizes: Mapping[Axis, int]
) -> Difference:
    """How function(resized, *inputs) differs from `program` when some atoms have other sizes, other than in these."""
    try:
        other, _ = flatten(function, resized, *inputs)
    except Exception as error:  # the user's function may raise anything; it is told as the reason
        told = " ".join(str(error).split())
        return Difference(fails=f"{type(error).__name__}: {told:.160}")
    shapes = [[value.shape for value in one.outputs] for one in (program, other)]
    if shapes[0] != shapes[1]:
        return Difference(fails=f"its outputs {shapes[0]} become {shapes[1]}")
    return Difference(changes=_change(program, other, sizes))


_PARAMS_THAT_SHAPES_TELL = {
    "broadcast_in_dim": ("shape",),
    "reshape": ("new_sizes",),
    "iota": ("shape",),
    "slice": ("limit_indices",),
    "gather": ("slice_sizes",),
    "conv_general_dilated": ("feature_group_count",),
    "scan": ("jaxpr",),
}


def _change(a: Program, b: Program, sizes: Mapping[Axis, int]) -> str:
    """The first step of b that is not the step of a at the other sizes."""
    same = dict(zip(a.inputs, b.inputs, strict=True))  # values of a and b that stand for each other
    for x, y in zip(a.steps, b.steps, strict=False):
        course = f"the function takes another course at another size, from {x.where} on"
        if x.name != y.name or len(x.inputs) != len(y.inputs):
            return course
        for before, after in zip(x.inputs, y.inputs, strict=True):
            if before.constant is None and after.constant is None:
                if same.setdefault(before, after) is not after:
                    return course
            elif not _same(before.constant, after.constant):
                told = " becomes ".join(_told(constant) for constant in (before.constant, after.constant))
                return f"a constant computed from the number of units: {told} in {x.where}"
        for name in x.params:
            is_told = name in _PARAMS_THAT_SHAPES_TELL.get(x.name, ())
            if not is_told and _text(x.params[name]) != _text(y.params.get(name)):
                told = f"{_text(x.params[name]):.60} becomes {_text(y.params.get(name)):.60}"
                return f"the {name} of {x.where} is computed from the number of units: {told}"
        for before, after in zip(x.outputs, y.outputs, strict=True):
            if tuple(size_with(axis, sizes) for axis in before.axes) != after.shape:
                told = f"{list(before.shape)} becomes {list(after.shape)}"
                return f"an array that only has the number of units: {told} in {x.where}"
            same[before] = after
        if x.body is not None and y.body is not None and (inner := _change(x.body, y.body, sizes)):
            return inner
    pairs = zip(a.outputs, b.outputs, strict=True)
    if len(a.steps) != len(b.steps) or any(
        (x.constant is None or not _same(x.constant, y.constant)) and same.setdefault(x, y) is not y for x, y in pairs
    ):
        return "the function takes another course at another size, from its end on"
    return ""


def _text(param: Any) -> str:
    return re.sub("0x[0-9a-f]+", "", str(param))  # without the addresses of functions


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    if a is None or b is None:
        return False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _told(constant: np.ndarray | None) -> str:
    if constant is None:
        return "a computed value"
    return f"{constant:.6g}" if constant.ndim == 0 else f"an array {list(constant.shape)}"
