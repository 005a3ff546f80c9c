"""Networks of trained sizes, cut to the units that their sizes keep."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxsize.gates.leaves import read_sizes, units_beside
from jaxsize.sweeps.sizes import live_units
from jaxsize.trees import Tree
from jaxsize.units._naming import group_of, is_single_unit
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups
from jaxsize.units.reading import unit_groups


def cut(apply: Callable[..., Any], params: Tree, inputs: np.ndarray) -> tuple[Tree, float]:
    """Cut a trained network to ceil(size + gray zone) units in every layer that has a size.

    A unit that is removed has a gate below 1.1e-4.

    Args:
        apply: the function of the network.
        params: its parameters, as NumPy arrays, with a `size` and a `slope` in some layers.
        inputs: [B, ...], rows to compare outputs on.

    Returns:
        The NumPy parameters of the smaller network, and the largest difference that the cut makes to the outputs,
        relative to the largest output.

    Raises:
        InputError: when the units of a layer cannot be removed, or no array stands beside its size.
    """
    leaves, structure = jax.tree.flatten(params)
    shapes = tuple(jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype) for leaf in leaves)
    groups = _groups_of(apply, shapes, structure, jax.ShapeDtypeStruct((1, *inputs.shape[1:]), inputs.dtype))
    slopes, kept = read_sizes(params, "slope"), {}
    for name, size in read_sizes(params).items():
        live = live_units(float(size), float(slopes[name]), units_beside(params, name))
        if not is_single_unit(groups, name):
            kept[group_of(groups, name, where="cut")] = np.arange(live)
    small = compact(groups, params, kept, exact=False).params
    outputs = jax.jit(apply)  # every cut has other shapes: one program to compile, not one for each of its operations
    whole, less = (np.asarray(outputs(tree, inputs)) for tree in (params, small))
    return small, float(np.abs(less - whole).max() / np.abs(whole).max())


@functools.lru_cache(maxsize=16)
def _groups_of(apply: Callable[..., Any], shapes: tuple, structure: Any, inputs: jax.ShapeDtypeStruct) -> UnitGroups:
    """Read the unit groups of a network: once for all networks of the same shapes.

    Args:
        apply: the function of the network.
        shapes: shape and dtype of every parameter, in the order of the leaves.
        structure: the tree of the parameters.
        inputs: shape and dtype of one row of inputs, [1, ...].
    """
    return unit_groups(apply, jax.tree.unflatten(structure, shapes), inputs)
