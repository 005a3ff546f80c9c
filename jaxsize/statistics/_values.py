"""Checks of values over seeds, and the notes on values that are left out."""

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError

Direction = Literal["positive", "negative"]


def vector(values: ArrayLike, name: str) -> np.ndarray:
    """Convert values to a float64 vector [n].

    Raises:
        InputError: when they are not one-dimensional; the message calls them `name`.
    """
    values = np.asarray(values, float)
    if values.ndim != 1:
        raise InputError(f"{name} must be one-dimensional, got shape {list(values.shape)}")
    return values


def pairs(a: ArrayLike, b: ArrayLike) -> tuple[np.ndarray, np.ndarray, str]:
    """Keep the pairs of which both members are finite.

    Returns:
        The first members [n], the second members [n], and a note on the pairs dropped ("" if none was).

    Raises:
        InputError: when `a` and `b` are not vectors of the same length.
    """
    a, b = vector(a, "a"), vector(b, "b")
    if a.shape != b.shape:
        raise InputError(f"pairs need as many values in a as in b, got {a.size} and {b.size}")
    both = np.isfinite(a) & np.isfinite(b)
    return a[both], b[both], dropped_note(int(np.sum(~both)), a.size, "pairs")


def finite_or_none(value: Any) -> float | None:
    """Convert a number to a float; None if it is not finite."""
    return float(value) if np.isfinite(value) else None


def dropped_note(count: int, total: int, what: str) -> str:
    """Write the note that some values are not finite and were dropped; "" if none was.

    Args:
        count: how many were dropped.
        total: of how many.
        what: the word for them, such as "seeds".
    """
    return f"{count} of {total} {what} dropped: not finite" if count else ""


def joined(*notes: str) -> str:
    """Join the notes that are not empty to one."""
    return "; ".join(note for note in notes if note)


def check_direction(direction: str) -> None:
    """Check a direction.

    Raises:
        InputError: when it is neither "positive" nor "negative".
    """
    if direction not in ("positive", "negative"):
        raise InputError(f'the direction must be "positive" or "negative", got {direction!r}')
