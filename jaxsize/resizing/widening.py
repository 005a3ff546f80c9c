"""Widening: more units for layers whose trained size comes near the number allocated, so that no array bounds it.

Layers are widened between epochs, for all runs that train together at once: the new width is what the run with the
largest need requires. Therefore the first weights of new units depend on which runs are in a batch. What is new comes
from the first weights that a wider network of the same seed would have had; the optimiser's moments of it start at 0,
its step count goes on.
"""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.resizing.buckets import bucket
from jaxsize.trees import Tree


@dataclasses.dataclass(frozen=True)
class Widening:
    """When layers get more units while training, and which first weights the new units have.

    Example:
        >>> from jaxsize.networks import mlp
        >>> from jaxsize.resizing import Widening
        >>> widening = Widening(
        ...     needed=lambda params: [int(layer["size"]) + 20 for layer in params["hidden"]],
        ...     init=lambda run, hidden: mlp((3, *hidden, 2), gate="size").init(seed=run),
        ... )
        >>> network = mlp((3, 40, 40, 2), gate="size", size=10.0).init(seed=0)
        >>> widening.widths_for((40, 40), [network])  # 30 units are needed, 40 are there
        (40, 40)
        >>> network["hidden"][1]["size"] += 15  # now 45 are needed: half as many again, as a multiple of 16
        >>> widening.widths_for((40, 40), [network])
        (40, 64)
    """

    needed: Callable[[Tree], Sequence[int]]
    """NumPy parameters of one run -> units that each layer should have, in the order of the layers."""
    init: Callable[[int, Sequence[int]], Tree]
    """Index of a run within its batch, hidden widths -> the first parameters of that network (NumPy)."""
    factor: float = 1.5
    """A layer that is widened becomes at least so many times as wide, and a multiple of 16."""
    most: int = 16384
    """No layer is widened beyond this width."""

    def widths_for(self, widths: Sequence[int], runs: Sequence[Tree]) -> tuple[int, ...]:
        """Choose the widths that serve all of some runs; no layer becomes narrower.

        Args:
            widths: units that each layer has now.
            runs: NumPy parameters of every run.
        """
        wanted = np.max([self.needed(params) for params in runs], axis=0)
        return tuple(
            width if want <= width else max(width, min(max(bucket(want), bucket(int(width * self.factor))), self.most))
            for width, want in zip(widths, wanted.tolist(), strict=True)
        )


def widen(old: Tree, fresh: Tree) -> Tree:
    """Put the entries of a tree into the leading corners of the leaves of a larger tree.

    Args:
        old: NumPy arrays, such as the parameters of a trained network.
        fresh: a tree of the same structure, such as the first parameters of a wider network; not changed.

    Returns:
        NumPy arrays of the shapes of `fresh`: the entries of `old` where there are any, those of `fresh` elsewhere.

    Raises:
        InputError: when a leaf of `old` is larger than that of `fresh` in some axis, or has another rank.

    Example:
        >>> import numpy as np
        >>> from jaxsize.resizing import widen
        >>> widen({"kernel": np.ones((2, 2), int)}, {"kernel": np.zeros((3, 4), int)})["kernel"].tolist()
        [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0]]
    """

    def joined(small: np.ndarray, large: np.ndarray) -> np.ndarray:
        small, large = np.asarray(small), np.array(large)
        if small.ndim != large.ndim or any(a > b for a, b in zip(small.shape, large.shape, strict=True)):
            raise InputError(f"widen: expected at most {list(large.shape)}, got {list(small.shape)}")
        large[tuple(slice(size) for size in small.shape)] = small
        return large

    return jax.tree.map(joined, old, fresh)
