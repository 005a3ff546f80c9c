"""The picture that experiments without a size penalty share: size, its gradient and the loss against epochs."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np

from jaxsize.plots.axes import log_axis
from jaxsize.plots.marks import band
from jaxsize.plots.style import colors, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure


STROKES = ("-", "--", ":", "-.")
SMALLEST = 1e-8
"""Values of -dL/dsize that are negative or smaller than this are raised to it before medians are taken and drawn."""


class _Curves(Protocol):
    def curve(self, column: str) -> np.ndarray: ...
    def steps_by_epoch(self, key: str) -> np.ndarray: ...


def growth(rows: Mapping[str, Mapping[str, _Curves]], dataset: str, title: str = "") -> "Figure":
    """Draw size, the mean of -dL/dsize over an epoch and the mean loss of an epoch's steps against epochs.

    There is a row of panels per form and a line per arm, with a band from the smallest to the largest seed. The mean of
    -dL/dsize is drawn at `SMALLEST` where it is smaller or negative.

    Args:
        rows: by form, and then by name in the legend, the arms: `studies.ArmView` or anything with its `curve("size")`
            [runs, epochs] and its `steps_by_epoch` of "size_gradient_0" and "loss" [runs, epochs, steps].
        dataset: the name of the data set, for the title.
        title: the title of the legend.

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import growth
        >>> class Flat:
        ...     def curve(self, column):
        ...         return np.array([[3.0, 4.0]])
        ...     def steps_by_epoch(self, key):
        ...         return np.full((1, 2, 2), -0.5)
        >>> figure = growth({"corrected": {"all": Flat()}}, "digits")
        >>> [axes.lines[0].get_ydata().tolist() for axes in figure.axes]
        [[3.0, 4.0], [0.5, 0.5], [-0.5, -0.5]]
    """
    figure, panels = subplots(len(rows), 3, width=3.4)
    seeds = 0
    for row, (form, arms) in zip(panels, rows.items(), strict=True):
        strokes = itertools.cycle(STROKES)  # neighbouring greys look alike in print
        for color, stroke, (name, arm) in zip(colors(len(arms)), strokes, arms.items(), strict=False):
            sizes = arm.curve("size")
            seeds = max(seeds, len(sizes))
            epochs = np.arange(1, sizes.shape[1] + 1)
            downhill = -arm.steps_by_epoch("size_gradient_0").mean(-1)
            losses = arm.steps_by_epoch("loss").mean(-1)
            curves = (sizes, np.maximum(downhill, SMALLEST), losses)
            for axes, values in zip(row, curves, strict=True):
                band(axes, epochs, values, color=color, label=name, linestyle=stroke)
        titles = (f"{form}: size", "mean of -dL/dsize, at least 1e-8", "loss of an epoch's steps")
        for axes, panel_title in zip(row, titles, strict=True):
            axes.set(xlabel="epoch", title=panel_title)
            log_axis(axes, "x")
        log_axis(row[1], "y")
        log_axis(row[2], "y")
        row[2].legend(title=title, fontsize=6, title_fontsize=7)  # the arms of the forms differ
    figure.suptitle(f"{dataset}, {seeds} seeds, no penalty: median and range")
    return figure
