"""The picture that experiments without a size penalty share: size, its gradient and the loss against epochs."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsize.data import Form
from jaxsize.plots.axes import log_axis
from jaxsize.plots.marks import band
from jaxsize.plots.style import colors, subplots
from jaxsize.results.runs import Runs

if TYPE_CHECKING:
    from matplotlib.figure import Figure


SMALLEST = 1e-8
"""Values of -dL/dsize that are negative or smaller than this are raised to it before medians are taken and drawn."""
Arms = Callable[[Runs, str, Form], dict[str, dict[str, Any]]]
"""A function (runs, data set, form) that returns, by name of the arm, what selects its runs, one per seed."""


def growth(runs: Runs, dataset: str, arms: Arms, title: str = "") -> "Figure":
    """Draw size, the mean of -dL/dsize over an epoch and the mean loss of an epoch's steps against epochs.

    There is a row of panels per form and a line per arm, with a band from the smallest to the largest seed. The mean of
    -dL/dsize is drawn at `SMALLEST` where it is smaller or negative.

    Args:
        runs: runs with the setting "form" (a sequence of forms), the column "size", and the values "size_gradient_0"
            and "loss" recorded at every step.
        dataset: the name of the data set.
        arms: selects the runs of each arm.
        title: the title of the legend.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from jaxsize.plots import growth
        >>> from jaxsize.results import Runs, open_folder
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     rows = [{"batch": "a", "run": 0, "seed": 0, "epoch": i + 1, "size": 3 + i} for i in (0, 1)]
        ...     folder.rows.of("a").append(rows)
        ...     Path(path, "steps").mkdir()
        ...     for key in ("size_gradient_0", "loss"):
        ...         np.save(f"{path}/steps/a.{key}.npy", np.full((1, 4), -0.5))
        ...     runs = Runs(folder, {"num_seeds": 1, "form": ["corrected"]})
        ...     figure = growth(runs, "digits", lambda runs, dataset, form: {"all": {}})
        >>> [axes.lines[0].get_ydata().tolist() for axes in figure.axes]
        [[3.0, 4.0], [0.5, 0.5], [-0.5, -0.5]]
    """
    forms = runs.settings["form"]
    figure, panels = subplots(len(forms), 3, width=3.4)
    for row, form in zip(panels, forms, strict=True):
        selections = arms(runs, dataset, form)
        for color, (name, which) in zip(colors(len(selections)), selections.items(), strict=True):
            sizes = runs.curve("size", **which)
            epochs = np.arange(1, sizes.shape[1] + 1)
            downhill = -runs.per_epoch("size_gradient_0", **which).mean(-1)
            losses = runs.per_epoch("loss", **which).mean(-1)
            curves = (sizes, np.maximum(downhill, SMALLEST), losses)
            for axes, values in zip(row, curves, strict=True):
                band(axes, epochs, values, color=color, label=name)
        titles = (f"{form}: size", "mean of -dL/dsize, at least 1e-8", "loss of an epoch's steps")
        for axes, panel_title in zip(row, titles, strict=True):
            axes.set(xlabel="epoch", title=panel_title)
            log_axis(axes, "x")
        log_axis(row[1], "y")
        log_axis(row[2], "y")
        row[2].legend(title=title, fontsize=6, title_fontsize=7)  # the arms of the forms differ
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds, no penalty: median and range")
    return figure
