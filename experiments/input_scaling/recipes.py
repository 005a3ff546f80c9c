"""The recipes R0 to R8 for training on inputs times c (S1), as numbers, and how far their first steps move the outputs.

R1 to R7 are what the author of seed `001_b29bdd91c7bd24d8.txt`, the asker, tried; R6b and R7b are other readings of
that text. What each is for unscaled inputs, and what is predicted of its first step, is derived in D11.
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special

from jaxsize.errors import InputError
from jaxsize.programs import Batch, row_order


class Recipe(NamedTuple):
    """A way to train on inputs times c: the powers of c that the unscaled network's settings are multiplied by."""

    what: str
    """The recipe in words."""
    a1: float = 0
    a2: float = 0
    """Powers of the initial weights of both layers."""
    r1: float = 0
    r2: float = 0
    """Powers of their learning rates."""
    d1: float = 0
    """Power of the weight decay of layer 1; layer 2 keeps its decay."""


RECIPES = {
    "R0": Recipe("inputs as they are"),
    "R1": Recipe("inputs x c only"),
    "R2": Recipe("both rates / c", r1=-1, r2=-1),
    "R3": Recipe("both rates and inits / c", a1=-1, a2=-1, r1=-1, r2=-1),
    "R4": Recipe("first init / c", a1=-1),
    "R5": Recipe("first init / c, both rates / c", a1=-1, r1=-1, r2=-1),
    "R6": Recipe("first init / c, first rate / c", a1=-1, r1=-1),
    "R6b": Recipe("first rate / c", r1=-1),
    "R7": Recipe("first init / c, both rates / c^2", a1=-1, r1=-2, r2=-2),
    "R7b": Recipe("both rates / c^2", r1=-2, r2=-2),
    "R8": Recipe("first init / c, rate / c^2, decay x c^2", a1=-1, r1=-2, d1=2),
}
UNSCALED = "R0"
"""The recipe that is always trained at c = 1."""
SWEPT = ("R1", "R2", "R8")
"""The recipes that are trained at further scales."""


def setting_of(name: str, c: float, learning_rate: float, weight_decay: float) -> dict[str, Any]:
    """Return a recipe as a setting of `layer_rate_sweep`.

    Args:
        name: a key of `RECIPES`.
        c: the factor of the inputs.
        learning_rate: of the unscaled network.
        weight_decay: of the unscaled network.

    Raises:
        InputError: when R0 is asked for at a scale other than 1.
    """
    if name == UNSCALED and c != 1:
        raise InputError(f"R0: expected scale 1, got {c}")
    a1, a2, r1, r2, d1 = (c**power for power in RECIPES[name][1:])
    return {
        "arm": name,
        "input_scale": c,
        "init_scales": [a1, a2],
        "learning_rates": [learning_rate * r1, learning_rate * r2],
        "weight_decays": [weight_decay * d1, weight_decay],
    }


def predicted_changes(name: str, c: float) -> tuple[float, float]:
    """Predict how many times as far as in R0 the first step of layer 1, and of layer 2, moves the outputs.

    At the same error signal, that is the factor of the rate times the square of what multiplies the gradient: the scale
    of the inputs and the weights of the other layer.
    """
    a1, a2, r1, r2, _ = (c**power for power in RECIPES[name][1:])
    return c**2 * r1 * a2**2, c**2 * r2 * a1**2


def first_steps_of(
    kernels: list[np.ndarray],
    rates: list[float],
    decays: list[float],
    inputs: np.ndarray,
    targets: np.ndarray,
    error: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure the first step of each layer of a network with one hidden layer and no biases, on one batch.

    Args:
        kernels: the weights of both layers, [D, U] and [U, O].
        rates: the learning rate of each layer.
        decays: the weight decay (L2) of each layer.
        inputs: [B, D] as the network reads them, scale included.
        targets: classes, integer [B].
        error: the error for the first-order result, [B, O]. Default: the network's own.

    Returns:
        The network's own error, which is the gradient of the mean loss by the outputs, [B, O]; and the norms of the
        change of all outputs when layer 1, or layer 2, alone takes its first step, [2]: to first order and without
        decay, and as they are.
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
    by_first, by_second = gradients(own if error is None else error)
    linear = (inputs @ by_first * (hidden > 0)) @ second * rates[0], hidden @ by_second * rates[1]
    moved = np.maximum(inputs @ (first - steps[0]), 0) @ second - outputs, -hidden @ steps[1]
    first_order, measured = (np.array([np.linalg.norm(change) for change in both]) for both in (linear, moved))
    return own, first_order, measured


def first_steps(batch: Batch) -> list[dict[str, Any]]:
    """Compare the first step of each layer under every recipe with that under R0; medians over seeds.

    The measurement is in float64, because some steps are too short for float32 to show.

    Args:
        batch: the recipes at the rates of the source, with an R0 for every seed.

    Returns:
        A row per recipe, scale and layer: the change of the outputs of the first batch by the layer's first step, as a
        multiple of R0's. It is predicted by a formula, computed to first order at R0's error, and measured.
    """
    dataset = batch.dataset

    @functools.cache
    def first_batch(seed: int) -> tuple[np.ndarray, np.ndarray]:
        order = np.asarray(row_order(jnp.uint32(seed), jnp.int32(0), len(dataset.train)))
        rows = dataset.train.rows(order[: batch.config.batch_size])
        return rows.inputs.astype(np.float64) * dataset.input_scale + dataset.input_shift, rows.targets

    def of(index: int, error: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        label, params = batch.labels[index], batch.init(index)
        kernels = [leaf.astype(np.float64) for leaf in jax.tree.leaves(params) if leaf.ndim == 2]  # no biases here
        rates, decays = (np.float32(label[key]).astype(float).tolist() for key in ("learning_rates", "weight_decays"))
        inputs, targets = first_batch(label["seed"])
        return first_steps_of(kernels, rates, decays, label["input_scale"] * inputs, targets, error)

    references = {label["seed"]: of(n) for n, label in enumerate(batch.labels) if label["arm"] == UNSCALED}
    ratios: dict[tuple[str, float], list[np.ndarray]] = {}
    for index, label in enumerate(batch.labels):
        reference = references[label["seed"]]
        both = np.divide(of(index, reference[0])[1:], reference[1:])
        ratios.setdefault((label["arm"], label["input_scale"]), []).append(both)
    rows = []
    for (recipe, scale), of_seeds in ratios.items():
        for layer, predicted in enumerate(predicted_changes(recipe, scale)):
            first_order, measured = np.median(of_seeds, axis=0)[:, layer].tolist()
            row = {"dataset": dataset.name, "arm": recipe, "scale": scale, "layer": layer + 1}
            rows.append(row | {"predicted": predicted, "first_order": first_order, "measured": measured})
    return rows
