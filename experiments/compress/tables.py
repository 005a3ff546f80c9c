"""What is told of a compress study: the table, what compressing gains over every partner, times, and the answer."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.words import median
from experiments.compress.budgets import Chosen, budgets
from experiments.compress.prices import measure_times
from jaxsize.export import load_network
from jaxsize.results import Folder, Runs
from jaxsize.statistics import describe
from jaxsize.studies import Arms, ArmView, Learned, Setup, columns, gain

OTHERS = ("from_found", "random_widths", "half_widths", "double_widths", "pruned", "group_lasso")
"""The partners that are compared at equal steps only."""
BALANCED = ("poker",)
"""Data sets for which the score with every class counting alike is told as well."""
ROWS_AT_ONCE = 10_000


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
    """Return the test accuracy of the networks saved, with every class that occurs counting alike, [num_seeds]."""
    from sklearn.metrics import recall_score

    test, accuracies = arm.data.test, np.full(arm.runs.num_seeds, np.nan)
    for seed, path in arm.paths.items():
        saved = arm.runs.folder.path / "networks" / f"run_{path[0]['run']}"
        if saved.exists():
            parts = [test.inputs[at : at + ROWS_AT_ONCE] for at in range(0, len(test), ROWS_AT_ONCE)]
            outputs = np.concatenate([load_network(saved).outputs(part) for part in parts])
            chosen = {"labels": np.unique(test.targets), "average": "macro"}
            accuracies[seed] = recall_score(test.targets, outputs.argmax(-1), **chosen)
    return accuracies


def comparisons(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Compare compressed networks with their partners, and the time they took with what equal time charges them."""
    if "from_scratch" in setup.flags.partners:
        measure_times(folder, setup, learned)
    arms = Arms.of(Runs(folder, setup.flags.settings()), data={(setup.dataset.name, setup.form): setup.dataset})
    here = {view.name: view for view in arms.at(**setup.where)}
    rows = {
        f"Gain in {here['compress'].score()[0].replace('_', ' ')} by penalty, paired over seeds": gains(here),
        "Seconds of compressed networks, and what equal time charges for them": overhead(here["compress"]),
        "Trainings that were stopped": stops(folder, learned),
    }
    return {title: [setup.where | row for row in of_title] for title, of_title in rows.items()}


def gains(arms: dict[str, ArmView]) -> Iterator[dict[str, Any]]:
    """Yield, by partner and budget, what compressing gains in test score with every penalty.

    Beside a gain stand the partner's test scores and parameters, and how many partners ended before the budget.
    """
    static = budgets(arms["from_scratch"]) if "from_scratch" in arms else {}
    for other in [*static.values(), *(Chosen.of(arms[name]) for name in OTHERS if name in arms)]:
        row: dict[str, Any] = {"compressed_minus": other.name, "budget": other.budget}
        for penalty, one in Chosen.of(arms["compress"]).by("penalty", skip=0.0).items():
            partner = other.at(penalty=penalty)
            row[f"penalty {penalty:g}"] = gain(one, partner).as_dict()
            for name in (partner.score()[0], "parameters"):
                row[f"penalty {penalty:g}"][f"{name}_of_partner"] = describe(partner.end(name))
            if other.name == "from_scratch":
                row[f"penalty {penalty:g}"]["short"] = partner.short
        yield row


def stops(folder: Folder, learned: Learned) -> Iterator[dict[str, Any]]:
    """Yield the batches of a setup that stopped before their epochs were over, and why."""
    for name in learned:
        for event in folder.events.of(name).read():
            if event["event"] == "stop":
                yield {"epoch": event["epoch"], "reason": event["reason"], "batch": name}


def overhead(compressed: ArmView) -> Iterator[dict[str, Any]]:
    """Yield the time that compressed networks took, and what they are charged at equal time; nothing without prices.

    The time that they took includes padding, regrouping, the host's work and waiting for programs.
    """
    if (priced := budgets(compressed).get("time")) is None:
        return
    paths = {path[0]["run"]: path for cell in priced.by("penalty").values() for path in cell.paths.values()}
    events = [event for event in compressed.runs.folder.events.read() if paths.keys() >= set(event["runs"])]
    parts = {tuple(event["runs"]) for event in events if event["event"] == "programs"}  # trained one after the other
    wall = sum(max(paths[run][-1]["seconds"] for run in part) for part in parts)
    taken, charged = wall * priced.prices.devices, sum(sum(priced.spent(path)) for path in paths.values())
    row = {"seconds": wall, "device_seconds": taken, "charged": charged, "ratio": taken / charged}
    for name, key in (("removing_units", "seconds"), ("waiting_for_programs", "compile_seconds")):
        row[f"share_{name}"] = sum(event[key] for event in events if event["event"] == "compaction") / wall
    yield row


def answer(arms: Arms) -> Iterator[str]:
    """Say what the penalty with the best validation score left, and how that compares."""
    for (dataset, form), (view, *_) in arms.by("dataset", "form").items():
        cells = Chosen.of(view.at(arm="compress")).by("depth", "penalty", skip=0.0)
        worth = {cell: describe(one.end("validation_score"))["median"] for cell, one in cells.items()}
        name, known = view.score()[0], {cell: value for cell, value in worth.items() if value is not None}
        if not known:
            yield f"{dataset}, {form} form: no network with a price kept units in every layer for an epoch."
            continue
        depth, penalty = max(known, key=lambda cell: known[cell])
        best = cells[depth, penalty]
        others = {"without a price": best.at(penalty=0.0)}
        if best.at(arm="from_scratch").count:
            others["from scratch with these widths and steps"] = best.at(arm="from_scratch")
        against = " and ".join(f"{median(other.end(name), '.4g')} {text}" for text, other in others.items())
        yield (
            f"{dataset}, {form} form: the price with the best validation score, {penalty:g} per unit, left "
            f"{median(best.end('live_units'), '.0f')} of {depth * best.values('start_width')[0]} units in {depth} "
            f"hidden layer{'s' * (depth > 1)}; {name.replace('_', ' ')} {median(best.end(name), '.4g')}, "
            f"against {against}."
        )
