"""Independent streams of random numbers, one for each purpose, and rows held out with one of them."""

import zlib

import numpy as np


def generator(seed: int, *purpose: str) -> np.random.Generator:
    """The generator that belongs to a seed and a purpose, such as ("add10", "test").

    Equal arguments give equal streams on every machine; another seed or another purpose gives an independent one.
    """
    spawn_key = tuple(zlib.crc32(word.encode()) for word in purpose)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=spawn_key))


def hold_out(num_rows: int, num_held: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws `num_held` of `num_rows` rows. Returns the indices kept and those held, both ascending, int64."""
    order = rng.permutation(num_rows)
    return np.sort(order[num_held:]), np.sort(order[:num_held])
