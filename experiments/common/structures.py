"""Structures of autoencoders as texts: widths from the images inward, joined by hyphens."""

from jaxsize.errors import InputError

MOST = 100_000
"""The largest width that a text may name."""


def widths_of(structure: str) -> tuple[int, ...]:
    """Read widths from a text such as "256-128".

    Args:
        structure: positive whole numbers, joined by hyphens.

    Raises:
        InputError: when it is none; its field is `structures`.

    Example:
        >>> from experiments.common.structures import widths_of
        >>> widths_of("256-128")
        (256, 128)
    """
    parts = structure.split("-")
    if not all(part.isdecimal() and 0 < int(part) <= MOST for part in parts):
        raise InputError(f'expected widths such as "256" or "256-128", got {structure!r}', field="structures")
    return tuple(map(int, parts))
