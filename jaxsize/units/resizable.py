"""Functions that fix their sizes themselves, made to run at any."""

from collections.abc import Callable
from typing import Any

from jaxsize.trees import Tree
from jaxsize.units.reading import unit_groups


def resizable(apply: Callable[..., Any], params: Tree, *inputs: Any) -> Callable[..., Any]:
    """Make a function of parameters with any numbers of units, such as training that removes units needs it.

    Args:
        apply: outputs = apply(params, *inputs), as `unit_groups` takes it.
        params: parameters of the sizes that the function takes, as arrays or shapes.
        inputs: further arguments, likewise.

    Returns:
        `apply` itself where it takes its sizes from its parameters. Else a function that does the same with parameters
        of these sizes, and runs the traced program of `apply` with those of others (see `UnitGroups.apply`).

    Example:
        >>> import jax.numpy as jnp, numpy as np
        >>> import jaxsize
        >>> from jaxsize.units import resizable
        >>> def apply(params, inputs):  # its width, 3, is written out
        ...     units = jnp.tanh((inputs @ params["in"]).reshape(-1, 3)) * jaxsize.relu(params["liveness"])
        ...     return units @ params["out"]
        >>> params = {"in": np.ones((4, 3)), "liveness": np.ones(3), "out": np.ones((3, 2))}
        >>> two = {"in": np.ones((4, 2)), "liveness": np.ones(2), "out": np.ones((2, 2))}
        >>> resizable(apply, params, np.ones((1, 4)))(two, np.ones((5, 4))).shape
        (5, 2)
    """
    groups = unit_groups(apply, params, *inputs)
    fixes = groups.function is not None and any(group.own_size for group in groups.groups.values())
    return groups.function.at_other_sizes(None) if fixes and groups.function is not None else apply
