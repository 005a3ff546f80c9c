"""How far the first step of one layer moves the outputs, measured on the first batch of the runs themselves.

The measurement is in float64, because some steps are too short for float32 to show.
"""

import functools
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import scipy.special

from experiments.input_scaling.recipes import UNSCALED, predicted_changes
from jaxsize.learners.leaf_rates import layers_of
from jaxsize.programs import Batch, row_order, unstack
from jaxsize.trees import named_leaves


class FirstSteps(NamedTuple):
    """The first steps of a network with one hidden layer and no biases, on one batch."""

    error: np.ndarray
    """Gradient of the mean loss by the outputs, [B, O]."""
    measured: np.ndarray
    """Norm of the change of all outputs when layer 1, or layer 2, alone takes its first step, [2]."""
    first_order: np.ndarray
    """The same norms to first order and without decay, [2], at the error that was given."""


def first_steps_of(
    kernels: list[np.ndarray],
    rates: list[float],
    decays: list[float],
    inputs: np.ndarray,
    targets: np.ndarray,
    error: np.ndarray | None = None,
) -> FirstSteps:
    """Measure the first step of each layer of a network on one batch.

    Args:
        kernels: the weights of both layers, [D, U] and [U, O].
        rates: the learning rate of each layer.
        decays: the weight decay (L2) of each layer.
        inputs: [B, D] as the network reads them, scale included.
        targets: classes, integer [B].
        error: the error for the first-order result, [B, O]. Default: the network's own.
    """
    first, second = kernels
    hidden = np.maximum(inputs @ first, 0)
    outputs = hidden @ second
    own = (scipy.special.softmax(outputs, axis=1) - np.eye(outputs.shape[1])[targets]) / len(outputs)

    def gradients(error: np.ndarray) -> list[np.ndarray]:
        return [inputs.T @ (error @ second.T * (hidden > 0)), hidden.T @ error]

    steps = [
        rate * (gradient + decay * kernel)
        for rate, gradient, decay, kernel in zip(rates, gradients(own), decays, kernels, strict=True)
    ]
    moved = [np.maximum(inputs @ (first - steps[0]), 0) @ second - outputs, -hidden @ steps[1]]
    by_first, by_second = gradients(own if error is None else error)
    linear = [(inputs @ by_first * (hidden > 0)) @ second * rates[0], hidden @ by_second * rates[1]]
    return FirstSteps(own, *(np.array([np.linalg.norm(change) for change in both]) for both in (moved, linear)))


def first_steps(batch: Batch) -> list[dict[str, Any]]:
    """Compare the first step of each layer under every recipe with that under R0; medians over seeds.

    Args:
        batch: the recipes at the rates of the source, with an R0 for every seed.

    Returns:
        A row per recipe, scale and layer: the change of the outputs of the first batch by the layer's first step, as a
        multiple of R0's. It is predicted by a formula, computed to first order at R0's error, and measured.
    """
    dataset, size = batch.dataset, batch.config.batch_size

    @functools.cache
    def first_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.asarray(row_order(jnp.uint32(seed), jnp.int32(0), len(dataset.train)))[:size]
        inputs = dataset.train.inputs[index].astype(np.float64) * dataset.input_scale + dataset.input_shift
        return inputs, dataset.train.targets[index]

    def of(index: int, error: np.ndarray | None = None) -> FirstSteps:
        label, params, hparams = batch.labels[index], batch.init(index), unstack(batch.hparams, index)
        inputs, targets = first_batch(label["seed"])
        layers, leaves = layers_of(params), named_leaves(params)
        kernels = [leaves[f"{layer}.kernel"].astype(np.float64) for layer in layers]
        rates, decays = (
            [float(of_layer[layer]) for layer in layers] for of_layer in (hparams.learning_rate, hparams.weight_decay)
        )
        return first_steps_of(kernels, rates, decays, label["input_scale"] * inputs, targets, error)

    references = {label["seed"]: of(n) for n, label in enumerate(batch.labels) if label["arm"] == UNSCALED}
    ratios: dict[tuple[str, float], list[np.ndarray]] = {}
    for index, label in enumerate(batch.labels):
        reference = references[label["seed"]]
        scaled = of(index, reference.error)
        both = np.stack([scaled.first_order / reference.first_order, scaled.measured / reference.measured])
        ratios.setdefault((label["arm"], label["input_scale"]), []).append(both)
    rows = []
    for (recipe, scale), of_seeds in ratios.items():
        for layer, predicted in enumerate(predicted_changes(recipe, scale)):
            first_order, measured = np.median(of_seeds, axis=0)[:, layer].tolist()
            row = {"dataset": dataset.name, "arm": recipe, "scale": scale, "layer": layer + 1}
            rows.append(row | {"predicted": predicted, "first_order": first_order, "measured": measured})
    return rows
