"""How good logits of a limited rank can be, free of any encoder: logistic principal components (E25, D16).

Without an activation around the latent units, the logits of a network with one hidden layer are affine in min(latent
units, hidden units) numbers per image. Here these numbers are chosen for each image alone. No such network can beat the
best choice; the search for it is not convex, so that what it finds may be a little above.
"""

from collections.abc import Iterator
from typing import Any

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import scipy.optimize

from experiments.common.structures import widths_of
from jaxsize.data import as_pixels
from jaxsize.learners import reconstruction
from jaxsize.studies import Setup

MOST_ROWS = 10_000
"""Images that are taken at most: every image has numbers of its own, which makes more of them slow."""
STEPS = 500
"""Steps of L-BFGS at most."""
CLIPPED = 0.02
"""Pixels are not taken darker than this, nor as much lighter, where the search starts."""


def logistic_components(pixels: np.ndarray, rank: int, *, steps: int = STEPS) -> float:
    """Fit logits of a limited rank, and a bias per pixel, to images by cross-entropy.

    It starts at the principal components of logits and goes down by L-BFGS. The problem is not convex: the result is
    an upper bound of the least excess, and no more than that.
    Source: Collins, Dasgupta and Schapire, 2001.

    Args:
        pixels: in [0, 1], float32 [N, D].
        rank: of the logits less the bias, 1 or more.
        steps: of L-BFGS, at most.

    Returns:
        The mean excess, in nats per image.
    """
    rank = min(rank, *pixels.shape)
    near = np.clip(pixels, CLIPPED, 1 - CLIPPED)
    logits = np.log(near / (1 - near))
    bias = logits.mean(axis=0)
    codes, strengths, axes = np.linalg.svd(logits - bias, full_matrices=False)
    start = {"codes": codes[:, :rank] * strengths[:rank], "axes": axes[:rank], "bias": bias}
    flat, restore = jax.flatten_util.ravel_pytree(jax.tree.map(jnp.float32, start))
    excess = reconstruction().scores["excess_loss"]

    @jax.jit
    @jax.value_and_grad
    def loss(flat: jax.Array) -> jax.Array:
        parts: Any = restore(flat)
        return jnp.mean(excess(parts["codes"] @ parts["axes"] + parts["bias"][None], jnp.asarray(pixels)))

    def in_float64(flat: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = loss(jnp.asarray(flat, jnp.float32))
        return float(value), np.asarray(slope, float)

    options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-9, "gtol": 1e-9}
    return float(
        scipy.optimize.minimize(in_float64, np.asarray(flat, float), jac=True, method="L-BFGS-B", options=options).fun
    )


def least_of_one_layer(setup: Setup) -> Iterator[dict[str, Any]]:
    """Make the rows of a table: the excess that logistic principal components reach, by their rank.

    Ranks are all that networks with one hidden layer in this study have: the lesser of latent and hidden units.
    """
    widths = [widths_of(structure) for structure in setup.flags.structures]
    ranks = {min(latent, width[0]) for width in widths if len(width) == 1 for latent in setup.flags.latents}
    few = as_pixels(setup.dataset, rows=min(len(setup.dataset.train), MOST_ROWS))
    pixels = few.train.inputs.astype(np.float32) * few.input_scale
    for rank in sorted(ranks):
        excess = logistic_components(pixels, rank)
        yield {"dataset": few.name, "rows": len(few.train), "rank": rank, "excess": excess}
