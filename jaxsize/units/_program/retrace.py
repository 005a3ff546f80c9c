"""Does a function take all its sizes from its parameters? Trace it at another size and compare.

Removing units is exact only if the function runs the same program on the smaller parameters. A function that fixes a
size itself fails on them; where a function computes a constant from a size (a mean's 1 / n, an attention's scale), the
constant changes.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._program.axes import Axis
from jaxsize.units._program.entries import size_with
from jaxsize.units._program.flatten import Program, flatten


class Difference(NamedTuple):
    """What happens when a function is traced at another size; both fields are empty where nothing does."""

    fails: str = ""
    """Why the function cannot run at the other size."""
    changes: str = ""
    """What the function does differently there, apart from the sizes of its arrays."""


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


def difference(
    program: Program, function: Callable, resized: Tree, inputs: tuple[Any, ...], sizes: Mapping[Axis, int]
) -> Difference:
    """Compare a program with what its function does at other sizes, apart from these sizes.

    Args:
        program: the function's program at the sizes that it was read at, with its axes tied.
        function: the function.
        resized: its parameters at the other sizes.
        inputs: its further arguments.
        sizes: sizes of the atoms that have another size.
    """
    try:
        other = flatten(function, resized, *inputs)
    except Exception as error:  # the user's function may raise anything; the message becomes the reason
        message = " ".join(str(error).split())
        return Difference(fails=f"{type(error).__name__}: {message:.160}")
    before, after = ([value.shape for value in traced.outputs] for traced in (program, other))
    if before != after:
        return Difference(fails=f"its outputs {before} become {after}")
    return Difference(changes=_change(program, other, sizes))


# Parameters of primitives that follow from the shapes of operands and results, which are compared themselves.
_PARAMS_THAT_FOLLOW_FROM_SHAPES = {
    "broadcast_in_dim": ("shape",),
    "reshape": ("new_sizes",),
    "iota": ("shape",),
    "slice": ("limit_indices",),
    "gather": ("slice_sizes",),
    "conv_general_dilated": ("feature_group_count",),
    "scan": ("jaxpr",),
}


def _change(a: Program, b: Program, sizes: Mapping[Axis, int]) -> str:
    """Describe the first step of `b` that differs from that of `a` in more than the sizes given; empty if none does."""
    partner = dict(zip(a.inputs, b.inputs, strict=True))  # for a value of `a`, the one of `b` that stands for it
    for x, y in zip(a.steps, b.steps, strict=False):
        other_steps = f"the function runs other steps at another size, from {x.where} on"
        if x.name != y.name or len(x.inputs) != len(y.inputs):
            return other_steps
        for before, after in zip(x.inputs, y.inputs, strict=True):
            if before.constant is None and after.constant is None:
                if partner.setdefault(before, after) is not after:
                    return other_steps
            elif not _same(before.constant, after.constant):
                change = f"{_constant_text(before.constant)} becomes {_constant_text(after.constant)}"
                return f"a constant computed from the number of units: {change} in {x.where}"
        for name in x.params:
            follows = name in _PARAMS_THAT_FOLLOW_FROM_SHAPES.get(x.name, ())
            if not follows and _text(x.params[name]) != _text(y.params.get(name)):
                change = f"{_text(x.params[name]):.60} becomes {_text(y.params.get(name)):.60}"
                return f"the {name} of {x.where} is computed from the number of units: {change}"
        for before, after in zip(x.outputs, y.outputs, strict=True):
            if tuple(size_with(axis, sizes) for axis in before.axes) != after.shape:
                change = f"{list(before.shape)} becomes {list(after.shape)}"
                return f"an array made from the number of units alone: {change} in {x.where}"
            partner[before] = after
        if x.body is not None and y.body is not None and (inner := _change(x.body, y.body, sizes)):
            return inner
    pairs = zip(a.outputs, b.outputs, strict=True)
    if len(a.steps) != len(b.steps) or any(
        (x.constant is None or not _same(x.constant, y.constant)) and partner.setdefault(x, y) is not y
        for x, y in pairs
    ):
        return "the function runs other steps at another size, at its end"
    return ""


def _text(param: Any) -> str:
    """Show a parameter of a primitive as text, without the addresses of functions."""
    return re.sub("0x[0-9a-f]+", "", str(param))


def _same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """Tell whether two constants are the same to the bit; what is not known is not the same."""
    if a is None or b is None:
        return False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _constant_text(constant: np.ndarray | None) -> str:
    if constant is None:
        return "a computed value"
    return f"{constant:.6g}" if constant.ndim == 0 else f"an array {list(constant.shape)}"


def changes_at_other_sizes(
    apply: Callable, params: Tree, inputs: tuple, program: Program, axes: dict[str, tuple[Axis, ...]], cut: list[Axis]
) -> dict[Axis, Difference]:
    """Find out which atoms can have another size without a change in what a function does.

    All atoms are resized at once first, by a little and by much. Only where that changes something, they are resized
    one by one.

    Args:
        apply: the function.
        params: its parameters, as arrays or shapes.
        inputs: its further arguments.
        program: its program, with its axes tied.
        axes: the axes of every parameter, by path.
        cut: the atoms to resize.

    Returns:
        Per atom, what happens when it alone has another size. If nothing happens for any of them, what happens when all
        are resized, for each. An empty dict where all atoms can have other sizes at once.
    """

    def at(sizes: Mapping[Axis, int]) -> Difference:
        return difference(program, apply, shapes_with(params, axes, sizes), inputs, sizes)

    # By a little: one entry less (of 2 entries one more, since arrays of size 1 broadcast). By much: every atom by
    # another number of entries, so that no ratio and no difference of two sizes is the same both times.
    slightly = {atom: atom.size - 1 if atom.size > 2 else 3 for atom in cut}
    widely: dict[Axis, int] = {}
    more = 0
    for atom in cut:
        more = max(more + 1, atom.size // 2)
        widely[atom] = atom.size + more
    together = [change for sizes in (slightly, widely) if cut and (change := at(sizes)) != Difference()]
    if not together:
        return {}
    alone = {atom: [at({atom: sizes[atom]}) for sizes in (slightly, widely)] for atom in cut}
    worse = {
        atom: max(pair, key=lambda change: (bool(change.fails), bool(change.changes))) for atom, pair in alone.items()
    }
    return worse if any(change != Difference() for change in worse.values()) else dict.fromkeys(cut, together[0])
