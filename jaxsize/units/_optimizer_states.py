"""The state of any optax optimiser: its leaves that belong to parameters, and a new one for other parameters."""

from collections.abc import Callable
from typing import Any

import jax

from jaxsize.errors import InputError
from jaxsize.trees import Tree


class NotCuttableError(InputError):
    """An optimiser's state from which units cannot be removed."""


CANNOT_BE_CUT = "compact: this optimiser's state cannot be cut"
"""How the message of a `NotCuttableError` begins."""


def map_parameter_like(
    optimizer: Any,
    fn: Callable[[Any, str], Any],
    opt_state: Tree,
    names: Tree,
    *,
    others: Callable[[Any], Any] = lambda leaf: leaf,
) -> Tree:
    """Replace every leaf of an optimiser's state.

    Args:
        optimizer: the optax transformation that made the state.
        fn: the new leaf for a leaf that belongs to a parameter, from this leaf and the name of the parameter.
        opt_state: the state.
        names: the parameters that the optimiser trains, with the name of each in its place.
        others: the new leaf for every other leaf.

    Raises:
        NotCuttableError: when optax cannot tell which leaves belong to parameters (as for L-BFGS).
    """
    import optax  # here, so that finding groups needs JAX alone

    def is_masked(node: Any) -> bool:
        return isinstance(node, optax.MaskedNode)

    try:
        return optax.tree_map_params(
            optimizer,
            lambda leaf, name: leaf if is_masked(leaf) else fn(leaf, name),
            opt_state,
            names,
            transform_non_params=others,
            is_leaf=is_masked,
        )
    except NotCuttableError:
        raise
    except Exception as error:  # an optimiser is code of any kind, run here on a placeholder for its parameters
        reason = f"optax does not find the parameters in it ({error_text(error)})"
        raise NotCuttableError(f"{CANNOT_BE_CUT}: {reason}") from error


def new_state(optimizer: Any, params: Tree) -> Tree:
    """Compute the shapes of an optimiser's new state for parameters that are given as shapes.

    Raises:
        InputError: when the optimiser cannot make a state for them.
    """
    try:
        return jax.eval_shape(optimizer.init, params)
    except Exception as error:
        message = f"compact: this optimiser makes no state for these parameters: {error_text(error)}"
        raise InputError(message) from error


def error_text(error: Exception) -> str:
    """Type and message of an error, in one line of limited length."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.160}"
