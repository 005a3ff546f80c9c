"""Does a network that starts far too large, and shrinks while it trains, beat the alternatives?

    python -m experiments.compress                                    digits, 10 seeds, minutes
    python -m experiments.compress --dataset poker census --depth 1 2      two tables, two depths
    python -m experiments.compress --dataset mnist fashion_mnist --full    J16's scale, hours

MLPs of one to four hidden layers with a price on every unit (seed `003_d2c286111c329776.txt`, "Evaluate the system with
very large starting sizes"; experiment J16). Every compressed network is compared with partners that have the same seed
and the same or related widths. The epoch that counts is the one with the best validation score. summary.json answers
C33, C34 and C39.
"""

from typing import Any

from experiments.common.networks import compress_network, step_histories
from experiments.common.scales import penalty_scale
from experiments.compress import claims as report
from experiments.compress.flags import PRESETS, CompressFlags
from experiments.compress.partners import make_partners
from experiments.compress.pictures import draw
from experiments.compress.prices import measure_times
from experiments.compress.table import as_text
from jaxsize.data import Dataset, hold_out_batches
from jaxsize.programs import Batch, Config
from jaxsize.resizing import Shrinking
from jaxsize.studies import Command
from jaxsize.studies.opening import load_datasets, open_results
from jaxsize.sweeps import penalty_sweep, save_networks
from jaxsize.training import Progress, require_room, train

NAME = "compress"


def learning_batches(flags: CompressFlags, dataset: Dataset, depth: int, first_run: int) -> list[Batch]:
    """Make two batches of every penalty with every seed, from one start width: compressed networks, and a group lasso.

    Args:
        flags: the flags of the study.
        dataset: the data set.
        depth: the number of hidden layers.
        first_run: the number of the first run.
    """
    width = flags.width(depth)
    network = compress_network((dataset.num_inputs, *[width] * depth, dataset.num_outputs))
    batches = []
    for arm in ("compress", "group_lasso"):
        if arm == "compress" or arm in flags.partners:
            penalised = arm == "group_lasso"
            batches.append(
                penalty_sweep(
                    dataset,
                    network,
                    [width] * depth,
                    flags.config(unit_norm=penalised),
                    name=f"{dataset.name}.{arm}.{depth}",
                    label={"dataset": dataset.name, "arm": arm, "depth": depth, "start_width": width},
                    penalties=flags.penalties if penalised else (0.0, *flags.penalties),
                    num_seeds=flags.num_seeds,
                    first_run=first_run + sum(map(len, batches)),
                    penalty_scale=penalty_scale(dataset, flags.rows_per_step(dataset)),
                    num_epochs=flags.epochs,
                    # group lasso prices a unit by a norm over its weights, dead or not: they are only masked
                    shrinking=Shrinking() if flags.shrink and not penalised else None,
                    select=f"validation_{'error' if dataset.task == 'regression' else 'accuracy'}",
                    time_limit=flags.time_limit,
                    stop_on_collapse=True,
                    histories=step_histories(depth),
                    **common(flags, dataset),
                )
            )
    return batches


def common(flags: CompressFlags, dataset: Dataset) -> dict[str, Any]:
    """Return the fields of a batch that compressed networks and their partners share."""
    return {
        "config": Config(
            batch_size=flags.rows_per_step(dataset), shuffle="batches" if flags.form == "original" else "per_run"
        ),
        "hparams": flags.rates(),
    }


def load(flags: CompressFlags) -> list[Dataset]:
    """Load the data sets; where one has no validation rows, they are held out of its training rows."""
    return [
        hold_out_batches(dataset, flags.rows_per_step(dataset)) if dataset.validation is None else dataset
        for dataset in load_datasets(flags, flags.form)
    ]


def run(flags: CompressFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    data = load(flags)
    learning: list[list[Batch]] = []
    first_run = 0
    for dataset in data:
        for depth in flags.depth:
            learning.append(learning_batches(flags, dataset, depth, first_run))
            first_run += sum(map(len, learning[-1]))
            require_room(learning[-1][0], flags.folder(NAME))
    folder = open_results(flags, NAME, data, as_text)
    if folder.status == "finished":
        return folder.read_summary()

    progress = Progress(flags.epochs * sum(map(len, learning)))
    while learning:  # popped, as a batch holds the initial weights of its networks in memory
        batches = learning.pop(0)
        compressed, *_ = [train(batch, folder, progress) for batch in batches]
        batch = batches[0]
        save_networks(batch, compressed, folder.path / "networks")
        partners = make_partners(flags, batch.dataset, batch, compressed, first_run, **common(flags, batch.dataset))
        first_run += sum(map(len, partners))
        progress.expect(sum(partner.num_epochs for partner in partners))
        for partner in partners:
            train(partner, folder, progress)
        if "from_scratch" in flags.partners:
            measure_times(flags, batch, folder, **common(flags, batch.dataset))
    progress.close()

    summary = report.summarize(folder, data, flags.settings())
    draw(folder, data, flags.settings())
    folder.write_summary(summary)
    print(f"{as_text(summary)}\n")
    print(f"{folder.path}: config.json, rows, events, summary.json, pictures, networks, checkpoints")
    return summary


COMMAND = Command(NAME, CompressFlags, PRESETS, run)
