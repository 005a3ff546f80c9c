"""C15 to C18 of the study `flexible`, answered from its runs, and its pictures; C13, C14: `specimen_claims`."""

from typing import Any

import numpy as np

from experiments.flexible import pictures as flexible_figures
from experiments.flexible import specimen_claims
from experiments.flexible.table import convergence, frontier, over_starts, static_same, static_wide
from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import Estimate, Part, Verdict, bootstrap_interval, claim, range_verdict, verdict

SAME = 0.1
"""A slope of the final size on the start, or a rank correlation, counts as 0 (or as 1) if it is within this of it."""
NEARLY = 0.005
"""Accuracies count as equal if they differ by at most this."""
SPOKEN_OF = ("mnist", "fashion_mnist")
"""The data sets that the journal's claim is about."""
IGNORED = "the original form ignores the start"


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C13 to C18 in one form."""
    return {
        **specimen_claims.claims(runs, form),
        "C15": independent(runs, form),
        "C15b": grows_and_sticks(runs, form),
        "C16": uncorrelated(runs, form),
        "C17": against_static(runs, form),
        "C18": larger_on_mnist(runs, form),
    }


def _label(cell: dict[str, Any], **more: Any) -> dict[str, Any]:
    settings = {name: cell[name] for name in ("dataset", "slope", "weight_decay", "penalty") if name in cell}
    return settings | more


def slopes(starts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of each row of values [seeds, starts] on the starts [starts], as [seeds]."""
    centred = starts - starts.mean()  # by hand: np.polyfit fits no row where another is not finite
    return values @ centred / (centred @ centred)


def rank_correlations(starts: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of each row of values [seeds, starts] with the starts [starts], as [seeds].

    NaN for a row that is not finite, 0 for one of equal values.
    """
    from scipy import stats

    def one(row: np.ndarray) -> float:
        if not np.isfinite(row).all():
            return np.nan
        return 0.0 if np.ptp(row) == 0 else float(np.corrcoef(stats.rankdata(starts), stats.rankdata(row))[0, 1])

    return np.array([one(row) for row in values])


def independent(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C15: the slope of the final size on the start size, per seed, is within .1 of 0."""
    text = "the final size is independent of the start: the slope of one on the other is within .1 of 0"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for cell in convergence(runs, dataset, form):
            starts, sizes = over_starts(runs, "size", cell)
            slope = bootstrap_interval(slopes(starts, sizes / runs.settings["depth"]))
            parts.append((_label(cell, of="slope on start"), slope, range_verdict(slope, -SAME, SAME)))
    return claim(text, parts)


def grows_and_sticks(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C15b: the slope of the final size on the start size, per seed, is within .1 of 1, and sizes grow.

    Growth is the final size less the start; per seed, the median over starts and the smallest are judged.
    """
    text = "every size grows from its start and sticks: the slope of final size on start is within .1 of 1"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for cell in convergence(runs, dataset, form):
            starts, sizes = over_starts(runs, "size", cell)
            sizes = sizes / runs.settings["depth"]
            slope = bootstrap_interval(slopes(starts, sizes))
            parts.append((_label(cell, of="slope on start"), slope, range_verdict(slope, 1 - SAME, 1 + SAME)))
            for name, over in (("median", np.median), ("smallest", np.min)):
                growth = bootstrap_interval(over(sizes - starts, axis=1))
                of = f"final less start, {name} over starts"
                parts.append((_label(cell, of=of), growth, verdict(growth, "positive")))
    return claim(text, parts)


def uncorrelated(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C16 by Spearman's correlation of the test score with the start size, over starts, per seed.

    It holds if the interval ends below .1 and is refuted if the interval lies above 0.
    """
    text = "test accuracy is uncorrelated with the start, or negatively"
    if form == "original":
        return claim(text, [], IGNORED)
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        kind, sign = runs.score(dataset)
        for cell in convergence(runs, dataset, form):
            starts, scores = over_starts(runs, kind, cell)
            correlation = bootstrap_interval(rank_correlations(starts, sign * np.round(scores, 6)))
            parts.append((_label(cell, of="Spearman with start"), correlation, _not_positive(correlation)))
    return claim(text, parts)


def _not_positive(estimate: Estimate) -> Verdict:
    positive = verdict(estimate, "positive")
    return Verdict("refuted", positive.reason) if positive.outcome == "holds" else range_verdict(estimate, -1, SAME)


def against_static(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C17 by the test score of flexible networks less that of static ones of the same size, paired over seeds.

    There is a part per decay and penalty. On Fashion-MNIST with decay the flexible network should be worse; elsewhere
    (on MNIST, and without decay on both) the two should be equal, up to `NEARLY`. The journal does not speak of other
    data sets: their parts are listed but do not count.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        kind, sign = runs.score(dataset)
        for cell in frontier(runs, dataset, form):
            if units := runs.values("live_units", **static_same(cell)):
                difference = runs.difference(kind, cell, static_same(cell))
                worse = dataset == "fashion_mnist" and cell["weight_decay"] > 0
                label = _label(cell, units=units[0], of=f"{kind}, flexible less static")
                label["said"] = "worse" if worse else "equal"
                if dataset not in SPOKEN_OF:
                    label["uninformative"] = "the journal has no such data"
                outcome = verdict(difference, "negative" if sign > 0 else "positive")
                parts.append((label, difference, outcome if worse else range_verdict(difference, -NEARLY, NEARLY)))
    text = "a flexible network equals a static one of its size, but on Fashion with L2, where it is worse"
    return claim(text, parts, "no run ended with a finite size")


def larger_on_mnist(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C18 by the size on MNIST less the size on Fashion-MNIST, paired over seeds, per decay and penalty."""
    text = "a network grows larger on MNIST than on Fashion"
    if not {"mnist", "fashion_mnist"} <= set(runs.settings["dataset"]):
        return claim(text, [], "needs --dataset mnist fashion_mnist")
    parts: list[Part] = []
    for cell in frontier(runs, "mnist", form):
        difference = runs.difference("size", cell, cell | {"dataset": "fashion_mnist"})
        label = _label(cell) | {"dataset": "mnist less fashion_mnist", "of": "size"}
        parts.append((label, difference, verdict(difference, "positive")))
    return claim(text, parts)


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw three figures per form.

    They are size and score against the start size; score against static networks per penalty; and sizes under two kinds
    of price, step by step.
    """
    figures = {}
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
        figures[f"starts_{form}"] = flexible_figures.starts(lines, kind, title, ignored=form == "original")
        figures[f"frontier_{form}"] = flexible_figures.frontier(cells, kind, title)
        figures[f"prices_{form}"] = specimen_claims.picture(runs, dataset, form, title)
    return figures


def _less(runs: Runs, cell: dict[str, Any], other: dict[str, Any]) -> np.ndarray:
    """The test score of a cell's runs less that of other runs, [num_seeds]."""
    kind = runs.score(cell["dataset"])[0]
    return runs.last(kind, **cell) - runs.last(kind, **other)
