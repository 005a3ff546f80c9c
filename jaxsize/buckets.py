"""Buckets: a short geometric list of widths, so that networks of many widths share few compiled programs."""

import math


def bucket(width: int, *, factor: float = 1.25, multiple: int = 16) -> int:
    """The smallest bucket that holds `width` units: multiples of `multiple`, each at least `factor` times the one
    before.

    Multiples of 16 are the widths that matrix products like best; factor 1.25 wastes little, 1.5 compiles less.
    Raises ValueError for a negative width.
    """
    if width < 0 or factor < 1 or multiple < 1:
        raise ValueError(f"bucket: expected width >= 0, factor >= 1, multiple >= 1, got {width}, {factor}, {multiple}")
    size = multiple
    while size < width:
        size = max(size + multiple, multiple * math.ceil(round(size * factor / multiple, 9)))
    return size
