"""The types of pytrees, and names for their leaves: the path to a leaf, written as text."""

from typing import Any

import jax
import numpy as np
from jax.tree_util import tree_flatten_with_path

from jaxsize.errors import InputError

Tree = Any
"""A pytree of arrays; type checkers know no narrower type for one."""
Array = jax.Array | np.ndarray
"""An array on a device, or on the host."""


def path_parts(path: tuple) -> list[str]:
    """Return the parts of a path of `jax.tree_util` as text: keys, indices and field names."""
    return [str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", key)))) for key in path]


def leaf_name(path: tuple) -> str:
    """Return the name of the leaf at a path of `jax.tree_util`: `hidden.0.kernel` for `["hidden"][0]["kernel"]`."""
    return ".".join(path_parts(path))


def named_leaves(tree: Tree) -> dict[str, Any]:
    """Return the leaves of a tree by name, in the order of the tree.

    Raises:
        InputError: when two leaves have the same name.

    Example:
        >>> named_leaves({"hidden": [{"bias": 1, "kernel": 2}], "output": 3})
        {'hidden.0.bias': 1, 'hidden.0.kernel': 2, 'output': 3}
    """
    leaves, _ = tree_flatten_with_path(tree)
    named = {leaf_name(path): leaf for path, leaf in leaves}
    if len(named) < len(leaves):
        names = [leaf_name(path) for path, _ in leaves]
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"expected different names for all leaves, got {twice!r} twice", field="parameters")
    return named


def owner_of(leaf: str) -> str:
    """Return the path of the dict that holds the leaf of a name; Flax NNX adds `.value` to the names of leaves.

    Example:
        >>> owner_of("hidden.0.kernel"), owner_of("hidden.0.kernel.value"), owner_of("scale")
        ('hidden.0', 'hidden.0', '')
    """
    return leaf.removesuffix(".value").rpartition(".")[0]


def readable_name(leaf: str) -> str:
    """Write the name of a leaf for people: without what Flax NNX and Haiku add, and never without a word.

    Example:
        >>> [readable_name(leaf) for leaf in ("first.kernel.value", "mlp/~/linear_0.w", "0", "")]
        ['first.kernel', 'mlp/linear_0.w', 'params.0', 'params']
    """
    name = leaf.removesuffix(".value").replace("/~/", "/")
    return name if any(map(str.isalpha, name)) else f"params.{name}".removesuffix(".")


def with_leaves(tree: Tree, leaves: dict[str, Any]) -> Tree:
    """Replace all leaves of a tree by name.

    Args:
        tree: gives the structure and the names.
        leaves: the new leaf for every name in `tree`; other names are ignored.

    Raises:
        KeyError: when `leaves` lacks a name of `tree`.

    Example:
        >>> with_leaves({"hidden": [1, 2]}, {"hidden.0": "a", "hidden.1": "b"})
        {'hidden': ['a', 'b']}
    """
    return jax.tree_util.tree_map_with_path(lambda path, _: leaves[leaf_name(path)], tree)
