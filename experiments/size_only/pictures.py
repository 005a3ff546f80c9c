"""The pictures of the study `size_only`: how sizes moved, and which units moved them."""

from typing import Any

import numpy as np

from experiments.size_only.claims import MOVING
from experiments.size_only.unit_terms import read_terms
from jaxsize import plots
from jaxsize.gates import gray_zone
from jaxsize.studies import Arms


def paths(arms: Arms) -> Any:
    """Draw size against steps after the weights were trained at a fixed size: the median over seeds, and the range.

    A row of panels per form, a column per slope and step size; a line per kind of weights.
    """
    columns = list(arms.like(*MOVING)[0].by("slope", "size_learning_rate"))
    figure, panels = plots.subplots(len(arms.forms), len(columns))
    for row, form in zip(panels, arms.forms, strict=True):
        moving = arms.at(form=form).like(*MOVING)
        for axes, (slope, rate) in zip(row, columns, strict=True):
            for color, arm in zip(plots.colors(len(moving)), moving, strict=True):
                runs = arm.at(slope=slope, size_learning_rate=rate)
                sizes = np.concatenate([runs.end("start_size")[:, None], runs.steps("size_0")], 1)
                plots.band(axes, np.arange(sizes.shape[1]), sizes, color=color, label=arm.name)
            axes.set(xlabel="step", title=f"{form}: slope {slope:g}, step size {rate:g}")
        row[0].set_ylabel("size")
    plots.legend(figure, panels[0][0], "weights")
    figure.suptitle(f"{arms.datasets[0]}, {arms[0].runs.num_seeds} seeds, no penalty: median and range")
    return figure


def terms(arms: Arms) -> Any:
    """Draw what each unit adds to -dL/dsize before the size moves, against its distance from the edge.

    Median over seeds, and the range; above 0 a unit asks for a larger size. The edge, at 0, is the unit whose position
    is the size; units up to a gray zone from it are drawn. A row of panels per form, a column per slope; a line for
    trained weights and one for random ones.
    """
    slopes = arms[0].values("slope")
    figure, panels = plots.subplots(len(arms.forms), len(slopes), width=4.2)
    for row, form in zip(panels, arms.forms, strict=True):
        frozen = arms.at(form=form).like("frozen*")
        for axes, slope in zip(row, slopes, strict=True):
            for color, arm in zip(plots.colors(len(frozen)), frozen, strict=True):
                by_unit, distance = read_terms(arm.at(slope=slope))
                near = np.abs(distance) <= gray_zone(slope)
                plots.band(axes, distance[near], by_unit[:, near], color=color, label=arm.name)
            axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
            axes.axhline(0, color="0.3", linewidth=0.8)
            axes.set(xlabel="unit less size", title=f"{form}: slope {slope:g}")
        row[0].set_ylabel("unit's part of -dL/dsize")
    panels[0][0].legend(title="weights", fontsize=7)
    figure.suptitle(f"{arms.datasets[0]}, {arms[0].runs.num_seeds} seeds, before the size moves: median and range")
    return figure
