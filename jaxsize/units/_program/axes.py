"""Axes of arrays as trees that a union-find ties together: which axes of a program must have the same size, and why.

An axis is an atom, a product of axes (a flattened [H, W, C], outermost first) or a sum of axes (a concatenation). Two
axes that meet in a program are unified: they become one. Where the two are cut differently, they refine each other, so
that an axis [H * W * C] of a kernel learns that it is made of H, W and C. Axes that cannot refine each other are fixed:
they can lose no entry, and the reason is kept.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Literal

from jaxsize.errors import InputError


class Axis:
    """One axis of `size` entries: an atom, until it turns out to be the same as another axis, or to be made of parts.

    Args:
        size: the number of entries.
        fixed: why no entry can be removed, or empty.
    """

    __slots__ = ("fixed", "kind", "ordered", "parts", "same_as", "size")

    def __init__(self, size: int, *, fixed: str = ""):
        self.size = size
        self.same_as: Axis | None = None  # the axis with which this one was unified; see `find`
        self.kind: Literal["atom", "product", "sum"] = "atom"
        self.parts: tuple[Axis, ...] = ()
        self.fixed = fixed  # why no entry can be removed, or empty; meaningful for an atom only
        self.ordered = ""  # what counts the entries by position, so that only the last can be removed, or empty

    def __repr__(self) -> str:
        axis = find(self)
        if axis.kind == "atom":
            return str(axis.size)
        return "(" + {"product": "*", "sum": "+"}[axis.kind].join(map(repr, axis.parts)) + ")"


def find(axis: Axis) -> Axis:
    """Return the one axis that stands for all axes that were unified with this one."""
    while axis.same_as is not None:
        axis = axis.same_as
    return axis


def product(parts: Sequence[Axis]) -> Axis:
    """Make the axis into which a reshape flattens `parts`, outermost first. Parts of size 1 are dropped."""
    parts = [factor for part in parts for factor in _factors(part)]
    if len(parts) == 1:
        return parts[0]
    return composed("product", parts) if parts else Axis(1)


def concatenated(parts: Sequence[Axis]) -> Axis:
    """Make the axis of a concatenation of `parts`. Parts of size 0 are dropped."""
    parts = [term for part in parts if part.size for term in _terms(part)]
    if len(parts) == 1:
        return parts[0]
    return composed("sum", parts) if parts else Axis(0)


def composed(kind: Literal["product", "sum"], parts: Sequence[Axis]) -> Axis:
    axis = Axis(math.prod(part.size for part in parts) if kind == "product" else sum(part.size for part in parts))
    axis.kind, axis.parts = kind, tuple(parts)
    return axis


def _factors(axis: Axis) -> list[Axis]:
    """List the factors of an axis, with products of products opened up, except factors of size 1."""
    axis = find(axis)
    if axis.kind == "product":
        return [factor for part in axis.parts for factor in _factors(part)]
    return [axis] if axis.size != 1 else []


def _terms(axis: Axis) -> list[Axis]:
    """List the terms of an axis, with sums of sums opened up."""
    axis = find(axis)
    return [term for part in axis.parts for term in _terms(part)] if axis.kind == "sum" else [axis]


def atoms(axis: Axis) -> Iterator[Axis]:
    """Yield the atoms that an axis is made of, with repeats."""
    axis = find(axis)
    if axis.kind == "atom":
        yield axis
    for part in axis.parts:
        yield from atoms(part)


def times_in(axis: Axis, atom: Axis) -> int:
    """Count how many times `atom` occurs in an entry of `axis`. Example: 2 for an axis [U * U], 1 for [U + U]."""
    axis = find(axis)
    if axis.kind == "atom":
        return int(axis is atom)
    return (sum if axis.kind == "product" else max)(times_in(part, atom) for part in axis.parts)


def fix(axis: Axis, reason: str) -> None:
    """Record that no entry of `axis` can be removed. Where there is a reason already, it stays."""
    for atom in atoms(axis):
        atom.fixed = atom.fixed or reason


def order(axis: Axis, what: str) -> None:
    """Record that `what` counts the entries of `axis` by position, so that only the last ones can be removed.

    Args:
        axis: the axis that is counted. If it has several parts, they are fixed.
        what: the step that counts, such as `iota at model.py:12`.
    """
    counted = list(atoms(axis))
    if len(counted) > 1:  # removing the last entries of one part moves those of another
        fix(axis, f"{what} counts through units that are cut in two")
    for atom in counted:
        atom.ordered = atom.ordered or what


def unify(a: Axis, b: Axis, where: str) -> None:
    """Make two axes one from now on; fix both where they are cut in ways that do not fit.

    Args:
        a: an axis.
        b: an axis of the same size.
        where: the step in which the two meet, such as `add at model.py:12`.

    Raises:
        InputError: when the sizes differ.
    """
    a, b = find(a), find(b)
    if a is b:
        return
    if a.size != b.size:
        raise InputError(f"{where}: axes of sizes {a.size} and {b.size} meet")
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
    """Let an atom stand for another axis, which takes over why the atom is fixed or ordered."""
    atom.same_as = other
    if atom.fixed:
        fix(other, atom.fixed)
    if atom.ordered:
        order(other, atom.ordered)


def _align(a: Axis, b: Axis, where: str) -> bool:
    """Unify the parts of two products or two sums one by one, splitting atoms as needed; False if they do not fit."""
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
    """Make an atom a product or a sum of two parts.

    Args:
        axis: the axis to split.
        kind: "product" or "sum".
        size: the number of entries of the first part.

    Returns:
        Whether that was possible: `axis` is an atom, and has such a part besides itself.
    """
    axis = find(axis)
    if axis.kind != "atom" or size in (0, axis.size) or (kind == "product" and axis.size % size):
        return False
    rest = axis.size // size if kind == "product" else axis.size - size
    if axis.ordered and not axis.fixed:
        axis.fixed = f"{axis.ordered} counts through units that are cut in two"
    axis.parts = (Axis(size, fixed=axis.fixed), Axis(rest, fixed=axis.fixed))
    axis.kind = "product" if kind == "product" else "sum"
    return True


def cut_into(axis: Axis, sizes: Sequence[int]) -> list[Axis] | None:
    """Cut an axis into consecutive pieces, by splitting its atoms into sums as needed.

    Args:
        axis: the axis to cut.
        sizes: the numbers of entries of the pieces, which add up to that of the axis.

    Returns:
        The pieces; None where a cut goes across the inner factors of a product, as in the middle of a row.
    """
    rest, pieces = [axis], []
    for size in sizes:
        piece: list[Axis] = []
        missing = size
        while missing:
            rest[:1] = _terms(rest[0])  # what was an atom may have been split since
            if rest[0].size <= missing:
                piece.append(rest.pop(0))
                missing -= piece[-1].size
            elif (halves := _halves(rest[0], missing)) is not None:
                rest[:1] = halves
            else:
                return None
        pieces.append(concatenated(piece))
    return pieces


def _halves(axis: Axis, size: int) -> list[Axis] | None:
    """Cut an atom, or the outermost factor of a product, so that the first part of the axis has `size` entries."""
    if axis.kind == "atom":
        return list(find(axis).parts) if split(axis, "sum", size) else None
    outer, *inner = _factors(axis)
    width = axis.size // outer.size
    if size % width:
        return None
    halves = cut_into(outer, [size // width, outer.size - size // width])
    return None if halves is None else [product([half, *inner]) for half in halves]
