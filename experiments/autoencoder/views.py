"""What is read off the runs of the study: when a level was reached, how much runs and epochs differ, what time took."""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from experiments.autoencoder.contestants import HESSIAN_FREE
from experiments.autoencoder.flags import AutoencoderFlags
from experiments.common.structures import widths_of
from jaxsize.data import Dataset, as_pixels
from jaxsize.errors import InputError
from jaxsize.studies import Arms, ArmView

LOSS = "test_loss"
MOST_OF_IT = 0.9
"""The share of the way from the mean image to the best end at which an optimiser counts as arrived."""
HALF_OF_IT = 0.5
"""The share at which it counts as having started."""


def prepared(dataset: Dataset, flags: AutoencoderFlags) -> Dataset:
    """Make pixels the inputs and targets, keep the rows that the flags ask for, and note what simple answers lose.

    Raises:
        InputError: when there are no validation rows, which choose the rates.
    """
    if dataset.validation is None:
        raise InputError(f"{dataset.name}: expected validation rows, which choose the learning rates, got none")
    total = len(dataset.train)
    if flags.train_rows is not None and flags.train_rows > total:
        expected = f"expected 1 to {total} training rows of {dataset.name}"
        raise InputError(f"{expected}, got {flags.train_rows}", field="train_rows")
    pixels = as_pixels(dataset, rows=flags.train_rows)
    kept = pixels.validation, pixels.test
    if flags.train_rows is not None:
        kept = tuple(split.rows(np.arange(min(len(split), max(1, flags.train_rows // 2)))) for split in kept if split)
    pixels = dataclasses.replace(pixels, validation=kept[0], test=kept[1])
    latent = max(widths_of(structure)[-1] for structure in flags.structures)
    return dataclasses.replace(pixels, info=pixels.info | simple_losses(pixels, latent))


def simple_losses(dataset: Dataset, latent: int) -> dict[str, float]:
    """Compute the test losses, half the squared error per image, of two answers that need no training by steps.

    Args:
        dataset: of pixels.
        latent: how many principal components are used.

    Returns:
        `mean_image_loss`, of the mean of the training images for all, and `components_loss`, of the first principal
        components of the training images.
    """
    from sklearn.decomposition import PCA

    train, test = dataset.as_inputs(dataset.train.inputs), dataset.as_inputs(dataset.test.inputs)
    fitted: Any = PCA(n_components=min(latent, *train.shape), random_state=0).fit(train)
    put_together = fitted.inverse_transform(fitted.transform(test))
    losses = {"mean_image_loss": fitted.mean_, "components_loss": put_together}
    return {name: float(np.mean(np.sum((test - of) ** 2, axis=1)) / 2) for name, of in losses.items()}


def ordered(structures: Iterable[str]) -> list[str]:
    """Order structures by their number of layers, and then by their widths."""
    return sorted(structures, key=lambda structure: (len(widths_of(structure)), widths_of(structure)))


def layers_of(structure: str, dataset: Dataset) -> str:
    """Write a structure with the pixels and its decoder, such as "784-200-2-200-784" for "200-2"."""
    widths = (dataset.num_inputs, *widths_of(structure))
    return "-".join(map(str, (*widths, *reversed(widths[:-1]))))


def level(views: Sequence[ArmView], share: float) -> np.ndarray:
    """Return the test loss that lies so far on the way from the mean image to the best end of some runs, [num_seeds].

    Args:
        views: of one structure; seed by seed the least end of them all counts. Without Hessian-free, which is not in
            the seed.
        share: of the way, from 0 to 1.
    """
    start = views[0].data.info["mean_image_loss"]
    ends = np.stack([view.end(LOSS) for view in views if view.name != HESSIAN_FREE])
    best = np.min(np.where(np.isfinite(ends), ends, np.inf), axis=0)
    return start + share * (np.where(best < start, best, np.nan) - start)


def epochs_to(view: ArmView, levels: np.ndarray, *, never: float | None = None) -> np.ndarray:
    """Return after how many epochs the test loss of every seed was first at a level, [num_seeds].

    Between epochs it is interpolated on a straight line; 1 where the first epoch is below. NaN where there is no run or
    no level.

    Args:
        view: the runs.
        levels: [num_seeds].
        never: what a run counts that never got there, or diverged before. By default one epoch more than it was given:
            beside runs that were given more epochs that is no fair number.
    """
    curve = view.curve(LOSS)
    found = np.full(len(curve), np.nan)
    for seed in np.flatnonzero(view.exists & np.isfinite(levels)):
        line, wanted = curve[seed], levels[seed]
        (below,) = np.nonzero(line <= wanted)
        if not below.size:
            found[seed] = len(line) + 1 if never is None else never
        elif below[0] == 0 or not np.isfinite(line[below[0] - 1]):
            found[seed] = below[0] + 1
        else:
            before, after = line[below[0] - 1], line[below[0]]
            found[seed] = below[0] + 1 - (wanted - after) / (before - after)
    return found


def roughness(view: ArmView) -> np.ndarray:
    """Return how much the log of the test loss changes from epoch to epoch, beside its trend, [num_seeds].

    It is the standard deviation of the changes in the second half of the epochs. NaN with fewer than 2 changes.
    """
    curve = view.curve(LOSS)
    changes = np.diff(np.log(curve[:, curve.shape[1] // 2 :]), axis=1)
    return changes.std(axis=1) if changes.shape[1] > 1 else np.full(len(curve), np.nan)


def spread(view: ArmView) -> np.ndarray:
    """Return how far every run ends from the median of all, as a share of it, [num_seeds]; as in Levene's test."""
    ends = view.end(LOSS)
    middle = np.nanmedian(ends) if np.isfinite(ends).any() else np.nan
    return np.abs(ends - middle) / middle


def still_falling(view: ArmView) -> np.ndarray:
    """Return by which share of itself the test loss still fell in the last tenth of the epochs, [num_seeds]."""
    curve = view.curve(LOSS)
    back = max(1, curve.shape[1] // 10)
    return 1 - curve[:, -1] / curve[:, -1 - back] if curve.shape[1] > back else np.full(len(curve), np.nan)


def largest_rise(view: ArmView) -> np.ndarray:
    """Return the largest rise of the test loss from one epoch to the next, as a share of the loss, [num_seeds]."""
    curve = view.curve(LOSS)
    if curve.shape[1] < 2:
        return np.full(len(curve), np.nan)
    return np.maximum(np.max(curve[:, 1:] / curve[:, :-1], axis=1) - 1, 0)


def in_structure(arms: Arms, structure: str) -> dict[str, ArmView]:
    """Return the runs of one structure at their chosen rates, on one data set, by optimiser."""
    names = arms.settings["optimizers"]
    views = {name: arms[name].at(structure=structure) for name in names if name in arms}
    return {name: view for name, view in views.items() if view.count}
