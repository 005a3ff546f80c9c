"""Batches of networks without gates, in which every run has its own settings.

These are its seed, the scale of its inputs and, layer by layer, the scale of the first weights, the learning rate and
the weight decay. All are traced, so that any list of settings is one program.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.leaf_rates import layers_of
from jaxsize.learners.plain import PlainConfig, make_learner
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.counts import num_mlp_parameters
from jaxsize.networks.initializers import BiasInitializer
from jaxsize.networks.mlp import mlp
from jaxsize.programs.batch import Batch
from jaxsize.sweeps._grid import column, numbered
from jaxsize.trees import Tree, named_leaves, with_leaves

DEFAULTS: dict[str, Any] = {
    "input_scale": 1.0,
    "init_scales": 1.0,
    "learning_rates": 0.02,
    "weight_decays": 0.0,
}
"""The values of settings that are not given. The last three settings are numbers, or lists with one per layer, hidden
layers first. All settings are columns of every row."""


def layer_rate_sweep(
    dataset: Dataset,
    hidden: Sequence[int],
    plain: PlainConfig,
    settings: Sequence[Mapping[str, Any]],
    *,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    bias: BiasInitializer | None = None,
    task: Task | None = None,
    **batch: Any,
) -> Batch:
    """Make one batch of runs, one per setting.

    Args:
        dataset: the data set to train on.
        hidden: units of each hidden layer, one layer or more.
        plain: how weights are moved.
        settings: for every run its `seed`, any of `DEFAULTS`, and any further columns of its rows. `init_scales`
            multiply a layer's first weights, not its bias.
        name: name of the batch, used as a file name.
        label: columns that all rows share; `run` and the settings are added.
        first_run: number of the first run.
        bias: how biases are drawn; None: networks without.
        task: the losses and scores; by default those of the data set's task.
        batch: further fields of `Batch`.

    Raises:
        InputError: when there is no hidden layer, one has fewer than 2 units, a list of numbers does not have one per
            layer, a number is not 0 and has no normal float32, or an `input_scale` is not finite and above 0.

    Example:
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.plain import PlainConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import layer_rate_sweep
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> settings = [{"seed": 0, "learning_rates": [0.5, 0.25]}, {"seed": 0, "learning_rates": 0.125}]
        >>> names = {"name": "rates", "label": {}, "first_run": 10}
        >>> batch = layer_rate_sweep(dataset, [8], PlainConfig(), settings, **names, config=Config(), num_epochs=1)
        >>> [label["run"] for label in batch.labels], batch.hparams.learning_rate["output"].tolist()
        ([10, 11], [0.25, 0.125])
    """
    if not hidden or min(hidden) < 2:  # the share of dead units is one of groups, and a single unit is no group
        raise InputError(f"expected one hidden layer or more, of 2 units or more, got {list(hidden)}", field="hidden")
    runs = [_checked({**DEFAULTS, **setting}, len(hidden) + 1) for setting in settings]
    widths = (dataset.num_inputs, *hidden, dataset.num_outputs)
    network = mlp(widths, gate=None, bias=bias)
    drawn = functools.cache(network.init)  # settings share the networks of their seeds
    layers = layers_of(drawn(runs[0]["seed"])) if runs else []

    def init(index: int) -> Tree:
        run = runs[index]
        leaves = named_leaves(drawn(run["seed"]))
        for layer, factor in zip(layers, run["init_scales"], strict=True):
            leaves[f"{layer}.kernel"] = leaves[f"{layer}.kernel"] * np.float32(factor)
        scale = np.array(run["input_scale"], np.float32)
        return with_leaves(drawn(run["seed"]), leaves) | {"inputs": {"scale": scale}}

    def by_layer(key: str) -> Tree:
        return dict(zip(layers, column(runs, key).T, strict=True))

    more: dict[str, Any] = {"histories": histories(len(hidden)), **batch}
    return Batch(
        name=name,
        labels=numbered(label, runs, first_run),
        init=init,
        num_parameters=num_mlp_parameters(widths),
        hparams={"learning_rate": by_layer("learning_rates"), "weight_decay": by_layer("weight_decays")},
        learner=make_learner(network, task or task_of(dataset), plain),
        dataset=dataset,
        columns=lambda before, after: {},
        shrinking=None,
        **more,
    )


def _checked(run: dict[str, Any], num_layers: int) -> dict[str, Any]:
    """Check a setting, and give it a number for every layer."""
    checked = dict(run)
    for key in ("init_scales", "learning_rates", "weight_decays"):
        values = run[key] if isinstance(run[key], Sequence) else [run[key]] * num_layers
        if len(values) != num_layers or not all(map(_is_normal, values)):
            raise InputError(
                f"expected {num_layers} numbers with a normal float32, a layer each, got {run[key]}", field=key
            )
        checked[key] = [float(value) for value in values]
    if not (math.isfinite(run["input_scale"]) and run["input_scale"] > 0):
        raise InputError(f"expected a finite number above 0, got {run['input_scale']}", field="input_scale")
    return checked


def _is_normal(value: float) -> bool:
    """Tell whether a number is 0, or neither too large for float32 nor so small that it loses digits or becomes 0."""
    return value == 0 or bool(np.finfo(np.float32).tiny <= abs(value) <= np.finfo(np.float32).max)


def histories(num_hidden: int) -> dict[str, Callable[[Tree], np.ndarray]]:
    """Make the functions that read off an epoch's history what is kept of every step, for `Batch.histories`.

    All is as it was before the step: `loss`, `zero_outputs` (1 if all outputs are 0), `dead_share_N` (the share of dead
    units of hidden layer N) and `gradient_norm_N` (the norm of the gradient of layer N; the output layer is the last).
    """
    readers: dict[str, Callable[[Tree], np.ndarray]] = {
        "loss": lambda history: history["loss"],
        "zero_outputs": lambda history: history["zero_outputs"],
    }
    for layer in range(num_hidden):
        readers[f"dead_share_{layer}"] = lambda history, layer=layer: history["dead_share"][:, layer]
    for layer in range(num_hidden + 1):
        readers[f"gradient_norm_{layer}"] = lambda history, layer=layer: history["gradient_norm"][:, layer]
    return readers
