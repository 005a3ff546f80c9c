"""Networks of trained sizes, cut to the units that their sizes keep."""

import functools
from collections.abc import Callable

import jax
import numpy as np

from jaxsize.networks.mlp import mlp
from jaxsize.sweeps.sizes import live_units
from jaxsize.trees import Tree
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups
from jaxsize.units.reading import unit_groups


def cut(params: Tree, inputs: np.ndarray) -> tuple[Tree, float]:
    """Cut a trained network to ceil(size + gray zone) units per layer.

    A unit that is removed has a gate below 1.1e-4.

    Args:
        params: NumPy parameters of an `mlp(gate="size")`.
        inputs: float32 [B, D], rows to compare outputs on.

    Returns:
        The NumPy parameters of the smaller network, and the largest difference that the cut makes to the outputs,
        relative to the largest output.
    """
    widths = tuple(len(layer["bias"]) for layer in params["hidden"])
    apply, groups, names = _ordered_groups((inputs.shape[1], *widths, len(params["output"]["bias"])))
    kept = {
        name: np.arange(live_units(float(layer["size"]), float(layer["slope"]), width))
        for name, layer, width in zip(names, params["hidden"], widths, strict=True)
    }
    small = compact(groups, params, kept, exact=False).params
    whole, less = (np.asarray(apply(tree, inputs)) for tree in (params, small))
    return small, float(np.abs(less - whole).max() / np.abs(whole).max())


@functools.cache
def _ordered_groups(widths: tuple[int, ...]) -> tuple[Callable, UnitGroups, list[str]]:
    """Return the function of a network of these widths, its groups, and the groups ordered by position, by layer."""
    network = mlp(widths, gate="size")
    groups = unit_groups(network.apply, network.init(0), jax.ShapeDtypeStruct((1, widths[0]), np.float32))
    return network.apply, groups, [n for n, group in groups.groups.items() if group.ordered and not group.fixed]
