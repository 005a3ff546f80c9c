"""What studies of autoencoders share: images with all their training rows as pixels, their floor, and the excess."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from jaxsize.data import Dataset, Form, as_pixels
from jaxsize.errors import InputError
from jaxsize.learners import entropy_floor
from jaxsize.statistics import describe
from jaxsize.studies import ArmView, DatasetFlags, Setup, listing
from jaxsize.studies.opening import load_datasets

EXCESS = "train_excess_loss"


def load_images(flags: DatasetFlags, form: Form) -> list[Dataset]:
    """Load the data sets that the flags name with all their training rows, as the seed has them; for `Study.data`.

    Own data have the given form, as they have no other.
    """
    if len(set(flags.dataset)) < len(flags.dataset) or not flags.dataset:
        raise InputError(f"expected different names, got {listing(flags.dataset)}", field="dataset")
    loaded = []
    for path, name in zip(flags.dataset, flags.names, strict=True):
        one = dataclasses.replace(flags, dataset=(path,))
        (dataset,) = load_datasets(one, form if path in flags.own else "original")
        loaded.append(dataclasses.replace(dataset, name=name))
    return loaded


def prepared(dataset: Dataset, flags: Any) -> Dataset:
    """Make pixels the inputs and targets, and note the entropy that no cross-entropy can fall below."""
    pixels = as_pixels(dataset)
    return dataclasses.replace(pixels, info=pixels.info | {"entropy_floor": entropy_floor(pixels)})


def rows_left_out(setup: Setup) -> Iterator[str]:
    """Say which numbers of --rows are more than a data set has, for `Study.cautions`."""
    total = len(setup.dataset.train)
    if more := [rows for rows in setup.flags.rows if rows > total]:
        yield f"{setup.dataset.name}: it has {total} training rows, so that --rows {listing(more)} is left out"


def floor(view: ArmView) -> np.ndarray:
    """Return the least loss that the training images allow, [num_seeds]."""
    return view.end("train_loss") - view.end(EXCESS)


def middle(values: np.ndarray) -> float:
    """Return the median over the seeds that have a number; NaN where none has."""
    median = describe(values)["median"]
    return np.nan if median is None else float(median)
