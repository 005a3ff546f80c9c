"""Checks of the parameters at which curvature is taken, and of vectors that have to be like them."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.tree_util import tree_flatten_with_path

from jaxsize.errors import InputError
from jaxsize.trees import Tree, leaf_name


def floating(tree: Tree, field: str = "params") -> Tree:
    """Return a tree with its leaves as JAX arrays, all of them floating.

    Args:
        tree: a pytree of arrays or numbers.
        field: the argument that an error names.

    Raises:
        InputError: when a leaf is not floating, or the tree has no leaf.
    """
    leaves, structure = tree_flatten_with_path(tree)
    if not leaves:
        raise InputError("expected a tree with at least one leaf, got none", field=field)
    arrays = [jnp.asarray(leaf) for _, leaf in leaves]
    for (path, _), array in zip(leaves, arrays, strict=True):
        if not jnp.issubdtype(array.dtype, jnp.floating):
            problem = f"expected floating leaves, which have derivatives, got {_form(array)} at {_at(path)}"
            raise InputError(f"{problem}; close over what is not differentiated", field=field)
    return jax.tree.unflatten(structure, arrays)


def alike(tree: Tree, like: Tree, field: str, *, stacked: bool = False) -> Tree:
    """Return a tree with its leaves as JAX arrays, of the structure, the shapes and the dtypes of another.

    Args:
        tree: the tree to check.
        like: the tree of arrays whose form it must have.
        field: the argument that an error names.
        stacked: whether every leaf has one more axis in front, of the same length in all leaves.

    Raises:
        InputError: when it differs; the error names the first leaf that does.
    """
    leaves, structure = tree_flatten_with_path(tree)
    expected, expected_structure = tree_flatten_with_path(like)
    if structure != expected_structure:
        raise InputError(_different_structure(leaves, expected, structure, expected_structure), field=field)
    arrays = [jnp.asarray(leaf) for _, leaf in leaves]
    length = arrays[0].shape[:1] if stacked else ()
    if stacked and not length:
        raise InputError(
            f"expected an axis of vectors in front, got {_form(arrays[0])} at {_at(leaves[0][0])}", field=field
        )
    for (path, leaf), array in zip(expected, arrays, strict=True):
        shape = length + leaf.shape
        if array.shape != shape or array.dtype != leaf.dtype:
            raise InputError(f"expected {leaf.dtype}{list(shape)} at {_at(path)}, got {_form(array)}", field=field)
    return jax.tree.unflatten(structure, arrays)


def _different_structure(leaves: list, expected: list, structure: Any, expected_structure: Any) -> str:
    names, expected_names = ([leaf_name(path) for path, _ in each] for each in (leaves, expected))
    problem = "expected the structure of the parameters"
    if missing := [name for name in expected_names if name not in names]:
        return f"{problem}, got no leaf {missing[0]!r}"
    if extra := [name for name in names if name not in expected_names]:
        return f"{problem}, which have no leaf {extra[0]!r}"
    return f"{problem}, {expected_structure}, got {structure}"


def _at(path: tuple) -> str:
    return f"leaf {leaf_name(path)!r}" if path else "the only leaf"


def _form(array: jax.Array) -> str:
    return f"{array.dtype}{list(array.shape)}"
