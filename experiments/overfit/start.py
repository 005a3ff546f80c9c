"""Where training may start: principal components, and a curve that makes logits of what is put together from them.

The encoder's hidden units pass the pixels on, which are never below 0; the latent units are the first principal
components of the training images; the decoder's first layer, which is linear, puts the images together again. Each of
its pixels r is then mapped to the logit of E[x | r], the mean of the true pixels x where r was put together, by a curve
of straight pieces: a ReLU per piece and pixel. Without the last components r is off by a little, and the curve takes
that into account; with all of them it is the best that a network of this form can do, however long it is trained.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from sklearn.decomposition import PCA
from sklearn.isotonic import IsotonicRegression

from jaxsize.data import Dataset
from jaxsize.learners import reconstruction
from jaxsize.networks import Network, autoencoder_weights
from jaxsize.trees import Tree

_BINS = 2000
_CANDIDATES = 400
_CHUNK = 1000
CERTAIN = 1e-5
"""The curve names no pixel black or white with more certainty than this: 784 such pixels cost .008 nats."""

EXACT = 1e-3
"""The same where pixels are to be exact: half a level of 8 bits is .002, and steeper curves are hard to train."""


class Curve(NamedTuple):
    """A function of straight pieces: `level` up to the first knot, then a change of slope at every knot."""

    level: float
    knots: np.ndarray
    slopes: np.ndarray
    """The change of slope at each knot; they sum to 0, so that the function is flat beyond the last one."""

    def __call__(self, r: np.ndarray) -> np.ndarray:
        """Compute the logits of reconstructed pixels."""
        return self.level + np.maximum(r[..., None] - self.knots, 0) @ self.slopes


def curve_of(reconstructed: np.ndarray, pixels: np.ndarray, pieces: int) -> Curve:
    """Fit the curve from reconstructed pixels to logits of what the pixels are on average.

    Args:
        reconstructed: floating [N, D].
        pixels: [N, D], in [0, 1].
        pieces: straight pieces, 1 or more; their knots are chosen one after the other, each where it lowers the
            cross-entropy most, and then moved until no knot alone can be placed better.
    """
    edges = np.linspace(reconstructed.min(), reconstructed.max(), _BINS + 1)
    index = np.clip(np.searchsorted(edges, reconstructed.ravel()) - 1, 0, _BINS - 1)
    counts = np.bincount(index, minlength=_BINS)
    filled = counts > 0
    centres = (np.bincount(index, reconstructed.ravel(), _BINS)[filled]) / counts[filled]
    means = np.bincount(index, pixels.ravel(), _BINS)[filled] / counts[filled]
    rising = IsotonicRegression(y_min=CERTAIN, y_max=1 - CERTAIN).fit(centres, means, counts[filled]).predict(centres)
    logits = np.log(rising / (1 - rising))
    candidates = np.unique(np.linspace(0, len(centres) - 1, _CANDIDATES).round().astype(int))

    def loss(at: list[int]) -> float:
        at = sorted(at)
        of_pieces = np.interp(centres, centres[at], logits[at])
        return float(counts[filled] @ (np.logaddexp(0, of_pieces) - means * of_pieces))

    chosen = [0, len(centres) - 1]
    for _ in range(pieces - 1):
        if others := [new for new in candidates if new not in chosen]:
            chosen.append(min(others, key=lambda new: loss([*chosen, new])))
    before = None
    while before != (before := sorted(chosen)):  # each knot goes where it is best, the others held, until none moves
        for number in range(len(chosen)):
            others = chosen[:number] + chosen[number + 1 :]
            places = [chosen[number], *(new for new in candidates if new not in others)]
            chosen[number] = min(places, key=lambda new, others=others: loss([*others, new]))
    at = np.sort(chosen)
    slope = np.diff(logits[at]) / np.diff(centres[at])
    return Curve(float(logits[at[0]]), centres[at], np.diff(slope, prepend=0.0, append=0.0))


def exact_curve(pieces: int) -> Curve:
    """Make the curve for pixels that are put together exactly: logits of the pixels themselves.

    Its knots are so chosen that a sigmoid of the curve is off by as much on every piece, which rounding can bear: the
    width of a piece is proportional to sqrt(r (1 - r) / |2 r - 1|), by the second derivative of the logit.

    Args:
        pieces: straight pieces, 1 or more; 24 are enough for all levels of 8 bits.
    """
    r = np.linspace(EXACT, 1 - EXACT, 200_001)
    density = np.sqrt(np.abs(2 * r - 1) / (r * (1 - r)))
    share = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    knots = np.interp(np.linspace(0, share[-1], pieces + 1), share, r)
    logits = np.log(knots / (1 - knots))
    slope = np.diff(logits) / np.diff(knots)
    return Curve(float(logits[0]), knots, np.diff(slope, prepend=0.0, append=0.0))


Spectrum = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Pixels [N, D], their mean [D] and principal components [latent, D]."""


def components_of(dataset: Dataset, latent: int) -> Spectrum:
    """Return the training pixels [N, D], their mean [D] and their first principal components [latent, D]."""
    pixels = dataset.train.inputs.astype(np.float32) * dataset.input_scale
    fitted: Any = PCA(n_components=min(latent, *pixels.shape), svd_solver="auto", random_state=0).fit(pixels)
    components = np.zeros((latent, pixels.shape[1]), np.float32)
    components[: len(fitted.components_)] = fitted.components_
    return pixels, fitted.mean_, components


def decoder_widths(dataset: Dataset, pieces: int) -> tuple[int, int]:
    """Return the hidden widths of the decoder that `informed` needs: pixels, and a ReLU per knot and pixel."""
    return dataset.num_inputs, (pieces + 1) * int(np.count_nonzero(dataset.train.inputs.any(axis=0)))


def excess_before_training(dataset: Dataset, latent: int, pieces: int) -> float:
    """Compute the mean excess over the entropy, in nats per image, with which `informed` starts."""
    pixels, mean, components = components_of(dataset, latent)
    reconstructed = _put_together(pixels, mean, components)
    curve, excess, total = curve_of(reconstructed, pixels, pieces), reconstruction().scores["excess_loss"], 0.0
    for first in range(0, len(pixels), _CHUNK):
        part = slice(first, first + _CHUNK)
        total += float(np.sum(excess(jnp.asarray(curve(reconstructed[part])), jnp.asarray(pixels[part]))))
    return total / len(pixels)


def _put_together(pixels: np.ndarray, mean: np.ndarray, components: np.ndarray) -> np.ndarray:
    return (pixels - mean) @ components.T @ components + mean


def informed(network: Network, dataset: Dataset, latent: int, pieces: int, *, exact: bool = False) -> Network:
    """Let a network start from principal components and the curve.

    Args:
        network: an `autoencoder((D, encoder), latent, decoder=decoder_widths(dataset, pieces))`, with at least D units
            in the encoder's layer; those beyond D start as drawn, and nothing reads them yet.
        dataset: what it is trained on.
        latent: its latent units.
        pieces: of the curve.
        exact: whether the curve is that for pixels which are put together exactly.
    """
    pixels, mean, components = components_of(dataset, latent)
    curve = exact_curve(pieces) if exact else curve_of(_put_together(pixels, mean, components), pixels, pieces)
    used, size = np.flatnonzero(dataset.train.inputs.any(axis=0)), dataset.num_inputs

    def init(seed: int) -> Tree:
        params = network.init(seed)
        encoder, middle, first, second, output = autoencoder_weights(params)
        encoder[0][:, :size], encoder[1][:size] = np.eye(size), 0
        middle[0][:size], middle[0][size:] = components.T, 0
        middle[1][:] = -components @ mean
        first[0][:], first[1][:] = components, mean
        second[0][:], output[0][:] = 0, 0
        for number, (knot, slope) in enumerate(zip(curve.knots, curve.slopes, strict=True)):
            units = number * len(used) + np.arange(len(used))
            scale = max(1.0, abs(slope) ** 0.5)  # weights before and after a unit are equally large
            second[0][used, units], second[1][units] = scale, -scale * knot
            output[0][units, used] = slope / scale
        output[1][:] = curve.level
        return params

    return network._replace(init=init)
