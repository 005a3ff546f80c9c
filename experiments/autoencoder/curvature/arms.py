"""The curvature of an autoencoder's loss along training, and along compression: what is trained, and how it is judged.

The seed called its Gauss-Newton product inexact, as differences of gradients gave another one (C48, E27). They give the
product with the Hessian; the two matrices agree only where residuals vanish. `spectrum` trains the seed's second
structure by Adam, with a smooth activation and with ReLU, and measures after some epochs how far the two agree.
`compressed` trains the same network with gates on its hidden units, at a price and at none, and measures both spectra
while units die and are removed, of which nobody seems to have published anything. `found widths` are networks of the
widths that were found, trained from scratch; they have gates, too, as curvature depends on how a network is written.

A study joins all that by `SpectraFlags`, `arms`, `cautions`, `followers`, `CHECKS`, `CLAIMS`, `PICTURES`.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.autoencoder.contestants import TASK
from experiments.autoencoder.curvature.claims import CLAIMS as CLAIMS
from experiments.autoencoder.curvature.flags import SpectraFlags as SpectraFlags
from experiments.autoencoder.curvature.pictures import PICTURES as PICTURES
from experiments.autoencoder.curvature.views import AGREEMENT, MEASURED, first_rows, half_squares, network_of
from experiments.autoencoder.grid import grid_structure
from experiments.common.structures import widths_of
from jaxsize.learners import Learner, cannot_close, supervised, with_curvature
from jaxsize.learners.sparsifier import SparsifierConfig, make_learner
from jaxsize.networks import Network
from jaxsize.programs import Batch
from jaxsize.studies import Learned, Setup, before_and_after
from jaxsize.sweeps import penalty_sweep, setting_sweep
from jaxsize.trees import Tree

VECTORS = 4
"""Random vectors of every measure."""


def measured(setup: Setup, learner: Learner, network: Network) -> Learner:
    """Let a learner measure the curvature of half the squared error, which is split at the pixels."""
    images = first_rows(setup.dataset, setup.flags.curvature_rows)

    def pixels(params: Tree, images: Any) -> jax.Array:
        return jax.nn.sigmoid(network.apply(params, images))

    every = min(setup.flags.curvature_every, setup.flags.epochs)
    return with_curvature(learner, pixels, half_squares, images, images, every=every, num_vectors=VECTORS)


def agreement_of(batch: Batch) -> Callable[[Tree], list[jax.Array]]:
    """Make the function that measures a network of a batch as its runs are measured: the columns of `AGREEMENT`."""
    hparams = jax.tree.map(lambda leaf: leaf[0], batch.hparams).replace(key=jax.random.key(0))

    @jax.jit
    def of(params: Tree) -> list[jax.Array]:
        columns = batch.learner.of_epoch(params, hparams, jnp.zeros((), jnp.int32))
        return [columns[name] for name in AGREEMENT]

    return of


CHECKS = (before_and_after(MEASURED, agreement_of, arms="spectrum"),)
"""What is measured of networks before training; rows begin after the first epoch."""


def arms(setup: Setup) -> Iterator[Batch]:
    """Make the batches of both arms: `spectrum` with every activation, `compressed` at a price and at none."""
    flags = setup.flags
    if not flags.curvature:
        return
    structure = grid_structure(flags.structures)
    for activation in flags.curvature_activations:
        network = network_of(setup.dataset, structure, activation, gated=False)
        learner = supervised(network.apply, TASK, lambda hparams: optax.adam(hparams.learning_rate))
        shared = {"learning_rate": flags.curvature_rate, "structure": structure, "activation": activation}
        settings = [{"seed": seed} | shared for seed in range(flags.num_seeds)]
        fields = setup.fields(f"spectrum {activation}")
        fields["label"] = fields["label"] | {"arm": "spectrum"}
        learner = measured(setup, learner, network)
        batch = setting_sweep(setup.dataset, settings, init=network.init, learner=learner, **fields)
        setup = setup.after(batch)
        yield batch
    if len(widths_of(structure)) > 1:  # without hidden layers there are no gates
        yield compressed(setup, structure)


def compressed(setup: Setup, structure: str) -> Batch:
    """Make the batch of gated networks, at a price on every open gate and at none."""
    flags, network = setup.flags, network_of(setup.dataset, structure, "relu", gated=True)
    fields = setup.fields("compressed")
    fields["label"] = fields["label"] | {"structure": structure, "activation": "relu"}
    batch = penalty_sweep(
        setup.dataset,
        network,
        SparsifierConfig(),
        penalties=(0.0, flags.curvature_price),
        num_seeds=flags.num_seeds,
        hparams=dict.fromkeys(("learning_rate", "gate_learning_rate"), flags.curvature_rate),
        task=TASK,
        **fields,
    )
    return dataclasses.replace(batch, learner=measured(setup, batch.learner, network))


def cautions(setup: Setup) -> Iterator[str]:
    """Say that no unit can die in the steps that are planned, for `Study.cautions`."""
    flags, dataset = setup.flags, setup.dataset
    steps = flags.epochs * flags.config(dataset).steps_per_epoch(len(dataset.train))
    cure = "raise --curvature-rate or --epochs"
    if flags.curvature and (problem := cannot_close(steps, flags.curvature_rate, cure=cure)):
        yield f"{dataset.name}: {problem}"


def followers(setup: Setup, learned: Learned) -> Iterator[Batch]:
    """Make the networks of the widths that were found, one per seed, without a price."""
    flags = setup.flags
    batch, trained = learned.get(setup.name("compressed"), (None, None))
    if batch is None or trained is None:
        return
    ends = [row for row in trained.rows if row["epoch"] == batch.num_epochs and row["penalty"]]
    for row in ends:
        live = tuple(row["live_units_per_layer"])
        if row["train_loss"] is None or not min(live):
            continue
        half = len(live) // 2  # the layers of the decoder, then those of the encoder
        widths = {"gated": True, "hidden": (live[half:], live[:half])}
        network = network_of(setup.dataset, row["structure"], "relu", **widths)
        learner = measured(setup, make_learner(network, TASK, SparsifierConfig()), network)
        columns = ("seed", "penalty", "structure", "activation", "parameters", "live_units", "live_units_per_layer")
        rates = dict.fromkeys(("learning_rate", "gate_learning_rate"), flags.curvature_rate)
        settings = [{name: row[name] for name in columns} | rates | {"penalty_weight": 0.0}]
        fields = setup.fields("found widths", seed=row["seed"])
        made = setting_sweep(setup.dataset, settings, init=functools.cache(network.init), learner=learner, **fields)
        setup = setup.after(made)
        yield made
