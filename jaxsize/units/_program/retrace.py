"""What a function does at other sizes, compared with what it does at its own.

Removing units is exact only if the function runs the same program on the smaller parameters. A function that fixes a
size itself fails on them, or cuts an axis elsewhere; where a function computes a constant from a size (a mean's 1 / n,
an attention's scale), the constant changes.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.entries import size_with
from jaxsize.units._program.flatten import Program, Step, Value


class Difference(NamedTuple):
    """What happens when a function is traced at another size; both fields are empty where nothing does."""

    fails: str = ""
    """Why the function cannot run at the other size, or what it takes by position there."""
    changes: str = ""
    """What the function does differently there, apart from the sizes of its arrays."""


class Finding(NamedTuple):
    """One difference between two programs, and what may say which size it comes from."""

    difference: Difference
    step: Step | None
    """The step of the first program."""
    numbers: tuple[tuple[float, float], ...] = ()
    """Numbers of the first program with those that the second one has in their place."""
    message: str = ""
    """What the function says where it fails."""


def shapes_with(params: Tree, leaves: Mapping[str, tuple[Axis, ...]], sizes: Mapping[Axis, int]) -> Tree:
    """Resize parameters, as shapes.

    Args:
        params: a pytree of arrays or shapes.
        leaves: the axes of every parameter, by path.
        sizes: sizes of the atoms that get another size.

    Returns:
        `params` with a jax.ShapeDtypeStruct in place of every leaf whose shape changes; the other leaves as they are.
    """
    shapes = {}
    for name, leaf in named_leaves(params).items():
        shape = tuple(size_with(axis, sizes) for axis in leaves[name])
        is_same = shape == np.shape(leaf)
        shapes[name] = leaf if is_same else jax.ShapeDtypeStruct(shape, jax.numpy.result_type(leaf))
    return with_leaves(params, shapes)


def findings(a: Program, b: Program, sizes: Mapping[Axis, int]) -> Iterator[Finding]:
    """Yield where the program `b` differs from `a` in more than the sizes given.

    Args:
        a: the function's program at the sizes that it was read at, with its axes tied.
        b: its program at the other sizes.
        sizes: sizes of the atoms that have another size.

    Returns:
        All differences up to the first step that is another one.
    """
    before, after = ([value.shape for value in program.outputs] for program in (a, b))
    if before != after:
        text = f"its outputs {before} become {after}"
        yield Finding(Difference(fails=text), None, message=text)
        return
    yield from _of_steps(a, b, Sizes(sizes))


class Sizes(dict[Axis, int]):
    """The sizes of axes, computed once for each."""

    def __init__(self, sizes: Mapping[Axis, int]):
        self.of_atoms = sizes

    def __missing__(self, axis: Axis) -> int:
        self[axis] = size_with(axis, self.of_atoms)
        return self[axis]


# Parameters of primitives that follow from the shapes of operands and results, which are compared themselves.
_PARAMS_THAT_FOLLOW_FROM_SHAPES = {
    "broadcast_in_dim": ("shape",),
    "slice": ("start_indices", "limit_indices"),  # which, like these, `_of_positions` looks at
    "split": ("sizes",),
    "pad": ("padding_config",),
    "reshape": ("new_sizes",),
    "iota": ("shape",),
    "gather": ("slice_sizes",),
    "dynamic_slice": ("slice_sizes",),
    "conv_general_dilated": ("feature_group_count", "batch_group_count"),
    # Other numbers of the same law: see `random_rules`.
    "random_bits": ("shape",),
    "random_split": ("shape",),
    "rng_bit_generator": ("shape",),
    "rng_uniform": ("shape",),
    "scan": ("jaxpr",),
    "while": ("cond_jaxpr", "body_jaxpr"),
}


def _of_steps(a: Program, b: Program, sizes: Sizes) -> Iterator[Finding]:
    partner = dict(zip(a.inputs, b.inputs, strict=True))  # for a value of `a`, the one of `b` that stands for it
    read = {value for step in a.steps for value in step.inputs}.union(a.outputs)
    misshapen: set[Value] = set()  # what is computed from an array of another shape than expected
    for x, y in zip(a.steps, b.steps, strict=False):
        text = f"the function runs other steps at another size, from {x.where} on"
        other_steps = Finding(Difference(changes=text), x)
        if (x.name, len(x.inputs), len(x.outputs)) != (y.name, len(y.inputs), len(y.outputs)):
            yield other_steps
            return
        for before, after in zip(x.inputs, y.inputs, strict=True):
            if before.constant is None and after.constant is None:
                if partner.setdefault(before, after) is not after:
                    yield other_steps
                    return
            elif not _same(before.constant, after.constant):
                yield _other_constant(before.constant, after.constant, x)
        is_first = misshapen.isdisjoint(x.inputs)
        positions = list(_of_positions(x, y, sizes)) if is_first else []
        yield from positions
        yield from _of_params(x, y)
        for before, after in zip(x.outputs, y.outputs, strict=True):
            if not is_first or tuple(sizes[axis] for axis in before.axes) != after.shape:
                misshapen.add(before)
                if is_first and not positions and (before in read or not a.outputs):
                    yield _other_shape(x, before, after)
            partner[before] = after
        if x.body is not None and y.body is not None:
            yield from _of_steps(x.body, y.body, sizes)
    pairs = zip(a.outputs, b.outputs, strict=True)
    if len(a.steps) != len(b.steps) or any(
        (x.constant is None or not _same(x.constant, y.constant)) and partner.setdefault(x, y) is not y
        for x, y in pairs
    ):
        last = a.steps[-1] if a.steps else None
        yield Finding(Difference(changes="the function runs other steps at another size, at its end"), last)


def _other_constant(before: np.ndarray | None, after: np.ndarray | None, step: Step) -> Finding:
    change = f"{_constant_text(before)} becomes {_constant_text(after)}"
    text = f"a constant computed from the number of units: {change} in {step.where}"
    if before is None or after is None or before.ndim or after.ndim or np.iscomplexobj(before):
        return Finding(Difference(changes=text), step)
    return Finding(Difference(changes=text), step, ((float(before), float(after)),))


def _other_shape(step: Step, before: Value, after: Value) -> Finding:
    change = f"{list(before.shape)} becomes {list(after.shape)}"
    text = f"an array made from the number of units alone: {change} in {step.where}"
    return Finding(Difference(changes=text), step, _numbers(before.shape, after.shape))


def _of_positions(x: Step, y: Step, sizes: Sizes) -> Iterator[Finding]:
    """Yield the positions at which a step cuts other units at the other sizes."""
    for name, expected in positions_at(x, sizes).items():
        before, after = x.params[name], y.params[name]
        if tuple(after) == expected:
            continue
        numbers = _numbers(before, after) + _numbers(before, expected)
        if expected == tuple(before):  # nothing moves these entries, but the function takes others
            change = f"{_text(before)} becomes {_text(after)}"
            text = f"the {name} of {x.where} is computed from the number of units: {change}"
            yield Finding(Difference(changes=text), x, numbers)
        else:
            text = f"{x.where} takes entries by position: {name} {_text(after)} where they should be {expected}"
            yield Finding(Difference(fails=text), x, numbers)


def _of_params(x: Step, y: Step) -> Iterator[Finding]:
    """Yield the other parameters of a step that differ."""
    for name, before in x.params.items():
        after = y.params.get(name)
        follows = name in _PARAMS_THAT_FOLLOW_FROM_SHAPES.get(x.name, ())
        if follows or before is after or (text := _text(before)) == (other := _text(after)):
            continue
        difference = f"the {name} of {x.where} is computed from the number of units: {text:.60} becomes {other:.60}"
        yield Finding(Difference(changes=difference), x, _numbers(text, other))


def positions_at(step: Step, sizes: Sizes) -> dict[str, tuple]:
    """Compute the parameters by which a slice, a split or padding has to cut the same units at other sizes."""
    if step.name == "split":
        pieces = [piece for of_dim in step.pieces.values() for piece in of_dim]
        return {"sizes": tuple(sizes[piece] for piece in pieces) or tuple(step.params["sizes"])}
    if step.name == "pad":
        padding = [tuple(of_dim) for of_dim in step.params["padding_config"]]
        for dim, (low, _, high) in step.pieces.items():
            padding[dim] = (sizes[low], sizes[high], padding[dim][2])
        return {"padding_config": tuple(padding)}
    if step.name == "slice":
        shape = step.outputs[0].shape
        starts, limits = list(step.params["start_indices"]), list(step.params["limit_indices"])
        strides = step.params["strides"] or (1,) * len(shape)
        for dim, axis in enumerate(step.inputs[0].axes):
            if dim in step.pieces:
                before, taken, _ = step.pieces[dim]
                starts[dim], limits[dim] = sizes[before], sizes[before] + sizes[taken]
            elif strides[dim] == 1:
                limits[dim] += sizes[axis] - axis.size
        strided = any(stride != 1 for stride in strides)  # of every n-th entry, the last may be any below the limit
        return {"start_indices": tuple(starts)} | ({} if strided else {"limit_indices": tuple(limits)})
    return {}


def _numbers(before: Any, after: Any) -> tuple[tuple[float, float], ...]:
    """Pair the numbers in two texts, or in the texts of two values, that differ."""
    pairs = zip(*(map(int, re.findall(r"\d+", _text(one))) for one in (before, after)), strict=False)
    return tuple((float(one), float(other)) for one, other in pairs if one != other)


def _text(param: Any) -> str:
    """Show a parameter of a primitive as text, without the addresses of functions and without types of NumPy."""
    return re.sub(r"0x[0-9a-f]+|np\.int\d+", "", str(param))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Tell whether two constants are the same to the bit; what is not known is not the same."""
    if a is None or b is None:
        return False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _constant_text(constant: np.ndarray | None) -> str:
    if constant is None:
        return "a computed value"
    return f"{constant:.6g}" if constant.ndim == 0 else f"an array {list(constant.shape)}"
