"""The ramp gate of a flexible layer: its gray zone, slopes drawn at random, and units switched on and off at random.

The source is seed `003_d2c286111c329776.txt`, "Implement a metric-less resizing", "Random Slope" and "Random
activation" (REFERENCE D1, D2).
"""

import itertools
import math
from collections.abc import Iterator
from typing import Any, Literal

import jax
import jax.numpy as jnp

from jaxsize.gates import relu, size_gates
from jaxsize.layers import dense
from jaxsize.paths import leaf_name, named_leaves

Tree = Any
Estimator = Literal["none", "straight_through", "score_function"]
ODDS = 2 * math.log(99)
"""Slope times the width of the gray zone, where gates are between .01 and .99."""


def gray_zone(slope: Any) -> Any:
    """How many units have a gate between .01 and .99: 2 ln(99) / slope, 9.19 at slope 1."""
    return ODDS / slope


def slope_of(zone: Any) -> Any:
    """The slope whose gray zone has this width."""
    return ODDS / zone


def is_size(path: tuple) -> bool:
    """Whether a tree path (of jax.tree_util) ends at the size of a layer."""
    return _last(path) == "size"


def is_slope(path: tuple) -> bool:
    return _last(path) == "slope"


def _last(path: tuple) -> str:
    return leaf_name(path).split(".")[-1]


def read_sizes(params: Tree, leaf: Literal["size", "slope"] = "size") -> dict[str, Any]:
    """The size (or slope) of every gated layer by the layer's name, such as `hidden.0`."""
    ending = f".{leaf}"
    return {name.removesuffix(ending): value for name, value in named_leaves(params).items() if name.endswith(ending)}


def with_sizes(params: Tree, leaf: Literal["size", "slope"], values: dict[str, Any]) -> Tree:
    """`params` with these sizes (or slopes), by the layer's name; other layers keep theirs. ValueError for a name that
    is not there."""
    if unknown := set(values) - set(read_sizes(params, leaf)):
        raise ValueError(f"with_sizes: expected layers with a {leaf}, got {min(unknown)!r}")
    ending = f".{leaf}"

    def replaced(path: tuple, value: Any) -> Any:
        name = leaf_name(path)
        return values.get(name.removesuffix(ending), value) if name.endswith(ending) else value

    return jax.tree_util.tree_map_with_path(replaced, params)


def draw_slopes(key: jax.Array, params: Tree, low: float, high: float) -> Tree:
    """`params` with slopes whose gray zones are drawn from U(low, high), each layer its own (D2: 1 and 20)."""
    drawn = {
        name: slope_of(jax.random.uniform(jax.random.fold_in(key, index), (), jnp.float32, low, high))
        for index, name in zip(_without_1(), read_sizes(params, "slope"), strict=False)
    }
    return with_sizes(params, "slope", drawn)


def _without_1() -> Iterator[int]:
    """0, 2, 3, ...: 1 names the key of units drawn in the same step."""
    return (index for index in itertools.count() if index != 1)


def sampled_outputs(params: Tree, inputs: jax.Array, key: jax.Array, estimator: Estimator) -> tuple[jax.Array, Any]:
    """Outputs [B, O] of an `mlp` whose units are on with the probability of their gate, and log p [B] of the draw.

    Every row draws its own units. `none`: the draw has derivative 0 (D2, J11), and so has the size. `straight_through`:
    the derivative of a draw is taken for that of its probability (Bengio et al. 2013). `score_function`: the draw has
    derivative 0, and log p carries the gradient of the expected loss (Williams 1992).
    """
    activations, log_p = inputs, jnp.zeros(inputs.shape[0])
    for index, layer in enumerate(params["hidden"]):
        activations = relu(dense(layer, activations))
        size, slope, width = layer["size"], layer["slope"], activations.shape[-1]
        gates = jnp.expand_dims(size_gates(size, slope, width), 0)
        drawn = jax.random.bernoulli(jax.random.fold_in(key, index), gates, activations.shape)
        on = jax.lax.stop_gradient(drawn.astype(activations.dtype))
        if estimator == "straight_through":
            on = on + gates - jax.lax.stop_gradient(gates)
        level = jnp.expand_dims(slope * (size - jnp.arange(width, dtype=activations.dtype)), 0)
        signs = jax.lax.stop_gradient(2 * on - 1)
        log_p = log_p + jnp.sum(jax.nn.log_sigmoid(signs * level), axis=-1)
        activations = activations * on
    return dense(params["output"], activations), log_p
