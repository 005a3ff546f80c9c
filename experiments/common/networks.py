"""Networks between a data set's inputs and outputs, those of compress training, and what is kept of every step.

The source of compress training is seed `003_d2c286111c329776.txt`, the journal, "Evaluate the system with very large
starting sizes" (J16, D10). It is the sparsifier with one to four hidden layers and other initial weights. Dead units
are removed after epochs where that pays, the penalty may fall from epoch to epoch, and the network of the best
validation epoch is the result.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxsize.data import Dataset
from jaxsize.networks import Network, mlp


def mlps(dataset: Dataset, **options: Any) -> Callable[[Sequence[int]], Network]:
    """Return a function that makes the `mlp` of some hidden widths for a data set, with these options of `mlp`."""
    return lambda hidden: mlp((dataset.num_inputs, *hidden, dataset.num_outputs), **options)


def compress_networks(dataset: Dataset, *, gated: bool = True) -> Callable[[Sequence[int]], Network]:
    """Return a function of hidden widths that makes an `mlp` with He-uniform weights and N(0, 1) biases.

    The journal applies the gate before relu, `mlp` after it; both are the same function, as a relu gate is nonnegative.
    """
    return mlps(dataset, gate="liveness" if gated else None, initializer="he_uniform", bias="normal")


def step_histories(num_layers: int) -> dict[str, Callable[[Any], np.ndarray]]:
    """Return the histories of every step that the journal recorded, for `Batch.histories`.

    They are the loss of the batch without (`loss`) and with the penalty (`objective`), its `score`, and the live units,
    of all layers together and of each.
    """

    def of_layer(layer: int) -> Callable[[Any], np.ndarray]:
        return lambda history: history["observed"][:, layer]

    recorded = {name: lambda history, name=name: history[name] for name in ("loss", "objective", "score")}
    layers = {f"live_units_{layer}": of_layer(layer) for layer in range(num_layers)}
    return {**recorded, "live_units": lambda history: history["observed"].sum(-1), **layers}
