"""What the runs with trained sizes say: the table, and C15 to C18. C13 and C14 are in `flexible_specimens_report`."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments import flexible_figures, flexible_specimens_report
from experiments.flexible_runs import Runs
from jaxsize.datasets import Form
from jaxsize.statistics import bootstrap_interval, describe
from jaxsize.verdicts import Part, Verdict, claim, range_verdict, verdict

SAME = 0.1
"""A slope of the final size on the start, or a rank correlation, is as good as 0 (or 1) up to this."""
NEARLY = 0.005
"""Accuracies are equal up to this."""
SPOKEN_OF = ("mnist", "fashion_mnist")
IGNORED = "the original form ignores the start"


def static_decay(form: Form, decay: float) -> float:
    """Weight decay of the static networks beside flexible ones: the same, but none in the original form."""
    return 0.0 if form == "original" else decay


def static_widths(sizes: Sequence[Sequence[float | None]]) -> tuple[int, ...]:
    """Per layer, int(median over runs of the size), at least 1; of runs with finite sizes. () if there are none."""
    lines = np.array(sizes, float)  # None, as rows have it, becomes NaN
    finite = lines[np.isfinite(lines).all(axis=1)]
    return tuple(max(1, int(size)) for size in np.median(finite, axis=0).tolist()) if len(finite) else ()


def convergence(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """What selects the runs of all starts, per slope and decay."""
    return _cells(runs, {"dataset": dataset, "form": form, "arm": "starts"}, "slope", "weight_decay")


def frontier(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """What selects the runs of each decay and penalty, one per seed."""
    return _cells(runs, {"dataset": dataset, "form": form, "arm": "penalties"}, "weight_decay", "penalty")


def _cells(runs: Runs, where: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    grid = itertools.product(*(runs.values(name, **where) for name in names))
    cells = [where | dict(zip(names, values, strict=True)) for values in grid]
    return [cell for cell in cells if runs.values("seed", **cell)]


def over_starts(runs: Runs, name: str, cell: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The starts, and a column at the end of every run [num_seeds, starts]."""
    starts = runs.values("start_size", **cell)
    return np.array(starts), np.stack([runs.last(name, **cell, start_size=start) for start in starts], axis=1)


def static_same(cell: dict[str, Any]) -> dict[str, Any]:
    """What selects the static networks of the size that the runs of a cell of `frontier` found."""
    return cell | {"arm": "static_same"}


def static_wide(cell: dict[str, Any]) -> dict[str, Any]:
    own = static_decay(cell["form"], cell["weight_decay"])
    return {name: cell[name] for name in ("dataset", "form")} | {"arm": "static_wide", "own_weight_decay": own}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Size and scores at the end: a row per slope, decay and start, then one per decay and penalty with the scores of
    static networks beside it, and one per wide network."""
    kind, train = runs.score(dataset)[0], runs.score(dataset, "train")[0]
    where = {"dataset": dataset, "form": form}
    rows = []
    for cell in convergence(runs, dataset, form):
        for start in runs.values("start_size", **cell):
            found = runs.described(["size", train, kind], **cell, start_size=start)
            rows.append({"arm": "starts", "start_size": start} | found)
    for cell in frontier(runs, dataset, form):
        found = runs.described(["size", train, kind], **cell) | {"start_size": runs.values("start_size", **cell)[0]}
        found["static_units"] = next(iter(runs.values("live_units", **static_same(cell))), None)
        rows.append(found | {f"static_{kind}": describe(runs.last(kind, **static_same(cell)))})
    for decay in runs.values("own_weight_decay", arm="static_wide", **where):
        which = where | {"arm": "static_wide", "own_weight_decay": decay}
        rows.append(
            where
            | {"arm": "static_wide", "weight_decay": decay, "static_units": runs.values("live_units", **which)[0]}
            | {f"static_{kind}": describe(runs.last(kind, **which))}
        )
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """C13 to C18 in one form."""
    return {
        **flexible_specimens_report.claims(runs, form),
        "C15": independent(runs, form),
        "C15b": grows_and_sticks(runs, form),
        "C16": uncorrelated(runs, form),
        "C17": against_static(runs, form),
        "C18": larger_on_mnist(runs, form),
    }


def _label(cell: dict[str, Any], **more: Any) -> dict[str, Any]:
    told = {name: cell[name] for name in ("dataset", "slope", "weight_decay", "penalty") if name in cell}
    return told | more


def slopes(starts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Least-squares slope of each row of values [seeds, starts] on the starts: [seeds]."""
    centred = starts - starts.mean()
    return values @ centred / (centred @ centred)


def rank_correlations(starts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Spearman's correlation of each row of values [seeds, starts] with the starts: [seeds], NaN for a row that is not
    finite, 0 for one of equal values."""
    from scipy import stats

    def one(row: np.ndarray) -> float:
        if not np.isfinite(row).all():
            return np.nan
        return 0.0 if np.ptp(row) == 0 else float(np.corrcoef(stats.rankdata(starts), stats.rankdata(row))[0, 1])

    return np.array([one(row) for row in values])


def independent(runs: Runs, form: Form) -> dict[str, Any]:
    """The slope, per seed, of the final size on the start: within .1 of 0."""
    text = "the final size is independent of the start: the slope of one on the other is within .1 of 0"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for cell in convergence(runs, dataset, form):
            starts, sizes = over_starts(runs, "size", cell)
            found = bootstrap_interval(slopes(starts, sizes / runs.settings["depth"]))
            parts.append((_label(cell, of="slope on start"), found, range_verdict(found, -SAME, SAME)))
    return claim(text, parts)


def grows_and_sticks(runs: Runs, form: Form) -> dict[str, Any]:
    """The same slope: within .1 of 1; and final size less start, per seed the median over starts and the smallest."""
    text = "every size grows from its start and sticks: the slope of final size on start is within .1 of 1"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for cell in convergence(runs, dataset, form):
            starts, sizes = over_starts(runs, "size", cell)
            sizes = sizes / runs.settings["depth"]
            found = bootstrap_interval(slopes(starts, sizes))
            parts.append((_label(cell, of="slope on start"), found, range_verdict(found, 1 - SAME, 1 + SAME)))
            for name, over in (("median", np.median), ("smallest", np.min)):
                growth = bootstrap_interval(over(sizes - starts, axis=1))
                of = f"final less start, {name} over starts"
                parts.append((_label(cell, of=of), growth, verdict(growth, "positive")))
    return claim(text, parts)


def uncorrelated(runs: Runs, form: Form) -> dict[str, Any]:
    """Spearman's correlation of the test score with the start, per seed, over starts. Holds if the interval ends below
    .1, refuted if it lies above 0."""
    text = "test accuracy is uncorrelated with the start, or negatively"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        kind, sign = runs.score(dataset)
        for cell in convergence(runs, dataset, form):
            starts, scores = over_starts(runs, kind, cell)
            found = bootstrap_interval(rank_correlations(starts, sign * np.round(scores, 6)))
            parts.append((_label(cell, of="Spearman with start"), found, _not_positive(found)))
    return claim(text, parts)


def _not_positive(found: Any) -> Verdict:
    positive = verdict(found, "positive")
    return Verdict("refuted", positive.reason) if positive.outcome == "holds" else range_verdict(found, -1, SAME)


def against_static(runs: Runs, form: Form) -> dict[str, Any]:
    """Paired over seeds, per decay and penalty: test score, flexible less static of the same size. With decay, worse on
    Fashion; elsewhere (on MNIST, and without decay on both) equal: within `NEARLY` of an accuracy. Other data sets were
    not spoken of and are listed only."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        kind, sign = runs.score(dataset)
        for cell in frontier(runs, dataset, form):
            if units := runs.values("live_units", **static_same(cell)):
                found = runs.difference(kind, cell, static_same(cell))
                worse = dataset == "fashion_mnist" and cell["weight_decay"] > 0
                label = _label(
                    cell, units=units[0], of=f"{kind}, flexible less static", said="worse" if worse else "equal"
                )
                if dataset not in SPOKEN_OF:
                    label["uninformative"] = "the journal has no such data"
                outcome = verdict(found, "negative" if sign > 0 else "positive")
                parts.append((label, found, outcome if worse else range_verdict(found, -NEARLY, NEARLY)))
    text = "a flexible network equals a static one of its size, but on Fashion with L2, where it is worse"
    return claim(text, parts, "no run ended with a finite size")


def larger_on_mnist(runs: Runs, form: Form) -> dict[str, Any]:
    """Paired over seeds, per decay and penalty: size on MNIST less size on Fashion."""
    text = "a network grows larger on MNIST than on Fashion"
    if not {"mnist", "fashion_mnist"} <= set(runs.settings["dataset"]):
        return claim(text, [], "needs --dataset mnist fashion_mnist")
    parts: list[Part] = []
    for cell in frontier(runs, "mnist", form):
        found = runs.difference("size", cell, cell | {"dataset": "fashion_mnist"})
        label = _label(cell) | {"dataset": "mnist less fashion_mnist", "of": "size"}
        parts.append((label, found, verdict(found, "positive")))
    return claim(text, parts)


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Per form: size and score against the start, score against static networks per penalty, and sizes with two prices,
    step by step."""
    found = {}
    for form in runs.settings["form"]:
        lines = {
            f"slope {cell['slope']:g}, decay {cell['weight_decay']:g}": [
                (starts, values / per)
                for name, per in (("size", runs.settings["depth"]), (runs.score(dataset)[0], 1))
                for starts, values in [over_starts(runs, name, cell)]
            ]
            for cell in convergence(runs, dataset, form)
        }
        cells = {
            (cell["weight_decay"], cell["penalty"]): flexible_figures.Cell(
                runs.last("size", **cell),
                _less(runs, cell, static_same(cell)),
                _less(runs, cell, static_wide(cell)),
            )
            for cell in frontier(runs, dataset, form)
        }
        title = f"{dataset}, {form}, {runs.num_seeds} seeds"
        kind = runs.score(dataset)[0]
        found[f"starts_{form}"] = flexible_figures.starts(lines, kind, title, ignored=form == "original")
        found[f"frontier_{form}"] = flexible_figures.frontier(cells, kind, title)
        found[f"prices_{form}"] = flexible_specimens_report.picture(runs, dataset, form, title)
    return found


def _less(runs: Runs, cell: dict[str, Any], other: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: test score of a cell's runs less that of others."""
    kind = runs.score(cell["dataset"])[0]
    return runs.last(kind, **cell) - runs.last(kind, **other)
