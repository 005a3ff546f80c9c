"""What the runs of a compress study say: summary.json, the tables and the sentences at the end."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.compress_balance import balanced_accuracies
from experiments.compress_finals import Finals
from experiments.compress_times import read_prices
from jaxsize.datasets import Dataset
from jaxsize.fronts import size_at
from jaxsize.records import Folder
from jaxsize.statistics import bootstrap_interval, describe, smallest_sample
from jaxsize.tables import format_table, spread
from jaxsize.verdicts import Verdict, claim, verdict

OTHERS = ("from_found", "random_widths", "half_widths", "double_widths", "pruned", "group_lasso")
BALANCED = ("poker",)
"""Sets of which the score with every class counting alike is reported as well."""
SLACKS = {"accuracy": (0.0, 0.001, 0.005), "error": (0.0, 0.01, 0.05)}
"""What may be given up of the static networks' best validation score: points of accuracy, or a share of an error."""


def summarize(folder: Folder, data: Sequence[Dataset], settings: dict[str, Any]) -> dict[str, Any]:
    """The content of summary.json. Test data select nothing."""
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
        "overhead": [found for pair in finals.pairs if (found := overhead(finals, *pair, events))],
    }


def _result(finals: Finals, dataset: str, depth: int, penalty: float) -> dict[str, Any]:
    """What one penalty led to, over seeds: the sizes found, scores, and paired gains over every partner."""
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
    found: dict[str, Any] = {"dataset": dataset, "depth": depth, "penalty": penalty}
    found |= {name: describe(finals.column(name, "compress", *where)) for name in names}
    found["median_widths"] = np.median(widths, axis=0).tolist() if widths else None
    found["gains"] = {}
    comparisons = [("from_scratch", budget) for budget in finals.budgets(dataset, (depth,))]
    for arm, budget in [*comparisons, *((arm, "") for arm in OTHERS)] if penalty else []:
        scores = finals.column(f"test_{kind}", arm, *where, budget)
        if np.isfinite(scores).any():
            gain = finals.gain(arm, *where, budget).as_dict()
            more = {"test": describe(scores), "parameters": describe(finals.column("parameters", arm, *where, budget))}
            found["gains"][_name(arm, budget)] = gain | more | finals.short(arm, *where, budget)
    return found


def _balanced(
    folder: Folder, finals: Finals, data: Sequence[Dataset], name: str, depth: int, penalty: float
) -> dict[str, Any]:
    """`test_balanced_accuracy` of the networks found, where classes are as uneven as in poker."""
    dataset = next(dataset for dataset in data if dataset.name == name)
    runs = [row["run"] for row in finals.rows("compress", name, depth, penalty)]
    if name not in BALANCED or not runs:
        return {}
    return {"test_balanced_accuracy": describe(balanced_accuracies(folder.path / "networks", dataset, runs))}


def _name(arm: str, budget: str) -> str:
    return f"{arm}, equal {budget}" if budget else arm


def overhead(finals: Finals, dataset: str, depth: int, events: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """What the compressed networks of a pair took, over what equal time charges them: padding, regrouping, the host's
    part and waiting for programs are in it. None without prices."""
    paths = {run: path for run, path in finals.paths.items() if _is_compressed(path[0], dataset, depth)}
    if finals.prices is None or not finals.prices.has(dataset, depth) or not paths:
        return None
    mine = [event for event in events if paths.keys() >= set(event["runs"])]
    parts = {tuple(event["runs"]) for event in mine if event["event"] == "programs"}  # trained one after the other
    wall = sum(max(paths[run][-1]["seconds"] for run in part) for part in parts)
    taken = wall * finals.prices.devices
    priced = sum(sum(finals.spent("time", path)) for path in paths.values())
    shares = {
        f"{name}_share": sum(event[key] for event in mine if event["event"] == "compaction") / wall
        for name, key in (("removal", "seconds"), ("compile", "compile_seconds"))
    }
    where = {"dataset": dataset, "depth": depth, "wall_seconds": wall, "device_seconds": taken}
    return where | {"priced_seconds": priced, "ratio": taken / priced} | shares


def _is_compressed(row: dict[str, Any], dataset: str, depth: int) -> bool:
    return (row["arm"], row["dataset"], row["depth"]) == ("compress", dataset, depth)


def beats_static(finals: Finals) -> dict[str, Any]:
    """C33, a part per data set and budget: over seeds, of the mean gain over depths and penalties. It cannot hold where
    networks from scratch were ended before they had spent as much; it can be refuted."""
    parts = []
    pairs = [(dataset, budget) for dataset in finals.settings["dataset"] for budget in finals.budgets(dataset)]
    for dataset, budget in pairs:
        found = finals.mean_gain("from_scratch", dataset, budget)
        cells = itertools.product(finals.settings["depth"], finals.penalties[1:])
        short = sum(finals.short("from_scratch", dataset, *cell, budget)["short"] for cell in cells)
        if found.n:
            answer = verdict(found, "positive")
            if short and answer.outcome == "holds":
                answer = Verdict("open", f"{short} networks from scratch ended before the budget; {answer.reason}")
            parts.append(({"dataset": dataset, "budget": budget, "short": short}, found, answer))
    text = "compressed networks beat the same widths from scratch at equal steps, time and multiply-adds"
    return claim(text, parts, "needs --partners from_scratch")


def sizes_make_sense(finals: Finals) -> dict[str, Any]:
    """C34. All networks are trained from scratch for equal steps, so that only widths differ. That twice the widths
    gain nothing cannot be shown by a difference: listed, not counted."""
    parts = []
    for dataset, arm in itertools.product(
        finals.settings["dataset"], ("random_widths", "half_widths", "double_widths")
    ):
        found = finals.mean_gain(arm, dataset, over="from_scratch")
        if found.n:
            label = {"dataset": dataset, "found_widths_over": arm}
            if arm == "double_widths":
                label["uninformative"] = "twice the widths are expected to be no worse"
            parts.append((label, found, verdict(found, "positive")))
    text = "the widths found are better than random ones of equal total and than half of them"
    return claim(text, parts, "needs --partners from_scratch and random_widths or half_widths")


def smaller_at_equal_score(finals: Finals) -> dict[str, Any]:
    """C39. Per seed, fronts of validation score against parameters: how large a static network must be over how large a
    compressed one, at the best score of the static front less some slack; log ratios over seeds. A network per penalty
    on either front: an equal search. Where no compressed network gets there, it counts as infinitely large."""
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
                found = bootstrap_interval(np.log(np.maximum(ratios, 1e-9)))  # a median does not care how far below
                label = {
                    "dataset": dataset,
                    "depth": depth,
                    "slack": slack,
                    "never_reached": ratios.count(0),
                }
                parts.append((label, found, verdict(found, "positive")))
    text = "compressed networks reach the static networks' validation score with fewer parameters (log of the ratio)"
    return claim(text, parts, "needs --partners from_scratch")


def as_text(summary: dict[str, Any]) -> str:
    """The tables and the answers in words."""
    blocks = []
    for dataset, depth in dict.fromkeys((row["dataset"], row["depth"]) for row in summary["results"]):
        rows = [row for row in summary["results"] if (row["dataset"], row["depth"]) == (dataset, depth)]
        kind = "accuracy" if "test_accuracy" in rows[0] else "error"
        form = ".4f" if kind == "accuracy" else ".3g"
        seeds = summary["settings"]["num_seeds"]
        brackets = "95 % interval" if seeds >= smallest_sample() else "range"
        blocks.append(f"{dataset}, {depth} hidden, {seeds} seeds, at the best validation epoch: median [{brackets}]")
        cells = [
            [
                f"{row['penalty']:g}",
                spread(row["epoch"], ".0f"),
                "x".join(f"{w:.0f}" for w in row["median_widths"] or []) or "-",
            ]
            + [spread(row["parameters"], ".0f"), spread(row["multiply_adds"], ".0f")]
            + [spread(row[f"{split}_{kind}"], form) for split in ("train", "validation", "test")]
            for row in rows
        ]
        header = ["penalty", "epoch", "median widths", "parameters", "multiply-adds", f"train {kind}"]
        blocks[-1] += "\n" + format_table([*header, f"validation {kind}", f"test {kind}"], cells)
        if "test_balanced_accuracy" in rows[0]:
            cells = [[f"{row['penalty']:g}", spread(row["test_balanced_accuracy"], form)] for row in rows]
            blocks.append(format_table(["penalty", "test accuracy, classes alike"], cells))
        names = list(dict.fromkeys(name for row in rows for name in row["gains"]))
        cells = [[name] + [_gain(row["gains"].get(name), form) for row in rows if row["penalty"]] for name in names]
        header = ["compressed minus ...", *(f"{row['penalty']:g}" for row in rows if row["penalty"])]
        if cells:
            blocks.append(f"gain in test {kind} by penalty, paired (raw p)\n" + format_table(header, cells))
    for name, found in summary["claims"].items():
        counts = [part["verdict"] for part in found["parts"] if "uninformative" not in part]
        detail = found.get("reason") or ", ".join(f"{counts.count(o)} {o}" for o in dict.fromkeys(counts))
        blocks.append(f"{name} {found['claim']}: {found['verdict']} ({detail})")
    blocks += [
        f"{found['dataset']}, {found['depth']} hidden: compressed networks took {found['device_seconds']:.0f} "
        f"device-seconds, {found['ratio']:.2f} times what equal time charges them "
        f"({found['removal_share']:.1%} removing units, {found['compile_share']:.1%} waiting for programs)"
        for found in summary.get("overhead", [])
    ]
    for text, runs in (
        ("loss not finite, left out", summary["not_finite"]),
        ("a layer lost all its units", summary["collapsed"]),
    ):
        if runs:
            blocks.append(f"{text}: runs {', '.join(map(str, runs))}")
    blocks += [f"{count} batches stopped on {reason}" for reason, count in summary["stopped"].items() if count]
    return "\n\n".join(blocks)


def _gain(gain: dict[str, Any] | None, form: str) -> str:
    if gain is None or gain["estimate"] is None:
        return "-"
    p_value = "" if gain["p_value"] is None else f" (p {gain['p_value']:.2g})"
    short = f" {gain['short']} short" if gain.get("short") else ""
    return f"{gain['estimate']:+{form}}{p_value}{short}"
