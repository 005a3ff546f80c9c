"""Does a network that was trained before it may choose its size end up smaller, and with the same loss?

    python -m experiments.pretraining                                  digits, 10 seeds, a minute or two
    python -m experiments.pretraining --dataset mnist fashion_mnist       two sets, 6 seeds
    python -m experiments.pretraining --dataset mnist fashion_mnist --full    J12's scale: 30 seeds, 60 epochs

All units are on and stay on while the weights are trained for 0, 5 or 10 epochs. Then the size is set to 0 and trained
together with the weights, by a fresh Adam (the journal, seed `003_d2c286111c329776.txt`, "Pre-Task" of "Two phase
training"; experiment J12). `original`: the journal's data preparation, all rows train. `corrected`: every data set is
standardised by its own statistics, validation rows are held out, and the test loss counts too. All arms share their
initial weights and orders of rows; the second phase reads the rows in the orders of the first once more. Answers C24.
"""

import dataclasses
import sys
from typing import Any

import numpy as np

from experiments.flags.flexible import FlexibleFlags
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FORMS
from jaxsize.plots import growth
from jaxsize.programs import Batch
from jaxsize.results import Runs
from jaxsize.statistics import (
    Part,
    claim,
    describe,
    equivalence_ratio,
    equivalence_verdict,
    paired_difference,
    trend,
    verdict,
)
from jaxsize.studies import Command, listing
from jaxsize.studies.questions import Learned, Question, Setup, run_question
from jaxsize.sweeps import size_sweep

NAME = "pretraining"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingFlags(FlexibleFlags):
    """Does a network that was trained before it may choose its size end up smaller, and with the same loss?"""

    epochs: int = 60
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 500
    """Hidden units that a network has room for."""
    pretrain_epochs: tuple[int, ...] = (0, 5, 10)
    """Passes over the training rows with all units on, before the --epochs in which the size is trained.
    Two or more numbers, which are compared."""
    slope: float = 0.4
    """Steepness of the gate, over units."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_numbers("slope", high=1e4, above=True)
        numbers = self.pretrain_epochs
        if len(numbers) < 2 or len(set(numbers)) < len(numbers) or min(numbers) < 0:
            raise InputError(
                f"expected different whole numbers from 0 on, got {listing(numbers)}", field="pretrain_epochs"
            )
        self.require_runs(2 * len(numbers))


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 40, "epochs": 3, "pretrain_epochs": (0, 1, 2)},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128, "pretrain_epochs": (0, 5, 10)},
}


def batches(setup: Setup) -> list[Batch]:
    """Make the first phase, a batch for every number of epochs: the size stays at the width."""
    flags, made = setup.flags, []
    for epochs in sorted(set(flags.pretrain_epochs) - {0}):
        rates = {"learning_rate": flags.learning_rate, "size_learning_rate": 0.0}
        settings = [
            {"pretrain_epochs": epochs, "slope": flags.slope, "seed": seed, "start_size": float(flags.width), **rates}
            for seed in range(flags.num_seeds)
        ]
        shared = setup.after(*made).batch(f"{FIRST_PHASE} {epochs}") | {"num_epochs": epochs}
        made.append(size_sweep(setup.dataset, [flags.width], FORMS[setup.form], settings, **shared))
    return made


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the second phase: from size 0, with the weights that the first phase ended with, or with random ones."""
    flags = setup.flags
    ended = {batch.labels[0]["pretrain_epochs"]: trained.networks for batch, trained in learned.values()}
    drawn = next(iter(learned.values()))[0].init
    settings = [
        {"pretrain_epochs": epochs, "slope": flags.slope, "seed": seed, "start_size": 0.0, **flags.rates()}
        for epochs in sorted(flags.pretrain_epochs)
        for seed in range(flags.num_seeds)
    ]

    def start(index: int) -> Any:
        epochs, seed = settings[index]["pretrain_epochs"], settings[index]["seed"]
        return ended[epochs][seed].params if epochs else drawn(seed)

    shared = setup.batch(SECOND_PHASE)
    return [size_sweep(setup.dataset, [flags.width], FORMS[setup.form], settings, start=start, **shared)]


FIRST_PHASE, SECOND_PHASE = "pre-training", "training"
RATIO_DECIDES = "the ratio of the losses decides"
TRAINING_MEANT = "the journal speaks of the training loss"


def arms(runs: Runs, dataset: str, form: Form) -> dict[int, dict[str, Any]]:
    """Return, by number of epochs before, the columns that select the runs of the second phase, one per seed."""
    where = {"dataset": dataset, "form": form, "arm": SECOND_PHASE}
    return {epochs: where | {"pretrain_epochs": epochs} for epochs in runs.values("pretrain_epochs", **where)}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per number of epochs before.

    It has the loss that these epochs led to; size, losses and score after the second phase, and the spread of the loss
    over its late epochs. `runs_at_width` counts the runs that ended with all units on, and might have grown further.
    """
    score = runs.score(dataset)[0]
    rows: list[dict[str, Any]] = []
    for epochs, which in arms(runs, dataset, form).items():
        before = runs.last("train_loss", **which | {"arm": f"{FIRST_PHASE} {epochs}"})
        ends = runs.described(["size", "live_units", "train_loss", "test_loss", score], **which)
        rows.append(
            {"dataset": dataset, "form": form, "pretrain_epochs": epochs, "train_loss_before": describe(before)}
            | {name: value for name, value in ends.items() if name not in which}
            | {
                "late_spread_of_log_loss": describe(late_spread(_losses(runs, which))),
                "runs_at_width": int(np.sum(runs.last("live_units", **which) >= runs.settings["width"])),
            }
        )
    return rows


def _losses(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """The mean loss of the steps of every epoch, [num_seeds, epochs]."""
    return runs.per_epoch("loss", **which).mean(-1)


def late_spread(losses: np.ndarray) -> np.ndarray:
    """Return the standard deviation of the log of losses [num_seeds, epochs] over the second half of the epochs."""
    late = losses[:, losses.shape[1] // 2 :]
    return np.log(np.maximum(late, 1e-30)).std(-1)


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C24 in one form: end sizes fall with the number of epochs before, and losses are equal within 15 %."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        by_epochs = arms(runs, dataset, form)
        parts += smaller(dataset, {epochs: runs.last("size", **which) for epochs, which in by_epochs.items()})
        losses = {epochs: _losses(runs, which)[:, -1] for epochs, which in by_epochs.items()}
        parts += equal(dataset, "loss of the last epoch's steps", losses)
        tests = {epochs: runs.last("test_loss", **which) for epochs, which in by_epochs.items()}
        parts += equal(dataset, "test loss", tests, TRAINING_MEANT if form == "original" else "")
    return {"C24": claim("the longer a network is trained before, the smaller it ends, with an equal loss", parts)}


def smaller(dataset: str, sizes: dict[int, np.ndarray]) -> list[Part]:
    """Judge whether end sizes fall with the number of epochs before.

    The parts are the trend over all numbers, where there are more than two, and the difference of every two.

    Args:
        dataset: name of the data set.
        sizes: end sizes [num_seeds], by number of epochs before.
    """
    parts: list[Part] = []
    if len(sizes) > 2:
        falls = trend(list(sizes), np.stack(list(sizes.values()), 1), direction="negative")
        label = {"dataset": dataset, "of": "end size", "trend_over": "epochs before"}
        parts.append((label, falls, verdict(falls, "negative")))
    for longer, shorter in _pairs(sizes):
        difference = paired_difference(sizes[longer], sizes[shorter])
        parts.append((_label(dataset, "end size", longer, shorter), difference, verdict(difference, "negative")))
    return parts


def equal(dataset: str, what: str, losses: dict[int, np.ndarray], uninformative: str = "") -> list[Part]:
    """Judge whether losses are equal: the ratio of every two should be 1 up to 15 %.

    Their differences are listed, but do not count.

    Args:
        dataset: name of the data set.
        what: which loss it is.
        losses: [num_seeds], by number of epochs before.
        uninformative: why the ratios do not count either; empty if they do.
    """
    parts: list[Part] = []
    for longer, shorter in _pairs(losses):
        ratio = equivalence_ratio(losses[longer], losses[shorter])
        label = _label(dataset, f"ratio of {what}", longer, shorter)
        if uninformative:
            label["uninformative"] = uninformative
        parts.append((label, ratio, equivalence_verdict(ratio)))
        difference = paired_difference(losses[longer], losses[shorter])
        label = _label(dataset, what, longer, shorter) | {"uninformative": RATIO_DECIDES}
        parts.append((label, difference, verdict(difference, "negative")))
    return parts


def _label(dataset: str, what: str, longer: int, shorter: int) -> dict[str, Any]:
    return {"dataset": dataset, "of": what, "epochs_before": longer, "against": shorter}


def _pairs(values: dict[int, Any]) -> list[tuple[int, int]]:
    """Every two numbers of epochs, the longer one first."""
    numbers = sorted(values)
    return [(longer, shorter) for longer in numbers for shorter in numbers if shorter < longer]


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw the size, its gradient and the loss against epochs of the second phase."""

    def named(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
        return {str(epochs): which for epochs, which in arms(runs, dataset, form).items()}

    return {"pretraining": growth(runs, dataset, named, "epochs before")}


QUESTION = Question(NAME, batches, results, claims, pictures, followers)


def run(flags: PretrainingFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, PretrainingFlags, PRESETS, run)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
