"""What is read off finished axes: sizes, the entries of units, and how an axis is spelled out."""

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from jaxsize.units._program.axes import Axis, composed, find


def size_with(axis: Axis, sizes: Mapping[Axis, int]) -> int:
    """Compute the size of an axis when the atoms in `sizes` have these sizes."""
    axis = find(axis)
    if axis.kind == "atom":
        return sizes.get(axis, axis.size)
    parts = [size_with(part, sizes) for part in axis.parts]
    return math.prod(parts) if axis.kind == "product" else sum(parts)


def resized(axis: Axis, copies: dict[Axis, Axis]) -> Axis:
    """Copy an axis, with other atoms in place of some.

    Args:
        axis: the axis to copy.
        copies: for every axis that has been copied already, its copy; for atoms that get another size, the atom to use
            instead. The copies that are made are added to it, so that equal axes stay equal.
    """
    axis = find(axis)
    if axis not in copies:
        if axis.kind == "atom":
            copy = Axis(axis.size)
        else:
            copy = composed(axis.kind, [resized(part, copies) for part in axis.parts])
        copy.fixed, copy.ordered = axis.fixed, axis.ordered
        copies[axis] = copy
    return copies[axis]


def units_of(axis: Axis, atom: Axis) -> np.ndarray:
    """Compute to which entry of `atom` every entry of `axis` belongs: int [axis.size], -1 for an entry of none."""
    axis = find(axis)
    if axis is atom:
        return np.arange(atom.size)
    if axis.kind == "sum":
        return np.concatenate([units_of(part, atom) for part in axis.parts])
    units = np.full(1, -1)
    for part in axis.parts:
        inner = units_of(part, atom)
        units = np.where(inner >= 0, inner, units[:, None]).reshape(-1)
    return units if axis.parts else np.full(axis.size, -1)


def kept_of(axis: Axis, kept: Mapping[Axis, Any], xp: Any = np) -> Any:
    """Compute which entries of an axis are left, or where they go, when some of its atoms lose or reorder entries.

    Args:
        axis: the axis.
        kept: per atom, those of its entries that are left, in their new order: int [n], or [R, n] for a batch of runs.
        xp: numpy, or jax.numpy where the entries are traced.

    Returns:
        The entries of the axis that are left, in their new order, int [m] or [R, m]; None if all stay as they are.
    """
    axis = find(axis)
    if axis.kind == "atom":
        return kept.get(axis)
    parts = [kept_of(part, kept, xp) for part in axis.parts]
    if all(part is None for part in parts):
        return None
    if num_runs := max((len(left) for left in parts if left is not None and left.ndim == 2), default=0):
        of_runs = [{atom: left[run] for atom, left in kept.items()} for run in range(num_runs)]
        return xp.stack([kept_of(axis, of_run, xp) for of_run in of_runs])
    entries = [xp.arange(part.size) if left is None else left for part, left in zip(axis.parts, parts, strict=True)]
    if axis.kind == "sum":
        starts = itertools.accumulate((part.size for part in axis.parts), initial=0)
        return xp.concatenate([start + left for start, left in zip(starts, entries, strict=False)])
    index = xp.zeros(1, int)
    for part, left in zip(axis.parts, entries, strict=True):
        index = xp.ravel(xp.expand_dims(index * part.size, 1) + xp.expand_dims(left, 0))
    return index


def stride_of(axis: Axis, atom: Axis) -> int:
    """Compute how far apart neighbouring entries of `atom` stand in an axis (where the atom first occurs)."""
    units = units_of(axis, atom)
    return int(np.argmax(units == min(1, atom.size - 1)) - np.argmax(units == 0))


def layout(axis: Axis, atom: Axis) -> str:
    """Spell out an axis as text, with `atom` in brackets: `7 * 7 * [64]`, `32 + [16]`."""
    axis = find(axis)
    if axis.kind == "atom":
        return f"[{axis.size}]" if axis is atom else str(axis.size)
    texts = [layout(part, atom) for part in axis.parts]
    if axis.kind == "sum":
        return " + ".join(texts)
    return " * ".join(f"({text})" if " + " in text else text for text in texts)


def closed_units(closed: np.ndarray, axes: tuple[Axis, ...], atom: Axis) -> np.ndarray:
    """Tell which units of an atom have no open entry in a gate.

    Args:
        closed: which entries of the gate are closed: bool [*gate], or [R, *gate] for a batch of runs.
        axes: the axes of the gate.
        atom: the atom, which one of these axes has.

    Returns: bool [U], or [R, U].
    """
    if closed.ndim == len(axes) + 1:
        return np.stack([closed_units(of_run, axes, atom) for of_run in closed])
    for dim, axis in enumerate(axes):
        units = units_of(axis, atom)
        if (units >= 0).any():
            entries = np.moveaxis(closed, dim, 0).reshape(len(units), -1).all(axis=1)
            return np.bincount(units[(units >= 0) & ~entries], minlength=atom.size) == 0
    raise AssertionError("a gate has no axis of its group")
