"""How the rows of images lie: flat, or as images whose last axis is the channel."""

import dataclasses
from collections.abc import Callable

import numpy as np

from jaxsize.data.dataset import Dataset, Split
from jaxsize.errors import InputError


def as_images(dataset: Dataset) -> Dataset:
    """Give the rows of a data set of images as images, with the channel as their last axis: [N, H, W, C].

    Args:
        dataset: one whose `input_shape` has three axes; rows that are images already stay as they are. Those of colour
            images that lie channel by channel are copied.

    Returns:
        The same rows and targets; scale and shift are float32 [] or [C].

    Raises:
        InputError: when the rows are no images, or the scale differs within a channel.

    Example:
        >>> from jaxsize.data import as_images, load
        >>> digits = as_images(load("digits"))
        >>> digits.train.inputs.shape, digits.train.inputs.dtype.name, digits.network_inputs(32).shape
        ((1258, 8, 8, 1), 'uint8', (32, 8, 8, 1))
    """
    shape = dataset.input_shape
    if len(shape) != 3:
        raise InputError(f"{dataset.name}: expected rows that are images, of three axes, got {list(shape)}")
    if dataset.row_shape == shape:
        return dataset

    def image(flat: np.ndarray) -> np.ndarray:
        rows = flat.reshape(len(flat), *shape)
        return np.ascontiguousarray(rows.transpose(0, 2, 3, 1)) if dataset.channels_first else rows

    def channels(field: str, values: np.ndarray | None) -> np.ndarray | None:
        if values is None or values.ndim == 0:
            return values
        by_channel = image(values[None]).reshape(-1, image(values[None]).shape[-1])
        if (by_channel != by_channel[0]).any():
            raise InputError(f"{dataset.name}: {field} differs within a channel; images have one number per channel")
        return by_channel[0]

    return _with_rows(dataset, image, channels)


def flattened(dataset: Dataset) -> Dataset:
    """Give the rows of a data set as flat rows [N, D], as dense networks read them.

    Args:
        dataset: one with rows of any shape; flat rows stay as they are.

    Returns:
        The same rows and targets; `input_shape` still says what a row was, scale and shift are float32 [] or [D].

    Example:
        >>> from jaxsize.data import as_images, flattened, load
        >>> flattened(as_images(load("digits"))).train.inputs.shape
        (1258, 64)
    """
    if len(dataset.row_shape) == 1:
        return dataset

    def tiled(field: str, values: np.ndarray | None) -> np.ndarray | None:
        if values is None or values.ndim == 0:
            return values
        return np.broadcast_to(values, dataset.row_shape).reshape(-1)

    return _with_rows(dataset, lambda rows: rows.reshape(len(rows), -1), tiled)


def _with_rows(
    dataset: Dataset,
    of_rows: Callable[[np.ndarray], np.ndarray],
    of_scaling: Callable[[str, np.ndarray | None], np.ndarray | None],
) -> Dataset:
    """The data set with other inputs, scale and shift."""

    def split(rows: Split | None) -> Split | None:
        return None if rows is None else dataclasses.replace(rows, inputs=of_rows(rows.inputs))

    train = of_rows(dataset.train.inputs)
    shape = train.shape[1:]
    return dataclasses.replace(
        dataset,
        train=dataclasses.replace(dataset.train, inputs=train),
        validation=split(dataset.validation),
        test=dataclasses.replace(dataset.test, inputs=of_rows(dataset.test.inputs)),
        input_scale=of_scaling("input_scale", dataset.input_scale),
        input_shift=of_scaling("input_shift", dataset.input_shift),
        input_shape=shape if len(shape) > 1 else dataset.input_shape,
        channels_first=False,
    )
