"""The picture that experiments without a size penalty share: size, its gradient and the loss against epochs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.flexible_runs import Runs
from jaxsize import plots
from jaxsize.datasets import Form

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST = 1e-8
"""Gradients that point down, or are smaller, are drawn here: on a log axis, and before medians are taken."""
Arms = Callable[[Runs, str, Form], dict[str, dict[str, Any]]]
"""(runs, data set, form) -> by name, what selects the runs of each arm, one per seed."""


def growth(runs: Runs, dataset: str, arms: Arms, title: str = "") -> "Figure":
    """Size, mean of -dL/dsize over an epoch (where it is positive) and mean loss of an epoch's steps: a row per form,
    a line per arm. title: of the legend."""
    forms = runs.settings["form"]
    figure, panels = plots.subplots(len(forms), 3, width=3.4)
    for row, form in zip(panels, forms, strict=True):
        found = arms(runs, dataset, form)
        for color, (name, which) in zip(plots.colors(len(found)), found.items(), strict=True):
            sizes = runs.curve("size", **which)
            epochs = np.arange(1, sizes.shape[1] + 1)
            downhill = -runs.per_epoch("size_gradient_0", **which).mean(-1)
            losses = runs.per_epoch("loss", **which).mean(-1)
            curves = (sizes, np.maximum(downhill, SMALLEST), losses)
            for axes, values in zip(row, curves, strict=True):
                plots.band(axes, epochs, values, color=color, label=name)
        titles = (f"{form}: size", "mean of -dL/dsize, at least 1e-8", "loss of an epoch's steps")
        for axes, said in zip(row, titles, strict=True):
            axes.set(xlabel="epoch", title=said)
            plots.log_axis(axes, "x")
        plots.log_axis(row[1], "y")
        plots.log_axis(row[2], "y")
        row[2].legend(title=title, fontsize=6, title_fontsize=7)  # the arms of the forms differ
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds, no penalty: median and range")
    return figure
