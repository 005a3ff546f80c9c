"""How noisy the arms are late in training: the table, C25's first half and the pictures."""

from typing import Any

import numpy as np

from experiments.flexible_runs import Runs
from jaxsize import plots
from jaxsize.datasets import Form
from jaxsize.statistics import describe, paired_difference
from jaxsize.verdicts import Part, claim, verdict

FEW_EPOCHS = "needs at least 6 epochs"
FEWEST = 4
"""Epochs that must follow for `after_epoch` to stand."""


def arms(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """By name, what selects the runs of each arm, one per seed; Adam at the rate of the journal first."""
    where = {"dataset": dataset, "form": form}
    slow = runs.settings["slow_size_learning_rate"]
    rates = {"Adam": ("adam", "size_learning_rate"), f"Adam, size rate {slow:g}": ("adam", "slow_size_learning_rate")}
    rates["Adamax"] = ("adamax", "size_learning_rate")
    return {
        name: where | {"arm": arm, "size_learning_rate": runs.settings[rate]} for name, (arm, rate) in rates.items()
    }


def first_late(settings: dict[str, Any]) -> int:
    """Epochs before the late ones."""
    after, epochs = settings["after_epoch"], settings["epochs"]
    return after if after + FEWEST <= epochs else epochs // 2


def noise(values: np.ndarray, before: int) -> np.ndarray:
    """[num_seeds]: standard deviation of the epoch-to-epoch differences of values [num_seeds, epochs] after so many
    epochs. A steady fall has none. NaN with fewer than 2 differences."""
    steps = np.diff(values[:, before:], axis=1)
    return steps.std(axis=1) if steps.shape[1] > 1 else np.full(len(values), np.nan)


def log_losses(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds, epochs]: log of the mean loss of the steps of every epoch."""
    return np.log(np.maximum(runs.per_epoch("loss", **which).mean(-1), 1e-30))


def log_ratio(logs: np.ndarray) -> np.ndarray:
    """[epochs]: log of the largest over the smallest loss of any model, of logs [num_seeds, epochs]."""
    return np.ptp(logs[np.isfinite(logs).all(1)], axis=0) if np.isfinite(logs).all(1).any() else logs[0] * np.nan


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per arm: losses, score and size at the end, and the noise of late epochs; `max_over_min_loss`: over models,
    the geometric mean of late epochs, one number for all seeds."""
    score, before = runs.score(dataset)[0], first_late(runs.settings)
    rows: list[dict[str, Any]] = []
    for name, which in arms(runs, dataset, form).items():
        found = runs.described(["size", "train_loss", "test_loss", score], **which)
        logs, sizes = log_losses(runs, which), runs.curve("size", **which)
        rows.append(
            {"dataset": dataset, "form": form, "optimizer": name}
            | {column: value for column, value in found.items() if column not in which}
            | {
                "noise_of_log_loss": describe(noise(logs, before)),
                "noise_of_size": describe(noise(sizes, before)),
                "max_over_min_loss": float(np.exp(log_ratio(logs)[before:].mean())),
            }
        )
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """C25's first half in one form."""
    texts = {
        "C25a": ("Adamax", "the loss is noisy late because of Adam: with Adamax it is less so"),
        "C25a, size": (
            "Adam",
            "the loss is noisy late because of the large steps of the size: with smaller ones it is less so",
        ),
    }
    return {name: adam_is_noisy(runs, form, *told) for name, told in texts.items()}


def adam_is_noisy(runs: Runs, form: Form, than: str, text: str) -> dict[str, Any]:
    """Paired over seeds, Adam less the arm whose name begins like this: the noise of the log loss, which should be
    above 0, and that of the size."""
    parts: list[Part] = []
    before, epochs = first_late(runs.settings), runs.settings["epochs"]
    for dataset in runs.settings["dataset"] if epochs >= 6 else ():
        first, *others = arms(runs, dataset, form).items()
        for name, which in others:
            if name.split(",")[0] != than:
                continue
            for what, of in (("log loss", log_losses), ("size", _sizes)):
                found = paired_difference(noise(of(runs, first[1]), before), noise(of(runs, which), before))
                label = {"dataset": dataset, "noise_of": what, f"{first[0]}_less": name}
                label["epochs"] = f"{before + 1} to {epochs}"
                if what == "size":
                    label["uninformative"] = "the claim is about the loss"
                parts.append((label, found, verdict(found, "positive")))
    return claim(text, parts, FEW_EPOCHS)


def _sizes(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    return runs.curve("size", **which)


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Loss with the smallest and the largest of all models, their ratio, and size against epochs, a row per form."""
    forms, before = runs.settings["form"], first_late(runs.settings)
    figure, panels = plots.subplots(len(forms), 3, width=3.6)
    for row, form in zip(panels, forms, strict=True):
        found = arms(runs, dataset, form)
        for color, (name, which) in zip(plots.colors(len(found)), found.items(), strict=True):
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
