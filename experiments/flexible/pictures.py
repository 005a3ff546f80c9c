"""The pictures of `python -m experiments.flexible`: ends against starts, learned against static sizes, prices."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from jaxsize import plots
from jaxsize.statistics import describe

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Cell(NamedTuple):
    """The runs of one weight decay and penalty; arrays over seeds, [num_seeds] each."""

    sizes: np.ndarray
    """Sizes at the end."""
    less_same: np.ndarray
    """Test score of the flexible network less that of the static one of the same size."""
    less_wide: np.ndarray
    """Test score of the flexible network less that of the wide static one."""


def starts(lines: Mapping[str, Sequence[Any]], kind: str, title: str, *, ignored: bool) -> "Figure":
    """Draw final size and test score against the start size.

    Args:
        lines: by the line's name a pair: (starts, sizes per layer [num_seeds, starts]) and (starts, scores likewise).
        kind: the score's column.
        title: the title of the figure.
        ignored: the start sizes were not used.
    """
    figure, panels = plots.subplots(1, 2, width=3.8, height=3.0)
    for axes, number, what in zip(panels[0], (0, 1), ("final size", kind.replace("_", " ")), strict=True):
        for color, (name, pairs) in zip(plots.colors(len(lines)), lines.items(), strict=True):
            x, values = pairs[number]
            plots.band(axes, x, values, color=color, label=name, marker="o", markersize=3)
        across = "start size, ignored: all start at 1" if ignored else "start size"
        axes.set(xlabel=across, ylabel=what)
    x = next(iter(lines.values()))[0][0]
    scores = np.concatenate([np.ravel(pairs[1][1]) for pairs in lines.values()])
    if np.isfinite(scores).any():  # one run that has failed would flatten the rest
        low, high = np.nanpercentile(scores, [5, 95])
        panels[0, 1].set_ylim(low - 0.5 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3)
    if not ignored:
        panels[0, 0].plot(x, x, color="grey", linestyle=":", linewidth=1, label="final = start")
    plots.legend(figure, panels[0, 0], "")
    figure.suptitle(f"{title}: median and range")
    return figure


def frontier(cells: Mapping[tuple[float, float], Cell], kind: str, title: str) -> "Figure":
    """Draw bars of score differences and a line of sizes against the penalty, a panel per weight decay.

    Args:
        cells: the runs by weight decay and penalty.
        kind: the score's column.
        title: the title of the figure.
    """
    decays = sorted({decay for decay, _ in cells})
    figure, panels = plots.subplots(1, len(decays), width=4.2, height=3.2)
    unit, scale = ("points of accuracy", 100.0) if kind.endswith("accuracy") else (kind.replace("_", " "), 1.0)
    medians, reaches, twins = [0.0], [0.0], []
    for axes, decay in zip(panels[0], decays, strict=True):
        penalties = sorted(penalty for of_decay, penalty in cells if of_decay == decay)
        position = np.arange(len(penalties))
        bars = (("static, same size", "less_same", "#31688e"), ("static, wide", "less_wide", "#a9c94a"))
        for shift, (name, field, color) in zip((-0.2, 0.2), bars, strict=True):
            described = [describe(scale * getattr(cells[decay, penalty], field)) for penalty in penalties]
            numbers = {key: np.array([row[key] for row in described], float) for key in ("median", "low", "high")}
            reach = [numbers["median"] - numbers["low"], numbers["high"] - numbers["median"]]
            axes.bar(position + shift, numbers["median"], 0.38, color=color, label=f"flexible less {name}")
            axes.errorbar(position + shift, numbers["median"], reach, fmt="none", ecolor="black", elinewidth=0.8)
            medians += [*numbers["median"]]
            reaches += [*(numbers["high"] - numbers["low"])]
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(position, [f"{penalty:.1e}" for penalty in penalties], rotation=60)
        axes.set(xlabel="penalty", title=f"weight decay {decay:g}", ylabel=unit)
        twin = axes.twinx()
        sizes = np.stack([cells[decay, penalty].sizes for penalty in penalties], axis=1)
        plots.band(twin, position, sizes, color="#b5367a", label="size (right)", marker="o", markersize=3)
        twin.set(ylabel="size")
        twin.grid(visible=False)
        twin.spines["right"].set_visible(True)
        twins.append(twin)
    # An interval that is far longer than most is cut off, as it would flatten the others.
    margin = 1.5 * float(np.nanmedian(reaches)) or 0.1 * float(np.nanmax(np.abs(medians))) or 1.0
    for axes in panels[0]:
        axes.set_ylim(np.nanmin(medians) - margin, np.nanmax(medians) + margin)
    (handles, names), (more, others) = (axes.get_legend_handles_labels() for axes in (panels[0, 0], twins[0]))
    figure.legend(handles + more, names + others, loc="outside lower center", ncols=3)
    figure.suptitle(f"{title}: median and 95 % interval, size: median and range")
    return figure


def prices(curves: Mapping[str, Mapping[float, np.ndarray]], title: str) -> "Figure":
    """Draw sizes step by step, a panel per kind of price.

    Args:
        curves: by name of the panel, and then by penalty, sizes [num_seeds, steps].
        title: the title of the figure.
    """
    figure, panels = plots.subplots(1, len(curves), width=3.6, height=2.9)
    ends = [value for lines in curves.values() for line in lines.values() for value in line[np.isfinite(line)]]
    for axes, (name, lines) in zip(panels[0], curves.items(), strict=True):
        for color, (penalty, sizes) in zip(plots.colors(len(lines)), lines.items(), strict=True):
            plots.band(axes, np.arange(1, sizes.shape[1] + 1), sizes, color=color, label=f"{penalty:g}")
        axes.set(xlabel="step", ylabel="size", title=name)
        if ends:
            margin = 0.05 * (max(ends) - min(ends)) or 1.0
            axes.set_ylim(min(ends) - margin, max(ends) + margin)
    plots.legend(figure, panels[0, -1], "penalty")
    figure.suptitle(f"{title}: median and range")
    return figure
