"""How many units does a network keep when every unit has a price, and is it the better for it?

    python -m experiments.sparsifier                              digits, 10 seeds, about a minute
    python -m experiments.sparsifier --dataset mnist fashion_mnist    two sets compared, minutes
    python -m experiments.sparsifier --dataset mnist fashion_mnist --full    J14's scale, hours

One hidden layer with a trained gate per unit (seed `003_d2c286111c329776.txt`, "Implement the first version of a
Sparsifier Network"; experiment J14). Every combination of penalty and seed is trained at once; beside them the
unpenalised network, and each size found, trained from scratch with the same seed. summary.json answers the claims C26
to C30.
"""

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np

from experiments import sparsifier_report as report
from experiments.command_line import load_datasets, main
from experiments.sparsifier_flags import PRESETS, SparsifierFlags
from experiments.sparsifier_pictures import draw
from jaxsize.batches import Batch
from jaxsize.buckets import bucket
from jaxsize.datasets import Dataset
from jaxsize.export import save_network
from jaxsize.networks import Network, mlp, num_mlp_parameters, pad_mlp
from jaxsize.progress import Progress
from jaxsize.records import open_folder
from jaxsize.runs import describe_devices
from jaxsize.shrinking import Shrinking
from jaxsize.sparsifier import make_columns, make_total, make_trainer
from jaxsize.study import Trained, require_room, train
from jaxsize.training import TASKS, Config, Hparams

NAME = "sparsifier"


def learning_batch(flags: SparsifierFlags, dataset: Dataset, width: int, first_run: int) -> Batch:
    """Every penalty with every seed from one start width, the unpenalised runs first."""
    num_inputs = dataset.num_inputs
    widths = (num_inputs, width, dataset.num_outputs)
    start = 1.0 if flags.liveness_start == "one" else flags.liveness_start
    gate = "signed" if flags.gate == "signed" else "liveness"
    network = mlp(widths, gate=gate, gate_inputs=flags.gate_inputs, liveness=start)
    init = functools.cache(network.init)  # penalties share the networks of their seeds
    settings = [(penalty, seed) for penalty in (0.0, *flags.penalties) for seed in range(flags.num_seeds)]
    labels = [
        {
            "dataset": dataset.name,
            "arm": "learned",
            "run": first_run + index,
            "seed": seed,
            "penalty": penalty,
            "start_width": width,
        }
        for index, (penalty, seed) in enumerate(settings)
    ]

    def num_parameters(live: dict[str, int]) -> int:
        return num_mlp_parameters((live.get("inputs", num_inputs), live["hidden.0"], dataset.num_outputs))

    gates = ["hidden.0", *(["inputs"] if flags.gate_inputs else [])]
    return Batch(
        name=f"{dataset.name}.learned.{width}",
        labels=labels,
        init=lambda index: init(settings[index][1]),
        num_parameters=num_mlp_parameters(widths),
        hparams=_hparams(flags, [penalty for penalty, _ in settings]),
        columns=make_columns(gates, num_parameters),
        total=make_total(gates),
        **_common(flags, dataset, network),
    )


def control_batches(
    flags: SparsifierFlags, dataset: Dataset, finals: list[dict[str, Any]], first_run: int
) -> list[Batch]:
    """The width every learned run ended with, trained from scratch without gates, with the run's seed.

    `finals`: last rows of the learned runs. Widths of one bucket share a program, padded by units that stay inert. A
    run that ended without units, or with a loss that is not finite, has no control.
    """
    num_inputs = dataset.num_inputs
    groups: dict[int, list[dict[str, Any]]] = {}
    for row in finals:
        if row["live_units"] > 0 and row["train_loss"] is not None:
            groups.setdefault(bucket(row["live_units"], factor=1.5), []).append(row)

    def batch(width: int, partners: list[dict[str, Any]]) -> Batch:
        def init(index: int) -> Any:
            found = (num_inputs, partners[index]["live_units"], dataset.num_outputs)
            return pad_mlp(mlp(found, gate=None).init(partners[index]["seed"]), [width])

        def found_size(partner: dict[str, Any]) -> dict[str, Any]:
            found = (num_inputs, partner["live_units"], dataset.num_outputs)
            size = {"live_units": found[1], "live_units_per_layer": [found[1]], "parameters": num_mlp_parameters(found)}
            shared = {key: partner[key] for key in ("dataset", "seed", "penalty", "start_width")}
            return {"arm": "from_scratch", "run": first_run + partner["run"], "partner": partner["run"]} | shared | size

        return Batch(
            name=f"{dataset.name}.from_scratch.{width}",
            labels=[found_size(partner) for partner in partners],
            init=init,
            num_parameters=num_mlp_parameters((num_inputs, width, dataset.num_outputs)),
            hparams=_hparams(flags, [0.0] * len(partners)),
            columns=lambda before, after: {},
            keep_history=False,
            **_common(flags, dataset, mlp((num_inputs, width, dataset.num_outputs), gate=None)),
        )

    return [batch(width, partners) for width, partners in sorted(groups.items())]


def _common(flags: SparsifierFlags, dataset: Dataset, network: Network) -> dict[str, Any]:
    return {
        "trainer": make_trainer(network, TASKS[dataset.task], flags.config()),
        "dataset": dataset,
        "config": Config(batch_size=flags.batch_size, shuffle=flags.shuffle),
        "num_epochs": flags.epochs,
        "shrinking": Shrinking() if flags.shrink else None,
    }


def _hparams(flags: SparsifierFlags, penalties: list[float]) -> Hparams:
    return Hparams(
        learning_rate=np.full(len(penalties), flags.learning_rate, np.float32),
        penalty_weight=np.array(penalties, np.float32),
        weight_decay=np.full(len(penalties), flags.weight_decay, np.float32),
        gate_learning_rate=np.full(len(penalties), flags.gate_learning_rate, np.float32),
    )


def save_networks(batch: Batch, trained: Trained, folder: Path, *, signed: bool) -> None:
    """The network of every run whose loss is finite to folder/run_N, as `jaxsize.load_network` reads it."""
    ends = {row["run"]: row for row in trained.rows}  # the last epoch's stays
    for label, network in zip(batch.labels, trained.networks, strict=True):
        path = folder / f"run_{label['run']}"
        if ends[label["run"]]["train_loss"] is None or path.exists():  # saved before an interruption
            continue
        save_network(
            path,
            network.params,
            signed=signed,
            survivors=network.survivors or None,
            input_scale=batch.dataset.input_scale,
            input_shift=batch.dataset.input_shift,
            extra=ends[label["run"]],
        )


def run(flags: SparsifierFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    data = load_datasets(flags, flags.form)
    for dataset in data:
        if flags.batch_size > len(dataset.train):
            rows = f"{dataset.name} has {len(dataset.train)} train rows"
            raise ValueError(f"--batch-size: expected no more than there are rows ({rows}), got {flags.batch_size}")
    starts = [(dataset, width) for dataset in data for width in flags.start_width]
    runs_each = (1 + len(flags.penalties)) * flags.num_seeds
    batches = [learning_batch(flags, *start, first_run=index * runs_each) for index, start in enumerate(starts)]
    for batch in batches:
        require_room(batch, flags.folder(NAME))
    prints = {dataset.name: dataset.fingerprint() for dataset in data}  # --resume must not go on with other rows
    folder = open_folder(
        flags.folder(NAME), flags.settings() | {"data": prints}, resume=flags.resume, device=describe_devices()
    )
    if folder.status == "finished":
        print(f"{folder.path} holds the finished run; delete it to run again\n")
        print(report.as_text(folder.read_summary()))
        return folder.read_summary()

    progress = Progress(flags.epochs * len(batches))
    learned = [train(batch, folder, progress) for batch in batches]
    ends = [row for trained in learned for row in trained.rows if row["epoch"] == flags.epochs]
    controls = [
        batch
        for dataset in data
        for batch in control_batches(
            flags, dataset, [row for row in ends if row["dataset"] == dataset.name], len(batches) * runs_each
        )
    ]
    progress.expect(flags.epochs * len(controls))
    for batch in controls:
        train(batch, folder, progress)
    progress.close()

    for batch, trained in zip(batches, learned, strict=True):
        save_networks(batch, trained, folder.path / "networks", signed=flags.gate == "signed")
    summary = report.summarize(folder, data, flags.settings())
    draw(folder, data, {batch.name: trained for batch, trained in zip(batches, learned, strict=True)}, flags.settings())
    folder.write_summary(summary)
    print(f"{report.as_text(summary)}\n\n{report.programs_as_text(folder)}")
    print(f"\n{folder.path}: config.json, metrics.jsonl, events.jsonl, summary.json, pictures, networks, checkpoints")
    return summary


if __name__ == "__main__":
    sys.exit(main(SparsifierFlags, PRESETS, run, NAME))
