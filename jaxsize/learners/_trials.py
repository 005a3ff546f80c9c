"""Trying out, on rows of inputs, what a function of parameters and inputs rests on."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Tree

Apply = Callable[[Tree, Any], Any]
TOLERANCE = 1e-4
"""Outputs that should be the same may differ by this share of the differences between rows. The factors that are tried
are powers of two, so that little is lost to rounding."""


def outputs_of(apply: Apply, params: Tree, inputs: Any) -> np.ndarray:
    outputs = apply(params, inputs)
    if not hasattr(outputs, "dtype"):
        raise InputError(f"apply: expected one array of outputs, got a {type(outputs).__name__}")
    return np.atleast_1d(np.asarray(outputs, np.float64))


def list_trials(apply: Apply, params: Tree, inputs: Any) -> list[tuple[Tree, np.ndarray]]:
    """List the parameters to try something out on, the given ones and random ones, each with its outputs."""
    random = np.random.default_rng(0)

    def draw(leaf: Any) -> Any:
        if not is_floating(leaf):
            return leaf
        leaf = np.asarray(leaf)
        spread = math.sqrt(2 / max(1, math.prod(leaf.shape[:-1])))  # does not fade through layers of ReLU
        values = spread * random.normal(size=leaf.shape)
        return jnp.asarray((values if leaf.ndim > 1 else np.abs(values)).astype(leaf.dtype))  # no variance below 0

    trials = [(tree, outputs_of(apply, tree, inputs)) for tree in (params, jax.tree.map(draw, params))]
    if not all(np.isfinite(outputs).all() for _, outputs in trials):
        raise InputError(
            "apply: expected finite outputs of these parameters, and of random ones, got some that are not"
        )
    return trials


def differ(outputs: np.ndarray, expected: np.ndarray) -> bool:
    """Tell whether outputs differ by more than `TOLERANCE` of how much the expected ones vary from row to row.

    With a single row, the expected outputs themselves are the measure.
    """
    varying = expected - expected.mean(0) if len(expected) > 1 else expected
    return not np.abs(outputs - expected).max(initial=0.0) <= TOLERANCE * np.abs(varying).max(initial=0.0)


def power_of_two(factor: float) -> float:
    """Return the power of two nearest to `factor` that float32 can hold, and whose inverse it can hold."""
    return 2.0 ** max(-126, min(126, round(math.log2(factor))))


def is_floating(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating)
