"""Checks of values over seeds, and the notes on values that are lost or never were."""

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


def existing(values: np.ndarray, missing: ArrayLike | None, what: str) -> tuple[np.ndarray, str]:
    """Leave out values that never existed.

    Args:
        values: [n, ...].
        missing: bool [n], True where there never was a value; None where all of them existed.
        what: the word for them, such as "seeds".

    Returns:
        The values that existed, finite or lost, and a note on the others ("" if there are none).

    Raises:
        InputError: when `missing` is not bool or has another length.
    """
    if missing is None:
        return values, ""
    mask = np.asarray(missing)
    if mask.dtype != bool or mask.shape != values.shape[:1]:
        raise InputError(f"missing must be bool [{len(values)}], got {mask.dtype}{list(mask.shape)}")
    note = f"{np.count_nonzero(mask)} of {mask.size} {what} left out by design" if mask.any() else ""
    return values[~mask], note


def pairs(a: ArrayLike, b: ArrayLike, missing: ArrayLike | None) -> tuple[np.ndarray, np.ndarray, str]:
    """Check the members of pairs, and leave out pairs that never existed.

    Returns:
        The first members [n], the second members [n], both NaN where one is not finite (such a pair is lost), and a
        note on the pairs left out ("" if none was).

    Raises:
        InputError: when `a` and `b` are not vectors of the same length, or `missing` does not fit.
    """
    a, b = vector(a, "a"), vector(b, "b")
    if a.shape != b.shape:
        raise InputError(f"pairs need as many values in a as in b, got {a.size} and {b.size}")
    both, note = existing(np.stack([a, b], axis=1), missing, "pairs")
    both = np.where(np.isfinite(both).all(axis=1, keepdims=True), both, np.nan)
    return both[:, 0], both[:, 1], note


def finite_or_none(value: Any) -> float | None:
    """Convert a number to a float; None if it is not finite."""
    return float(value) if np.isfinite(value) else None


def lost_note(count: int, total: int, what: str) -> str:
    """Write the note that some values are lost; "" if none is.

    Args:
        count: how many are not finite.
        total: of how many.
        what: the word for them, such as "seeds".
    """
    return f"{count} of {total} {what} lost: not finite" if count else ""


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


def check_confidence(confidence: float) -> None:
    """Check a confidence.

    Raises:
        InputError: when it is not above 0 and below 1.
    """
    if not 0 < confidence < 1:
        raise InputError(f"the confidence must be above 0 and below 1, got {confidence}")
