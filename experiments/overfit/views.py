"""What is read off the runs of the study: when an excess was reached, and the smallest network that is still exact."""

import numpy as np

from experiments.common.pixels import EXCESS
from experiments.common.structures import gated_layers
from jaxsize.studies import ArmView

LAYERS = gated_layers(1, 2)
"""The gated layers in the order of the column `live_units_per_layer`."""


def first_below(view: ArmView, bound: float) -> np.ndarray:
    """Return the first epoch after which the excess is below a bound, [num_seeds]; NaN where it never was."""
    below = view.curve(EXCESS) < bound
    return np.where(below.any(axis=1), 1.0 + below.argmax(axis=1), np.nan)


def smallest_exact(view: ArmView, what: str) -> np.ndarray:
    """Read off the smallest network, by parameters, of all epochs after which every image was exact, [num_seeds].

    Args:
        view: runs with one price on one number of images.
        what: a column, or a layer of `LAYERS`, whose live units are counted.

    Returns:
        NaN where images were never all exact.
    """
    found = np.full(view.runs.num_seeds, np.nan)
    for seed, path in view.paths.items():
        exact = [row for row in path if row["train_exact_images"] == 1]
        if exact:
            row = min(exact, key=lambda row: row["parameters"])
            found[seed] = row["live_units_per_layer"][LAYERS.index(what)] if what in LAYERS else row[what]
    return found
