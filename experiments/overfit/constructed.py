"""Networks that reproduce every pixel exactly and were put together, not trained: they show what is enough.

`one_by_one` has a ReLU of the decoder for each image, which is 0 for all others. That one can tell an image from all
others by one linear function of a few latent units needs a trick: the latent units are the first principal components
z, and one more that is about |z|^2. On such a bowl each point is a corner: 2 z_i z - |z|^2 is largest, of all images,
at image i, where it exceeds the next one by their squared distance. The encoder makes |z|^2 from ReLUs, a sum over the
components of a curve of straight pieces. Its ReLUs open away from 0 on both sides, so that no large numbers cancel in
float32.

In exact arithmetic one latent unit would be enough, with a ReLU less than there are images: a curve of straight pieces
passes through any images that one number can tell apart. In float32 the small differences that this takes are lost.
"""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.overfit.start import Spectrum, components_of, decoder_widths, informed
from jaxsize.data import Dataset, as_pixels
from jaxsize.learners import reconstruction
from jaxsize.networks import Network, autoencoder, autoencoder_weights
from jaxsize.studies import Setup

PIECES = 24
"""Straight pieces of the curve from pixels to logits; 24 are enough for all 256 levels."""
COMPONENTS, KNOTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64), (2, 4, 8, 16, 32)
"""Components, and encoder ReLUs on either side of a component, that are tried."""
DARK = -10.0
"""The logit of a black pixel, which costs 5e-5 nats of excess. White is as far on the other side."""
TINY = 1e-9
CHUNK = 500
"""Images at a time."""
MOST = 60_000
"""Of more images than these not all are tried: the time grows with their square."""
NEAR = 5e-4
"""The least lead of an image in its own unit over all others, as a share of the numbers that are subtracted."""


class Checked(NamedTuple):
    """A network that was put together, and what it does to its images."""

    latent: int
    relus: int
    """Of the decoder."""
    parameters: int
    exact_images: float
    excess: float
    """Nats per image."""


def check(network: Network, dataset: Dataset, *, latent: int, relus: int) -> Checked:
    """Apply a network to all training images in float32, and count what it reproduces.

    Args:
        network: an autoencoder; its first weights are those to check.
        dataset: the images.
        latent: its latent units.
        relus: the ReLUs of its decoder.
    """
    params, task, scores = network.init(0), reconstruction(), []
    apply: Any = jax.jit(network.apply)
    for first in range(0, len(dataset.train), CHUNK):
        pixels = dataset.train.inputs[first : first + CHUNK].astype(np.float32) * dataset.input_scale
        rows = task.of_rows(apply(params, pixels), pixels)
        scores.append(np.stack([rows["exact_images"], rows["excess_loss"]]))
    exact, excess = np.concatenate(scores, axis=1).mean(axis=1).tolist()
    return Checked(latent, relus, sum(leaf.size for leaf in jax.tree.leaves(params)), exact, excess)


def leads(z: np.ndarray, bowl: np.ndarray, *, least: float = 0.0) -> tuple[np.ndarray, np.ndarray] | None:
    """Compute by how much 2 z_i z - bowl is larger at image i than at the next one, and the mean of these two numbers.

    Args:
        z: components of the images, floating [N, d].
        bowl: about |z|^2, floating [N].
        least: the least lead that is enough, as a share of |z_i|^2 + bowl.

    Returns:
        [N] each; None as soon as a lead is too small.
    """
    lead, middle = np.empty((2, len(z)))
    enough = least * (bowl + np.sum(z**2, axis=1))
    for first in range(0, len(z), CHUNK):
        part = slice(first, first + CHUNK)
        scores = 2 * z[part] @ z.T - bowl
        index = np.arange(len(scores))
        own = scores[index, first + index].copy()
        scores[index, first + index] = -np.inf
        next_one = scores.max(axis=1)
        lead[part], middle[part] = own - next_one, (own + next_one) / 2
        if (lead[part] < enough[part]).any():
            return None
    return lead, middle


def one_by_one(dataset: Dataset, spectrum: Spectrum, components: int, knots: int) -> Network | None:
    """Put together a network with a ReLU per image.

    Args:
        dataset: the images, as pixels.
        spectrum: what `components_of` returns for so many components or more.
        components: of the images, 1 or more; the network has a latent unit more.
        knots: ReLUs of the encoder on either side of a component, 1 or more.

    Returns:
        None where an image is not told from the others safely.
    """
    pixels, mean, axes = spectrum
    axes = np.concatenate([axes[:components], -axes[:components]])  # both sides of a component
    sides = (pixels - mean).astype(float) @ axes.T
    z = sides[:, :components]
    places = np.linspace(0, sides.max(axis=0), knots + 1)
    changes = np.diff(places[:-1] + places[1:], axis=0, prepend=0)  # of the slopes of the chords of z^2
    bowl = np.zeros(len(z))
    for place, change in zip(places[:-1], changes, strict=True):
        bowl += np.maximum(sides - place, 0) @ change
    apart = leads(z, bowl, least=NEAR)
    if apart is None:
        return None
    lead, middle = apart
    network = _shaped(dataset, components, knots)
    level = np.log(np.maximum(pixels, TINY) / np.maximum(1 - pixels, TINY))

    def init(seed: int) -> Any:
        params = jax.tree.map(np.zeros_like, network.init(seed))
        encoder, latent, linear, relus, output = autoencoder_weights(params)
        encoder[0][:], encoder[1][:] = np.tile(axes.T, knots), (-places[:-1] - axes @ mean).ravel()
        latent[0][: 2 * components, :-1] = np.concatenate([np.eye(components), -np.eye(components)])
        latent[0][:, -1] = changes.ravel()
        linear[0][:] = np.eye(components + 1)
        relus[0][:-1], relus[0][-1] = 4 * z.T / lead, -2 / lead  # a unit is 1 at its own image
        relus[1][:] = -2 * middle / lead
        output[0][:], output[1][:] = np.clip(level, DARK, -DARK) - DARK, DARK
        return params

    return network._replace(init=init)


def constructed(setup: Setup) -> Iterator[Mapping[str, Any]]:
    """Make the rows of the table of networks that were put together, three per number of images, all of them last."""
    total = len(setup.dataset.train)
    for rows in sorted({*setup.flags.rows, min(total, MOST)}):
        if rows > total:
            continue
        few = as_pixels(setup.dataset, rows=rows)
        where = {"dataset": few.name, "rows": rows}
        latent = max(1, min(rows - 1, few.num_inputs))
        widths = decoder_widths(few, PIECES)
        network = autoencoder((few.num_inputs, few.num_inputs), latent, decoder=widths)
        network = informed(network, few, latent, PIECES, exact=True)
        checked = check(network, few, latent=latent, relus=widths[1])
        yield where | {"network": "components and a curve"} | checked._asdict()
        checks = functools.cache(functools.partial(_checked, few, components_of(few, max(COMPONENTS))))
        tried = [(components, knots) for components in COMPONENTS for knots in KNOTS]
        smallest = sorted(tried, key=functools.partial(_size, few))
        for name, pairs in (("fewest parameters", smallest), ("fewest latent units", tried)):
            for pair in pairs:
                if (checked := checks(*pair)) and checked.exact_images == 1:
                    yield where | {"network": f"a ReLU per image, {name}"} | checked._asdict()
                    break


def _checked(dataset: Dataset, spectrum: Spectrum, components: int, knots: int) -> Checked | None:
    network = one_by_one(dataset, spectrum, components, knots)
    return network and check(network, dataset, latent=components + 1, relus=len(dataset.train))


def _shaped(dataset: Dataset, components: int, knots: int) -> Network:
    count = len(dataset.train)
    return autoencoder((dataset.num_inputs, 2 * components * knots), components + 1, decoder=(components + 1, count))


def _size(dataset: Dataset, pair: tuple[int, int]) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(_shaped(dataset, *pair).shapes()))
