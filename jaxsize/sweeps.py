"""Batches that sweep penalties over seeds, for networks that are `mlp`s, and the networks they end with."""

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.batches import HISTORIES, Batch, task_of
from jaxsize.datasets import Dataset
from jaxsize.export import save_network
from jaxsize.networks import Network, mlp_sizes, num_mlp_parameters
from jaxsize.sparsifier import SparsifierConfig, make_columns, make_total, make_learner
from jaxsize.study import Trained
from jaxsize.training import Hparams


def penalty_sweep(
    dataset: Dataset,
    network: Network,
    hidden: Sequence[int],
    sparsifier: SparsifierConfig,
    *,
    name: str,
    label: Mapping[str, Any],
    penalties: Sequence[float],
    num_seeds: int,
    first_run: int,
    hparams: Mapping[str, float],
    penalty_scale: float = 1.0,
    gate_inputs: bool = False,
    **batch: Any,
) -> Batch:
    """Every penalty with every seed, in this order, from the same start: an `mlp` with these hidden widths, all gated.

    label: columns that all its rows share; `run` (from first_run on), `seed` and `penalty` are added. Multiplied by
    penalty_scale, a penalty becomes the penalty weight. batch: further fields of `Batch`.
    """
    settings = [(penalty, seed) for penalty in penalties for seed in range(num_seeds)]
    labels = [
        {**label, "run": first_run + index, "seed": seed, "penalty": penalty}
        for index, (penalty, seed) in enumerate(settings)
    ]
    gates = [*(f"hidden.{layer}" for layer in range(len(hidden))), *(["inputs"] if gate_inputs else [])]
    more: dict[str, Any] = {"histories": histories_of(gates), **batch}
    init = functools.cache(network.init)  # penalties share the networks of their seeds
    weights = np.array([penalty_scale * penalty for penalty, _ in settings], np.float32)
    return Batch(
        name=name,
        labels=labels,
        init=lambda index: init(settings[index][1]),
        num_parameters=num_mlp_parameters((dataset.num_inputs, *hidden, dataset.num_outputs)),
        hparams=Hparams(**hparams)._replace(penalty_weight=weights),
        learner=make_learner(network, task_of(dataset), sparsifier),
        dataset=dataset,
        columns=make_columns(gates, lambda live: mlp_sizes(dataset.num_inputs, live, dataset.num_outputs)),
        **more,
    )


def histories_of(gates: Sequence[str]) -> dict[str, Any]:
    """The loss and the live units of all layers, step by step."""
    return {**HISTORIES, "observed": lambda history: make_total(gates)(history["observed"])}


def save_networks(batch: Batch, trained: Trained, folder: Path, *, signed: bool = False) -> None:
    """The network of every run whose loss is finite to folder/run_N, as `jaxsize.load_network` reads it."""
    rows, info = {(row["run"], row["epoch"]): row for row in trained.rows}, batch.dataset.info
    for label, network in zip(batch.labels, trained.networks, strict=True):
        path, row = folder / f"run_{label['run']}", rows[label["run"], network.epoch]
        if row["train_loss"] is None or path.exists():  # saved before an interruption
            continue
        save_network(
            path,
            network.params,
            signed=signed,
            survivors=network.survivors or None,
            input_scale=batch.dataset.input_scale,
            input_shift=batch.dataset.input_shift,
            extra=row | {key: info[key] for key in ("target_mean", "target_std") if key in info},
        )
