"""Who is compared: the networks of the seed, each trained by each optimiser, as batches of runs."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax

from experiments.autoencoder.flags import AutoencoderFlags
from experiments.common.structures import widths_of
from jaxsize.curvature import hessian_free
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.gates import relu
from jaxsize.learners import Hparams, Learner, mean_over_rows, reconstruction, supervised
from jaxsize.networks import Network, autoencoder
from jaxsize.programs import Batch
from jaxsize.studies import Setup
from jaxsize.sweeps import setting_sweep

TASK = reconstruction("squared_error")
HESSIAN_FREE = "Hessian-free"
ACTIVATIONS: Mapping[str, Callable] = {"relu": relu, "leaky_relu": jax.nn.leaky_relu}  # whose slope is .01


def network_of(flags: AutoencoderFlags, dataset: Dataset, structure: str) -> Network:
    """Make the network of a structure such as "400-200-2": the centre linear, no biases in the last layer.

    Args:
        flags: their activation is read.
        dataset: its images give the number of inputs.
        structure: widths from the images to the latent units.
    """
    *hidden, latent = widths_of(structure)
    return autoencoder(
        (dataset.num_inputs, *hidden),
        latent,
        activation=ACTIVATIONS[flags.activation],
        activate_decoder=True,
        output_bias=False,
    )


def tuned_setting(optimizer: str) -> str:
    """Name the setting that is tuned for an optimiser, which is a column of the rows."""
    return "damping" if optimizer == HESSIAN_FREE else "learning_rate"


def tried_settings(flags: AutoencoderFlags, optimizer: str) -> tuple[float, ...]:
    """Return the values of that setting that are tried first."""
    return {"SGD": flags.sgd_rates, HESSIAN_FREE: flags.dampings}.get(optimizer, flags.rates)


def learner_of(flags: AutoencoderFlags, network: Network, optimizer: str, damping: float = 1.0) -> Learner:
    """Make the learner that trains a network by an optimiser.

    Args:
        flags: the momentum of SGD is read.
        network: an autoencoder.
        optimizer: its name.
        damping: of Hessian-free before the first step. It is no setting of a run, as the others' rates are.
    """
    makers: dict[str, Callable[[Hparams], optax.GradientTransformation]] = {
        "SGD": lambda hparams: optax.sgd(hparams.learning_rate, flags.momentum or None),
        "RMSprop": lambda hparams: optax.rmsprop(hparams.learning_rate),
        "Adam": lambda hparams: optax.adam(hparams.learning_rate),
        HESSIAN_FREE: lambda hparams: hessian_free(damping=damping),
    }
    learner = supervised(network.apply, TASK, makers[optimizer])
    return learner._replace(update_args=_gauss_newton(network)) if optimizer == HESSIAN_FREE else learner


def _gauss_newton(network: Network) -> Callable[..., dict[str, Any]]:
    """Split the loss at the pixels, where its Hessian is the identity; at the logits it may be indefinite."""

    def update_args(inputs: jax.Array, targets: jax.Array, weights: jax.Array, hparams: Hparams) -> dict[str, Any]:
        return {
            "model_fn": lambda params: jax.nn.sigmoid(network.apply(params, inputs)),
            "loss_fn": lambda pixels: mean_over_rows(jnp.sum((pixels - targets) ** 2, axis=1) / 2, weights),
        }

    return update_args


def batch_of(
    setup: Setup,
    arm: str,
    structure: str,
    optimizer: str,
    values: Iterable[float],
    num_seeds: int,
    *,
    batch_size: int | None = None,
) -> Batch:
    """Make the batch of one structure trained by one optimiser, with every value of its setting and every seed.

    Args:
        setup: the data set and the flags.
        arm: the name of the arm.
        structure: widths from the images to the latent units.
        optimizer: its name.
        values: of the setting that is tuned; of Hessian-free one, as no two dampings share a program.
        num_seeds: seeds of every value.
        batch_size: rows per step; by default those that the flags give the optimiser.

    Raises:
        InputError: when the data set has fewer rows than a batch.
    """
    flags, dataset, values = setup.flags, setup.dataset, tuple(values)
    own = optimizer == HESSIAN_FREE
    field = "hessian_free_batch_size" if own else "batch_size" if batch_size is None else "grid_batch_sizes"
    rows = batch_size or getattr(flags, field)
    if rows > len(dataset.train):
        raise InputError(f"{dataset.name} has {len(dataset.train)} training rows, got {rows}", field=field)
    network = network_of(flags, dataset, structure)
    learner = learner_of(flags, network, optimizer, values[0])
    tuned = tuned_setting(optimizer)
    shared = {"structure": structure, "batch_size": rows}
    settings = [{"seed": seed, tuned: value} | shared for value in values for seed in range(num_seeds)]
    name = f"{arm} {structure} {rows} {' '.join(f'{value:g}' for value in values)}"
    fields = setup.fields(name)
    fields["label"] = fields["label"] | {"arm": arm}
    fields["config"] = dataclasses.replace(fields["config"], batch_size=rows)
    fields["num_epochs"] = flags.hessian_free_epochs if own else flags.epochs
    return setting_sweep(dataset, settings, init=network.init, learner=learner, **fields)
