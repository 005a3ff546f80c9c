"""More units that change nothing: the inverse of `compact`, so that networks of several sizes can share a program."""

import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Tree, named_leaves, with_leaves
from jaxsize.units._program.axes import Axis, find
from jaxsize.units._program.entries import kept_of, size_with
from jaxsize.units.groups import UnitGroups


def pad_units(groups: UnitGroups, params: Tree) -> Tree:
    """Fill the parameters of a smaller network up with units that are 0 everywhere, to the sizes of a larger one.

    Such a unit puts out 0 and is read by weights of 0, so that it changes no output and gets the gradient 0. It stays
    as it is under any optimiser whose step is 0 for a weight of 0 with gradient 0. So the padded network trains exactly
    like the smaller one. Its gate is 0 as well, which closes it. Units of zeros come last in their group.

    Args:
        groups: the unit groups of the larger network.
        params: parameters of the same network with fewer units in some groups, as NumPy arrays.

    Returns:
        The padded parameters, as NumPy arrays.

    Raises:
        InputError: when a leaf is missing or has a shape that no number of units explains, or units of zeros would not
            stay inert: they are fixed, put out something else than 0 at weights of 0, are counted by position (as the
            price of a trained size does), or are read without weights.

    Example:
        >>> import numpy as np
        >>> from jaxsize import mlp, unit_groups
        >>> from jaxsize.units import pad_units
        >>> network = mlp((2, 5, 1), gate=None)
        >>> groups = unit_groups(network.apply, network.init(0), np.ones((1, 2), np.float32))
        >>> params = mlp((2, 3, 1), gate=None).init(0)
        >>> padded = pad_units(groups, params)
        >>> padded["hidden"][0]["kernel"].shape, padded["output"]["kernel"][3:].tolist()
        ((2, 5), [[0.0], [0.0]])
    """
    leaves = named_leaves(params)
    if list(leaves) != list(groups.axes):
        odd = min(set(leaves) ^ set(groups.axes), default="their order")
        raise InputError(f"pad_units: expected the leaves that the groups were read from, got a difference in {odd}")
    sizes = _sizes(groups, {name: np.shape(leaf) for name, leaf in leaves.items()})
    kept = {atom: np.arange(size) for atom, size in sizes.items()}

    def padded(name: str, leaf: np.ndarray) -> np.ndarray:
        axes = groups.axes[name]
        plan = [kept_of(axis, kept) for axis in axes]
        if all(entries is None for entries in plan):
            return leaf
        larger = np.zeros([axis.size for axis in axes], leaf.dtype)
        index = [np.arange(axis.size) if entries is None else entries for axis, entries in zip(axes, plan, strict=True)]
        larger[np.ix_(*index)] = leaf
        return larger

    return with_leaves(params, {name: padded(name, np.asarray(leaf)) for name, leaf in leaves.items()})


def _sizes(groups: UnitGroups, shapes: dict[str, tuple[int, ...]]) -> dict[Axis, int]:
    """Find how many units parameters of these shapes have, of the groups that have fewer than `groups` say."""
    by_atom = {find(atom): groups[name] for name, atom in groups.atoms.items()}
    sizes: dict[Axis, int] = {}
    for name, axes in groups.axes.items():
        for axis, size in zip(map(find, axes), shapes[name], strict=False):
            if axis in by_atom and size < axis.size:
                sizes.setdefault(axis, size)
    for name, axes in groups.axes.items():
        expected = [size_with(axis, sizes) for axis in axes]
        if expected != list(shapes[name]):
            got = f"got {list(shapes[name])}, where it is {[axis.size for axis in axes]} in the larger network"
            raise InputError(f"pad_units: expected {name} {expected}, from the other leaves, {got}")
    for atom in sizes:
        group = by_atom[atom]
        ordered = group.ordered and f"{group.ordered} counts them, as the price of a size does"
        if reason := group.fixed or ordered or group.not_inert:
            raise InputError(f"pad_units: units of zeros in {group.name} would change the network: {reason}")
    return sizes
