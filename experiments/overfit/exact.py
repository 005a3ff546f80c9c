"""Networks that must reproduce every pixel exactly, at widths that are learned.

They start at random, with a gate on every unit, and learn a few images by heart: the loss is 0 once all pixels are
right after rounding to 8 bits. In the first part of the steps an open gate has a price, so that units die; no pixel is
exact meanwhile. In the second part it has none, and what is left of the network learns until it is exact, if it can.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.overfit.flags import OverfitFlags
from jaxsize.data import Dataset, as_pixels
from jaxsize.learners import Hparams, Learner, reconstruction
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks import autoencoder
from jaxsize.programs import Batch
from jaxsize.studies import Setup
from jaxsize.sweeps import penalty_sweep

STEPS = 200
"""Steps in an epoch: few images are gone through often between two evaluations."""
PRICED = 0.3
"""Share of the steps in which an open gate has a price."""


def on_a_cosine(learner: Learner, epochs: int, *, priced: int = 0) -> Learner:
    """Let the learning rate of a learner fall to a hundredth on a cosine, after so many epochs that have a price."""

    def schedule(hparams: Hparams, epoch: Any) -> Hparams:
        share = 0.01 + 0.99 * (1 + jnp.cos(math.pi * jnp.maximum(epoch - priced, 0) / (epochs - priced))) / 2
        hparams = hparams.replace(learning_rate=hparams.learning_rate * share)
        if priced:
            hparams = hparams.replace(penalty_weight=hparams.penalty_weight * (epoch < priced))
        return hparams

    return learner._replace(schedule=schedule)


def repeated(dataset: Dataset, rows: int, steps: int, batch_size: int) -> Dataset:
    """Return the first training images, repeated until an epoch over them has so many steps or more."""
    few = as_pixels(dataset, rows=rows)
    index = np.tile(np.arange(rows), math.ceil(steps * batch_size / rows))
    return dataclasses.replace(few, train=few.train.rows(index))


def exact(setup: Setup, rows: int) -> Batch:
    """Make the batch of gated networks that are to reproduce so many images exactly, a run per price and seed."""
    flags: OverfitFlags = setup.flags
    batch_size = max(1, min(flags.batch_size, rows // 4))  # four steps or more per pass: small steps in many directions
    few = repeated(setup.dataset, rows, min(STEPS, flags.exact_steps), batch_size)
    encoder, latent, *decoder = flags.exact_widths
    network = autoencoder((few.num_inputs, encoder), latent, decoder=decoder, gate="liveness")
    fields = setup.fields("exact", rows=rows)
    config = dataclasses.replace(fields["config"], batch_size=batch_size, evaluated_train_rows=rows)
    epochs = max(2, round(flags.exact_steps / config.steps_per_epoch(len(few.train))))
    batch = penalty_sweep(
        few,
        network,
        SparsifierConfig(),
        penalties=flags.penalties,
        num_seeds=flags.num_seeds,
        hparams={"learning_rate": flags.exact_learning_rate, "gate_learning_rate": flags.gate_learning_rate},
        task=reconstruction("rounding"),
        **fields | {"config": config, "num_epochs": epochs, "label": fields["label"] | {"latent": latent}},
    )
    return dataclasses.replace(batch, learner=on_a_cosine(batch.learner, epochs, priced=max(1, int(PRICED * epochs))))
