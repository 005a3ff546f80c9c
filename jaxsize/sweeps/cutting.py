"""Networks of trained sizes, cut to the units that their sizes keep."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jaxsize.gates.leaves import read_sizes, units_beside
from jaxsize.sweeps.sizes import live_units
from jaxsize.trees import Tree
from jaxsize.units._naming import group_of, is_single_unit
from jaxsize.units.compaction import compact
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
    groups = unit_groups(apply, params, inputs[:1])
    slopes, kept = read_sizes(params, "slope"), {}
    for name, size in read_sizes(params).items():
        live = live_units(float(size), float(slopes[name]), units_beside(params, name))
        if not is_single_unit(groups, name):
            kept[group_of(groups, name, where="cut")] = np.arange(live)
    small = compact(groups, params, kept, exact=False).params
    whole, less = (np.asarray(apply(tree, inputs)) for tree in (params, small))
    return small, float(np.abs(less - whole).max() / np.abs(whole).max())
