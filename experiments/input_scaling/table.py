"""How runs of the study `input_scaling` are read, and its tables."""

from typing import Any

import numpy as np

from experiments.input_scaling.recipes import UNSCALED, first_steps
from jaxsize.results import Folder, Runs
from jaxsize.studies import Arms, ArmView, Learned, Setup, columns

CHECKED_STEPS = (1, 10, 50, 100, 200)
"""The steps after which R8 is compared with R0."""
NAMING = ("run", "dataset", "form", "arm", "input_scale", "rate_factor", "hidden", "seed")
"""The columns that tell a run from all others."""


def accuracy(arm: ArmView, column: str = "test_accuracy") -> np.ndarray:
    """Read an accuracy at the end, [num_seeds]; a run whose loss is not finite has that of a guess."""
    measured = np.round(arm.end(column), 6)
    return np.where(np.isfinite(measured), measured, 1 / arm.values("num_classes")[0])


def best_factor(arm: ArmView) -> ArmView:
    """Return the runs whose factor of the learning rates is best on validation rows, the smallest of equal ones."""
    parts = arm.by("rate_factor").values()
    return max(parts, key=lambda part: float(np.median(accuracy(part, "validation_accuracy"))))


def at_best_epoch(arm: ArmView, column: str) -> np.ndarray:
    """Read a column after the epoch with the best validation accuracy, the first of equal ones: [num_seeds]."""
    best = np.nan_to_num(arm.curve("validation_accuracy")).argmax(axis=1)
    return np.nan_to_num(arm.curve(column))[np.arange(len(best)), best]


def zero_from(zero: np.ndarray) -> np.ndarray:
    """Return the step, counted from 1, from which on all outputs of every batch are 0, [num_seeds].

    NaN for a run with an output other than 0 at its last step.

    Args:
        zero: [num_seeds, steps], 1 where all outputs of the batch are 0.
    """
    last_stretch = np.cumprod(zero[:, ::-1] == 1, axis=1).sum(axis=1)
    return np.where(last_stretch > 0, zero.shape[1] + 1.0 - last_stretch, np.nan)


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table: a row per recipe, scale, factor of the rates and number of epochs; then one per tuned network.

    A recipe's row has scores and loss after these epochs, the share of dead units at the last step, and the step from
    which all outputs are 0. A tuned network's has its scores at its best epoch by validation accuracy.
    """
    epochs, long = arms.settings["epochs"], arms.settings["long_epochs"]
    tuned = columns(
        arms=["tuned"],
        by=["hidden", "learning_rate", "weight_decay"],
        epochs=lambda arm: epochs,
        validation_accuracy=lambda arm: at_best_epoch(arm, "validation_accuracy"),
        test_accuracy=lambda arm: at_best_epoch(arm, "test_accuracy"),
    )
    recipes = columns(
        arms=["R*"],
        by=["input_scale", "rate_factor"],
        epochs=lambda arm: arm.curve("epoch").shape[1],
        test_accuracy=accuracy,
        train_accuracy=lambda arm: arm.end("train_accuracy"),
        train_loss=lambda arm: arm.end("train_loss"),
        dead_share=lambda arm: arm.steps("dead_share_0")[:, -1],
        outputs_0_from=lambda arm: zero_from(arm.steps("zero_outputs")),
    )
    return [*recipes(arms.until(epochs)), *recipes(arms.at(num_epochs=long)), *tuned(arms)]


def gaps(arms: Arms) -> dict[float, np.ndarray]:
    """Return, by scale, the largest difference so far between the losses of R8 and R0, [num_seeds, steps]."""
    arms = arms.until(arms.settings["epochs"])
    reference = arms[UNSCALED].steps("loss")
    return {
        scale: np.maximum.accumulate(np.abs(part.steps("loss") - reference), axis=1)
        for scale, part in arms["R8"].by("input_scale").items()
    }


def not_finite(runs: Runs, **where: Any) -> list[dict[str, Any]]:
    """List the runs whose loss was not finite at some step: the first such step, and whether it is finite at the end.

    That of a network that has lost all its units is finite again.

    Args:
        runs: all runs.
        **where: columns that select some of them.
    """
    rows = []
    for path, losses in runs.all_steps("loss"):
        if where.items() <= path[0].items() and not np.isfinite(losses).all():
            row = {name: path[0][name] for name in NAMING if name in path[0]}
            ends = "finite" if path[-1]["train_loss"] is not None else "not finite"
            rows.append(row | {"first_step": int(np.isfinite(losses).argmin()) + 1, "at_the_end": ends})
    return rows


def checks(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure first steps, compare R8 with R0 step by step, and list the runs whose loss was not finite."""
    runs, where = Runs(folder, setup.flags.settings()), {"dataset": setup.dataset.name, "form": setup.form}
    tables = {"Loss not finite: the first such step": not_finite(runs, **where)}
    if setup.form == "original":
        title = "Change of the outputs by the first step of each layer, R0's = 1"
        tables[title] = first_steps(learned[setup.name("recipes")][0])
        tables["R8 against R0: largest difference of losses so far"] = [
            {"dataset": setup.dataset.name, "scale": scale}
            | {
                f"step_{step}": float(np.median(gap[:, step - 1]))
                for step in (*CHECKED_STEPS, gap.shape[1])
                if step <= gap.shape[1]
            }
            for scale, gap in gaps(Arms.of(runs).at(**where)).items()
        ]
    return tables
