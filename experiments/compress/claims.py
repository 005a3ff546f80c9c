"""The results of the study `compress`: summary.json, the printed tables and sentences."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.compress.balance import balanced_accuracies
from experiments.compress.budgets import Finals
from experiments.compress.prices import read_prices
from jaxsize.data import Dataset
from jaxsize.results import Folder
from jaxsize.statistics import Verdict, bootstrap_interval, claim, describe, size_at, verdict

OTHERS = ("from_found", "random_widths", "half_widths", "double_widths", "pruned", "group_lasso")
"""The partners that are compared at equal steps only."""
BALANCED = ("poker",)
"""Data sets for which the score with every class counting alike is reported as well."""
SLACKS = {"accuracy": (0.0, 0.001, 0.005), "error": (0.0, 0.01, 0.05)}
"""How much worse than the static networks' best validation score may be: of accuracy, or as a share of an error."""


def summarize(folder: Folder, data: Sequence[Dataset], settings: dict[str, Any]) -> dict[str, Any]:
    """Return the content of summary.json. Test data select nothing."""
    ends = {dataset.name: (dataset.num_inputs, dataset.num_outputs) for dataset in data}
    finals = Finals(folder.rows.read(), settings, ends, read_prices(folder, settings["form"]))
    events = folder.events.read()
    removals = [event for event in events if event["event"] == "compaction"]
    return {
        "settings": settings,
        "data": {dataset.name: {"source": dataset.source} | dataset.info for dataset in data},
        "results": [
            _result(finals, *pair, penalty) | _balanced(folder, finals, data, *pair, penalty)
            for pair, penalty in itertools.product(finals.pairs, finals.penalties)
        ],
        "claims": {"C33": beats_static(finals), "C34": sizes_make_sense(finals), "C39": smaller_at_equal_score(finals)},
        "not_finite": [run for run, path in finals.paths.items() if path[-1]["train_loss"] is None],
        "collapsed": sorted({run for event in events if event["event"] == "collapse" for run in event["runs"]}),
        "stopped": {
            reason: sum(e["event"] == "stop" and e["reason"] == reason for e in events)
            for reason in ("time", "collapse")
        },
        "removals": len(removals),
        "overhead": [row for pair in finals.pairs if (row := overhead(finals, *pair, events))],
    }


def _result(finals: Finals, dataset: str, depth: int, penalty: float) -> dict[str, Any]:
    """What one penalty led to, over seeds: end sizes, scores, and paired gains over every partner."""
    where = (dataset, depth, penalty)
    kind = finals.score(dataset)[0].removeprefix("test_")
    names = [
        "epoch",
        "live_units",
        "parameters",
        "multiply_adds",
        *(f"{s}_{kind}" for s in ("train", "validation", "test")),
    ]
    if finals.has(f"test_noiseless_{kind}", dataset):
        names.append(f"test_noiseless_{kind}")
    widths = [row["live_units_per_layer"] for row in finals.rows("compress", *where)]
    result: dict[str, Any] = {"dataset": dataset, "depth": depth, "penalty": penalty}
    result |= {name: describe(finals.column(name, "compress", *where)) for name in names}
    result["median_widths"] = np.median(widths, axis=0).tolist() if widths else None
    result["gains"] = {}
    comparisons = [("from_scratch", budget) for budget in finals.budgets(dataset, (depth,))]
    for arm, budget in [*comparisons, *((arm, "") for arm in OTHERS)] if penalty else []:
        scores = finals.column(f"test_{kind}", arm, *where, budget)
        if np.isfinite(scores).any():
            gain = finals.gain(arm, *where, budget).as_dict()
            more = {"test": describe(scores), "parameters": describe(finals.column("parameters", arm, *where, budget))}
            result["gains"][_name(arm, budget)] = gain | more | finals.short(arm, *where, budget)
    return result


def _balanced(
    folder: Folder, finals: Finals, data: Sequence[Dataset], name: str, depth: int, penalty: float
) -> dict[str, Any]:
    """`test_balanced_accuracy` of the compressed networks, for data sets in `BALANCED`, whose classes are uneven."""
    dataset = next(dataset for dataset in data if dataset.name == name)
    runs = [row["run"] for row in finals.rows("compress", name, depth, penalty)]
    if name not in BALANCED or not runs:
        return {}
    return {"test_balanced_accuracy": describe(balanced_accuracies(folder.path / "networks", dataset, runs))}


def _name(arm: str, budget: str) -> str:
    return f"{arm}, equal {budget}" if budget else arm


def overhead(finals: Finals, dataset: str, depth: int, events: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """Compare the time that compressed networks took with what they are charged at equal time.

    The time that they took includes padding, regrouping, the host's work and waiting for programs.

    Args:
        finals: the runs.
        dataset: name of the data set.
        depth: number of hidden layers.
        events: the events of the study.

    Returns:
        A row with both times in seconds, their ratio, and the shares of removing units and of waiting for programs; or
        None without prices.
    """
    paths = {run: path for run, path in finals.paths.items() if _is_compressed(path[0], dataset, depth)}
    if finals.prices is None or not finals.prices.has(dataset, depth) or not paths:
        return None
    events = [event for event in events if paths.keys() >= set(event["runs"])]
    parts = {tuple(event["runs"]) for event in events if event["event"] == "programs"}  # trained one after the other
    wall = sum(max(paths[run][-1]["seconds"] for run in part) for part in parts)
    taken = wall * finals.prices.devices
    priced = sum(sum(finals.spent("time", path)) for path in paths.values())
    shares = {
        f"{name}_share": sum(event[key] for event in events if event["event"] == "compaction") / wall
        for name, key in (("removal", "seconds"), ("compile", "compile_seconds"))
    }
    where = {"dataset": dataset, "depth": depth, "wall_seconds": wall, "device_seconds": taken}
    return where | {"priced_seconds": priced, "ratio": taken / priced} | shares


def _is_compressed(row: dict[str, Any], dataset: str, depth: int) -> bool:
    return (row["arm"], row["dataset"], row["depth"]) == ("compress", dataset, depth)


def beats_static(finals: Finals) -> dict[str, Any]:
    """Answer C33: compressed networks beat the same widths from scratch.

    There is a part per data set and budget; it is about the mean gain over depths and penalties, over seeds. Where
    networks from scratch ended before they had spent as much as the compressed ones, a part can be refuted, but it
    cannot hold.
    """
    parts = []
    pairs = [(dataset, budget) for dataset in finals.settings["dataset"] for budget in finals.budgets(dataset)]
    for dataset, budget in pairs:
        gain = finals.mean_gain("from_scratch", dataset, budget)
        cells = itertools.product(finals.settings["depth"], finals.penalties[1:])
        short = sum(finals.short("from_scratch", dataset, *cell, budget)["short"] for cell in cells)
        if gain.n:
            answer = verdict(gain, "positive")
            if short and answer.outcome == "holds":
                answer = Verdict("open", f"{short} networks from scratch ended before the budget; {answer.reason}")
            parts.append(({"dataset": dataset, "budget": budget, "short": short}, gain, answer))
    text = "compressed networks beat the same widths from scratch at equal steps, time and multiply-adds"
    return claim(text, parts, "needs --partners from_scratch")


def sizes_make_sense(finals: Finals) -> dict[str, Any]:
    """Answer C34: the widths found are better than random ones of equal total and than half of them.

    All networks are trained from scratch for equal steps, so that they differ only in their widths. That twice the
    widths gain nothing cannot be shown by a difference: the part is listed, but does not count.
    """
    parts = []
    for dataset, arm in itertools.product(
        finals.settings["dataset"], ("random_widths", "half_widths", "double_widths")
    ):
        gain = finals.mean_gain(arm, dataset, over="from_scratch")
        if gain.n:
            label = {"dataset": dataset, "found_widths_over": arm}
            if arm == "double_widths":
                label["uninformative"] = "twice the widths are expected to be no worse"
            parts.append((label, gain, verdict(gain, "positive")))
    text = "the widths found are better than random ones of equal total and than half of them"
    return claim(text, parts, "needs --partners from_scratch and random_widths or half_widths")


def smaller_at_equal_score(finals: Finals) -> dict[str, Any]:
    """Answer C39: compressed networks reach the static networks' validation score with fewer parameters.

    For every seed there is a front of validation score against parameters of the compressed networks, and one of the
    static networks, with a network per penalty each, so that both were searched equally. At the best score of the
    static front less some slack, the parameters that a static network needs are divided by those that a compressed one
    needs; the logs of these ratios are judged over seeds. Where no compressed network reaches the score, it counts as
    infinitely large.
    """
    parts = []
    for dataset, depth in finals.pairs:
        name, sign = finals.score(dataset, "validation")
        for slack in SLACKS[name.removeprefix("validation_")]:
            ratios = []
            for seed in range(finals.settings["num_seeds"]):
                compressed, static = (
                    finals.front(arms, dataset, depth, seed) for arms in (("compress",), ("from_scratch",))
                )
                if static.scores.size and compressed.scores.size:
                    best = static.scores[-1]
                    level = best - (slack if sign > 0 else slack * abs(best))
                    ratios.append(size_at(static, level) / size_at(compressed, level))
            if ratios:
                ratio = bootstrap_interval(np.log(np.maximum(ratios, 1e-9)))  # a median does not care how far below
                label = {
                    "dataset": dataset,
                    "depth": depth,
                    "slack": slack,
                    "never_reached": ratios.count(0),
                }
                parts.append((label, ratio, verdict(ratio, "positive")))
    text = "compressed networks reach the static networks' validation score with fewer parameters (log of the ratio)"
    return claim(text, parts, "needs --partners from_scratch")
