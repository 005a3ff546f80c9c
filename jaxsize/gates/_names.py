"""Which leaves of the parameters are gates: their names decide."""

from jaxsize.trees import leaf_name

LEAF = "liveness"
"""The name of the leaf that holds the gates of a layer."""


def named_like(name: str, last: str) -> bool:
    """Tell whether the last part of a leaf's name is `last`; Flax NNX adds `.value` to the name."""
    return name.removesuffix(".value").split(".")[-1] == last


def is_gate(name: str) -> bool:
    """Tell whether the leaf of this name is a gate, such as `hidden.0.liveness`."""
    return named_like(name, LEAF)


def gate_name(leaf: str) -> str:
    """Return the name of the gate that is stored in the leaf of this name: `hidden.0` for `hidden.0.liveness`."""
    return leaf.removesuffix(".value").rsplit(".", 1)[0]


def owner_of_gate(name: str) -> str:
    """Return the path of the dict that holds the gate of a name: the name, or nothing for a gate at the top."""
    return "" if name in (LEAF, "size") else name


def is_liveness(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at a gate."""
    return is_gate(leaf_name(path))


def is_size(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at the size of a layer."""
    return named_like(leaf_name(path), "size")


def is_slope(path: tuple) -> bool:
    """Tell whether a path of `jax.tree_util` ends at the slope of a layer."""
    return named_like(leaf_name(path), "slope")
