"""Names of leaves: the path to a leaf of a pytree, as text."""

from typing import Any

import jax
from jax.tree_util import tree_flatten_with_path

Tree = Any


def path_parts(path: tuple) -> list[str]:
    """The parts of a path of `jax.tree_util`: keys, indices, field names."""
    return [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path]


def leaf_name(path: tuple) -> str:
    """`hidden.0.kernel` for params["hidden"][0]["kernel"]."""
    return ".".join(path_parts(path))


def named_leaves(tree: Tree) -> dict[str, Any]:
    """The leaves of a tree by name, in the order of the tree. Raises ValueError if two have the same name."""
    leaves, _ = tree_flatten_with_path(tree)
    named = {leaf_name(path): leaf for path, leaf in leaves}
    if len(named) < len(leaves):
        names = [leaf_name(path) for path, _ in leaves]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"parameters: expected different names for all leaves, got {twice!r} twice")
    return named


def with_leaves(tree: Tree, leaves: dict[str, Any]) -> Tree:
    """`tree` with all its leaves replaced, by name."""
    return jax.tree_util.tree_map_with_path(lambda path, _: leaves[leaf_name(path)], tree)
