"""The pictures of `python -m experiments.flexible`: ends against starts, learned against static sizes, prices."""

from typing import Any

import numpy as np

from experiments.flexible.claims import ends
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, gains, per

STATIC = ("static", "static L2", "static wide")
PRICES = {"size_price": "priced by itself", "integral_price": "priced by the integral"}


def zoom(axes: Any, values: list[np.ndarray]) -> None:
    """Show where most of the values drawn are: one run that has failed would flatten the rest."""
    every = np.concatenate(values, axis=None)
    if np.isfinite(every).any():
        low, high = np.nanpercentile(every, [5, 95])
        axes.set_ylim(low - 0.5 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3)


@per("dataset", "form", title="median and range")
def starts(arms: Arms) -> Any:
    """Draw size per layer and test score at the end against the start size, a line per slope and weight decay.

    A line is the median over seeds, its band the range. The original form ignored start sizes: all layers start at 1.
    """
    arm, ignored = arms["starts"], arms.forms == ["original"]
    sizes, score = arm.values("start_size"), arm.score()[0]
    figure, ((left, right),) = plots.subplots(1, 2, width=3.8, height=3.0)
    lines = {
        f"slope {slope:g}, decay {decay:g}": one for (slope, decay), one in arm.by("slope", "weight_decay").items()
    }
    scores = {label: line.matrix(score, over="start_size") for label, line in lines.items()}
    plots.bands(left, {label: (sizes, ends(line)) for label, line in lines.items()}, markevery=1)
    plots.bands(right, {label: (sizes, values) for label, values in scores.items()}, markevery=1)
    for axes, what in ((left, "final size"), (right, score.replace("_", " "))):
        axes.set(xlabel="start size, ignored: all start at 1" if ignored else "start size", ylabel=what)
    zoom(right, list(scores.values()))
    if not ignored:
        left.plot(sizes, sizes, color="0.6", linewidth=0.8, label="final = start")
    plots.legend(figure, left, "")
    return figure


@per("dataset", "form", title="every seed and the median")
def frontier(arms: Arms) -> Any:
    """Draw how much better flexible networks score on test rows than static ones, and their sizes, against the penalty.

    A column of panels per weight decay. Flexible networks are paired over seeds with static ones of the same size, in
    the original form without and with the L2 of the flexible ones, and with wide ones. Below is the median size, its
    band the range.
    """
    decays, score = arms["penalties"].by("weight_decay"), arms["penalties"].score()[0]
    figure, panels = plots.subplots(2, len(decays), width=4.2)
    for (above, below), (decay, flexible) in zip(panels.T, decays.items(), strict=True):
        above.sharex(below)
        above.tick_params(labelbottom=False)
        cells, drawn = flexible.by("penalty"), [np.zeros(1)]
        for name, look, shift in zip(STATIC, plots.looks(len(STATIC)), (-0.2, 0.0, 0.2), strict=True):
            for place, cell in enumerate(cells.values()):
                drawn.append(less_static(arms, cell, name))
                label = "" if place else f"flexible less {name}"
                plots.points(above, place + shift, drawn[-1], **look.marks, label=label)
        zoom(above, drawn)
        above.axhline(0, color="black", linewidth=0.8)
        above.set(title=f"weight decay {decay:g}", ylabel=f"{score.replace('_', ' ')} gained")
        sizes = flexible.matrix("size", over="penalty")
        plots.band(below, range(len(cells)), sizes, color="#b5367a", label="size", marker="o")
        below.set_xticks(range(len(cells)), [f"{penalty:.1e}" for penalty in cells], rotation=60)
        below.set(xlabel="penalty", ylabel="size at the end")
    plots.legend(figure, panels[0, -1], "")
    return figure


def less_static(arms: Arms, cell: ArmView, name: str) -> np.ndarray:
    """Return how much better a cell's runs score than the static networks beside them, [num_seeds]; NaN without any."""
    where = {key: cell.where[key] for key in ("weight_decay", "penalty")}
    if name == "static wide":
        where = {"weight_decay": 0.0 if cell.form == "original" else where["weight_decay"]}
    static = arms.at(**where).like(name)
    return gains(cell, static[0]) if static else np.full(cell.runs.num_seeds, np.nan)


@per("dataset", "form", title="median and range")
def prices(arms: Arms) -> Any:
    """Draw sizes step by step, priced by themselves and by the integral of their gates: median and range over seeds."""
    figure, panels = plots.subplots(1, len(PRICES), width=3.6, height=2.9)
    for axes, (name, title) in zip(panels[0], PRICES.items(), strict=True):
        axes.sharey(panels[0, 0])
        plots.bands(axes, {penalty: line.steps("size_0") for penalty, line in arms[name].by("penalty").items()})
        axes.set(xlabel="step", ylabel="size", title=title)
    plots.legend(figure, panels[0, -1], "penalty")
    return figure
