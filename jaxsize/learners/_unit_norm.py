"""Units whose incoming weights are kept at norm 1, their size in the gate."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsize.errors import InputError
from jaxsize.gates._names import LEAF
from jaxsize.gates.group_lasso import group_norms
from jaxsize.trees import Tree


def map_gated_layers(fn: Callable[[dict[str, Any]], dict[str, Any]], params: Tree) -> Tree:
    """Apply `fn` to every dict in `params` that holds a gate beside the kernel of its units."""

    def is_gated_layer(node: Any) -> bool:
        return isinstance(node, dict) and {LEAF, "kernel"} <= set(node)

    return jax.tree.map(lambda node: fn(node) if is_gated_layer(node) else node, params, is_leaf=is_gated_layer)


def normalize_units(params: Tree) -> Tree:
    """Divide the incoming weights and the bias of every gated unit by the norm of its weights, and put it in the gate.

    The gate is multiplied by the norm, so the function computed does not change, since a relu unit is positively
    homogeneous. A unit with zero weights is left alone, and so is a gate that stands beside no `kernel` (the gate of
    the inputs). Every array beside a gate must scale with the units, as kernel and bias do.

    Raises:
        InputError: when an array beside a gate does not have the units on its last axis.
    """

    def normalize(layer: dict[str, Any]) -> dict[str, Any]:
        kernel, units = layer["kernel"], layer[LEAF].shape
        for name, leaf in layer.items():
            if jnp.shape(leaf)[-1:] != units:
                raise InputError(f"expected units {list(units)} on the last axis of {name!r}", field="unit_norm")
        norms = group_norms(kernel.reshape(-1, kernel.shape[-1]))
        norms = jnp.where(norms > 0, norms, 1)
        scaled = {name: leaf / jnp.expand_dims(norms, range(leaf.ndim - 1)) for name, leaf in layer.items()}
        return scaled | {LEAF: layer[LEAF] * norms}

    return map_gated_layers(normalize, params)
