"""Axes of arrays as trees that a union-find ties together: which axes of a program must have the same size, and why.

An axis is an atom, a product of axes (a flattened [H, W, C], outermost first) or a sum of axes (a concatenation). Two
axes that meet in a program are unified: they become one, refining each other where they are cut differently, so that
an axis [H * W * C] of a kernel learns that it is made of H, W and C. What cannot be refined is fixed, with a reason.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np


class Axis:
    """One axis of `size` entries. An atom, until it is found to be the same as another axis or made of parts."""

    __slots__ = ("fixed", "kind", "ordered", "parts", "same_as", "size")

    def __init__(self, size: int, *, fixed: str = ""):
        self.size = size
        self.same_as: Axis | None = None
        self.kind: Literal["atom", "product", "sum"] = "atom"
        self.parts: tuple[Axis, ...] = ()
        self.fixed = fixed  # why no entry can be removed; of an atom only
        self.ordered = ""  # what counts the entries by their position, so that only the last ones can be removed

    def __repr__(self) -> str:
        axis = find(self)
        if axis.kind == "atom":
            return str(axis.size)
        return "(" + {"product": "*", "sum": "+"}[axis.kind].join(map(repr, axis.parts)) + ")"


def find(axis: Axis) -> Axis:
    """The one axis that stands for all those unified with this one."""
    while axis.same_as is not None:
        axis = axis.same_as
    return axis


def product(parts: Sequence[Axis]) -> Axis:
    """The axis that a reshape makes of several, outermost first. Axes of size 1 are dropped."""
    parts = [factor for part in parts for factor in _factors(part)]
    if len(parts) == 1:
        return parts[0]
    return _composed("product", parts) if parts else Axis(1)


def concatenated(parts: Sequence[Axis]) -> Axis:
    """The axis of a concatenation."""
    parts = [term for part in parts if part.size for term in _terms(part)]
    if len(parts) == 1:
        return parts[0]
    return _composed("sum", parts) if parts else Axis(0)


def _composed(kind: Literal["product", "sum"], parts: Sequence[Axis]) -> Axis:
    axis = Axis(math.prod(part.size for part in parts) if kind == "product" else sum(part.size for part in parts))
    axis.kind, axis.parts = kind, tuple(parts)
    return axis


def _factors(axis: Axis) -> list[Axis]:
    axis = find(axis)
    if axis.kind == "product":
        return [factor for part in axis.parts for factor in _factors(part)]
    return [axis] if axis.size != 1 else []


def _terms(axis: Axis) -> list[Axis]:
    axis = find(axis)
    return [term for part in axis.parts for term in _terms(part)] if axis.kind == "sum" else [axis]


def atoms(axis: Axis) -> Iterator[Axis]:
    """The atoms that an axis is made of, with repeats."""
    axis = find(axis)
    if axis.kind == "atom":
        yield axis
    for part in axis.parts:
        yield from atoms(part)


def times_in(axis: Axis, atom: Axis) -> int:
    """How often an entry of the axis is an entry of the atom: twice in a product of the atom with itself."""
    axis = find(axis)
    if axis.kind == "atom":
        return int(axis is atom)
    return (sum if axis.kind == "product" else max)(times_in(part, atom) for part in axis.parts)


def fix(axis: Axis, reason: str) -> None:
    """No entry of this axis can be removed. The first reason given stays."""
    for atom in atoms(axis):
        atom.fixed = atom.fixed or reason


def order(axis: Axis, what: str) -> None:
    """The program counts the entries of this axis by position: only the last ones can be removed."""
    counted = list(atoms(axis))
    if len(counted) > 1:  # removing the last entries of one part moves those of another
        fix(axis, f"{what} counts through units that are cut in two")
    for atom in counted:
        atom.ordered = atom.ordered or what


def unify(a: Axis, b: Axis, where: str) -> None:
    """The two axes are one from now on; `where` in the program they met."""
    a, b = find(a), find(b)
    if a is b:
        return
    if a.size != b.size:
        raise ValueError(f"{where}: axes of sizes {a.size} and {b.size} meet")
    if b.kind == "atom":
        a, b = b, a
    if a.kind == "atom":
        _become(a, b)
    elif a.kind == b.kind and _align(a, b, where):
        a.same_as = b
    else:
        reason = f"units are cut in two different ways that meet at {where}"
        fix(a, reason)
        fix(b, reason)


def _become(atom: Axis, other: Axis) -> None:
    atom.same_as = other
    if atom.fixed:
        fix(other, atom.fixed)
    if atom.ordered:
        order(other, atom.ordered)


def _align(a: Axis, b: Axis, where: str) -> bool:
    """Unifies the parts of two products or two sums one by one, splitting atoms as needed; False if they do not fit."""
    parts_of = _factors if a.kind == "product" else _terms
    left, right = parts_of(a), parts_of(b)
    while left and right:
        left[:1], right[:1] = parts_of(left[0]), parts_of(right[0])  # what was an atom may have been split since
        x, y = left[0], right[0]
        if x.size == y.size:
            unify(x, y, where)
            del left[0], right[0]
        else:
            small, large = sorted((x, y), key=lambda part: part.size)
            if not split(large, a.kind, small.size):
                return False
    return not left and not right


def split(axis: Axis, kind: str, size: int) -> bool:
    """Makes an atom a product or a sum whose first part has `size` entries; False where that is not possible."""
    axis = find(axis)
    if axis.kind != "atom" or size in (0, axis.size) or (kind == "product" and axis.size % size):
        return False
    rest = axis.size // size if kind == "product" else axis.size - size
    if axis.ordered and not axis.fixed:
        axis.fixed = f"{axis.ordered} counts through units that are cut in two"
    axis.parts = (Axis(size, fixed=axis.fixed), Axis(rest, fixed=axis.fixed))
    axis.kind = "product" if kind == "product" else "sum"
    return True


def size_with(axis: Axis, sizes: Mapping[Axis, int]) -> int:
    """Size of an axis when some of its atoms have other sizes."""
    axis = find(axis)
    if axis.kind == "atom":
        return sizes.get(axis, axis.size)
    parts = [size_with(part, sizes) for part in axis.parts]
    return math.prod(parts) if axis.kind == "product" else sum(parts)


def resized(axis: Axis, copies: dict[Axis, Axis]) -> Axis:
    """A copy of an axis with the atoms that `copies` has in place of some; copies made on the way are added to it."""
    axis = find(axis)
    if axis not in copies:
        if axis.kind == "atom":
            copy = Axis(axis.size)
        else:
            copy = _composed(axis.kind, [resized(part, copies) for part in axis.parts])
        copy.fixed, copy.ordered = axis.fixed, axis.ordered
        copies[axis] = copy
    return copies[axis]


def units_of(axis: Axis, atom: Axis) -> np.ndarray:
    """For every entry of an axis, the number of the atom's entry it belongs to, or -1: int [axis.size]."""
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


def kept_of(axis: Axis, kept: Mapping[Axis, np.ndarray]) -> np.ndarray | None:
    """The entries of an axis that are left when of each atom only the entries kept[atom] are; None if all are."""
    axis = find(axis)
    if axis.kind == "atom":
        return kept.get(axis)
    parts = [kept_of(part, kept) for part in axis.parts]
    if all(part is None for part in parts):
        return None
    entries = [np.arange(part.size) if left is None else left for part, left in zip(axis.parts, parts, strict=True)]
    if axis.kind == "sum":
        starts = itertools.accumulate((part.size for part in axis.parts), initial=0)
        return np.concatenate([start + left for start, left in zip(starts, entries, strict=False)])
    index = np.zeros(1, int)
    for part, left in zip(axis.parts, entries, strict=True):
        index = np.add.outer(index * part.size, left).reshape(-1)
    return index


def stride_of(axis: Axis, atom: Axis) -> int:
    """How far apart neighbouring entries of the atom stand in an axis (where it first occurs)."""
    units = units_of(axis, atom)
    return int(np.argmax(units == min(1, atom.size - 1)) - np.argmax(units == 0))


def layout(axis: Axis, atom: Axis) -> str:
    """The axis spelled out, with the atom in brackets: `7 * 7 * [64]`, `32 + [16]`."""
    axis = find(axis)
    if axis.kind == "atom":
        return f"[{axis.size}]" if axis is atom else str(axis.size)
    told = [layout(part, atom) for part in axis.parts]
    if axis.kind == "sum":
        return " + ".join(told)
    return " * ".join(f"({text})" if " + " in text else text for text in told)
