"""Images as what an autoencoder reproduces: pixels in [0, 1], which are inputs and targets at once."""

import dataclasses

import numpy as np

from jaxsize.data.dataset import Dataset, Split
from jaxsize.data.layout import flattened
from jaxsize.errors import InputError


def as_pixels(dataset: Dataset, *, rows: int | None = None) -> Dataset:
    """Make the data set of reproducing images: network inputs are flat pixels in [0, 1], and so are the targets.

    Args:
        dataset: one whose rows are numbers from 0 on, such as bytes.
        rows: how many of the training rows are kept, from the first on. None: all.

    Returns:
        The same rows, divided by the largest number in any of them, without labels; the task is `reconstruction`.

    Raises:
        InputError: when a number is below 0, or none above; when `rows` is not from 1 to the number of training rows.

    Example:
        >>> from jaxsize.data import as_pixels, load
        >>> digits = as_pixels(load("digits"), rows=100)
        >>> digits.task, digits.train.targets, len(digits.train), digits.num_outputs
        ('reconstruction', None, 100, 64)
    """
    dataset = flattened(dataset)
    splits = [split for split in (dataset.train, dataset.validation, dataset.test) if split is not None]
    least, most = min(float(s.inputs.min()) for s in splits), max(float(s.inputs.max()) for s in splits)
    if dataset.input_scale is None or not 0 <= least < most:
        raise InputError(f"{dataset.name}: expected rows of numbers from 0 on, got {least:g} to {most:g}")
    kept = len(dataset.train) if rows is None else rows
    if not 1 <= kept <= len(dataset.train):
        raise InputError(
            f"expected 1 to {len(dataset.train)} training rows of {dataset.name}, got {rows}", field="rows"
        )

    def bare(split: Split) -> Split:
        return Split(inputs=split.inputs, targets=None, weights=split.weights)

    return dataclasses.replace(
        dataset,
        task="reconstruction",
        num_outputs=dataset.num_inputs,
        train=bare(dataset.train.rows(np.arange(kept))) if rows is not None else bare(dataset.train),
        validation=None if dataset.validation is None else bare(dataset.validation),
        test=bare(dataset.test),
        input_scale=np.asarray(1 / most, np.float32),
        input_shift=np.asarray(0, np.float32),
    )
