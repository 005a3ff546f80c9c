"""Does it matter how large a network is when it starts to shrink, and what does starting large cost?

    python -m experiments.start_size                            digits, 10 seeds, minutes
    python -m experiments.start_size --dataset mnist --full     starts of 500, 1000 and 10000 units, hours

Answers C30 (the size found from several starts, equivalence within 15 %), C32 as far as it is about shrinking (seconds
per epoch, share of removal) and measures C37 on trained networks (death is for good; removing units and folding gates
change no output). One hidden layer as in J16 (seed `003_d2c286111c329776.txt`).
"""

import dataclasses
import itertools
import sys
from typing import Any

import jax
import numpy as np

from experiments.command_line import load_datasets, main, open_results, told
from experiments.penalty_flags import PenaltyFlags
from experiments.sparsifier_claims import start_does_not_matter
from experiments.sparsifier_finals import Finals
from experiments.start_size_report import as_text, death_is_for_good, draw, removal_is_cheap, result
from jaxsize.batches import Batch
from jaxsize.compaction import compact
from jaxsize.compress import BATCH_SIZES, compress_network, penalty_scale
from jaxsize.datasets import Dataset
from jaxsize.export import fold_gates
from jaxsize.groups import unit_groups
from jaxsize.progress import Progress
from jaxsize.shrinking import Shrinking
from jaxsize.sparsifier import FORMS
from jaxsize.study import Trained, require_room, train
from jaxsize.sweeps import penalty_sweep
from jaxsize.training import Config

NAME = "start_size"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartSizeFlags(PenaltyFlags):
    """Does it matter how large a network is when it starts to shrink, and what does starting large cost?"""

    start_width: tuple[int, ...] = (250, 500, 1000)
    """Hidden units before training."""
    penalties: tuple[float, ...] = (1e-1, 1e-2)
    """Costs of an open gate in the loss, on the journal's scale. The unpenalised network is not trained."""

    def defaults(self) -> dict[str, Any]:
        return super().defaults() | ({"epochs": 30} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        super().check()
        self.require_whole("start_width")
        self.require_few(len(self.start_width))
        if len(self.start_width) < 2:
            raise ValueError(f"--start-width: expected at least two to compare, got {told(self.start_width)}")


PRESETS = {
    "smoke": {"num_seeds": 2, "start_width": (16, 24), "epochs": 3},
    "full": {"num_seeds": 10, "start_width": (500, 1000, 10_000), "penalties": (1e-2, 1e-3, 1e-4), "epochs": 60},
}


def make_batch(flags: StartSizeFlags, dataset: Dataset, width: int, first_run: int, *, masked: bool = False) -> Batch:
    """Every penalty with every seed from one start; masked: without ever removing a unit."""
    batch_size = BATCH_SIZES.get(dataset.name, 128)
    arm = "masked" if masked else "learned"
    return penalty_sweep(
        dataset,
        compress_network((dataset.num_inputs, width, dataset.num_outputs)),
        [width],
        FORMS[flags.form],
        name=f"{dataset.name}.{arm}.{width}",
        label={"dataset": dataset.name, "arm": arm, "start_width": width},
        penalties=flags.penalties,
        num_seeds=flags.num_seeds,
        first_run=first_run,
        penalty_scale=penalty_scale(dataset, batch_size),
        hparams=flags.rates(),
        config=Config(batch_size=batch_size),
        num_epochs=flags.epochs,
        shrinking=None if masked or not flags.shrink else Shrinking(),
    )


def finite(params: Any) -> bool:
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def output_differences(batch: Batch, removed: Trained, masked: Trained) -> dict[str, Any]:
    """Largest differences of outputs on test rows, relative to the largest output: of masked networks without their
    dead units, of the same with folded gates, and between whole trainings with and without removal. Of runs that
    stayed finite."""
    dataset = batch.dataset
    rows = jax.numpy.asarray(dataset.test.inputs[:1000], np.float32) * dataset.input_scale + dataset.input_shift
    found: dict[str, Any] = {"dataset": dataset.name, "removal": [], "folding": [], "training": []}
    for trained, twin in zip(removed.networks, masked.networks, strict=True):
        groups = unit_groups(batch.learner.outputs, twin.params, rows)
        small = compact(groups, twin.params, groups.live(twin.params)).params
        others = {"removal": small, "folding": fold_gates(small), "training": trained.params}
        expected = np.asarray(batch.learner.outputs(twin.params, rows))
        if not (np.isfinite(expected).all() and finite(trained.params)):
            continue
        for name, params in others.items():
            difference = np.asarray(batch.learner.outputs(params, rows)) - expected
            found[name].append(float(np.abs(difference).max() / np.abs(expected).max()))
    return found


def run(flags: StartSizeFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    data, each = load_datasets(flags, flags.form), len(flags.penalties) * flags.num_seeds
    pairs = list(itertools.product(data, flags.start_width))
    batches = [make_batch(flags, *pair, index * each) for index, pair in enumerate(pairs)]
    twins = [
        make_batch(flags, dataset, max(flags.start_width), (len(pairs) + index) * each, masked=True)
        for index, dataset in enumerate(data)
    ]
    for batch in batches:
        require_room(batch, flags.folder(NAME))
    folder = open_results(flags, NAME, data, as_text)
    if folder.status == "finished":
        return folder.read_summary()
    progress = Progress(flags.epochs * (len(batches) + len(twins)))
    trained = {batch.name: train(batch, folder, progress) for batch in batches}
    masked = [train(batch, folder, progress) for batch in twins]
    progress.close()

    rows, largest = folder.rows.read(), max(flags.start_width)
    finals = Finals([row for row in rows if row["arm"] == "learned"], flags.settings())
    differences = [
        output_differences(batch, trained[f"{batch.dataset.name}.learned.{largest}"], twin)
        for batch, twin in zip(twins, masked, strict=True)
    ]
    cells = itertools.product(finals.datasets, finals.widths, finals.penalties[1:])
    summary = {
        "settings": flags.settings(),
        "results": [result(finals, rows, folder, *cell) for cell in cells],
        "claims": {
            "C30": start_does_not_matter(finals, folder),
            "C32": removal_is_cheap(finals, rows),
            "C37": death_is_for_good(folder, finals, [batch.name for batch in batches], differences),
        },
    }
    draw(folder, finals, rows)
    folder.write_summary(summary)
    print(f"{as_text(summary)}\n\n{folder.path}: config.json, metrics.jsonl, events.jsonl, summary.json, pictures")
    return summary


if __name__ == "__main__":
    sys.exit(main(StartSizeFlags, PRESETS, run, NAME))
