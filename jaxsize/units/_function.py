"""The function that unit groups were read from, and the same function at other sizes, however it was written."""

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
    at_other_sizes: Callable[..., Any]
    """What `at_other_sizes` makes of it."""


def at_other_sizes(apply: Callable[..., Any], axes: Mapping[str, tuple[Axis, ...]]) -> Callable[..., Any]:
    """Make a function of parameters of other sizes, also where a function fixes its sizes itself.

    The function is traced at its own sizes, once for all shapes of its further arguments, and the equations are run at
    the sizes of the parameters given (`_program/replay.py`).

    Args:
        apply: the function.
        axes: the axes of every parameter, by path, at the sizes that it takes.
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
        if key not in traces:
            closed, results = jax.make_jaxpr(apply, return_shape=True)(shapes[0], *shapes[1])
            of_inputs = [axes[name] for name in full] + [None] * len(jax.tree.leaves(inputs))
            while len(traces) >= _MOST_TRACES_KEPT:
                del traces[next(iter(traces))]
            traces[key] = *tied(closed, of_inputs), jax.tree.structure(results)
        return traces[key]

    def apply_at_other_sizes(params: Tree, *inputs: Any) -> Any:
        leaves = named_leaves(params)
        if set(leaves) != set(axes):
            raise InputError(f"apply: expected the parameters {', '.join(axes):.200}, got {', '.join(leaves):.200}")
        sizes = sizes_in({name: jnp.shape(leaf) for name, leaf in leaves.items()}, axes)
        program, copies, results = traced(params, inputs)
        replay = Replay(sizes_of(copies, sizes, "the function"))
        arrays = [
            leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf) for leaf in jax.tree.leaves((params, inputs))
        ]
        return jax.tree.unflatten(results, map(jnp.asarray, replay.call(program.calls[0], arrays)))

    return apply_at_other_sizes


def _array(leaf: Any) -> jax.Array:
    return leaf if isinstance(leaf, jax.Array) else jnp.asarray(leaf)


def sizes_in(shapes: Mapping[str, tuple[int, ...]], axes: Mapping[str, tuple[Axis, ...]]) -> dict[Axis, int]:
    """Work out the sizes of atoms from the shapes of parameters; an atom of which nothing is known keeps its size.

    Args:
        shapes: of every parameter, by path.
        axes: the axes of every parameter, by path.

    Raises:
        InputError: when no sizes of the atoms give these shapes.
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
    for name, of_leaf in axes.items():
        expected = [size_with(axis, sizes) for axis in of_leaf]
        if expected != list(shapes[name]):
            raise InputError(f"expected {expected}, as other parameters have it, got {list(shapes[name])}", field=name)
    return sizes
