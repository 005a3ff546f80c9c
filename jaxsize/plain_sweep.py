"""Batches of networks without gates: every run with its own seed, scale of inputs and, layer by layer, scale of the
first weights, learning rate and weight decay. All are traced, so any list of settings is one program."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsize.batches import Batch, task_of
from jaxsize.datasets import Dataset
from jaxsize.initializers import BiasInitializer
from jaxsize.networks import mlp, num_mlp_parameters
from jaxsize.plain import PlainConfig, make_learner
from jaxsize.training import Hparams

Tree = Any
DEFAULTS: dict[str, Any] = {
    "input_scale": 1.0,
    "init_scales": 1.0,
    "learning_rates": 0.02,
    "weight_decays": 0.0,
}
"""What a setting is where it is not given. The last three are numbers, or one per layer, hidden ones first. Columns of
every row."""


def plain_batch(
    dataset: Dataset,
    hidden: Sequence[int],
    plain: PlainConfig,
    settings: Sequence[Mapping[str, Any]],
    *,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    bias: BiasInitializer | None = None,
    **batch: Any,
) -> Batch:
    """One batch of runs, one per setting: `seed`, what is in `DEFAULTS`, and any further columns of its rows.

    hidden: units of each hidden layer, one layer or more. init_scales multiply a layer's first weights, not its bias.
    batch: further fields of `Batch`. ValueError for numbers that are too few or have no normal float32.
    """
    if not hidden:
        raise ValueError("hidden: expected one hidden layer or more, got none")
    runs = [_checked({**DEFAULTS, **setting}, len(hidden) + 1) for setting in settings]
    widths = (dataset.num_inputs, *hidden, dataset.num_outputs)
    drawn = functools.cache(mlp(widths, gate=None, bias=bias).init)  # settings share the networks of their seeds

    def init(index: int) -> Tree:
        run = runs[index]
        params = drawn(run["seed"])
        layers = [
            layer | {"kernel": layer["kernel"] * np.float32(factor)}
            for layer, factor in zip((*params["hidden"], params["output"]), run["init_scales"], strict=True)
        ]
        return {
            "inputs": {"scale": np.array(run["input_scale"], np.float32)},
            "hidden": layers[:-1],
            "output": layers[-1],
        }

    def by_layer(key: str) -> Tree:
        columns = [np.array(column, np.float32) for column in zip(*(run[key] for run in runs), strict=True)]
        return {"hidden": columns[:-1], "output": columns[-1]}

    more: dict[str, Any] = {"histories": histories(len(hidden)), **batch}
    return Batch(
        name=name,
        labels=[{**label, "run": first_run + index, **run} for index, run in enumerate(runs)],
        init=init,
        num_parameters=num_mlp_parameters(widths),
        hparams=Hparams(learning_rate=by_layer("learning_rates"), weight_decay=by_layer("weight_decays")),
        learner=make_learner(task_of(dataset), plain),
        dataset=dataset,
        columns=lambda before, after: {},
        shrinking=None,
        **more,
    )


def _checked(run: dict[str, Any], num_layers: int) -> dict[str, Any]:
    """The setting with a number for every layer."""
    found = dict(run)
    for key in ("init_scales", "learning_rates", "weight_decays"):
        values = run[key] if isinstance(run[key], Sequence) else [run[key]] * num_layers
        if len(values) != num_layers or not all(map(_is_normal, values)):
            raise ValueError(
                f"{key}: expected {num_layers} numbers with a normal float32, a layer each, got {run[key]}"
            )
        found[key] = [float(value) for value in values]
    if not (math.isfinite(run["input_scale"]) and run["input_scale"] > 0):
        raise ValueError(f"input_scale: expected a finite number above 0, got {run['input_scale']}")
    return found


def _is_normal(value: float) -> bool:
    """Neither too large for float32 nor so small that it loses digits or is taken for 0."""
    return value == 0 or bool(np.finfo(np.float32).tiny <= abs(value) <= np.finfo(np.float32).max)


def histories(num_hidden: int) -> dict[str, Callable[[Tree], np.ndarray]]:
    """What is kept of every step, all before it: the loss, whether all outputs are 0, the share of dead units of every
    hidden layer and the norm of every layer's gradient."""
    found: dict[str, Callable[[Tree], np.ndarray]] = {
        "loss": lambda history: history["loss"],
        "zero_outputs": lambda history: history["zero_outputs"],
    }
    for layer in range(num_hidden):
        found[f"dead_share_{layer}"] = lambda history, layer=layer: history["dead_share"][:, layer]
    for layer in range(num_hidden + 1):
        found[f"gradient_norm_{layer}"] = lambda history, layer=layer: history["gradient_norm"][:, layer]
    return found
