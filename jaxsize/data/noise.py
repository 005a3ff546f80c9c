"""Images without any structure, to compare others with: every number is drawn alone."""

import dataclasses

import numpy as np

from jaxsize.data.dataset import Dataset, Split


def noise_like(dataset: Dataset, *, seed: int = 0) -> Dataset:
    """Make a data set of noise: as many rows of the same shape and targets as another, with numbers drawn uniformly.

    Args:
        dataset: gives splits, shapes, dtypes and targets; its rows are bytes or float32.
        seed: draws the numbers, uniform between the smallest and the largest number of the training rows.

    Returns:
        The data set, whose name ends in `_noise`.

    Example:
        >>> from jaxsize.data import load, noise_like
        >>> noise = noise_like(load("digits"))
        >>> noise.name, noise.train.inputs.shape, int(noise.train.inputs.max())
        ('digits_noise', (1258, 64), 16)
    """
    generator = np.random.default_rng([seed, 0])
    least, most = dataset.train.inputs.min(), dataset.train.inputs.max()

    def drawn(split: Split | None) -> Split | None:
        if split is None:
            return None
        shape, dtype = split.inputs.shape, split.inputs.dtype
        if np.issubdtype(dtype, np.integer):
            numbers = generator.integers(least, most, shape, dtype=dtype, endpoint=True)
        else:
            numbers = generator.uniform(least, most, shape).astype(dtype)
        return dataclasses.replace(split, inputs=numbers)

    train, validation, test = (drawn(split) for split in (dataset.train, dataset.validation, dataset.test))
    assert train is not None and test is not None
    return dataclasses.replace(
        dataset,
        name=f"{dataset.name}_noise",
        train=train,
        validation=validation,
        test=test,
        source=f"uniform noise of the shape of {dataset.name}, seed {seed}",
    )
