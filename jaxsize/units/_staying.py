"""Which units stay in a group: live ones as they are given, by mask or by index, and dead ones that fill up a width."""

from collections.abc import Sequence

import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Array
from jaxsize.units._group import Group


def all_units(group: Group, num_runs: int | None) -> np.ndarray:
    """Index of every unit, int [U] or [R, U]."""
    units = np.arange(group.size)
    return units if num_runs is None else np.tile(units, (num_runs, 1))


def checked_survivors(group: Group, given: Array, num_runs: int | None) -> np.ndarray:
    """Original index of every unit as it was given, int [U] or [R, U]; refused if it has another shape or type."""
    ids = np.asarray(given)
    expected = (group.size,) if num_runs is None else (num_runs, group.size)
    if ids.shape != expected or ids.dtype.kind not in "iu":
        array_text = f"{ids.dtype}{list(ids.shape)}"
        raise InputError(f"compact: {group.name}: expected survivors as int{list(expected)}, got {array_text}")
    return ids


def as_mask(group: Group, given: Array | Sequence[int], num_runs: int | None) -> np.ndarray:
    """Turn live units, given as a mask or as indices, into a mask: bool [U] or [R, U]."""
    given = np.asarray(given)
    leading = () if num_runs is None else (num_runs,)
    if given.dtype == bool and given.shape == (*leading, group.size):
        return given
    if not given.size:  # an empty list is one of floats
        given = given.astype(int)
    if given.dtype.kind not in "iu" or given.shape[:-1] != leading or given.ndim != len(leading) + 1:
        shape = f"{[*leading, group.size]}"
        array_text = f"{given.dtype}{list(given.shape)}"
        raise InputError(f"compact: {group.name}: expected live units as bool{shape} or as indices, got {array_text}")
    if outside := [unit for unit in given.reshape(-1).tolist() if not 0 <= unit < group.size]:
        raise InputError(f"compact: {group.name}: expected indices from 0 to {group.size - 1}, got {outside[0]}")
    mask = np.zeros((*leading, group.size), bool)
    np.put_along_axis(mask, given.astype(int), True, -1)
    if (mask.sum(-1) != given.shape[-1]).any():
        raise InputError(f"compact: {group.name}: expected different indices, got one twice")
    return mask


def filled(group: Group, mask: np.ndarray, width: int) -> np.ndarray:
    """List the units that stay, ascending, int [width] or [R, width]: the live ones, then the first dead ones."""
    most = int(mask.sum(-1).max())
    if not max(most, 1) <= width <= group.size:
        raise InputError(f"compact: {group.name}: expected a width from {max(most, 1)} to {group.size}, got {width}")
    index = np.sort(np.argsort(~mask, axis=-1, kind="stable")[..., :width], axis=-1)
    if group.ordered and (index != np.arange(width)).any():
        raise InputError(
            f"compact: {group.name}: only its last units can be removed, since {group.ordered} counts them"
        )
    return index
