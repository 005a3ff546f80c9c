"""Ramp gates drawn at random: their slopes, or which units are on.

The source is seed `003_d2c286111c329776.txt`, "Random Slope" and "Random activation" (D2).
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Literal

import jax
import jax.numpy as jnp

from jaxsize.gates.leaves import hand_in, read_sizes, units_beside, with_sizes
from jaxsize.gates.ramp import size_gates, slope_of
from jaxsize.trees import Tree

Estimator = Literal["none", "straight_through", "score_function"]


def draw_slopes(key: jax.Array, params: Tree, low: float, high: float) -> Tree:
    """Draw new slopes for the ramp gates, such that the width of every gray zone is uniformly distributed.

    Args:
        key: random key; every layer draws with a key of its own, derived from this one.
        params: parameters with `size` and `slope` leaves.
        low: smallest width of a gray zone, in units, above 0 (D2: 1).
        high: largest width of a gray zone, in units (D2: 20).

    Returns:
        `params` with the slopes replaced.
    """
    drawn = {
        name: slope_of(jax.random.uniform(jax.random.fold_in(key, index), (), jnp.float32, low, high))
        for index, name in zip(_without_1(), read_sizes(params, "slope"), strict=False)
    }
    return with_sizes(params, "slope", drawn)


def _without_1() -> Iterator[int]:
    """Count 0, 2, 3, ...: 1 names the key of units drawn in the same step."""
    return (index for index in itertools.count() if index != 1)


def sampled_outputs(
    apply: Callable[..., jax.Array], params: Tree, inputs: jax.Array, key: jax.Array, estimator: Estimator
) -> tuple[jax.Array, jax.Array]:
    """Compute the outputs of a network whose units are on or off at random, each on with the probability of its gate.

    Every row draws its own units. They are handed in in place of the network's gates (`gates.hand_in`).

    Args:
        apply: the function of the network.
        params: its parameters, with a `size` and a `slope` in some layers.
        inputs: [B, ...].
        key: random key of the draw.
        estimator: how the gradient passes the draw.
            `none`: the draw has derivative 0 (D2, J11), and so has the size.
            `straight_through`: the derivative of a draw is taken to be that of its probability (Bengio et al. 2013).
            `score_function`: the draw has derivative 0, and log p carries the gradient of the expected loss
            (Williams 1992).

    Returns:
        Outputs [B, ...], and the logarithm of the probability of each row's draw, log p [B].
    """
    slopes, units = read_sizes(params, "slope"), {}
    log_p = jnp.zeros(inputs.shape[0])
    for index, (name, size) in enumerate(read_sizes(params).items()):
        slope, width = slopes[name], units_beside(params, name)
        gates = jnp.expand_dims(size_gates(size, slope, width), 0)
        drawn = jax.random.bernoulli(jax.random.fold_in(key, index), gates, (inputs.shape[0], width))
        on = jax.lax.stop_gradient(drawn.astype(gates.dtype))
        if estimator == "straight_through":
            on = on + gates - jax.lax.stop_gradient(gates)
        level = jnp.expand_dims(slope * (size - jnp.arange(width, dtype=gates.dtype)), 0)
        signs = jax.lax.stop_gradient(2 * on - 1)
        log_p = log_p + jnp.sum(jax.nn.log_sigmoid(signs * level), axis=-1)
        units[name] = on
    return apply(hand_in(params, units), inputs), log_p
