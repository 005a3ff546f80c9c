"""Does a network that was trained before it may choose its size end up smaller, and with the same loss?

    python -m experiments.pretraining                                  digits, 10 seeds, a minute or two
    python -m experiments.pretraining --dataset mnist fashion_mnist       two sets, 6 seeds
    python -m experiments.pretraining --dataset mnist fashion_mnist --full    J12's scale: 30 seeds, 60 epochs

All units are on and stay on while the weights are trained for 0, 5 or 10 epochs; then the size is put to 0 and trained
along, by an Adam that starts anew (seed `003_d2c286111c329776.txt`, "Pre-Task" of "Two phase training"; experiment
J12). `original`: the journal's data preparation, all rows. `corrected`: statistics of its own, validation rows held
out, and the test loss counts too. The arms share their first weights and the orders of rows; the second phase reads
those of the first once more. Answers C24.
"""

import dataclasses
import sys
from typing import Any

from experiments import pretraining_report as report
from experiments.command_line import main, told
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_study import Learned, Question, Setup, answer
from jaxsize.batches import Batch
from jaxsize.flexible import FORMS
from jaxsize.flexible_sweep import flexible_batch

NAME = "pretraining"


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainingFlags(FlexibleFlags):
    """Does a network that was trained before it may choose its size end up smaller, and with the same loss?"""

    epochs: int = 60
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 500
    """Hidden units allocated."""
    pretrain_epochs: tuple[int, ...] = (0, 5, 10)
    """Passes over the training rows with all units on, before --epochs more with the size trained."""
    slope: float = 0.4
    """Steepness of the gate, over units."""

    def check(self) -> None:
        super().check()
        self.require_numbers("slope", high=1e4, above=True)
        numbers = self.pretrain_epochs
        if len(numbers) < 2 or len(set(numbers)) < len(numbers) or min(numbers) < 0:
            raise ValueError(f"--pretrain-epochs: expected different whole numbers from 0 on, got {told(numbers)}")
        self.require_runs(2 * len(numbers))


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 40, "epochs": 3, "pretrain_epochs": (0, 1, 2)},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128, "pretrain_epochs": (0, 5, 10)},
}


def batches(setup: Setup) -> list[Batch]:
    """The first phase, a program for every number of epochs: the size is held at the width."""
    flags, made = setup.flags, []
    for epochs in sorted(set(flags.pretrain_epochs) - {0}):
        rates = {"learning_rate": flags.learning_rate, "size_learning_rate": 0.0}
        settings = [
            {"pretrain_epochs": epochs, "slope": flags.slope, "seed": seed, "start_size": float(flags.width), **rates}
            for seed in range(flags.num_seeds)
        ]
        shared = setup.after(*made).batch(f"{report.FIRST_PHASE} {epochs}") | {"num_epochs": epochs}
        made.append(flexible_batch(setup.dataset, [flags.width], FORMS[setup.form], settings, **shared))
    return made


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """The second phase of all: from size 0 on, with the weights that the first one ended with, or the drawn ones."""
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

    shared = setup.batch(report.SECOND_PHASE)
    return [flexible_batch(setup.dataset, [flags.width], FORMS[setup.form], settings, start=start, **shared)]


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures, followers)


def run(flags: PretrainingFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    return answer(flags, QUESTION)


if __name__ == "__main__":
    sys.exit(main(PretrainingFlags, PRESETS, run, NAME))
