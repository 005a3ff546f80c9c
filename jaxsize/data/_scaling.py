"""Standardisation of raw pixels by one mean and one standard deviation for all of them."""

import math

import numpy as np

from jaxsize.errors import InputError

_BLOCK_ROWS = 1024


def pixel_moments(images: np.ndarray) -> tuple[float, float]:
    """Compute the mean and the population standard deviation over every pixel of every row.

    Sums are exact integers, so the answer does not depend on the order of the rows.

    Args:
        images: [N, D] uint8, raw units.

    Raises:
        InputError: when all pixels are alike.
    """
    total = square_total = 0
    for start in range(0, images.shape[0], _BLOCK_ROWS):
        block = images[start : start + _BLOCK_ROWS]
        total += int(block.sum(dtype=np.uint64))
        square_total += int(np.square(block, dtype=np.uint32).sum(dtype=np.uint64))
    spread = images.size * square_total - total * total
    if spread == 0:
        raise InputError("all pixels of the train images are alike, so they cannot be standardised")
    return total / images.size, math.sqrt(spread) / images.size


def standardise(mean: float, std: float) -> tuple[np.ndarray, np.ndarray]:
    """Compute the scale and the shift, both float32 [], with which `raw * scale + shift` is `(raw - mean) / std`.

    Args:
        mean: in raw units.
        std: standard deviation in raw units, positive.
    """
    return np.asarray(1 / std, np.float32), np.asarray(-mean / std, np.float32)
