"""Is it Adam that makes the loss noisy late in training, or the large steps of the size?

    python -m experiments.adam_noise                                 digits, 10 seeds, a minute or two
    python -m experiments.adam_noise --dataset mnist --epochs 50        one set, 6 seeds, past epoch 30
    python -m experiments.adam_noise --dataset mnist fashion_mnist --full    J13's scale: 30 seeds, 60 epochs

One hidden layer that starts at size 0 and costs nothing, as in `pretraining` without its first phase (the journal, seed
`003_d2c286111c329776.txt`, "Check if Adam is messing up with the training at very low loss" and the two explanations in
"Results of the pretask"; experiment J13, which the journal announced and never ran). Three arms start from the same
weights and orders of rows: Adam; Adamax, for weights and size, at the same rates; and Adam with a smaller rate for the
size. `original`: the journal's data preparation, all rows train. `corrected`: every data set is standardised by its own
statistics, validation rows are held out, and units are added when the size comes near the width. Answers the first half
of C25, which stays open where noise is measured before epoch 30: the journal does not speak of it.
"""

import dataclasses
import sys
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from experiments.common.sizes import cuts, trained_sizes
from experiments.common.words import medians
from experiments.flags.flexible import FlexibleFlags
from jaxsize import plots
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FORMS
from jaxsize.statistics import Part, paired_difference
from jaxsize.studies import Arm, Arms, ArmView, Claim, Setup, Study, above, columns, listed, still_open, versus

SEEN_AFTER = 30
"""The epoch after which the journal saw the noise."""
FEWEST = 4
"""The fewest epochs that must follow `after_epoch`; otherwise noise is measured in the second half of the epochs."""
EARLIER = f"the journal saw the noise after epoch {SEEN_AFTER}, which --epochs {SEEN_AFTER + FEWEST} or more can show"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamNoiseFlags(FlexibleFlags):
    """Is it Adam that makes the loss noisy late in training, or the large steps of the size?"""

    large: ClassVar = {"epochs": 40}

    epochs: int = 60
    """Passes over the training rows. 40 unless the data set is digits: the noise comes after epoch 30."""
    width: int = 500
    """Hidden units that a network has room for."""
    slow_size_learning_rate: float = 0.1
    """Step size of Adam for the sizes in the third arm, in units."""
    slope: float = 0.4
    """Steepness of the gate, over units."""
    after_epoch: int = SEEN_AFTER
    """Noise is measured after this epoch; after half of the epochs if fewer than 4 epochs would follow."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("after_epoch")
        self.require_numbers("slope", high=1e4, above=True)
        slow, rate = self.slow_size_learning_rate, self.size_learning_rate
        if not 0 < slow < rate:
            raise InputError(f"expected a number between 0 and {rate:g}, got {slow}", field="slow_size_learning_rate")
        self.require_runs(3)


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare Adam with both rates of the size, and Adamax."""
    flags = setup.flags
    adam, adamax = (
        trained_sizes(setup, dataclasses.replace(FORMS[setup.form], optimizer=name, size_optimizer=name))
        for name in ("adam", "adamax")
    )
    settings, slow = {"slope": flags.slope, **flags.rates()}, flags.slow_size_learning_rate
    yield Arm("Adam", settings, adam)
    yield Arm(f"Adam, size rate {slow:g}", settings | {"size_learning_rate": slow}, adam)
    yield Arm("Adamax", settings, adamax)


def first_late(settings: Mapping[str, Any]) -> int:
    """Return the number of epochs before those in which noise is measured."""
    after, epochs = settings["after_epoch"], settings["epochs"]
    return after if after + FEWEST <= epochs else epochs // 2


def log_losses(arm: ArmView) -> np.ndarray:
    """Return the log of the mean loss of the steps of every epoch, [num_seeds, epochs]."""
    return np.log(np.maximum(arm.steps_by_epoch("loss").mean(-1), 1e-30))


def log_ratio(logs: np.ndarray) -> np.ndarray:
    """Return the largest less the smallest of logs [num_seeds, epochs] over seeds that are finite: [epochs]."""
    finite = logs[np.isfinite(logs).all(1)]
    return np.ptp(finite, axis=0) if len(finite) else logs[0] * np.nan


def noise_of(what: str, arm: ArmView) -> np.ndarray:
    """Return the standard deviation of the changes from epoch to epoch in late epochs, [num_seeds].

    That of a steady fall is 0. With fewer than 2 changes in late epochs, it is NaN.

    Args:
        what: "log loss" or "size".
        arm: the runs.
    """
    values = log_losses(arm) if what == "log loss" else arm.curve(what)
    changes = np.diff(values[:, first_late(arm.settings) :], axis=1)
    return changes.std(axis=1) if changes.shape[1] > 1 else np.full(len(values), np.nan)


def adam_is_noisier(adam: ArmView, other: ArmView) -> Iterator[Part]:
    """Yield how much noisier the log loss is with Adam than with another arm, and the size, which does not count."""
    before, epochs = first_late(adam.settings), adam.settings["epochs"]
    for what in ("log loss", "size") if epochs >= 6 else ():
        more = paired_difference(noise_of(what, adam), noise_of(what, other))
        part = above(more, noise_of=what, epochs=f"{before + 1} to {epochs}")
        if what == "size":
            yield listed(part, "the claim is about the loss")
        else:
            yield part if before >= SEEN_AFTER else still_open(part, EARLIER)


def curves(arms: Arms) -> Any:
    """Draw the mean loss of an epoch's steps, the largest over the smallest loss of all seeds, and the size.

    They are drawn against epochs; a row of panels per form, a line per arm. Losses and sizes: the median over seeds,
    and a band from the smallest to the largest. Noise is measured right of the dotted line.
    """
    loss = "loss of an epoch's steps"
    panels = {
        loss: lambda arm: np.exp(log_losses(arm)),
        "largest over smallest loss": lambda arm: np.exp(log_ratio(log_losses(arm)))[None],
        "size": lambda arm: arm.curve("size"),
    }
    figure, grid = plots.grid(arms.by_form(), panels, log=[loss])
    for axes in grid.ravel():
        axes.axvline(first_late(arms.settings) + 0.5, color="gray", linewidth=0.8, linestyle=":")
    figure.suptitle(f"{arms.title}: median and range")
    return figure


def answer(arms: Arms) -> Iterator[str]:
    """Say how noisy the loss was in late epochs with every arm."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        noises = medians({arm.name: noise_of("log loss", arm) for arm in chosen})
        yield (
            f"{dataset}, {form} form: after epoch {first_late(arms.settings)}, the log of the loss changed from epoch "
            f"to epoch by a standard deviation of {noises}."
        )


STUDY = Study(
    name="adam_noise",
    flags=AdamNoiseFlags,
    presets={
        "smoke": {"num_seeds": 2, "width": 200, "epochs": 6},
        "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
    },
    arms=arms,
    table=columns(
        *("size", "train_loss", "test_loss", "test_score"),
        noise_of_log_loss=lambda arm: noise_of("log loss", arm),
        noise_of_size=lambda arm: noise_of("size", arm),
        # of all seeds: the largest over the smallest loss, as the geometric mean over late epochs
        max_over_min_loss=lambda arm: float(np.exp(log_ratio(log_losses(arm))[first_late(arm.settings) :].mean())),
    ),
    claims={
        "C25a": Claim(
            "the loss is noisy late because of Adam: with Adamax it is less so",
            versus("Adam", "Adamax"),
            adam_is_noisier,
            "needs at least 6 epochs",
        ),
        "C25a, size": Claim(
            "the loss is noisy late because of the large steps of the size: with smaller ones it is less so",
            versus("Adam", "Adam, size rate*"),
            adam_is_noisier,
            "needs at least 6 epochs",
        ),
    },
    pictures={"adam_noise": curves},
    answer=answer,
    checks=[cuts],
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
