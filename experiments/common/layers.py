"""What studies read off the one hidden layer of a trained network, and what they take it for.

The source is seed `003_d2c286111c329776.txt`, experiments J1 to J6.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.networks import mlps
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.gates import relu
from jaxsize.measures import shapiro_w
from jaxsize.trees import Tree
from jaxsize.units import activations

FREE = 1e-4
"""A unit whose removal costs less than this of the mean loss is not needed (the ablation count of C6)."""
STEPS = 4
"""How many numbers of kept directions per doubling accuracies are measured for."""


class Layer(NamedTuple):
    """The one hidden layer of networks of a width."""

    hidden: Callable[[Tree, Any], jax.Array]
    """(parameters, rows of inputs [N, D]) -> what the units put out before the activation, [N, U]."""
    outputs: Callable[[Tree, jax.Array], jax.Array]
    """(parameters, values of the units before the activation [N, U]) -> outputs [N, O]."""


def layer_of(dataset: Dataset, width: int) -> Layer:
    """Return the hidden layer of the networks of a width.

    Both functions are the network itself with another activation: none, so that what its output layer reads is what
    units put out before their activation, or one that puts given values in place of theirs.
    """
    bare = mlps(dataset, gate=None, activation=lambda values: values)((width,))

    def hidden(params: Tree, inputs: Any) -> jax.Array:
        (values,) = activations(bare.apply, params, jnp.asarray(inputs)).values()
        return values

    def outputs(params: Tree, values: jax.Array) -> jax.Array:
        replaced = mlps(dataset, gate=None, activation=lambda _: relu(values))((width,))
        return replaced.apply(params, jnp.zeros((len(values), dataset.num_inputs), values.dtype))

    return Layer(hidden, outputs)


def counts_of(width: int) -> tuple[int, ...]:
    """Return the numbers of directions for which accuracies are measured: 0, then four per doubling, and the width.

    Example:
        >>> counts_of(8)
        (0, 1, 2, 3, 4, 5, 6, 7, 8)
        >>> counts_of(30)[9:]
        (10, 11, 13, 16, 19, 23, 27, 30)
    """
    steps = np.round(2 ** (np.arange(STEPS * np.log2(width)) / STEPS)).astype(int)
    return tuple(sorted({0, *steps.tolist(), width}))


def enough_of(accuracies: np.ndarray, counts: Sequence[int]) -> int:
    """Return the first number of directions from which on 99 % of the accuracy with all of them is reached.

    Example:
        >>> enough_of(np.array([0.1, 0.992, 0.9, 0.995, 1.0]), (0, 1, 2, 4, 8))
        4
    """
    reached = accuracies >= 0.99 * accuracies[-1]
    stays = np.logical_and.accumulate(reached[::-1])[::-1]
    return counts[int(np.argmax(stays))]


def w_of(spreads: np.ndarray, **samples: Any) -> float:
    """Return the median W of samples of the spreads that are not 0; NaN where it has none."""
    try:
        return float(np.nanmedian(shapiro_w(spreads[spreads > 0], **samples)))
    except InputError:  # fewer than 3 live units, or equal ones
        return np.nan
