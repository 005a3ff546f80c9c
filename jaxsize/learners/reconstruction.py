"""What an autoencoder of images learns: losses of logits against pixels in [0, 1], and the least that they can be.

Binary cross-entropy of grey pixels has a floor above 0, the entropy of the pixels. What can reach 0 is the excess over
that floor, the Kullback-Leibler divergence between pixels and outputs. Derived,
for the question of seed `000_1e759a4f1a03c71d.txt`.
"""

from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict

from jaxsize.data import Dataset, Split
from jaxsize.errors import InputError
from jaxsize.learners.tasks import Task

LEVELS = 255
"""Images are stored in whole numbers from 0 to this; pixels are the same if they differ by less than half a one."""


RESERVE = 0.2
"""How many levels before the last one that is rounded right the loss `rounding` has to end: arithmetic is not exact."""


def reconstruction(loss: Literal["cross_entropy", "squared_error", "rounding"] = "cross_entropy") -> Task:
    """Make the task of reproducing images, from logits [B, ...] and pixels in [0, 1] of the same shape.

    Args:
        loss: `cross_entropy`, in nats; `squared_error`, half the squared difference of pixels; or `rounding`, half the
            squared distance of a logit from those that round to the right one of 256 levels, which is 0 for an image
            that is reproduced exactly, with a reserve of a fifth of a level. All are sums over the pixels of an image.

    Returns:
        A task whose scores are, per image, `excess_loss` (the loss over its floor, see `entropy_floor`; a squared
        error has the floor 0; with `rounding` it is that of cross-entropy), `exact_pixels` (the share of pixels that
        are the same after rounding to 8 bits) and `exact_images` (1 if all are). Loss and scores raise InputError for
        logits of another shape than the pixels.

    Raises:
        InputError: when `loss` is none of the three.

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import reconstruction
        >>> pixels, logits = np.float32([[0.5, 1.0]]), np.float32([[0.0, 40.0]])
        >>> rows = reconstruction().of_rows(logits, pixels)
        >>> {name: round(float(value[0]), 3) for name, value in rows.items()}
        {'loss': 0.693, 'excess_loss': 0.0, 'exact_pixels': 1.0, 'exact_images': 1.0}
    """
    losses = {"cross_entropy": _cross_entropy, "squared_error": _half_squared_error, "rounding": _beyond_rounding}
    if loss not in losses:
        raise InputError(f"expected {' or '.join(losses)}, got {loss!r}", field="loss")
    excess = _half_squared_error if loss == "squared_error" else _divergence
    scores = FrozenDict(excess_loss=excess, exact_pixels=_exact_pixels, exact_images=_exact_images)
    return Task(losses[loss], scores)


def entropy_floor(dataset: Dataset) -> dict[str, float]:
    """Compute the least mean cross-entropy that images allow, of every split, in nats per image.

    It is the mean over images of the sum over pixels x of -x ln x - (1 - x) ln(1 - x), and 0 for black and white ones.
    Computed in float64, as the data set stands.

    Args:
        dataset: its network inputs are pixels.

    Returns:
        By split (`train`, `test`, and `validation` where there is one).

    Raises:
        InputError: when a network input is not in [0, 1].

    Example:
        >>> from jaxsize.data import as_pixels, load
        >>> from jaxsize.learners import entropy_floor
        >>> {split: round(floor, 2) for split, floor in entropy_floor(as_pixels(load("digits"))).items()}
        {'train': 13.69, 'test': 13.64, 'validation': 13.45}
    """
    splits: dict[str, Split | None] = {"train": dataset.train, "test": dataset.test, "validation": dataset.validation}
    return {name: _floor(dataset, rows) for name, rows in splits.items() if rows is not None}


def _floor(dataset: Dataset, rows: Split) -> float:
    if rows.inputs.dtype == np.uint8 and np.ndim(dataset.input_scale) == 0:  # 256 values, each counted
        values, counts = np.arange(256), np.bincount(rows.inputs.ravel(), minlength=256)
        values, counts = values[counts > 0], counts[counts > 0]
    else:
        values, counts = rows.inputs, np.ones(1)
    pixels = values.astype(float) * np.asarray(dataset.input_scale, float) + np.asarray(dataset.input_shift, float)
    _require_pixels(dataset.name, pixels)
    from scipy.special import entr

    pixels = np.clip(pixels, 0, 1)
    return float(np.sum(counts * (entr(pixels) + entr(1 - pixels))) / len(rows))


def _require_pixels(name: str, pixels: np.ndarray) -> None:
    """Check that pixels lie in [0, 1], but for the rounding of their scale.

    Raises:
        InputError: when one does not; names the data set and the smallest and the largest pixel.
    """
    slack = 1e-6
    if not (pixels.min() >= -slack and pixels.max() <= 1 + slack):
        given = f"{pixels.min():g} to {pixels.max():g}"
        raise InputError(f"{name}: expected pixels from 0 to 1, as cross-entropy needs them, got {given}")


def _require_same_shape(logits: jax.Array, pixels: jax.Array) -> None:
    if logits.shape != pixels.shape:
        expected = f"expected outputs of the shape of the inputs {list(pixels.shape)}"
        raise InputError(f"reconstruction: {expected}, got {list(logits.shape)}")


def _sum_of_row(values: jax.Array) -> jax.Array:
    return jnp.sum(values.reshape(len(values), -1), axis=1)


def _cross_entropy(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    _require_same_shape(logits, pixels)
    return _sum_of_row(jax.nn.softplus(logits) - pixels * logits)


def _divergence(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    """Sum x ln(x / q) + (1 - x) ln((1 - x) / (1 - q)) over the pixels x of an image, where logits are those of q."""
    _require_same_shape(logits, pixels)
    white = jax.scipy.special.xlogy(pixels, pixels) + pixels * jax.nn.softplus(-logits)
    black = jax.scipy.special.xlogy(1 - pixels, 1 - pixels) + (1 - pixels) * jax.nn.softplus(logits)
    return _sum_of_row(white + black)


def _half_squared_error(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    _require_same_shape(logits, pixels)
    return _sum_of_row((jax.nn.sigmoid(logits) - pixels) ** 2) / 2


def _beyond_rounding(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    _require_same_shape(logits, pixels)
    slack = (0.5 - RESERVE) / LEVELS
    least, most = (jax.scipy.special.logit(jnp.clip(pixels + off, 0, 1)) for off in (-slack, slack))
    return _sum_of_row((jnp.maximum(least - logits, 0) + jnp.maximum(logits - most, 0)) ** 2) / 2


def _same(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    """Tell which pixels are the same after rounding to 8 bits, bool [B, pixels]."""
    _require_same_shape(logits, pixels)
    same = LEVELS * jnp.abs(jax.nn.sigmoid(logits) - pixels) < 0.5
    return same.reshape(len(same), -1)


def _exact_pixels(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    return jnp.mean(_same(logits, pixels).astype(jnp.float32), axis=1)


def _exact_images(logits: jax.Array, pixels: jax.Array) -> jax.Array:
    return jnp.all(_same(logits, pixels), axis=1).astype(jnp.float32)
