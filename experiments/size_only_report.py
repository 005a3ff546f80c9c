"""What the runs that move only the size say: the table, the second half of C25, and the pictures."""

import itertools
from typing import Any

import numpy as np

from experiments.flexible_runs import Runs
from experiments.size_only_units import read_terms
from jaxsize import plots
from jaxsize.datasets import Form
from jaxsize.flexible_gates import gray_zone
from jaxsize.statistics import bootstrap_interval, describe, paired_difference
from jaxsize.verdicts import Part, claim, verdict

WEIGHTS = ("frozen trained", "frozen random", "training")
SETTLES = "a size settles within the epoch, and the mean gradient with it"
CONTROL = "a control"
SOURCE = "says where the gradient comes from"


def cells(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """What selects the runs of every arm, slope and step size, one per seed."""
    where = {"dataset": dataset, "form": form, "arm": "moving"}
    names = ("weights", "slope", "size_learning_rate")
    found = itertools.product(WEIGHTS, *(runs.values(name, **where) for name in names[1:]))
    return [where | dict(zip(names, values, strict=True)) for values in found]


def upward(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: mean of -dL/dsize over the steps of the first epoch; above 0 the size grows."""
    return -runs.per_epoch("size_gradient_0", **which)[:, 0].mean(-1)


def growing(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: share of all steps whose gradient makes the size grow."""
    gradient = runs.steps("size_gradient_0", **which)
    return np.where(np.isfinite(gradient).all(-1), (gradient < 0).mean(-1), np.nan)


def change(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: size at the end less that before."""
    return runs.last("size", **which) - runs.last("start_size", **which)


def sides(runs: Runs, which: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """[num_seeds] each: what units below the edge and beyond it add to -dL/dsize, before the size has moved."""
    terms = read_terms(runs, which["dataset"], which["form"], which["slope"], which["weights"].split()[-1])
    starts = runs.last("start_size", **which)[:, None]
    below = np.arange(terms.shape[1]) < starts
    return np.where(below, terms, 0).sum(-1), np.where(below, 0, terms).sum(-1)


def shrinking_beyond(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds]: of all terms that make the size shrink, the share that units beyond the edge have; NaN without."""
    terms = read_terms(runs, which["dataset"], which["form"], which["slope"], which["weights"].split()[-1])
    beyond = np.arange(terms.shape[1]) >= runs.last("start_size", **which)[:, None]
    shrink = np.maximum(-terms, 0)
    total = shrink.sum(-1)
    return np.where(beyond, shrink, 0).sum(-1) / np.where(total > 0, total, np.nan)


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per arm, slope and step size: -dL/dsize in the first epoch, share of growing steps, how far the size moved,
    the sides' parts of -dL/dsize before it did (of frozen weights), loss and score at the end."""
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
            found = (*sides(runs, which), shrinking_beyond(runs, which))
            row |= {name: describe(values) for name, values in zip(names, found, strict=True)}
        ends = runs.described(["train_loss", "test_loss", kind], **which)
        rows.append(row | {name: value for name, value in ends.items() if name not in which})
    return rows


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """The second half of C25 in one form."""
    return {"C25b": frozen_grows(runs, form)}


def frozen_grows(runs: Runs, form: Form) -> dict[str, Any]:
    """With frozen trained weights, -dL/dsize before the size moves and the change of size. Listed, but not counted: the
    mean of -dL/dsize over the first epoch, in which a size settles; the same with random weights; the paired difference
    to weights that train on; and which side shrinks."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for which in cells(runs, dataset, form):
            label = {"dataset": dataset, "slope": which["slope"], "size_rate": which["size_learning_rate"]}
            label |= {"weights": which["weights"]}
            aside = {} if which["weights"] == "frozen trained" else {"uninformative": CONTROL}
            measures = {"mean of -dL/dsize": upward(runs, which), "end size less start": change(runs, which)}
            for of, values in measures.items():
                settles = {"uninformative": SETTLES} if of.startswith("mean") else {}
                found = bootstrap_interval(values)
                parts.append((label | {"of": of} | settles | aside, found, verdict(found, "positive")))
            if which["weights"] == "frozen trained":
                training = which | {"weights": "training"}
                found = paired_difference(upward(runs, which), upward(runs, training))
                more = {"of": "mean of -dL/dsize, frozen less training", "uninformative": CONTROL}
                parts.append((label | more, found, verdict(found, "positive")))
        parts += _sides(runs, dataset, form)
    text = "the size shrinks only because units of the gray zone move: with frozen weights it grows"
    return claim(text, parts)


def _sides(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """Once per slope: the size has not moved yet."""
    parts: list[Part] = []
    trained = [which for which in cells(runs, dataset, form) if which["weights"] == "frozen trained"]
    for which in {which["slope"]: which for which in trained}.values():
        below, beyond = sides(runs, which)
        measures = {"all units": below + beyond, "units below the edge": below, "units beyond the edge": beyond}
        for of, values in measures.items():
            found = bootstrap_interval(values)
            label = {"dataset": dataset, "slope": which["slope"], "weights": which["weights"]}
            label |= {"of": f"-dL/dsize before the size moves, {of}"}
            label |= {} if of == "all units" else {"uninformative": SOURCE}
            parts.append((label, found, verdict(found, "positive")))
    return parts


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Size against steps, arm by arm; and what units add to the size's gradient, by their distance from the edge."""
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
