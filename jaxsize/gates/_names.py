"""Which leaves of the parameters are gates: their names decide."""

from jaxsize.trees import leaf_name

LEAF = "liveness"
"""The name of the leaf that holds the gates of a layer."""


def is_gate(name: str) -> bool:
    """Tell whether the leaf of this name is a gate, such as `hidden.0.liveness`; Flax NNX adds `.value` to the name."""
    return name.removesuffix(".value").split(".")[-1] == LEAF


def gate_name(leaf: str) -> str:
    """Return the name of the gate that is stored in the leaf of this name: `hidden.0` for `hidden.0.liveness`."""
    return leaf.removesuffix(".value").rsplit(".", 1)[0]


def is_liveness(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at a gate."""
    return is_gate(leaf_name(path))


def is_size(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at the size of a layer."""
    return _last(path) == "size"


def is_slope(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at the slope of a layer."""
    return _last(path) == "slope"


def _last(path: tuple) -> str:
    return leaf_name(path).removesuffix(".value").split(".")[-1]
