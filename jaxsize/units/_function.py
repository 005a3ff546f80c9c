"""The function that unit groups were read from, and the same function at other sizes, however it was written."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._program.axes import Axis, find
from jaxsize.units._program.entries import size_with
from jaxsize.units._program.replay import Replay, sizes_of, tied

_MOST_TRACES_KEPT = 16


class Function(NamedTuple):
    """A function with the shapes of its arguments, at which its groups were read."""

    apply: Callable[..., Any]
    params: Tree
    """The parameters as jax.ShapeDtypeStruct."""
    inputs: tuple
    """The further arguments, likewise."""
    fingerprint: str
    """Of its program at these shapes (see `_program/fingerprint.py`)."""
    at_other_sizes: Callable[[Mapping[Axis, int] | None], Callable[..., Any]]
    """What `at_other_sizes` makes of it."""


def at_other_sizes(
    apply: Callable[..., Any], axes: Mapping[str, tuple[Axis, ...]]
) -> Callable[[Mapping[Axis, int] | None], Callable[..., Any]]:
    """Make functions of parameters of other sizes, also where a function fixes its sizes itself.

    The function is traced at its own sizes, once for all shapes of its further arguments, and the equations are run at
    the sizes of the parameters given (`_program/replay.py`).

    Args:
        apply: the function.
        axes: the axes of every parameter, by path, at the sizes that it takes.

    Returns:
        Makes such a function, given the sizes of the atoms that have others; given None, the function works them out
        from the shapes of its parameters.
    """
    traces: dict[Any, tuple] = {}

    def traced(params: Tree, inputs: tuple) -> tuple:
        full = {
            name: jax.ShapeDtypeStruct(tuple(axis.size for axis in axes[name]), jnp.result_type(leaf))
            for name, leaf in named_leaves(params).items()
        }
        shapes = with_leaves(params, full), jax.eval_shape(lambda *arguments: arguments, *inputs)
        leaves, structure = jax.tree.flatten(shapes)
        key = structure, tuple(leaves)
        if (trace := traces.get(key)) is None:
            closed, results = jax.make_jaxpr(apply, return_shape=True)(shapes[0], *shapes[1])
            of_inputs = [axes[name] for name in full] + [None] * len(jax.tree.leaves(inputs))
            for oldest in list(traces)[: 1 - _MOST_TRACES_KEPT]:
                traces.pop(oldest, None)  # another thread, such as one that compiles ahead, may have dropped it
            traces[key] = trace = *tied(closed, of_inputs), jax.tree.structure(results)
        return trace

    def run(sizes: Mapping[Axis, int] | None, params: Tree, *inputs: Any) -> Any:
        shapes = {name: jnp.shape(leaf) for name, leaf in named_leaves(params).items()}
        if set(shapes) != set(axes):
            raise InputError(f"apply: expected the parameters {', '.join(axes):.200}, got {', '.join(shapes):.200}")
        sizes = sizes_in(shapes, axes) if sizes is None else sizes
        _require_shapes(shapes, axes, sizes)
        program, copies, results = traced(params, inputs)
        replay = Replay(sizes_of(copies, sizes, "the function"))
        outputs = replay.call(program.calls[0], list(map(_array, jax.tree.leaves((params, inputs)))))
        return jax.tree.unflatten(results, map(_array, outputs))

    return lambda sizes: functools.partial(run, sizes)


def _require_shapes(
    shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, tuple[Axis, ...]], sizes: Mapping[Axis, int]
) -> None:
    """Refuse parameters of shapes that the sizes of atoms do not give."""
    for name, of_leaf in axes.items():
        expected = [size_with(axis, sizes) for axis in of_leaf]
        if expected != list(shapes[name]):
            raise InputError(f"expected {expected}, by the sizes of the groups, got {list(shapes[name])}", field=name)


def _array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def sizes_in(shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, tuple[Axis, ...]]) -> dict[Axis, int]:
    """Work out the sizes of atoms from the shapes of parameters; an atom of which nothing is known keeps its size.

    Args:
        shapes: of every parameter, by path.
        axes: the axes of every parameter, by path.
    """
    sizes: dict[Axis, int] = {}

    def is_known(axis: Axis) -> bool:
        axis = find(axis)
        return axis in sizes or bool(axis.fixed) if axis.kind == "atom" else all(map(is_known, axis.parts))

    def solve(axis: Axis, size: int) -> None:
        axis = find(axis)
        if axis.kind == "atom":
            if not axis.fixed:
                sizes.setdefault(axis, size)
            return
        unknown = [part for part in axis.parts if not is_known(part)]
        if len(unknown) == 1:
            others = [size_with(part, sizes) for part in axis.parts if part is not unknown[0]]
            solve(unknown[0], size // max(1, math.prod(others)) if axis.kind == "product" else size - sum(others))

    before = -1
    while len(sizes) > before:
        before = len(sizes)
        for name, of_leaf in axes.items():
            for axis, size in zip(of_leaf, shapes[name], strict=False):
                solve(axis, size)
    return sizes
