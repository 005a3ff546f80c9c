"""The results of the study `size_only`: the table, the answer to the second half of C25, and the pictures."""

import itertools
from typing import Any

import numpy as np

from experiments.size_only.unit_terms import read_terms
from jaxsize import plots
from jaxsize.data import Form
from jaxsize.gates import gray_zone
from jaxsize.results import Runs
from jaxsize.statistics import Part, bootstrap_interval, claim, describe, paired_difference, verdict

WEIGHTS = ("frozen trained", "frozen random", "training")
SETTLES = "a size settles within the epoch, and the mean gradient with it"
CONTROL = "a control"
SOURCE = "says where the gradient comes from"


def cells(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Return the columns that select the runs of each kind of weights, slope and step size; a run per seed."""
    where = {"dataset": dataset, "form": form, "arm": "moving"}
    names = ("weights", "slope", "size_learning_rate")
    grid = itertools.product(WEIGHTS, *(runs.values(name, **where) for name in names[1:]))
    return [where | dict(zip(names, values, strict=True)) for values in grid]


def upward(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the mean of -dL/dsize over the steps of the first epoch, [num_seeds]; above 0 the size grows."""
    return -runs.per_epoch("size_gradient_0", **which)[:, 0].mean(-1)


def growing(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the share of all steps whose gradient makes the size grow, [num_seeds]; NaN of a diverged run."""
    gradient = runs.steps("size_gradient_0", **which)
    return np.where(np.isfinite(gradient).all(-1), (gradient < 0).mean(-1), np.nan)


def change(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the size at the end less the size before, [num_seeds]."""
    return runs.last("size", **which) - runs.last("start_size", **which)


def sides(runs: Runs, which: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return what units below the edge, and units beyond it, add to -dL/dsize before the size has moved.

    The edge is the unit whose position is the size.

    Returns:
        The sums below and beyond the edge, [num_seeds] each.
    """
    terms = read_terms(runs, which["dataset"], which["form"], which["slope"], which["weights"].split()[-1])
    starts = runs.last("start_size", **which)[:, None]
    below = np.arange(terms.shape[1]) < starts
    return np.where(below, terms, 0).sum(-1), np.where(below, 0, terms).sum(-1)


def shrinking_beyond(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the share of units beyond the edge in all terms that make the size shrink, [num_seeds].

    NaN where there is no such term.
    """
    terms = read_terms(runs, which["dataset"], which["form"], which["slope"], which["weights"].split()[-1])
    beyond = np.arange(terms.shape[1]) >= runs.last("start_size", **which)[:, None]
    shrink = np.maximum(-terms, 0)
    total = shrink.sum(-1)
    return np.where(beyond, shrink, 0).sum(-1) / np.where(total > 0, total, np.nan)


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per kind of weights, slope and step size.

    Its columns: the mean of -dL/dsize in the first epoch, the share of growing steps, how far the size moved, what the
    units on either side of the edge added to -dL/dsize before it moved (frozen weights only), and losses and score at
    the end.
    """
    kind = runs.score(dataset)[0]
    rows = []
    for which in cells(runs, dataset, form):
        row = {name: value for name, value in which.items() if name != "arm"} | {
            "upward_gradient": describe(upward(runs, which)),
            "growing_steps": describe(growing(runs, which)),
            "size_change": describe(change(runs, which)),
        }
        if which["weights"].startswith("frozen"):
            names = ("from_below", "from_beyond", "shrinking_beyond")
            parts = (*sides(runs, which), shrinking_beyond(runs, which))
            row |= {name: describe(values) for name, values in zip(names, parts, strict=True)}
        ends = runs.described(["train_loss", "test_loss", kind], **which)
        rows.append(row | {name: value for name, value in ends.items() if name not in which})
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer the second half of C25 in one form."""
    return {"C25b": frozen_grows(runs, form)}


def frozen_grows(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer whether the size of a trained network grows while its weights are frozen.

    What counts is -dL/dsize before the size moves, and the change of size, under the frozen weights of trained
    networks. Listed, but not counted, are the mean of -dL/dsize over the first epoch, in which a size settles; the same
    with random weights; the paired difference to weights that train on; and which side of the edge makes sizes shrink.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for which in cells(runs, dataset, form):
            label = {"dataset": dataset, "slope": which["slope"], "size_rate": which["size_learning_rate"]}
            label |= {"weights": which["weights"]}
            aside = {} if which["weights"] == "frozen trained" else {"uninformative": CONTROL}
            measures = {"mean of -dL/dsize": upward(runs, which), "end size less start": change(runs, which)}
            for of, values in measures.items():
                settles = {"uninformative": SETTLES} if of.startswith("mean") else {}
                estimate = bootstrap_interval(values)
                parts.append((label | {"of": of} | settles | aside, estimate, verdict(estimate, "positive")))
            if which["weights"] == "frozen trained":
                training = which | {"weights": "training"}
                difference = paired_difference(upward(runs, which), upward(runs, training))
                more = {"of": "mean of -dL/dsize, frozen less training", "uninformative": CONTROL}
                parts.append((label | more, difference, verdict(difference, "positive")))
        parts += _sides(runs, dataset, form)
    text = "the size shrinks only because units of the gray zone move: with frozen weights it grows"
    return claim(text, parts)


def _sides(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """The parts before the size moves: once per slope, as the step size plays no role yet."""
    parts: list[Part] = []
    trained = [which for which in cells(runs, dataset, form) if which["weights"] == "frozen trained"]
    for which in {which["slope"]: which for which in trained}.values():
        below, beyond = sides(runs, which)
        measures = {"all units": below + beyond, "units below the edge": below, "units beyond the edge": beyond}
        for of, values in measures.items():
            estimate = bootstrap_interval(values)
            label = {"dataset": dataset, "slope": which["slope"], "weights": which["weights"]}
            label |= {"of": f"-dL/dsize before the size moves, {of}"}
            label |= {} if of == "all units" else {"uninformative": SOURCE}
            parts.append((label, estimate, verdict(estimate, "positive")))
    return parts


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw size against steps, and what units add to the size's gradient against their distance from the edge."""
    return {"size": _paths(runs, dataset), "terms": _terms(runs, dataset)}


def _paths(runs: Runs, dataset: str) -> Any:
    """A row per form, a column per slope and step size."""
    forms = runs.settings["form"]
    columns = list({(w["slope"], w["size_learning_rate"]): None for w in cells(runs, dataset, forms[0])})
    figure, panels = plots.subplots(len(forms), len(columns), width=3.1)
    for row, form in zip(panels, forms, strict=True):
        for axes, (slope, rate) in zip(row, columns, strict=True):
            for color, weights in zip(plots.colors(len(WEIGHTS)), WEIGHTS, strict=True):
                where = {"dataset": dataset, "form": form, "arm": "moving", "weights": weights}
                which = where | {"slope": slope, "size_learning_rate": rate}
                sizes = np.concatenate([runs.last("start_size", **which)[:, None], runs.steps("size_0", **which)], 1)
                plots.band(axes, np.arange(sizes.shape[1]), sizes, color=color, label=weights)
            axes.set(xlabel="step", title=f"{form}: slope {slope:g}, step size {rate:g}")
        row[0].set_ylabel("size")
    plots.legend(figure, panels[0][0], "weights")
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds, no penalty: median and range")
    return figure


def _terms(runs: Runs, dataset: str) -> Any:
    """A row per form, a column per slope, two gray zones wide."""
    forms = runs.settings["form"]
    slopes = runs.values("slope", dataset=dataset, arm="moving")
    (start,) = runs.values("start_size", dataset=dataset, arm="moving")
    figure, panels = plots.subplots(len(forms), len(slopes), width=4.2)
    for row, form in zip(panels, forms, strict=True):
        for axes, slope in zip(row, slopes, strict=True):
            for color, weights in zip(plots.colors(2), ("trained", "random"), strict=True):
                terms = read_terms(runs, dataset, form, slope, weights)
                distance = np.arange(terms.shape[1]) - start
                near = np.abs(distance) <= gray_zone(slope)
                plots.band(axes, distance[near], terms[:, near], color=color, label=f"{weights} weights")
            axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
            axes.axhline(0, color="0.3", linewidth=0.8)
            axes.set(xlabel="unit less size", title=f"{form}: slope {slope:g}")
        row[0].set_ylabel("unit's part of -dL/dsize")
    panels[0][0].legend(fontsize=7)
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds, before the size moves: median and range; above 0 it grows")
    return figure
