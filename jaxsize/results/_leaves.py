"""Leaves of a pytree as a checkpoint records them: path, shape, dtype, bytes and checksum."""

import zlib
from typing import Any

import jax
import numpy as np

from jaxsize.errors import InputError


def flatten_tree(tree: Any) -> tuple[list[str], list[Any], dict[str, str]]:
    """List path and value of every leaf, and the type of the container at every path.

    Raises InputError where a leaf is no array.
    """
    pairs, _ = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path) for path, _ in pairs]
    for name, (_, leaf) in zip(names, pairs, strict=True):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise InputError(f"leaf {name} must be an array, got {leaf!r:.80} of type {type(leaf).__name__}")
    return names, [leaf for _, leaf in pairs], _containers(tree, "")


def _containers(tree: Any, path: str) -> dict[str, str]:
    if jax.tree_util.all_leaves([tree]):
        return {}
    types = {path: type(tree).__name__}
    children, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda node: node is not tree)
    for key, child in children:
        types |= _containers(child, path + jax.tree_util.keystr(key))
    return types


def kind_of(shape: Any, dtype: str) -> str:
    return f"{dtype}{list(shape)}"


def key_impl(leaf: Any) -> dict[str, str]:
    """Name what turns the data of typed random keys into keys again; {} for any other leaf."""
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return {"key_impl": str(jax.random.key_impl(leaf))}
    return {}


def to_host(name: str, leaf: Any) -> np.ndarray:
    """Copy a leaf to a NumPy array in C order and native byte order; of a typed random key, take the uint32 data."""
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:
            raise InputError(f"leaf {name} is spread over several processes: gather it before saving")
        leaf = jax.random.key_data(leaf) if key_impl(leaf) else leaf
    array = np.asarray(leaf, order="C")
    if array.dtype.kind in "OSUMm" or array.dtype.name.startswith("void"):
        raise InputError(f"leaf {name} must hold numbers, got dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def crc32_of(array: np.ndarray) -> int:
    """Compute the checksum of an array's shape, dtype and bytes."""
    seed = zlib.crc32(kind_of(array.shape, array.dtype.name).encode())
    return zlib.crc32(array.reshape(-1).view(np.uint8).data, seed) if array.size else seed
