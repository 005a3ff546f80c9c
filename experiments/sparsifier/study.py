"""How many units does a network keep when every unit has a price, and is it the better for it?

    python -m experiments.sparsifier                              digits, 10 seeds, about a minute
    python -m experiments.sparsifier --dataset mnist fashion_mnist    two sets compared, minutes
    python -m experiments.sparsifier --dataset mnist fashion_mnist --full    J14's scale, hours

One hidden layer with a trained gate per unit (seed `003_d2c286111c329776.txt`, "Implement the first version of a
Sparsifier Network"; experiment J14). All combinations of penalty and seed are trained at once, the unpenalised network
among them. Then every size that a run ended with is trained from scratch with the same seed. summary.json answers the
claims C26 to C30.
"""

from typing import Any

from experiments.sparsifier import table as report
from experiments.sparsifier.flags import PRESETS, SparsifierFlags
from experiments.sparsifier.pictures import draw
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.networks import mlp
from jaxsize.programs import Batch, Config
from jaxsize.resizing import Shrinking
from jaxsize.studies import Command
from jaxsize.studies.opening import load_datasets, open_results
from jaxsize.sweeps import Partner, partner_batches, penalty_sweep, save_networks
from jaxsize.training import Progress, require_room, train

NAME = "sparsifier"


def learning_batch(flags: SparsifierFlags, dataset: Dataset, width: int, first_run: int) -> Batch:
    """Make the batch of every penalty with every seed from one start width; the unpenalised runs come first."""
    start = 1.0 if flags.liveness_start == "one" else flags.liveness_start
    gate = "signed" if flags.gate == "signed" else "liveness"
    widths = (dataset.num_inputs, width, dataset.num_outputs)
    return penalty_sweep(
        dataset,
        mlp(widths, gate=gate, gate_inputs=flags.gate_inputs, liveness=start),
        [width],
        flags.config(),
        gate_inputs=flags.gate_inputs,
        name=f"{dataset.name}.learned.{width}",
        label={"dataset": dataset.name, "arm": "learned", "start_width": width},
        penalties=(0.0, *flags.penalties),
        num_seeds=flags.num_seeds,
        first_run=first_run,
        num_epochs=flags.epochs,
        shrinking=Shrinking() if flags.shrink else None,
        **_common(flags),
    )


def control_batches(
    flags: SparsifierFlags, dataset: Dataset, finals: list[dict[str, Any]], first_run: int
) -> list[Batch]:
    """Make the controls: the width that a learned run ended with, trained from scratch without gates, with its seed.

    A run that ended without units, or with a loss that is not finite, has no control.

    Args:
        flags: the flags of the study.
        dataset: the data set.
        finals: the last rows of the learned runs.
        first_run: the number of the first control.
    """

    def control(row: dict[str, Any]) -> Partner:
        shared = {key: row[key] for key in ("dataset", "seed", "penalty", "start_width")}
        label = {"arm": "from_scratch", "run": first_run + row["run"], "partner": row["run"]} | shared
        network = mlp((dataset.num_inputs, row["live_units"], dataset.num_outputs), gate=None)
        return Partner(label, (row["live_units"],), lambda: network.init(row["seed"]), flags.epochs)

    usable = [row for row in finals if row["live_units"] > 0 and row["train_loss"] is not None]
    return partner_batches(
        [control(row) for row in usable],
        dataset,
        flags.config(),
        name=f"{dataset.name}.from_scratch",
        **_common(flags),
    )


def _common(flags: SparsifierFlags) -> dict[str, Any]:
    return {"config": Config(batch_size=flags.batch_size, shuffle=flags.shuffle), "hparams": flags.rates()}


def run(flags: SparsifierFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    data = load_datasets(flags, flags.form)
    for dataset in data:
        if flags.batch_size > len(dataset.train):
            rows = f"{dataset.name} has {len(dataset.train)} train rows"
            raise InputError(
                f"expected no more than there are rows ({rows}), got {flags.batch_size}", field="batch_size"
            )
    starts = [(dataset, width) for dataset in data for width in flags.start_width]
    runs_each = (1 + len(flags.penalties)) * flags.num_seeds
    batches = [learning_batch(flags, *start, first_run=index * runs_each) for index, start in enumerate(starts)]
    for batch in batches:
        require_room(batch, flags.folder(NAME))
    folder = open_results(flags, NAME, data, report.as_text)
    if folder.status == "finished":
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
    print(f"\n{folder.path}: config.json, rows, events, summary.json, pictures, networks, checkpoints")
    return summary


COMMAND = Command(NAME, SparsifierFlags, PRESETS, run)
