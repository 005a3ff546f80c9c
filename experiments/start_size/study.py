"""Does it matter how large a network is when it starts to shrink, and what does starting large cost?

    python -m experiments.start_size                            digits, 10 seeds, minutes
    python -m experiments.start_size --dataset mnist --full     starts of 500, 1000 and 10000 units, hours

Answers C30 (end sizes from several starts are equal within 15 %) and C32 as far as it is about shrinking (seconds per
epoch, and the share of removal in them), and measures C37 on trained networks (death is for good; removing units and
folding gates change no output). One hidden layer, otherwise as in J16 (seed `003_d2c286111c329776.txt`).
"""

import dataclasses
import itertools
from typing import Any

import jax
import numpy as np

from experiments.common.networks import compress_network
from experiments.common.scales import BATCH_SIZES, penalty_scale
from experiments.flags.penalty import PenaltyFlags
from experiments.sparsifier.claims import start_does_not_matter
from experiments.sparsifier.ends import Finals
from experiments.start_size.claims import as_text, death_is_for_good, draw, removal_is_cheap, result
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.export import fold_gates
from jaxsize.learners.sparsifier import FORMS
from jaxsize.programs import Batch, Config
from jaxsize.resizing import Shrinking
from jaxsize.studies import Command, listing
from jaxsize.studies.opening import load_datasets, open_results
from jaxsize.sweeps import penalty_sweep
from jaxsize.training import Progress, Trained, require_room, train
from jaxsize.units import compact, unit_groups

NAME = "start_size"


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartSizeFlags(PenaltyFlags):
    """Does it matter how large a network is when it starts to shrink, and what does starting large cost?"""

    epochs: int = 100
    """Passes over the training rows. 30 unless the data set is digits."""
    start_width: tuple[int, ...] = (250, 500, 1000)
    """Hidden units before training; two or more numbers, which are compared."""
    penalties: tuple[float, ...] = (1e-1, 1e-2)
    """What an open gate adds to the loss; no network is trained without a penalty.
    As in the study compress, the numbers are multiplied by 1e4 for add10 and airfoil, and by .1 for poker."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"epochs": 30} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("start_width")
        self.require_runs(len(self.start_width))
        if len(self.start_width) < 2:
            raise InputError(f"expected at least two to compare, got {listing(self.start_width)}", field="start_width")


PRESETS = {
    "smoke": {"num_seeds": 2, "start_width": (16, 24), "epochs": 3},
    "full": {"num_seeds": 10, "start_width": (500, 1000, 10_000), "penalties": (1e-2, 1e-3, 1e-4), "epochs": 60},
}


def make_batch(flags: StartSizeFlags, dataset: Dataset, width: int, first_run: int, *, masked: bool = False) -> Batch:
    """Make the batch of every penalty with every seed from one start width.

    Args:
        flags: the flags of the study.
        dataset: the data set.
        width: the start width.
        first_run: the number of the batch's first run.
        masked: dead units are never removed, only masked.
    """
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
    """Return whether all numbers of a tree of arrays are finite."""
    return all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def output_differences(batch: Batch, removed: Trained, masked: Trained) -> dict[str, Any]:
    """Measure how far outputs on test rows move, relative to the largest output, of every run that stayed finite.

    Args:
        batch: the batch that trained with masks only.
        removed: the same runs, trained with removal of dead units.
        masked: the results of `batch`.

    Returns:
        `dataset`, and a list over runs for each change: `removal` of the dead units of the masked network, `folding` of
        its gates after that, and `training` with removal instead of masks.
    """
    dataset = batch.dataset
    rows = jax.numpy.asarray(dataset.test.inputs[:1000], np.float32) * dataset.input_scale + dataset.input_shift
    differences: dict[str, Any] = {"dataset": dataset.name, "removal": [], "folding": [], "training": []}
    for trained, twin in zip(removed.networks, masked.networks, strict=True):
        groups = unit_groups(batch.learner.outputs, twin.params, rows)
        small = compact(groups, twin.params, groups.live(twin.params)).params
        others = {"removal": small, "folding": fold_gates(small), "training": trained.params}
        expected = np.asarray(batch.learner.outputs(twin.params, rows))
        if not (np.isfinite(expected).all() and finite(trained.params)):
            continue
        for name, params in others.items():
            difference = np.asarray(batch.learner.outputs(params, rows)) - expected
            differences[name].append(float(np.abs(difference).max() / np.abs(expected).max()))
    return differences


def run(flags: StartSizeFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
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
    print(f"{as_text(summary)}\n\n{folder.path}: config.json, rows, events, summary.json, pictures")
    return summary


COMMAND = Command(NAME, StartSizeFlags, PRESETS, run)
