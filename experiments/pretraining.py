"""Does a network that was trained before it may choose its size end up smaller, and with the same loss?

    python -m experiments.pretraining                                  digits, 10 seeds, a minute or two
    python -m experiments.pretraining --dataset mnist fashion_mnist       two sets, 6 seeds
    python -m experiments.pretraining --dataset mnist fashion_mnist --full    J12's scale: 30 seeds, 60 epochs

All units are on and stay on while the weights are trained for 0, 5 or 10 epochs. Then the size is set to 0 and trained
together with the weights, by a fresh Adam (the journal, seed `003_d2c286111c329776.txt`, "Pre-Task" of "Two phase
training"; experiment J12). `original`: the journal's data preparation, all rows train. `corrected`: every data set is
standardised by its own statistics, and validation rows are held out. All arms share their
initial weights and orders of rows; the second phase reads the rows in the orders of the first once more. Answers C24.
"""

import dataclasses
import itertools
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.sizes import cuts, draw_growth, trained_sizes
from experiments.common.words import median, medians
from experiments.flags.flexible import FlexibleFlags
from jaxsize import studies
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FORMS
from jaxsize.statistics import Part, describe, equivalence_ratio, paired_difference, trend
from jaxsize.studies import Arm, Arms, ArmView, Claim, Learned, Setup, above, below, each, unclear


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
            expected = f"expected different whole numbers from 0 on, got {studies.listing(numbers)}"
            raise InputError(expected, field="pretrain_epochs")
        self.require_runs(2 * len(numbers))


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare the first phase, an arm for every number of epochs: the size stays at the width."""
    flags = setup.flags
    held = {"slope": flags.slope, "start_size": float(flags.width), **flags.rates(), "size_learning_rate": 0.0}
    for epochs in sorted(set(flags.pretrain_epochs) - {0}):
        make = trained_sizes(setup, FORMS[setup.form], width=flags.width, widen=False, num_epochs=epochs)
        yield Arm(f"pre-training {epochs}", held | {"pretrain_epochs": epochs}, make)


def followers(setup: Setup, learned: Learned) -> Iterator[Arm]:
    """Declare the second phase: from size 0, with the weights that the first phase ended with, or with random ones."""
    flags, numbers = setup.flags, sorted(setup.flags.pretrain_epochs)
    ended = {batch.labels[0]["pretrain_epochs"]: trained.networks for batch, trained in learned.values()}
    drawn = next(iter(learned.values()))[0].init

    def start(run: int) -> Any:
        epochs, seed = numbers[run // flags.num_seeds], run % flags.num_seeds
        return ended[epochs][seed].params if epochs else drawn(seed)

    make = trained_sizes(setup, FORMS[setup.form], width=flags.width, widen=False, start=start)
    freed = {"slope": flags.slope, "start_size": 0.0, **flags.rates()}
    for epochs in numbers:
        yield Arm("training", freed | {"pretrain_epochs": epochs}, make)


def loss_before(arm: ArmView) -> dict[str, Any]:
    """Describe the loss at the end of the first phase, which runs with 0 epochs before did not have."""
    first = arm.at(arm=f"pre-training {arm.where['pretrain_epochs']}")
    return describe(first.end("train_loss"), missing=~first.exists)


def late_spread(arm: ArmView) -> np.ndarray:
    """Return the standard deviation of the log of the mean loss of an epoch's steps, late in training, [num_seeds].

    Late is the second half of the epochs.
    """
    losses = arm.steps_by_epoch("loss").mean(-1)
    return np.log(np.maximum(losses[:, losses.shape[1] // 2 :], 1e-30)).std(-1)


def pairs(arm: ArmView) -> Iterator[tuple[dict[str, int], ArmView, ArmView]]:
    """Yield every two numbers of epochs before: a label, the runs of the longer one, and those of the shorter one."""
    for (shorter, one), (longer, other) in itertools.combinations(arm.by("pretrain_epochs").items(), 2):
        yield {"epochs_before": longer, "against": shorter}, other, one


def smaller(arm: ArmView) -> Iterator[Part]:
    """Yield the trend and the differences of end sizes by epochs before."""
    before = list(arm.by("pretrain_epochs"))
    if len(before) > 2:
        falls = trend(before, arm.matrix("size", over="pretrain_epochs"), direction="negative")
        yield studies.trending(falls, of="end size", trend_over="epochs before")
    for label, longer, shorter in pairs(arm):
        yield below(paired_difference(longer.end("size"), shorter.end("size")), of="end size", **label)


def same_loss(arm: ArmView) -> Iterator[Part]:
    """Yield the ratios of losses at the end, longer over shorter pre-training."""
    ends = {
        "loss of the last epoch's steps": lambda one: one.steps_by_epoch("loss")[:, -1].mean(-1),
        "test loss": lambda one: one.end("test_loss"),
    }
    for (what, end), (label, longer, shorter) in itertools.product(ends.items(), pairs(arm)):
        ratio = above(equivalence_ratio(end(longer), end(shorter), None), of=f"ratio of {what}", **label)
        yield unclear(ratio, 'how near is "the same loss on average"')


def growth(arms: Arms) -> Any:
    """Draw size, the mean of -dL/dsize over an epoch, and the loss of an epoch's steps, against epochs of phase two.

    A row of panels per form, a line per number of epochs before: the median over seeds, and a band from the smallest to
    the largest.
    """
    views = {form: arms.at(form=form)["training"].by("pretrain_epochs") for form in arms.forms}
    return draw_growth(arms, views, "epochs before")


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes and losses ended, by the number of epochs before."""
    for arm in arms.like("training"):
        before = arm.by("pretrain_epochs")
        sizes = medians({epochs: view.end("size") for epochs, view in before.items()})
        ended = ", ".join(median(view.end("train_loss")) for view in before.values())
        yield (
            f"{arm.dataset}, {arm.form} form: by the number of epochs that networks trained before their sizes could "
            f"change, sizes ended at {sizes}, with losses on training rows of {ended}."
        )


STUDY = studies.Study(
    name="pretraining",
    flags=PretrainingFlags,
    presets={
        "smoke": {"num_seeds": 2, "width": 40, "epochs": 3, "pretrain_epochs": (0, 1, 2)},
        "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128, "pretrain_epochs": (0, 5, 10)},
    },
    arms=arms,
    followers=followers,
    table=studies.columns(
        *("size", "live_units", "train_loss", "test_loss", "test_score"),
        arms=["training"],
        by=["pretrain_epochs"],
        train_loss_before=loss_before,
        late_spread_of_log_loss=late_spread,
        # these runs ended with all units on, and might have grown further
        runs_at_width=lambda arm: int(np.sum(arm.end("live_units") >= arm.settings["width"])),
    ),
    claims={
        "C24": Claim(
            "the longer a network is trained before its size can change, the lower the size it converges to",
            each("training"),
            smaller,
        ),
        "C24, loss": Claim("all of them reach the same loss on average", each("training"), same_loss),
    },
    pictures={"pretraining": growth},
    answer=answer,
    checks=[cuts],
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
