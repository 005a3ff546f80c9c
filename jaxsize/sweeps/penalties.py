"""Batches that sweep penalties over seeds, of any gated network, and the files of the networks that they end with."""

import functools
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.data import Dataset
from jaxsize.export.saving import save_network
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.sparsifier import SparsifierConfig, make_learner
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.programs.batch import HISTORIES, Batch
from jaxsize.sweeps._grid import numbered
from jaxsize.sweeps.columns import gate_columns, total_live_units
from jaxsize.training._train import Trained
from jaxsize.units.reading import unit_groups
from jaxsize.units.requirements import require_closing_gates
from jaxsize.units.sizes import input_gates, network_sizes


def penalty_sweep(
    dataset: Dataset,
    network: Network,
    sparsifier: SparsifierConfig,
    *,
    name: str,
    label: Mapping[str, Any],
    penalties: Sequence[float],
    num_seeds: int,
    first_run: int,
    hparams: Mapping[str, float],
    penalty_scale: float = 1.0,
    task: Task | None = None,
    **batch: Any,
) -> Batch:
    """Make one batch that trains a network with every penalty and every seed; runs of a seed have the same start.

    Seeds vary fastest.

    Args:
        dataset: the data set to train on.
        network: any network whose gates are leaves named `liveness`.
        sparsifier: what a gate is, and how gates and weights are moved.
        name: name of the batch, used as a file name.
        label: columns that all rows share; `run`, `seed` and `penalty` are added.
        penalties: the penalties; `penalty_scale` times a penalty is the penalty weight of a run.
        num_seeds: the seeds are 0, 1, ..., num_seeds - 1.
        first_run: number of the first run.
        hparams: settings of the learner that are the same for all runs.
        penalty_scale: a factor of all penalties.
        task: the losses and scores; by default those of the data set's task.
        batch: further fields of `Batch`.

    Raises:
        InputError: when the network cannot lose the units of a gate exactly, or several gates close the same units.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.sparsifier import SparsifierConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import penalty_sweep
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> settings = {"penalties": (0.0, 0.1), "num_seeds": 2, "hparams": {"learning_rate": 0.01}}
        >>> settings |= {"name": "teacher", "label": {}, "first_run": 0, "config": Config(), "num_epochs": 1}
        >>> batch = penalty_sweep(dataset, mlp((3, 8, 3)), SparsifierConfig(), **settings)
        >>> [(label["run"], label["seed"], label["penalty"]) for label in batch.labels]
        [(0, 0, 0.0), (1, 1, 0.0), (2, 0, 0.1), (3, 1, 0.1)]
    """
    settings = [{"seed": seed, "penalty": penalty} for penalty in penalties for seed in range(num_seeds)]
    groups = unit_groups(network.apply, shapes := network.shapes(), dataset.network_inputs(1))
    gates = list(read_liveness(shapes))
    require_closing_gates(groups, gates)
    network_sizes(groups, dict.fromkeys(gates, 1))  # refuses gates that share their units
    inputs = input_gates(groups, gates)
    more: dict[str, Any] = {"histories": histories_of(gates, inputs), **batch}
    init = functools.cache(network.init)  # penalties share the networks of their seeds
    weights = np.array([penalty_scale * setting["penalty"] for setting in settings], np.float32)
    return Batch(
        name=name,
        labels=numbered(label, settings, first_run),
        init=lambda index: init(settings[index]["seed"]),
        num_parameters=network_sizes(groups, {})["parameters"],
        hparams={**hparams, "penalty_weight": weights},
        learner=make_learner(network, task or task_of(dataset), sparsifier),
        dataset=dataset,
        columns=gate_columns(gates, functools.partial(network_sizes, groups), inputs),
        **more,
    )


def histories_of(gates: Sequence[str], inputs: Collection[str] = ()) -> dict[str, Any]:
    """Make the functions that read off an epoch's history what is kept of every step, for `Batch.histories`.

    It is the `loss` before the step and `observed`, the number of live units of all layers after it.

    Args:
        gates: names of the gates (see `jaxsize.gates.leaves.read_liveness`).
        inputs: those of the gates that are gates of inputs, which are no units.
    """
    count = total_live_units(gates, inputs)
    return {**HISTORIES, "observed": lambda history: count(history["observed"])}


def save_networks(batch: Batch, trained: Trained, folder: Path, *, signed: bool = False) -> None:
    """Save the network of every run whose loss is finite to folder/run_N, where `jaxsize.load_network` reads it.

    A network that is there already, from before an interruption, is left as it is.

    Args:
        batch: the batch that was trained.
        trained: where it ended.
        folder: the folder to save in; it is made if it is missing.
        signed: whether the gates are signed.

    Example:
        >>> import pathlib, tempfile
        >>> import jaxsize
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.sparsifier import SparsifierConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import penalty_sweep, save_networks
        >>> from jaxsize.training import FinalNetwork, Trained
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> settings = {"penalties": (0.1,), "num_seeds": 1, "hparams": {"learning_rate": 0.01}}
        >>> settings |= {"name": "teacher", "label": {}, "first_run": 4, "config": Config(), "num_epochs": 1}
        >>> batch = penalty_sweep(dataset, jaxsize.mlp((3, 8, 3)), SparsifierConfig(), **settings)
        >>> trained = Trained([{"run": 4, "epoch": 1, "train_loss": 0.5}], [FinalNetwork(batch.init(0), {}, epoch=1)])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save_networks(batch, trained, pathlib.Path(folder))
        ...     saved = jaxsize.load_network(f"{folder}/run_4")
        >>> saved.params["hidden"][0]["kernel"].shape
        (3, 8)
    """
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
