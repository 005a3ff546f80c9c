"""Compress training: start far too large, and let a price on every unit find the size while training goes on.

The source is seed `003_d2c286111c329776.txt`, "Evaluate the system with very large starting sizes" (REFERENCE J16,
D10). It is the sparsifier with one to four hidden layers, from other initial weights, with dead units removed after
epochs where that pays, a penalty that may fall from epoch to epoch, and the network of the best validation epoch as the
result.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxsize.datasets import Dataset, Split
from jaxsize.networks import Network, mlp

START_WIDTHS = {
    "journal": {1: 10_000, 2: 6_000, 3: 4_000, 4: 2_500},
    "laptop": {1: 1_000, 2: 600, 3: 400, 4: 250},
    "smoke": {1: 24, 2: 16, 3: 12, 4: 8},
}
"""Units of every hidden layer before training, by the number of hidden layers."""

BATCH_SIZES = {"add10": 100, "airfoil": 50, "airfoil_iid": 50, "poker": 1000, "digits": 32, "teacher": 32}
"""Rows per step, 128 for other data sets."""

_FACTORS = {"add10": 1e4, "airfoil": 1e4, "airfoil_iid": 1e4, "poker": 0.1}
_SUMMED = ("add10", "airfoil", "airfoil_iid")


def penalty_scale(dataset: Dataset, batch_size: int) -> float:
    """What turns a penalty, comparable between data sets, into the factor of open gates in a mean loss.

    The journal multiplies its penalties by 1e4 for regression, where it sums the loss over a batch instead of averaging
    it, and by .1 for poker. A loss of standardised targets is smaller by their variance, and its penalty as well.
    """
    rows = batch_size if dataset.name in _SUMMED else 1
    return _FACTORS.get(dataset.name, 1.0) / rows / dataset.info.get("target_std", 1.0) ** 2


def compress_network(widths: Sequence[int], *, gated: bool = True) -> Network:
    """An `mlp` of `widths` = (inputs, hidden ..., outputs) with He-uniform weights and N(0, 1) biases.

    The journal's order linear, gate, relu is the same function as `mlp`'s, a relu gate being nonnegative.
    """
    return mlp(widths, gate="liveness" if gated else None, initializer="he_uniform", bias="normal")


def hold_out_batches(dataset: Dataset, batch_size: int, *, share: float = 0.1, seed: int = 0) -> Dataset:
    """The journal's validation rows: batches are formed once, and the last tenth of them validates.

    dataset: one without validation rows. Its training rows come back in whole batches, to be trained in any order of
    batches (`Config.shuffle="batches"`). ValueError if there are too few rows for a batch of each.
    """
    rows = len(dataset.train)
    kept = int((1 - share) * -(-rows // batch_size)) * batch_size
    if dataset.validation is not None or not 0 < kept < rows:
        raise ValueError(
            f"{dataset.name}: expected rows for batches of {batch_size} to train and to validate, got {rows}"
        )
    order = np.random.default_rng(seed).permutation(rows)

    def split(index: np.ndarray) -> Split:
        train = dataset.train
        clean = None if train.clean_targets is None else train.clean_targets[index]
        return Split(train.inputs[index], train.targets[index], clean)

    info = dataset.info | {"validation": f"the last {rows - kept} of {rows} rows in a random order"}
    return dataclasses.replace(dataset, train=split(order[:kept]), validation=split(order[kept:]), info=info)


def step_histories(num_layers: int) -> dict[str, Callable[[Any], np.ndarray]]:
    """What the journal recorded of every step, for `Batch.histories`: the loss of the batch without and with the
    penalty, its score, and the live units, of all layers and of each."""

    def of_layer(layer: int) -> Callable[[Any], np.ndarray]:
        return lambda history: history["observed"][:, layer]

    recorded = {name: lambda history, name=name: history[name] for name in ("loss", "objective", "score")}
    layers = {f"live_units_{layer}": of_layer(layer) for layer in range(num_layers)}
    return {**recorded, "live_units": lambda history: history["observed"].sum(-1), **layers}
