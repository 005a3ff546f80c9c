"""What the runs on scaled inputs say: the table, how R8 leaves R0, and runs that overflowed."""

from typing import Any

import numpy as np

from experiments.flexible_runs import Runs
from experiments.input_scaling_recipes import RECIPES, UNSCALED
from jaxsize.datasets import Form
from jaxsize.records import Folder
from jaxsize.statistics import describe

RECIPE_ARM, LONG_ARM, TUNED_ARM = "recipes", "longer", "tuned"
SWEPT = (UNSCALED, "R1", "R2", "R8")
LONG = (UNSCALED, "R2")
FIRST_STEPS = 200
CHECKED_STEPS = (1, 10, 50, 100, 200)


def recipe_runs(runs: Runs, dataset: str, form: Form, arm: str = RECIPE_ARM) -> dict[tuple[str, float], dict[str, Any]]:
    """By recipe and scale what selects the runs at the asker's rates, one per seed."""
    where: dict[str, Any] = {"dataset": dataset, "form": form, "arm": arm, "rate_factor": 1.0}
    return {
        (name, scale): where | {"recipe": name, "input_scale": scale}
        for name in RECIPES
        for scale in runs.values("input_scale", **where, recipe=name)
    }


def accuracy(runs: Runs, which: dict[str, Any], name: str = "test_accuracy") -> np.ndarray:
    """[num_seeds]: at the end; a run whose loss is not finite guesses. NaN where there is no run."""
    found = np.round(runs.last(name, **which), 6)
    return np.where(np.isfinite(found), found, 1 / runs.last("num_classes", **which))


def alive_until(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: the step, from 1 on, from which all outputs of every batch are 0; NaN of a run that has any at its
    last step."""
    zero = runs.steps("zero_outputs", **which)
    if not zero.shape[1]:
        return np.full(len(zero), np.nan)
    alive = np.array([np.flatnonzero(line != 1)[-1] + 2 if (line != 1).any() else 1 for line in zero], float)
    return np.where(zero[:, -1] == 1, alive, np.nan)


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per recipe, scale, length and factor of the rates: scores and losses at the end, the share of dead units
    at the last step, and the step from which all outputs are 0. Then one per tuned network."""
    rows: list[dict[str, Any]] = []
    for arm in (RECIPE_ARM, LONG_ARM):
        where = {"dataset": dataset, "form": form, "arm": arm}
        for factor in runs.values("rate_factor", **where):
            for recipe, scale in recipe_runs(runs, dataset, form, arm):
                cell = where | {"rate_factor": factor, "recipe": recipe, "input_scale": scale}
                if recipe not in runs.values("recipe", **cell):
                    continue
                row: dict[str, Any] = {"dataset": dataset, "form": form, "recipe": recipe, "scale": scale}
                row |= {"rate_factor": factor, "epochs": runs.curve("epoch", **cell).shape[1]}
                row |= {"test_accuracy": describe(accuracy(runs, cell))}
                row |= {name: describe(runs.last(name, **cell)) for name in ("train_accuracy", "train_loss")}
                row |= {"dead_share": describe(runs.steps("dead_share_0", **cell)[:, -1])}
                rows.append(row | {"outputs_0_from": describe(alive_until(runs, cell))})
    return rows + tuned_rows(runs, dataset, form)


def tuned_rows(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per tuned network: scores of each run's best epoch by validation."""
    where: dict[str, Any] = {"dataset": dataset, "form": form, "arm": TUNED_ARM}
    rows = []
    for hidden in runs.values("hidden", **where):
        for rate in runs.values("rate", **where, hidden=hidden):
            for decay in runs.values("decay", **where, hidden=hidden):
                cell = {"hidden": hidden, "rate": rate, "decay": decay}
                found = at_best_epoch(runs, where | cell)
                row = {"dataset": dataset, "form": form, "recipe": TUNED_ARM} | cell
                row |= {"epochs": runs.curve("epoch", **cell).shape[1]}
                rows.append(row | {name: describe(values) for name, values in found.items()})
    return rows


def at_best_epoch(runs: Runs, which: dict[str, Any]) -> dict[str, np.ndarray]:
    """[num_seeds] each: validation and test accuracy after the epoch with the best validation accuracy."""
    held, test = (np.nan_to_num(runs.curve(f"{split}_accuracy", **which)) for split in ("validation", "test"))
    best = held.argmax(axis=1)[:, None]
    named = zip(("validation_accuracy", "test_accuracy"), (held, test), strict=True)
    return {name: np.take_along_axis(values, best, axis=1)[:, 0] for name, values in named}


def growth(runs: Runs, dataset: str) -> list[dict[str, Any]]:
    """Per scale, the largest difference of losses between R8 and R0 up to some steps: the median over seeds."""
    found, rows = recipe_runs(runs, dataset, "original"), []
    reference = runs.steps("loss", **found[UNSCALED, 1.0])
    for (name, scale), which in found.items():
        if name == "R8":
            gap = np.maximum.accumulate(np.abs(runs.steps("loss", **which) - reference), axis=1)
            steps = [step for step in (*CHECKED_STEPS, gap.shape[1]) if step <= gap.shape[1]]
            rows.append({"scale": scale} | {f"step_{step}": float(np.median(gap[:, step - 1])) for step in steps})
    return rows


def not_finite(folder: Folder) -> list[dict[str, Any]]:
    """The runs that ended with a loss that is not finite, and after which epoch it was so first."""
    rows: dict[int, dict[str, Any]] = {}
    for row in folder.rows.read():
        if row["train_loss"] is None and row["run"] not in rows:
            told = ("run", "dataset", "form", "arm", "recipe", "input_scale", "rate_factor", "hidden", "seed", "epoch")
            rows[row["run"]] = {name: row[name] for name in told if name in row}
    return list(rows.values())
