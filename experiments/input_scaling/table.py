"""The tables of the study `input_scaling`: the results, how far R8 departs from R0, and runs that overflowed."""

from typing import Any

import numpy as np

from experiments.input_scaling.recipes import RECIPES, UNSCALED
from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import describe

RECIPE_ARM, TUNED_ARM = "recipes", "tuned"
SWEPT = (UNSCALED, "R1", "R2", "R8")
"""The recipes that are trained at further scales."""
LONG = (UNSCALED, "R2")
"""The recipes that are trained for --long-epochs; what they are after --epochs does not depend on it."""
FIRST_STEPS = 200
"""The number of steps that count as first ones."""
CHECKED_STEPS = (1, 10, 50, 100, 200)
"""The steps after which R8 is compared with R0."""


def recipe_runs(runs: Runs, dataset: str, form: Form) -> dict[tuple[str, float], dict[str, Any]]:
    """Return, by recipe and scale, the columns that select the runs at the asker's rates, one per seed."""
    where: dict[str, Any] = {"dataset": dataset, "form": form, "arm": RECIPE_ARM, "rate_factor": 1.0}
    return {
        (name, scale): where | {"recipe": name, "input_scale": scale}
        for name in RECIPES
        for scale in runs.values("input_scale", **where, recipe=name)
    }


def longer(runs: Runs, recipes: dict[tuple[str, float], dict[str, Any]]) -> dict[tuple[str, float], dict[str, Any]]:
    """Return the members of `recipe_runs` that were trained for longer than --epochs."""
    return {
        key: which for key, which in recipes.items() if runs.curve("epoch", **which).shape[1] > runs.settings["epochs"]
    }


def after(runs: Runs, name: str, which: dict[str, Any], epochs: int | None = None) -> np.ndarray:
    """Return a column after a number of epochs (default: --epochs), [num_seeds]; NaN where there is no run."""
    curve = runs.curve(name, **which)
    return curve[:, (epochs or runs.settings["epochs"]) - 1] if curve.shape[1] else np.full(runs.num_seeds, np.nan)


def accuracy(runs: Runs, which: dict[str, Any], name: str = "test_accuracy", epochs: int | None = None) -> np.ndarray:
    """Return an accuracy after a number of epochs (default: --epochs), [num_seeds].

    A run whose loss is not finite gets the accuracy of a guess.
    """
    measured = np.round(after(runs, name, which, epochs), 6)
    return np.where(np.isfinite(measured), measured, 1 / runs.last("num_classes", **which))


def steps(runs: Runs, key: str, which: dict[str, Any], epochs: int | None = None) -> np.ndarray:
    """Return the history `key` of every step of a number of epochs (default: --epochs), [num_seeds, steps]."""
    return runs.per_epoch(key, **which)[:, : epochs or runs.settings["epochs"]].reshape(runs.num_seeds, -1)


def zero_from(zero: np.ndarray) -> np.ndarray:
    """Return the step, counted from 1, from which on all outputs of every batch are 0, [num_seeds].

    NaN for a run with an output other than 0 at its last step.

    Args:
        zero: [num_seeds, steps], 1 where all outputs of the batch are 0.
    """
    if not zero.shape[1]:
        return np.full(len(zero), np.nan)
    alive = np.array([np.flatnonzero(line != 1)[-1] + 2 if (line != 1).any() else 1 for line in zero], float)
    return np.where(zero[:, -1] == 1, alive, np.nan)


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per recipe, scale, number of epochs and factor of the rates; then one per tuned network.

    A recipe's row has scores and loss at the end, the share of dead units at the last step, and the step from which all
    outputs are 0.
    """
    rows: list[dict[str, Any]] = []
    recipes = recipe_runs(runs, dataset, form)
    cells = [
        (which | {"rate_factor": factor}, runs.settings["epochs"])
        for factor in _factors(runs, form)
        for which in recipes.values()
    ]
    cells += [(which, runs.settings["long_epochs"]) for which in longer(runs, recipes).values()]
    for cell, epochs in cells:
        row: dict[str, Any] = {"dataset": dataset, "form": form, "recipe": cell["recipe"]}
        row |= {"scale": cell["input_scale"], "rate_factor": cell["rate_factor"], "epochs": epochs}
        row |= {"test_accuracy": describe(accuracy(runs, cell, epochs=epochs))}
        row |= {name: describe(after(runs, name, cell, epochs)) for name in ("train_accuracy", "train_loss")}
        row |= {"dead_share": describe(steps(runs, "dead_share_0", cell, epochs)[:, -1])}
        rows.append(row | {"outputs_0_from": describe(zero_from(steps(runs, "zero_outputs", cell, epochs)))})
    return rows + tuned_rows(runs, dataset, form)


def _factors(runs: Runs, form: Form) -> list[float]:
    return sorted(runs.settings["rate_factors"]) if form == "corrected" else [1.0]


def tuned_rows(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the rows of the tuned networks: the scores of each run at its best epoch by validation accuracy."""
    where: dict[str, Any] = {"dataset": dataset, "form": form, "arm": TUNED_ARM}
    rows = []
    for hidden in runs.values("hidden", **where):
        for rate in runs.values("rate", **where, hidden=hidden):
            for decay in runs.values("decay", **where, hidden=hidden):
                cell = {"hidden": hidden, "rate": rate, "decay": decay}
                scores = at_best_epoch(runs, where | cell)
                row = {"dataset": dataset, "form": form, "recipe": TUNED_ARM} | cell
                row |= {"epochs": runs.settings["epochs"]}
                rows.append(row | {name: describe(values) for name, values in scores.items()})
    return rows


def at_best_epoch(runs: Runs, which: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return validation and test accuracy after the epoch with the best validation accuracy, [num_seeds] each."""
    held, test = (np.nan_to_num(runs.curve(f"{split}_accuracy", **which)) for split in ("validation", "test"))
    best = held.argmax(axis=1)[:, None]
    named = zip(("validation_accuracy", "test_accuracy"), (held, test), strict=True)
    return {name: np.take_along_axis(values, best, axis=1)[:, 0] for name, values in named}


def gaps(runs: Runs, dataset: str) -> dict[float, np.ndarray]:
    """Return, by scale, the largest difference so far between the losses of R8 and R0, [num_seeds, steps]."""
    recipes = recipe_runs(runs, dataset, "original")
    reference = steps(runs, "loss", recipes[UNSCALED, 1.0])
    return {
        scale: np.maximum.accumulate(np.abs(steps(runs, "loss", which) - reference), axis=1)
        for (name, scale), which in recipes.items()
        if name == "R8"
    }


def growth(runs: Runs, dataset: str) -> list[dict[str, Any]]:
    """Make a table of `gaps`: a row per scale, the median over seeds after some steps."""
    rows = []
    for scale, gap in gaps(runs, dataset).items():
        checked = [step for step in (*CHECKED_STEPS, gap.shape[1]) if step <= gap.shape[1]]
        rows.append({"scale": scale} | {f"step_{step}": float(np.median(gap[:, step - 1])) for step in checked})
    return rows


def not_finite(runs: Runs) -> list[dict[str, Any]]:
    """List the runs whose loss was not finite at some step.

    A row says which run it is, the first such step, counted from 1, and whether the loss is finite at the end: that of
    a network that has lost all its units is finite again.
    """
    rows = []
    for path, losses in runs.all_steps("loss"):
        if not np.isfinite(losses).all():
            columns = ("run", "dataset", "form", "arm", "recipe", "input_scale", "rate_factor", "hidden", "seed")
            row = {name: path[0][name] for name in columns if name in path[0]}
            ends = "finite" if path[-1]["train_loss"] is not None else "not finite"
            rows.append(row | {"first_step": int(np.flatnonzero(~np.isfinite(losses))[0]) + 1, "at_the_end": ends})
    return rows
