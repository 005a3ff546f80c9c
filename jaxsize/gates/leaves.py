"""Gates as leaves of the parameters: finding, reading and replacing them by name.

A gate is any leaf named `liveness`, wherever it stands in the parameters. The gate is named by the path that leads to
its leaf, such as `hidden.0` for params["hidden"][0]["liveness"]; a leaf at the top is called `liveness`. A relu gate
is relu(liveness), a signed gate is the value itself. A trained width has the leaves `size` and `slope`, which are named
by the path that leads to them, too; at the top both are called `size`.
"""

from collections.abc import Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax.tree_util import tree_map_with_path

from jaxsize.errors import InputError
from jaxsize.gates._handed import Handed
from jaxsize.gates._names import LEAF, gate_name, is_gate, is_liveness, named_like, owner_of_gate
from jaxsize.trees import Tree, leaf_name, named_leaves, owner_of, with_leaves


def read_liveness(params: Tree) -> dict[str, jax.Array]:
    """Read the gates in `params`.

    Returns:
        The leaf `liveness` [U] of each gate, by the name of the gate.

    Example:
        >>> from jaxsize.gates import read_liveness
        >>> read_liveness({"hidden": [{"bias": 1, "liveness": 2}], "output": {"bias": 3}})
        {'hidden.0': 2}
    """
    return {gate_name(name): leaf for name, leaf in named_leaves(params).items() if is_gate(name)}


def replace_liveness(params: Tree, gates: dict[str, jax.Array]) -> Tree:
    """Replace every gate in `params`.

    Args:
        params: a pytree of parameters.
        gates: the new leaf `liveness` for every gate of `params`, by the name of the gate.

    Returns:
        `params` with the gates of `gates` and all its other leaves.

    Raises:
        KeyError: when `gates` lacks a gate of `params`.

    Example:
        >>> from jaxsize.gates import replace_liveness
        >>> replace_liveness({"hidden": [{"bias": 1, "liveness": 2}]}, {"hidden.0": 5})
        {'hidden': [{'bias': 1, 'liveness': 5}]}
    """
    return tree_map_with_path(
        lambda path, leaf: gates[gate_name(leaf_name(path))] if is_liveness(path) else leaf, params
    )


def read_sizes(params: Tree, leaf: Literal["size", "slope"] = "size") -> dict[str, Any]:
    """Read the size, or the slope, of every layer that has one.

    Args:
        params: a pytree of parameters.
        leaf: which of the two to read.

    Returns:
        The values by the name of the layer, such as `hidden.0`.

    Example:
        >>> from jaxsize.gates import read_sizes
        >>> params = {"hidden": [{"size": 20.0, "slope": 1.0}, {"size": 8.0, "slope": 0.5}]}
        >>> read_sizes(params)
        {'hidden.0': 20.0, 'hidden.1': 8.0}
        >>> read_sizes(params, "slope")
        {'hidden.0': 1.0, 'hidden.1': 0.5}
    """
    return {_size_name(name): value for name, value in named_leaves(params).items() if named_like(name, leaf)}


def _size_name(leaf: str) -> str:
    """Return the name of the layer whose size or slope a leaf holds."""
    return owner_of(leaf) or "size"


def with_sizes(params: Tree, leaf: Literal["size", "slope"], values: dict[str, Any]) -> Tree:
    """Replace the sizes, or the slopes, of some layers.

    Args:
        params: a pytree of parameters.
        leaf: which of the two to replace.
        values: the new values by the name of the layer; the other layers keep their values.

    Returns:
        `params` with these values and all its other leaves.

    Raises:
        InputError: when `values` names a layer that has no such leaf.

    Example:
        >>> from jaxsize.gates import with_sizes
        >>> with_sizes({"hidden": [{"size": 20.0}, {"size": 8.0}]}, "size", {"hidden.1": 9.0})
        {'hidden': [{'size': 20.0}, {'size': 9.0}]}
    """
    if unknown := set(values) - set(read_sizes(params, leaf)):
        raise InputError(f"with_sizes: expected layers with a {leaf}, got {min(unknown)!r}")
    leaves = named_leaves(params)
    changed = {name: values.get(_size_name(name), old) for name, old in leaves.items() if named_like(name, leaf)}
    return with_leaves(params, leaves | changed)


def units_beside(params: Tree, name: str) -> int:
    """Return how many units a gate has: the length of the last axis of all arrays that stand beside it.

    A `size` is one number for all units of a layer, so that their number is that of the kernel and the bias beside it.

    Args:
        params: a pytree of parameters, of one run.
        name: the name of the gate, such as `hidden.0`.

    Raises:
        InputError: when no array stands beside the gate, or their last axes differ.

    Example:
        >>> import numpy as np
        >>> from jaxsize.gates import units_beside
        >>> layer = {"kernel": np.ones((3, 3, 2, 8)), "bias": np.ones(8), "size": np.array(5.0)}
        >>> units_beside({"blocks": [layer]}, "blocks.0")
        8
    """
    shapes = {leaf: jnp.shape(array) for leaf, array in named_leaves(params).items()}
    beside = {leaf: shape for leaf, shape in shapes.items() if shape and owner_of(leaf) == owner_of_gate(name)}
    if len({shape[-1] for shape in beside.values()}) != 1:
        got = ", ".join(f"{leaf} {list(shape)}" for leaf, shape in beside.items()) or "none"
        raise InputError(
            f"expected arrays beside the gate that share their last axis, the units, got {got}", field=name
        )
    return next(iter(beside.values()))[-1]


def hand_in(params: Tree, gates: Mapping[str, Any]) -> Tree:
    """Put given factors in place of a network's own gates.

    The function of the network takes the result in place of its parameters, and multiplies the units by these factors
    exactly as they are: there is no relu on top, a factor may be 0 or negative, and gradients flow through all of them.
    It works for every network whose gates are applied by functions of jaxsize: `liveness_gate`, `size_gate`, `relu` and
    `size_gates` with `gated_matmul` and `gated_conv`, `unit_gates` with `dense` and `conv`.

    Args:
        params: parameters of a network with leaves `liveness`, or `size` and `slope`.
        gates: by name of the gate, as `read_liveness` and `read_sizes` give it: floating [U], or [B, U] for factors of
            each row of the inputs. Gates that are not named stay.

    Returns:
        `params` with a `gates._handed.Handed` in place of every leaf `liveness` or `size` that is replaced, a pytree.

    Raises:
        InputError: when there is no gate of a name, or factors are not floating [U] or [B, U]; when the network is
            called, also where it computes with the leaf itself, or where U differs.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.gates import hand_in
        >>> from jaxsize.networks import mlp
        >>> network = mlp((1, 2, 1), gate="size", bias="zeros")
        >>> params = network.init(0)
        >>> closed = hand_in(params, {"hidden.0": jnp.zeros(2)})
        >>> network.apply(closed, jnp.ones((3, 1))).ravel().tolist()
        [0.0, 0.0, 0.0]
    """
    leaves = named_leaves(params)
    names = {leaf.removesuffix(".value"): leaf for leaf in leaves}
    for gate, given in gates.items():
        factors = jnp.asarray(given)
        if factors.ndim not in (1, 2) or not jnp.issubdtype(factors.dtype, jnp.floating):
            got = f"{factors.dtype}{list(factors.shape)}"
            raise InputError(f"hand_in: expected floating [U] or [B, U] for {gate!r}, got {got}")
        owned = [f"{gate}.{LEAF}", f"{gate}.size", *([gate] if gate in (LEAF, "size") else [])]
        leaf = next((names[name] for name in owned if name in names), None)
        if leaf is None:
            known = ", ".join([*read_liveness(params), *read_sizes(params)]) or "none"
            raise InputError(f"hand_in: expected gates of the network ({known}), got {gate!r}")
        leaves[leaf] = Handed(factors)
    return with_leaves(params, leaves)
