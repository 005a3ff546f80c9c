"""When a loss has stopped falling, by the criterion of seed `000_1e759a4f1a03c71d.txt` in both of its readings."""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from jaxsize.errors import InputError

Reading = Literal["reference", "consecutive"]


def converged_epoch(
    losses: ArrayLike, *, reading: Reading = "reference", tolerance: float = 0.01, patience: int = 5
) -> int | None:
    """Find the first epoch after which a loss does not change any more.

    The seed says: the average loss of an epoch does not change by more than 1 % for 5 epochs. `reference`: each of the
    next `patience` losses differs from that of the epoch found by less than `tolerance` of it. `consecutive`: each of
    the next `patience` losses differs from the loss before it by less than that share of it.

    Args:
        losses: one per epoch, [epochs]. What can reach 0, such as the excess over an entropy, tells more than a loss
            with a floor, of which any change is a small share.
        reading: how the sentence is read.
        tolerance: the share, above 0.
        patience: how many epochs, 1 or more.

    Returns:
        The number of the epoch, counted from 1; None if there is none, or a loss is not finite before it is reached.

    Raises:
        InputError: when `losses` is no list of numbers, or a setting is out of its range.

    Example:
        >>> from jaxsize.resizing import converged_epoch
        >>> falling = [100, 50, 49.9, 49.8, 49.7, 49.65, 49.6, 49.55]
        >>> converged_epoch(falling), converged_epoch(falling[:6]), converged_epoch(falling, patience=2)
        (2, None, 2)
        >>> slow = [100 * 0.995**epoch for epoch in range(20)]
        >>> converged_epoch(slow), converged_epoch(slow, reading="consecutive")
        (None, 1)
    """
    losses = np.asarray(losses, float)
    if losses.ndim != 1:
        raise InputError(f"expected one loss per epoch, got an array {list(losses.shape)}", field="losses")
    if reading not in ("reference", "consecutive"):
        raise InputError(f"expected reference or consecutive, got {reading!r}", field="reading")
    if not tolerance > 0 or patience < 1:
        raise InputError(f"expected a tolerance above 0 and patience from 1 on, got {tolerance} and {patience}")
    for epoch in range(len(losses) - patience):
        window = losses[epoch : epoch + patience + 1]
        before = window[0] if reading == "reference" else window[:-1]
        if (np.abs(window[1:] - before) < tolerance * np.abs(before)).all():
            return epoch + 1
    return None
