"""Where units stand: which axis of which parameter, and how far apart."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxsize.units._program.axes import Axis, atoms
from jaxsize.units._program.entries import layout, stride_of


class Place(NamedTuple):
    """One axis of one parameter that the units of a group occupy.

    Example:
        >>> import jax, jaxsize
        >>> network = jaxsize.mlp((4, 3, 2))
        >>> groups = jaxsize.unit_groups(network.apply, network.init(0), jax.numpy.ones((1, 4)))
        >>> for place in groups["hidden.0"].places:
        ...     print(place.leaf, place.axis)
        hidden.0.bias 0
        hidden.0.kernel 1
        hidden.0.liveness 0
        output.kernel 0
    """

    leaf: str
    """Path of the parameter, such as `hidden.0.kernel`."""
    axis: int
    """Number of the axis, from 0."""
    stride: int
    """Neighbouring units stand this many entries apart."""
    layout: str
    """The axis as a product or sum of its parts, the group in brackets: `49 * [64]`."""


def places_of(axes: Mapping[str, tuple[Axis, ...]], atom: Axis) -> tuple[Place, ...]:
    """List all places of the units of `atom`, given the axes of every parameter by path."""
    return tuple(
        Place(leaf, dim, stride_of(axis, atom), layout(axis, atom))
        for leaf, leaf_axes in axes.items()
        for dim, axis in enumerate(leaf_axes)
        if atom in atoms(axis)
    )
