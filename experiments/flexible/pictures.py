"""The pictures of `python -m experiments.flexible`: ends against starts, learned against static sizes, prices."""

from typing import Any

import numpy as np

from experiments.flexible.claims import ends
from jaxsize import plots
from jaxsize.statistics import describe
from jaxsize.studies import Arms, ArmView, gains, per

BARS = {"static": "#31688e", "static L2": "#5ec5c0", "static wide": "#a9c94a"}
PRICES = {"size_price": "priced by itself", "integral_price": "priced by the integral"}


@per("dataset", "form", title="median and range")
def starts(arms: Arms) -> Any:
    """Draw size per layer and test score at the end against the start size, a line per slope and weight decay.

    A line is the median over seeds, its band the range. The original form ignored start sizes: all layers start at 1.
    """
    arm, ignored = arms["starts"], arms.forms == ["original"]
    sizes, score = arm.values("start_size"), arm.score()[0]
    figure, ((left, right),) = plots.subplots(1, 2, width=3.8, height=3.0)
    lines = {
        f"slope {slope:g}, decay {decay:g}": line for (slope, decay), line in arm.by("slope", "weight_decay").items()
    }
    scores = {name: line.matrix(score, over="start_size") for name, line in lines.items()}
    plots.bands(left, {name: ends(line) for name, line in lines.items()}, sizes, marker="o", markersize=3)
    plots.bands(right, scores, sizes, marker="o", markersize=3)
    for axes, what in ((left, "final size"), (right, score.replace("_", " "))):
        axes.set(xlabel="start size, ignored: all start at 1" if ignored else "start size", ylabel=what)
    every = np.concatenate(list(scores.values()), axis=None)
    if np.isfinite(every).any():  # one run that has failed would flatten the rest
        low, high = np.nanpercentile(every, [5, 95])
        right.set_ylim(low - 0.5 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3)
    if not ignored:
        left.plot(sizes, sizes, color="grey", linestyle=":", linewidth=1, label="final = start")
    plots.legend(figure, left, "")
    return figure


@per("dataset", "form", title="median and 95 % interval, size: median and range")
def frontier(arms: Arms) -> Any:
    """Draw how much better flexible networks score on test rows than static ones, and their sizes, against the penalty.

    A panel per weight decay. Bars are medians over paired seeds with their 95 % interval (of few seeds, their range):
    beside static networks of the same size, in the original form without and with the L2 of the flexible ones, and
    beside wide ones. The line is the median size, its band the range.
    """
    flexible = arms["penalties"]
    decays, scale = flexible.by("weight_decay"), 100.0 if flexible.score()[0].endswith("accuracy") else 1.0
    figure, panels = plots.subplots(1, len(decays), width=4.2, height=3.2)
    medians, reaches = [0.0], [0.0]
    for axes, (decay, of_decay) in zip(panels[0], decays.items(), strict=True):
        cells = of_decay.by("penalty")
        places = np.arange(len(cells))
        bars = {name: [scale * less_static(arms, cell, name) for cell in cells.values()] for name in BARS}
        bars = {name: values for name, values in bars.items() if np.isfinite(values).any()}
        for index, (name, values) in enumerate(bars.items()):
            described = [describe(cell) for cell in values]
            middle, low, high = (np.array([row[key] for row in described], float) for key in ("median", "low", "high"))
            at, reach = places + 0.8 * ((index + 0.5) / len(bars) - 0.5), [middle - low, high - middle]
            axes.bar(at, middle, 0.76 / len(bars), color=BARS[name], label=f"flexible less {name}")
            axes.errorbar(at, middle, reach, fmt="none", ecolor="black", elinewidth=0.8)
            medians += [*middle]
            reaches += [*(high - low)]
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(places, [f"{penalty:.1e}" for penalty in cells], rotation=60)
        unit = "fall of the test error" if scale == 1 else "points of accuracy"
        axes.set(xlabel="penalty", title=f"weight decay {decay:g}", ylabel=unit)
        twin, look = axes.twinx(), {"color": "#b5367a", "label": "size (right)"}
        plots.band(twin, places, of_decay.matrix("size", over="penalty"), **look, marker="o", markersize=3)
        twin.set(ylabel="size")
        twin.grid(visible=False)
        twin.spines["right"].set_visible(True)
    # An interval that is far longer than most is cut off, as it would flatten the others.
    margin = 1.5 * float(np.nanmedian(reaches)) or 0.1 * float(np.nanmax(np.abs(medians))) or 1.0
    for axes in panels[0]:
        axes.set_ylim(np.nanmin(medians) - margin, np.nanmax(medians) + margin)
    marks = {name: mark for axes in figure.axes for mark, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(list(marks.values()), list(marks), loc="outside lower center", ncols=4)
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
        lines = arms[name].by("penalty")
        plots.bands(axes, {f"{penalty:g}": line.steps("size_0") for penalty, line in lines.items()})
        axes.set(xlabel="step", ylabel="size", title=title)
    plots.legend(figure, panels[0, -1], "penalty")
    return figure
