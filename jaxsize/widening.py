"""Widening: more units for layers whose trained size comes near the number allocated, so that no array bounds it.

Between epochs, for all runs that train together at once: the width is what the largest of them needs, so that the
first weights of new units depend on which runs are in a batch. What is new comes from the first weights that a wider
network of the same seed would have had; the optimiser's moments of it start at 0, its step count goes on.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.buckets import bucket

Tree = Any


@dataclasses.dataclass(frozen=True)
class Widening:
    """When layers are widened, and with what."""

    needed: Callable[[Tree], Sequence[int]]
    """NumPy parameters of one run -> units that each layer should have, in the order of the layers."""
    init: Callable[[int, Sequence[int]], Tree]
    """Index of a run within its batch, hidden widths -> the first parameters of that network (NumPy)."""
    factor: float = 1.5
    """A layer grows to a multiple of 16, at least so many times as wide."""
    most: int = 16384
    """No layer becomes wider."""

    def widths_for(self, widths: Sequence[int], runs: Sequence[Tree]) -> tuple[int, ...]:
        """What layers of these widths should become for all runs: never narrower."""
        wanted = np.max([self.needed(params) for params in runs], axis=0)
        return tuple(
            width if want <= width else max(width, min(max(bucket(want), bucket(int(width * self.factor))), self.most))
            for width, want in zip(widths, wanted.tolist(), strict=True)
        )


def widen(old: Tree, fresh: Tree) -> Tree:
    """`fresh`, with the entries of `old` in its leading corner of every leaf. NumPy arrays in and out.

    ValueError if a leaf of `old` is larger in some axis, or of another rank.
    """

    def joined(small: np.ndarray, large: np.ndarray) -> np.ndarray:
        small, large = np.asarray(small), np.array(large)
        if small.ndim != large.ndim or any(a > b for a, b in zip(small.shape, large.shape, strict=True)):
            raise ValueError(f"widen: expected at most {list(large.shape)}, got {list(small.shape)}")
        large[tuple(slice(size) for size in small.shape)] = small
        return large

    return jax.tree.map(joined, old, fresh)


def widened_state(state: Any, fresh_params: Tree, shapes: Any) -> Any:
    """A run's TrainState in a wider network. shapes: of such a state; what only training fills starts at 0."""
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (shapes.opt_state, shapes.bookkeeping))
    opt_state, bookkeeping = widen((state.opt_state, state.bookkeeping), zeros)
    return dataclasses.replace(
        state, params=widen(state.params, fresh_params), opt_state=opt_state, bookkeeping=bookkeeping
    )
