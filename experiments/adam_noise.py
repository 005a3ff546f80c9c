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
of C25.
"""

import dataclasses
import sys
from typing import Any

import numpy as np

from experiments.flags.flexible import FlexibleFlags
from jaxsize import plots
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FORMS
from jaxsize.programs import Batch
from jaxsize.results import Runs
from jaxsize.statistics import Part, claim, describe, paired_difference, verdict
from jaxsize.studies import Command
from jaxsize.studies.questions import Question, Setup, run_question

NAME = "adam_noise"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamNoiseFlags(FlexibleFlags):
    """Is it Adam that makes the loss noisy late in training, or the large steps of the size?"""

    epochs: int = 60
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 500
    """Hidden units that a network has room for."""
    slow_size_learning_rate: float = 0.1
    """Step size of Adam for the sizes in the third arm, in units."""
    slope: float = 0.4
    """Steepness of the gate, over units."""
    after_epoch: int = 30
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


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 200, "epochs": 6},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Make a batch of Adam with both rates of the size, and one of Adamax."""
    flags, form = setup.flags, setup.form
    made: list[Batch] = []
    for optimizer in ("adam", "adamax"):
        rates = (flags.size_learning_rate, flags.slow_size_learning_rate)[: 2 if optimizer == "adam" else 1]
        settings = [
            {"slope": flags.slope, "seed": seed, "learning_rate": flags.learning_rate, "size_learning_rate": rate}
            for rate in rates
            for seed in range(flags.num_seeds)
        ]
        flexible = dataclasses.replace(FORMS[form], optimizer=optimizer, size_optimizer=optimizer)
        made.append(setup.flexible(optimizer, flexible, settings, made))
    return made


FEW_EPOCHS = "needs at least 6 epochs"
FEWEST = 4
"""The fewest epochs that must follow `after_epoch`; otherwise noise is measured in the second half of the epochs."""


def arms(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """Return, by name, the columns that select the runs of each arm, one per seed; Adam at the journal's rate first."""
    where = {"dataset": dataset, "form": form}
    slow = runs.settings["slow_size_learning_rate"]
    rates = {"Adam": ("adam", "size_learning_rate"), f"Adam, size rate {slow:g}": ("adam", "slow_size_learning_rate")}
    rates["Adamax"] = ("adamax", "size_learning_rate")
    return {
        name: where | {"arm": arm, "size_learning_rate": runs.settings[rate]} for name, (arm, rate) in rates.items()
    }


def first_late(settings: dict[str, Any]) -> int:
    """Return the number of epochs before those in which noise is measured."""
    after, epochs = settings["after_epoch"], settings["epochs"]
    return after if after + FEWEST <= epochs else epochs // 2


def noise(values: np.ndarray, before: int) -> np.ndarray:
    """Return the standard deviation of the differences from epoch to epoch, [num_seeds]; that of a steady fall is 0.

    NaN with fewer than 2 differences.

    Args:
        values: [num_seeds, epochs].
        before: the number of first epochs that are left out.
    """
    steps = np.diff(values[:, before:], axis=1)
    return steps.std(axis=1) if steps.shape[1] > 1 else np.full(len(values), np.nan)


def log_losses(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the log of the mean loss of the steps of every epoch, [num_seeds, epochs]."""
    return np.log(np.maximum(runs.per_epoch("loss", **which).mean(-1), 1e-30))


def log_ratio(logs: np.ndarray) -> np.ndarray:
    """Return the log of the ratio of the largest to the smallest loss over seeds, [epochs], given logs of losses.

    Args:
        logs: [num_seeds, epochs]; seeds that are not finite are left out.
    """
    return np.ptp(logs[np.isfinite(logs).all(1)], axis=0) if np.isfinite(logs).all(1).any() else logs[0] * np.nan


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per arm with losses, score and size at the end, and the noise of late epochs.

    `max_over_min_loss` is one number for all seeds: the largest over the smallest loss of a seed, as the geometric mean
    over late epochs.
    """
    score, before = runs.score(dataset)[0], first_late(runs.settings)
    rows: list[dict[str, Any]] = []
    for name, which in arms(runs, dataset, form).items():
        ends = runs.described(["size", "train_loss", "test_loss", score], **which)
        logs, sizes = log_losses(runs, which), runs.curve("size", **which)
        rows.append(
            {"dataset": dataset, "form": form, "optimizer": name}
            | {column: value for column, value in ends.items() if column not in which}
            | {
                "noise_of_log_loss": describe(noise(logs, before)),
                "noise_of_size": describe(noise(sizes, before)),
                "max_over_min_loss": float(np.exp(log_ratio(logs)[before:].mean())),
            }
        )
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer the first half of C25 in one form."""
    texts = {
        "C25a": ("Adamax", "the loss is noisy late because of Adam: with Adamax it is less so"),
        "C25a, size": (
            "Adam",
            "the loss is noisy late because of the large steps of the size: with smaller ones it is less so",
        ),
    }
    return {name: adam_is_noisy(runs, form, *arm_and_text) for name, arm_and_text in texts.items()}


def adam_is_noisy(runs: Runs, form: Form, than: str, text: str) -> dict[str, Any]:
    """Judge whether Adam is noisier than another arm, paired over seeds.

    The difference in the noise of the log loss, Adam less the other arm, should be above 0. That of the size is listed,
    but does not count.

    Args:
        runs: the runs of the study.
        form: "original" or "corrected".
        than: the name of the other arm, up to a comma.
        text: the claim in words.
    """
    parts: list[Part] = []
    before, epochs = first_late(runs.settings), runs.settings["epochs"]
    for dataset in runs.settings["dataset"] if epochs >= 6 else ():
        first, *others = arms(runs, dataset, form).items()
        for name, which in others:
            if name.split(",")[0] != than:
                continue
            for what, of in (("log loss", log_losses), ("size", _sizes)):
                less = paired_difference(noise(of(runs, first[1]), before), noise(of(runs, which), before))
                label = {"dataset": dataset, "noise_of": what, f"{first[0]}_less": name}
                label["epochs"] = f"{before + 1} to {epochs}"
                if what == "size":
                    label["uninformative"] = "the claim is about the loss"
                parts.append((label, less, verdict(less, "positive")))
    return claim(text, parts, FEW_EPOCHS)


def _sizes(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    return runs.curve("size", **which)


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw the loss and its range over models, the ratio of its ends, and the size against epochs, a row per form."""
    forms, before = runs.settings["form"], first_late(runs.settings)
    figure, panels = plots.subplots(len(forms), 3, width=3.6)
    for row, form in zip(panels, forms, strict=True):
        by_name = arms(runs, dataset, form)
        for color, (name, which) in zip(plots.colors(len(by_name)), by_name.items(), strict=True):
            logs = log_losses(runs, which)
            epochs = np.arange(1, logs.shape[1] + 1)
            plots.band(row[0], epochs, np.exp(logs), color=color, label=name)
            row[1].plot(epochs, np.exp(log_ratio(logs)), color=color)
            plots.band(row[2], epochs, _sizes(runs, which), color=color, label=name)
        for axes, title in zip(
            row, (f"{form}: loss of an epoch's steps", "largest over smallest loss", "size"), strict=True
        ):
            axes.set(xlabel="epoch", title=title)
            axes.axvline(before + 0.5, color="gray", linewidth=0.8, linestyle=":")
        plots.log_axis(row[0], "y")
    plots.legend(figure, panels[0, 0], "")
    figure.suptitle(f"{dataset}, {runs.num_seeds} models: median and range; noise counts right of the dots")
    return {"adam_noise": figure}


QUESTION = Question(NAME, batches, results, claims, pictures)


def run(flags: AdamNoiseFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, AdamNoiseFlags, PRESETS, run)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
