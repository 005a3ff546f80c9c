"""Buckets: a short geometric list of widths, so that networks of many widths share few compiled programs."""

import math

from jaxsize.errors import InputError


def bucket(width: int, *, factor: float = 1.25, multiple: int = 16) -> int:
    """Round a width up to the smallest bucket that holds it.

    The buckets are multiples of `multiple`, each at least `factor` times the one before. Multiples of 16 are the widths
    that matrix products like best; factor 1.25 wastes little, 1.5 compiles less.

    Args:
        width: units to hold, 0 or more.
        factor: least ratio of neighbouring buckets, 1 or more; 1 makes every multiple a bucket.
        multiple: 1 or more; the smallest bucket, and what every bucket is a multiple of.

    Raises:
        InputError: when an argument is out of its range.

    Example:
        >>> from jaxsize.resizing import bucket
        >>> [bucket(width) for width in (0, 16, 17, 65, 81, 500)]
        [16, 16, 32, 80, 112, 608]
        >>> [bucket(width, factor=2, multiple=1) for width in (1, 3, 5, 9)]
        [1, 4, 8, 16]
    """
    if width < 0 or factor < 1 or multiple < 1:
        raise InputError(f"bucket: expected width >= 0, factor >= 1, multiple >= 1, got {width}, {factor}, {multiple}")
    size = multiple
    while size < width:
        size = max(size + multiple, multiple * math.ceil(round(size * factor / multiple, 9)))
    return size
