"""Seeds, independent streams of random numbers, one for each purpose, and rows held out with one of them."""

import operator
import zlib
from typing import Any

import numpy as np

from jaxsize.errors import InputError


def whole_seed(seed: Any, name: str) -> int:
    """Return a seed as an int.

    Args:
        seed: the seed that was given.
        name: of the data set, for the error.

    Raises:
        InputError: when it is no whole number, or negative.
    """
    try:
        seed = operator.index(seed)
    except TypeError:
        raise InputError(f"{name}: seed must be a whole number, got {seed!r}") from None
    if seed < 0:
        raise InputError(f"{name}: seed must not be negative, got {seed}")
    return seed


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """Make the generator of random numbers that belongs to a seed and a purpose.

    Equal arguments give equal streams on every machine; another seed or another purpose gives an independent stream.

    Args:
        seed: not negative.
        *purpose: the words that name the purpose, such as "add10", "test".
    """
    spawn_key = tuple(zlib.crc32(word.encode()) for word in purpose)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def hold_out(num_rows: int, num_held: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows to hold out.

    Args:
        num_rows: how many rows there are.
        num_held: how many of them to draw, 0..num_rows.
        rng: where the draws come from.

    Returns:
        The indices of the rows kept and of those held out, both int64 and ascending.
    """
    order = rng.permutation(num_rows)
    return np.sort(order[num_held:]), np.sort(order[:num_held])
