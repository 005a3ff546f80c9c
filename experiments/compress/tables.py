"""What is told of a compress study: the table, what compressing gains over every partner, times, and the answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.compress.balance import balanced_accuracies
from experiments.compress.budgets import Chosen, budgets
from experiments.compress.prices import measure_times
from jaxsize.results import Folder, Runs
from jaxsize.statistics import describe
from jaxsize.studies import Arms, ArmView, Learned, Setup, columns, gain

OTHERS = ("from_found", "random_widths", "half_widths", "double_widths", "pruned", "group_lasso")
"""The partners that are compared at equal steps only."""
BALANCED = ("poker",)
"""Data sets for which the score with every class counting alike is told as well."""


def table(arms: Arms) -> list[dict[str, Any]]:
    """Describe the compressed networks of every depth and penalty at their best validation epochs."""
    view = Chosen.of(arms["compress"])
    clean = ["test_noiseless_score"] if view.data.test.clean_targets is not None else []
    names = ["epoch", "live_units", "parameters", "multiply_adds"]
    names += [*(f"{split}_score" for split in ("train", "validation", "test")), *clean]
    more: dict[str, Any] = {"test_balanced_accuracy": balanced} if view.dataset in BALANCED else {}
    return columns(*names, by=["depth", "penalty"], median_widths=median_widths, **more)(Arms([view]))


def median_widths(arm: ArmView) -> list[float] | None:
    """Return the median over seeds of the units of every hidden layer; None where no run has a chosen epoch."""
    widths = [row["live_units_per_layer"] for row in Chosen.of(arm).rows if row is not None]
    return np.median(widths, axis=0).tolist() if widths else None


def balanced(arm: ArmView) -> np.ndarray:
    """Return the test accuracy, every class counting alike, of the networks saved."""
    runs = [row["run"] for row in Chosen.of(arm).rows if row is not None]
    return balanced_accuracies(arm.runs.folder.path / "networks", arm.data, runs)


def comparisons(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Compare compressed networks with their partners, and the time they took with what equal time charges them."""
    if "from_scratch" in setup.flags.partners:
        measure_times(folder, setup, learned)
    where = {"dataset": setup.dataset.name, "form": setup.form, **setup.values}
    arms = Arms.of(Runs(folder, setup.flags.settings()), data={(setup.dataset.name, setup.form): setup.dataset})
    here = {view.name: view for view in arms.at(**where)}
    rows = {
        f"Gain in {here['compress'].score()[0].replace('_', ' ')} by penalty, paired over seeds": gains(here),
        "Seconds of compressed networks, and what equal time charges for them": overhead(here["compress"]),
        "Trainings that were stopped": stops(folder, learned),
    }
    return {title: [where | row for row in of_title] for title, of_title in rows.items()}


def gains(arms: dict[str, ArmView]) -> Iterator[dict[str, Any]]:
    """Yield, by partner and budget, what compressing gains in test score with every penalty.

    Beside a gain stand the partner's test scores and parameters, and how many partners ended before the budget.
    """
    static = budgets(arms["from_scratch"]) if "from_scratch" in arms else {}
    others = [*static.values(), *(Chosen.of(arms[name]) for name in OTHERS if name in arms)]
    for other in others:
        row: dict[str, Any] = {"compressed_minus": other.name, "budget": other.budget}
        for penalty, one in Chosen.of(arms["compress"]).by("penalty", skip=0.0).items():
            partner = other.at(penalty=penalty)
            told = {f"{name}_of_partner": describe(partner.end(name)) for name in (partner.score()[0], "parameters")}
            short = {"short": partner.short} if other.name == "from_scratch" else {}
            row[f"penalty {penalty:g}"] = gain(one, partner).as_dict() | told | short
        yield row


def stops(folder: Folder, learned: Learned) -> Iterator[dict[str, Any]]:
    """Yield the batches of a setup that stopped before their epochs were over, and why."""
    for name in learned:
        for event in folder.events.of(name).read():
            if event["event"] == "stop":
                yield {key: event[key] for key in ("epoch", "reason")} | {"batch": name}


def overhead(compressed: ArmView) -> Iterator[dict[str, Any]]:
    """Yield the time that compressed networks took, and what they are charged at equal time; nothing without prices.

    The time that they took includes padding, regrouping, the host's work and waiting for programs.
    """
    if (priced := budgets(compressed).get("time")) is None or priced.prices is None:
        return
    paths = {path[0]["run"]: path for cell in priced.by("penalty").values() for path in cell.paths.values()}
    events = [event for event in compressed.runs.folder.events.read() if paths.keys() >= set(event["runs"])]
    parts = {tuple(event["runs"]) for event in events if event["event"] == "programs"}  # trained one after the other
    wall = sum(max(paths[run][-1]["seconds"] for run in part) for part in parts)
    taken, charged = wall * priced.prices.devices, sum(sum(priced.spent(path)) for path in paths.values())
    removals = [event for event in events if event["event"] == "compaction"]
    shares = {
        f"share_{name}": sum(event[key] for event in removals) / wall
        for name, key in (("removing_units", "seconds"), ("waiting_for_programs", "compile_seconds"))
    }
    yield {"seconds": wall, "device_seconds": taken, "charged": charged, "ratio": taken / charged} | shares


def answer(arms: Arms) -> Iterator[str]:
    """Say what the penalty with the best validation score left, and how that compares."""
    for (dataset, form), here in arms.by("dataset", "form").items():
        compressed = Chosen.of(here["compress"])
        cells = compressed.by("depth", "penalty", skip=0.0)
        depth, penalty = max(cells, key=lambda cell: median(cells[cell], "validation_score"))
        best, name = cells[depth, penalty], compressed.score()[0]
        if not np.isfinite(best.end(name)).any():
            yield f"{dataset}, {form} form: no network with a price kept units in every layer for an epoch."
            continue
        others = {"without a price": best.at(penalty=0.0)}
        if "from_scratch" in here:
            others["from scratch with these widths and steps"] = best.at(arm="from_scratch")
        against = " and ".join(f"{median(other, name):.4g} {text}" for text, other in others.items())
        yield (
            f"{dataset}, {form} form: the price with the best validation score, {penalty:g} per unit, left "
            f"{median(best, 'live_units'):.0f} of {depth * best.values('start_width')[0]} units in {depth} hidden "
            f"layer{'s' * (depth > 1)}; {name.replace('_', ' ')} {median(best, name):.4g}, against {against}."
        )


def median(arm: ArmView, column: str) -> float:
    """Return the median of a column over the seeds that have it; minus infinity where none has."""
    values = arm.end(column)
    return float(np.nanmedian(values)) if np.isfinite(values).any() else -np.inf
