"""Which units are alive: reading gates out of parameters, and the rule that death is absorbing.

A gate is any leaf named `liveness`, wherever it stands in the parameters. Here it goes by the path that leads to it,
such as `hidden.0` for params["hidden"][0]["liveness"].
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_flatten_with_path, tree_map_with_path

Tree = Any
LEAF = "liveness"


def _names(path: tuple) -> list[str]:
    return [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path]


def is_liveness(path: tuple) -> bool:
    """Whether a tree path (of jax.tree_util) ends at a gate."""
    return bool(path) and _names(path)[-1] == LEAF


def read_liveness(params: Tree) -> dict[str, jax.Array]:
    """The gates of `params` by name, each [U]."""
    leaves, _ = tree_flatten_with_path(params)
    return {".".join(_names(path)[:-1]): leaf for path, leaf in leaves if is_liveness(path)}


def replace_liveness(params: Tree, gates: dict[str, jax.Array]) -> Tree:
    """`params` with its gates replaced by those of `gates` (all of them, by name)."""
    return tree_map_with_path(
        lambda path, leaf: gates[".".join(_names(path)[:-1])] if is_liveness(path) else leaf, params
    )


def init_live(params: Tree) -> dict[str, jax.Array]:
    """Bookkeeping before training: which units have an open gate, bool [U] per gate. Never differentiated."""
    return {name: jnp.asarray(gate > 0) for name, gate in read_liveness(params).items()}


def absorb(params: Tree, live: dict[str, jax.Array]) -> tuple[Tree, dict[str, jax.Array]]:
    """Death is absorbing (seed `003_d2c286111c329776.txt`): a unit whose gate was ever at or below 0 never opens again.

    Returns the parameters with the gates of dead units held at or below 0, and the units still alive. Adam's momentum
    can push a closed gate only further down (it died because the momentum was positive, and relu passes no gradient
    from then on), so under Adam this changes no number, unless coupled weight decay lifts the gate; it makes the rule
    hold under every optimiser.
    """
    gates = {name: jnp.where(live[name], gate, jnp.minimum(gate, 0)) for name, gate in read_liveness(params).items()}
    return replace_liveness(params, gates), {name: live[name] & (gate > 0) for name, gate in gates.items()}


def count_live(live: dict[str, jax.Array]) -> jax.Array:
    """Live units per gate, int32 [number of gates], in the order of `live` (sorted by name, as in every pytree of
    it)."""
    if not live:
        return jnp.zeros(0, jnp.int32)
    return jnp.stack([jnp.sum(live[name], dtype=jnp.int32) for name in sorted(live)])
