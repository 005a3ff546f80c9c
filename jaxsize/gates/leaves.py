"""Gates as leaves of the parameters: finding, reading and replacing them by name.

A gate is any leaf named `liveness`, wherever it stands in the parameters. The gate is named by the path that leads to
its leaf, such as `hidden.0` for params["hidden"][0]["liveness"]; a leaf at the top is called `liveness`. A relu gate
is relu(liveness), a signed gate is the value itself. A trained width has the leaves `size` and `slope`, which are named
by the path that leads to them, too.
"""

from typing import Any, Literal

import jax
from jax.tree_util import tree_map_with_path

from jaxsize.errors import InputError
from jaxsize.gates._names import gate_name, is_gate, is_liveness
from jaxsize.trees import Tree, leaf_name, named_leaves


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
    ending = f".{leaf}"
    return {name.removesuffix(ending): value for name, value in named_leaves(params).items() if name.endswith(ending)}


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
    ending = f".{leaf}"

    def replaced(path: tuple, value: Any) -> Any:
        name = leaf_name(path)
        return values.get(name.removesuffix(ending), value) if name.endswith(ending) else value

    return jax.tree_util.tree_map_with_path(replaced, params)
