"""Batches of networks without gates, in which every run has its own settings.

These are its seed, the scale of its inputs and, layer by layer, the scale of the first weights, the learning rate and
the weight decay. All are traced, so that any list of settings is one program.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.leaf_rates import layers_of
from jaxsize.learners.plain import PlainConfig, make_learner
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.programs.batch import Batch
from jaxsize.sweeps._grid import column, numbered
from jaxsize.trees import Tree, named_leaves, owner_of, with_leaves
from jaxsize.units.activations import activations

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
    network: Network,
    plain: PlainConfig,
    settings: Sequence[Mapping[str, Any]],
    *,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    task: Task | None = None,
    **batch: Any,
) -> Batch:
    """Make one batch of runs, one per setting.

    Args:
        dataset: the data set to train on.
        network: any network without gates. Its layers are the dicts of its parameters that hold arrays, in the order of
            `leaf_rates.layers_of`.
        plain: how weights are moved.
        settings: for every run its `seed`, any of `DEFAULTS`, and any further columns of its rows. `init_scales`
            multiply a layer's first weights, which are its arrays with two axes or more, not its bias.
        name: name of the batch, used as a file name.
        label: columns that all rows share; `run` and the settings are added.
        first_run: number of the first run.
        task: the losses and scores; by default those of the data set's task.
        batch: further fields of `Batch`.

    Raises:
        InputError: when a list of numbers does not have one per layer, a number is not 0 and has no normal float32, or
            an `input_scale` is not finite and above 0.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.plain import PlainConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import layer_rate_sweep
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> settings = [{"seed": 0, "learning_rates": [0.5, 0.25]}, {"seed": 0, "learning_rates": 0.125}]
        >>> names = {"name": "rates", "label": {}, "first_run": 10}
        >>> names |= {"config": Config(), "num_epochs": 1}
        >>> batch = layer_rate_sweep(dataset, mlp((3, 8, 3), gate=None), PlainConfig(), settings, **names)
        >>> [label["run"] for label in batch.labels], batch.hparams.learning_rate["output"].tolist()
        ([10, 11], [0.25, 0.125])
    """
    layers = layers_of(shapes := network.shapes())
    runs = [_checked({**DEFAULTS, **setting}, len(layers)) for setting in settings]
    drawn = functools.cache(network.init)  # settings share the networks of their seeds
    groups = jax.eval_shape(functools.partial(activations, network.apply), shapes, dataset.network_inputs(1))

    def init(index: int) -> Tree:
        run = runs[index]
        leaves, factors = named_leaves(drawn(run["seed"])), dict(zip(layers, run["init_scales"], strict=True))
        for name, leaf in leaves.items():
            if leaf.ndim > 1:
                leaves[name] = leaf * np.float32(factors[owner_of(name)])
        scale = np.array(run["input_scale"], np.float32)
        return with_leaves(drawn(run["seed"]), leaves) | {"inputs": {"scale": scale}}

    def by_layer(key: str) -> Tree:
        return dict(zip(layers, column(runs, key).T, strict=True))

    more: dict[str, Any] = {"histories": histories(len(groups), len(layers)), **batch}
    return Batch(
        name=name,
        labels=numbered(label, runs, first_run),
        init=init,
        num_parameters=sum(leaf.size for leaf in jax.tree.leaves(shapes)),
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


def histories(num_groups: int, num_layers: int) -> dict[str, Callable[[Tree], np.ndarray]]:
    """Make the functions that read off an epoch's history what is kept of every step, for `Batch.histories`.

    All is as it was before the step: `loss`, `zero_outputs` (1 if all outputs are 0), `dead_share_N` (the share of dead
    units of unit group N, which is hidden layer N of an `mlp`) and `gradient_norm_N` (the norm of the gradient of layer
    N).
    """
    readers: dict[str, Callable[[Tree], np.ndarray]] = {
        "loss": lambda history: history["loss"],
        "zero_outputs": lambda history: history["zero_outputs"],
    }
    for group in range(num_groups):
        readers[f"dead_share_{group}"] = lambda history, group=group: history["dead_share"][:, group]
    for layer in range(num_layers):
        readers[f"gradient_norm_{layer}"] = lambda history, layer=layer: history["gradient_norm"][:, layer]
    return readers
