"""What the mixtures of two distributions share: values with weights, and the rounds of EM.

The source of EM is Dempster, Laird and Rubin, 1977.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxsize.errors import InputError
from jaxsize.measures._checks import floating
from jaxsize.trees import Array, Tree

BLOCK = 256
"""Values that are added up at once: errors of sums of sums grow with both lengths, not with their product."""


class Weighted(NamedTuple):
    """Positive values with weights, in units of their mean."""

    values: jax.Array
    """[N], above 0; 1 where the weight is 0."""
    weights: jax.Array
    """[N], 0 or more."""
    mean: jax.Array
    """[], the unit of `values`."""
    total: jax.Array
    """[], the sum of the weights."""

    def average(self, numbers: jax.Array, shares: jax.Array | None = None) -> jax.Array:
        """Average numbers [N] by weight, or by weight times shares [N]; 0 where nothing weighs anything."""
        weights = self.weights if shares is None else self.weights * shares
        return total_of(weights * numbers) / jnp.maximum(total_of(weights), jnp.finfo(numbers.dtype).tiny)


def weighted(values: Array, weights: Array | None, shift: float = 0.0) -> Weighted:
    """Check values and weights, add a shift to the values and divide them by their mean.

    Raises:
        InputError: when a value is not above 0, a weight is below 0, or shapes differ. Values of weight 0 may
            be any finite numbers. Traced values are not looked at.
    """
    array = floating(values, "values", "[N]")
    counts = jnp.ones_like(array) if weights is None else floating(weights, "weights", "[N]").astype(array.dtype)
    if counts.shape != array.shape:
        raise InputError(f"expected {list(array.shape)}, like values, got {list(counts.shape)}", field="weights")
    if not isinstance(counts, Tracer):
        on_host = np.asarray(counts)
        if on_host.min() < 0 or on_host.max() == 0:
            raise InputError("expected numbers that are not negative, some above 0", field="weights")
        if not isinstance(array, Tracer) and (low := np.asarray(array)[on_host > 0].min()) <= 0:
            problem = f"expected numbers above 0, got {low:g}; give those that are not a weight of 0"
            raise InputError(problem, field="values")
    return _scaled(array, counts, shift)


@jax.jit
def _scaled(values: jax.Array, weights: jax.Array, shift: float) -> Weighted:
    total = jnp.maximum(total_of(weights), jnp.finfo(values.dtype).tiny)
    values = jnp.where(weights > 0, values + shift, 0)
    largest = jnp.max(values)
    largest = jnp.where(largest > 0, largest, 1)
    mean = largest * (total_of(weights * (values / largest)) / total)
    return Weighted(jnp.where(weights > 0, values / mean, 1), weights, mean, total)


def total_of(numbers: jax.Array) -> jax.Array:
    """Add up numbers [N] by blocks."""
    padded = jnp.pad(numbers, (0, -numbers.size % BLOCK))
    return jnp.sum(jnp.sum(padded.reshape(-1, BLOCK), axis=1))


class Climbed(NamedTuple):
    """Where the rounds of EM ended."""

    fit: Tree
    rounds: jax.Array
    converged: jax.Array


def climb(
    step: Callable[[Tree], tuple[Tree, jax.Array]],
    start: Tree,
    share_of: Callable[[Tree], jax.Array],
    max_rounds: int | jax.Array,
    tolerance: float | jax.Array,
) -> Climbed:
    """Repeat a round of EM until the share of the first component stands still.

    Args:
        step: a fit -> the next fit, and whether it is the last one [].
        start: the first fit.
        share_of: a fit -> the share of its first component [].
        max_rounds: the most rounds.
        tolerance: the change of the share below which it stands still.
    """

    def go_on(state: Climbed) -> jax.Array:
        return ~state.converged & (state.rounds < max_rounds)

    def round_(state: Climbed) -> Climbed:
        fit, last = step(state.fit)
        still = jnp.abs(share_of(fit) - share_of(state.fit)) < tolerance
        return Climbed(fit, state.rounds + 1, last | still)

    return jax.lax.while_loop(go_on, round_, Climbed(start, jnp.asarray(0), jnp.asarray(False)))
