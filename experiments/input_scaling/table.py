"""How runs of the study `input_scaling` are read, and its tables."""

from typing import Any

import numpy as np

from experiments.input_scaling.recipes import UNSCALED
from jaxsize.results import Runs
from jaxsize.studies import Arms, ArmView, columns

CHECKED_STEPS = (1, 10, 50, 100, 200)
"""The steps after which R8 is compared with R0."""


def after(arm: ArmView, column: str, epochs: int | None = None) -> np.ndarray:
    """Read a column after a number of epochs (default: --epochs), [num_seeds]; R0 and R2 may go on for longer."""
    return arm.curve(column)[:, (epochs or arm.settings["epochs"]) - 1]


def accuracy(arm: ArmView, epochs: int | None = None, column: str = "test_accuracy") -> np.ndarray:
    """Read an accuracy as `after` does; a run whose loss is not finite has that of a guess."""
    measured = np.round(after(arm, column, epochs), 6)
    return np.where(np.isfinite(measured), measured, 1 / arm.values("num_classes")[0])


def steps(arm: ArmView, key: str, epochs: int | None = None) -> np.ndarray:
    """Read the history `key` of every step of a number of epochs (default: --epochs), [num_seeds, steps]."""
    values = arm.steps_by_epoch(key)[:, : epochs or arm.settings["epochs"]]
    return values.reshape(len(values), -1)


def best_factor(arm: ArmView) -> ArmView:
    """Return the runs whose factor of the learning rates is best on validation rows, the smallest of equal ones."""
    parts = list(arm.by("rate_factor").values())
    if len(parts) == 1:
        return parts[0]
    return max(parts, key=lambda part: float(np.median(accuracy(part, column="validation_accuracy"))))


def at_best_epoch(arm: ArmView, column: str) -> np.ndarray:
    """Read a column after the epoch with the best validation accuracy, the first of equal ones: [num_seeds]."""
    best = np.nan_to_num(arm.curve("validation_accuracy")).argmax(axis=1)
    return np.take_along_axis(np.nan_to_num(arm.curve(column)), best[:, None], axis=1)[:, 0]


def zero_from(zero: np.ndarray) -> np.ndarray:
    """Return the step, counted from 1, from which on all outputs of every batch are 0, [num_seeds].

    NaN for a run with an output other than 0 at its last step.

    Args:
        zero: [num_seeds, steps], 1 where all outputs of the batch are 0.
    """
    alive = np.array([np.flatnonzero(line != 1)[-1] + 2 if (line != 1).any() else 1 for line in zero], float)
    return np.where(zero[:, -1] == 1, alive, np.nan)


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table: a row per recipe, scale, factor of the rates and number of epochs; then one per tuned network.

    A recipe's row has scores and loss after these epochs, the share of dead units at the last step, and the step from
    which all outputs are 0. A tuned network's has its scores at its best epoch by validation accuracy.
    """
    long = arms.settings["long_epochs"]
    tuned = columns(
        arms=["tuned"],
        by=["hidden", "learning_rate", "weight_decay"],
        epochs=lambda arm: arm.settings["epochs"],
        validation_accuracy=lambda arm: at_best_epoch(arm, "validation_accuracy"),
        test_accuracy=lambda arm: at_best_epoch(arm, "test_accuracy"),
    )
    return [*_recipes(arms, arms.settings["epochs"]), *_recipes(arms.at(num_epochs=long), long), *tuned(arms)]


def _recipes(arms: Arms, epochs: int) -> list[dict[str, Any]]:
    return columns(
        arms=["R*"],
        by=["input_scale", "rate_factor"],
        epochs=lambda arm: epochs,
        test_accuracy=lambda arm: accuracy(arm, epochs),
        train_accuracy=lambda arm: after(arm, "train_accuracy", epochs),
        train_loss=lambda arm: after(arm, "train_loss", epochs),
        dead_share=lambda arm: steps(arm, "dead_share_0", epochs)[:, -1],
        outputs_0_from=lambda arm: zero_from(steps(arm, "zero_outputs", epochs)),
    )(arms)


def gaps(arms: Arms) -> dict[float, np.ndarray]:
    """Return, by scale, the largest difference so far between the losses of R8 and R0, [num_seeds, steps]."""
    reference = steps(arms[UNSCALED], "loss")
    return {
        scale: np.maximum.accumulate(np.abs(steps(part, "loss") - reference), axis=1)
        for scale, part in arms["R8"].by("input_scale").items()
    }


def growth(arms: Arms) -> list[dict[str, Any]]:
    """Make a table of `gaps`: a row per scale, the median over seeds after some steps."""
    rows = []
    for scale, gap in gaps(arms).items():
        checked = [step for step in (*CHECKED_STEPS, gap.shape[1]) if step <= gap.shape[1]]
        row = {"dataset": arms[0].dataset, "scale": scale}
        rows.append(row | {f"step_{step}": float(np.median(gap[:, step - 1])) for step in checked})
    return rows


def not_finite(runs: Runs, **where: Any) -> list[dict[str, Any]]:
    """List the runs whose loss was not finite at some step.

    A row says which run it is, the first such step, counted from 1, and whether the loss is finite at the end: that of
    a network that has lost all its units is finite again.

    Args:
        runs: all runs.
        **where: columns that select some of them.
    """
    rows = []
    for path, losses in runs.all_steps("loss"):
        if where.items() <= path[0].items() and not np.isfinite(losses).all():
            names = ("run", "dataset", "form", "arm", "input_scale", "rate_factor", "hidden", "seed")
            row = {name: path[0][name] for name in names if name in path[0]}
            ends = "finite" if path[-1]["train_loss"] is not None else "not finite"
            rows.append(row | {"first_step": int(np.flatnonzero(~np.isfinite(losses))[0]) + 1, "at_the_end": ends})
    return rows
