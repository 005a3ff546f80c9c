"""Synthetic colour images shaped like CIFAR-10, for runs without its files; their scores say nothing about CIFAR-10."""

import numpy as np

from jaxsize.data._draws import generator
from jaxsize.data.dataset import Dataset, Form
from jaxsize.data.sets.cifar10 import NUM_CLASSES, NUM_INPUTS, Rows, colour_dataset

NUM_TRAIN, NUM_TEST = 4000, 1000
_MOTIFS = 3  # per class
_KNOTS, _SPACING = 5, 8  # a smooth field is known at every 8th pixel of 32 and linear in between
_MOTIF, _CLUTTER, _NOISE = 32.0, 55.0, 30.0  # standard deviations in units of pixels


def load_cifar_like(*, seed: int, form: Form, standardize: bool = False) -> Dataset:
    """Draw 4000 train and 1000 test images in 10 classes of equal size, laid out and scaled like those of `cifar10`.

    Each class has three motifs, smooth random colour fields. An image is one of the motifs at a random contrast, with a
    smooth field drawn for this image and pixel noise on top, so that classes overlap: a linear classifier and a small
    network are right on about two thirds of the test images. No file is needed.

    Args:
        seed: draws motifs, images and validation rows.
        form: as in `load_cifar10`.
        standardize: as in `load_cifar10`.

    Raises:
        InputError: when `standardize` is no bool.
    """
    motifs = _MOTIF * _fields(generator(seed, "cifar_like", "motifs"), NUM_CLASSES * _MOTIFS)
    train, test = (
        _draw(generator(seed, "cifar_like", part), rows, motifs.reshape(NUM_CLASSES, _MOTIFS, NUM_INPUTS))
        for part, rows in (("train", NUM_TRAIN), ("test", NUM_TEST))
    )
    return colour_dataset(
        "cifar_like",
        train,
        test,
        seed=seed,
        form=form,
        standardize=standardize,
        source="drawn from random colour fields",
        info={"stands_in_for": "cifar10"},
    )


def _draw(rng: np.random.Generator, num_rows: int, motifs: np.ndarray) -> Rows:
    """Draw images of the motifs, [classes, motifs, 3072] float32."""
    labels = rng.permutation(num_rows) % NUM_CLASSES
    contrast = rng.uniform(0.3, 1.5, (num_rows, 1)).astype(np.float32)
    pixels = motifs[labels, rng.integers(_MOTIFS, size=num_rows)]
    pixels *= contrast
    pixels += _CLUTTER * _fields(rng, num_rows)
    pixels += _NOISE * rng.standard_normal(pixels.shape, dtype=np.float32)
    pixels += 128.5  # the half rounds, as the conversion cuts off
    return Rows(pixels.clip(0, 255, out=pixels).astype(np.uint8), labels.astype(np.int32))


def _fields(rng: np.random.Generator, num_fields: int) -> np.ndarray:
    """Draw smooth random colour fields, [num_fields, 3072] float32, of standard deviation 1 at the knots.

    Knots and weights are multiples of 1/64, so that sums are exact in any order and the same on every machine.
    """
    knots = np.rint(64 * rng.standard_normal((num_fields * 3, _KNOTS**2), dtype=np.float32)) / 64
    position = np.arange((_KNOTS - 1) * _SPACING)[:, None] / _SPACING
    weights = np.maximum(0, 1 - np.abs(position - np.arange(_KNOTS))).astype(np.float32)  # [32, knots]
    return (knots @ np.kron(weights, weights).T).reshape(num_fields, NUM_INPUTS)
