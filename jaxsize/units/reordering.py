"""Units put in another order, in parameters and optimiser state."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from jaxsize.gates.leaves import read_sizes
from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._optimizer_states import map_parameter_like


def reorder_units(
    optimizer: Any, params: Tree, opt_state: Tree, scores: Mapping[str, jax.Array]
) -> tuple[Tree, Tree, dict[str, jax.Array]]:
    """Put the units with the largest scores first, in every layer of an `mlp` that has a size gate.

    Whatever belongs to a unit moves with it: its incoming weights, its bias, its outgoing weights, and what the
    optimiser keeps of them. The gates stay where they are. Units with equal scores keep their order.

    Args:
        optimizer: the optax transformation that made `opt_state`.
        params: parameters of an `mlp` with size gates.
        opt_state: the optimiser's state.
        scores: floating [U], for every layer with a size gate, by its name (`hidden.0`).

    Returns:
        The parameters, the optimiser's state, and for every layer with a size gate the original index of every unit,
        int [U].

    Raises:
        InputError: when optax cannot tell which leaves of the state belong to parameters (as for L-BFGS).

    Example:
        >>> import jaxsize, numpy as np, optax
        >>> from jaxsize.units import reorder_units
        >>> params, optimizer = jaxsize.mlp((2, 3, 2), gate="size", bias=None).init(0), optax.sgd(0.1)
        >>> scores = {"hidden.0": np.array([2.0, 9.0, 5.0])}
        >>> ordered, _, order = reorder_units(optimizer, params, optimizer.init(params), scores)
        >>> order["hidden.0"].tolist()
        [1, 2, 0]
        >>> ordered["output"]["kernel"].tolist() == params["output"]["kernel"][[1, 2, 0]].tolist()
        True
    """
    order = {name: jnp.argsort(-scores[name], stable=True) for name in read_sizes(params)}
    layers = [f"hidden.{index}" for index in range(len(params["hidden"]))] + ["output"]

    def moved(leaf: jax.Array, name: str) -> jax.Array:
        layer, kind = name.rsplit(".", 1)
        if kind in ("kernel", "bias") and layer in order:
            leaf = jnp.take(leaf, order[layer], axis=-1)
        before = layers[layers.index(layer) - 1] if layers.index(layer) else None
        return jnp.take(leaf, order[before], axis=0) if kind == "kernel" and before in order else leaf

    leaves = named_leaves(params)
    names = with_leaves(params, {name: name for name in leaves})
    params = with_leaves(params, {name: moved(leaf, name) for name, leaf in leaves.items()})
    return params, map_parameter_like(optimizer, moved, opt_state, names), order
