"""Panels that most studies share: curves over epochs, and where every run ended."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from jaxsize.plots.axes import log_axis, zoom_axis
from jaxsize.plots.marks import _label_of, bands, points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class _Curve(Protocol):
    def curve(self, column: str) -> np.ndarray: ...


class _End(Protocol):
    def end(self, column: str) -> np.ndarray: ...


def curves(
    panels: Sequence["Axes"],
    arms: Mapping[Any, _Curve],
    columns: Sequence[str],
    *,
    log: Sequence[str] = (),
    zoom: float | None = None,
) -> None:
    """Draw columns against epochs: a panel per column, a line per arm, which is the median over runs, in its range.

    Args:
        panels: one for every column.
        arms: by name in the legend or value of a setting, ordered: `studies.ArmView` or anything with its
            `curve(column)` [runs, epochs].
        columns: the columns.
        log: which of them are drawn on a logarithmic axis; "epoch" stands for the axis of epochs.
        zoom: see `zoom_axis`; of the panels of accuracies. Default: these show all.

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import curves, subplots
        >>> class Falling:
        ...     def curve(self, column):
        ...         return np.array([[9.0, 4.0], [8.0, 2.0]])
        >>> _, panels = subplots(1, 1)
        >>> curves(panels[0], {"all": Falling()}, ["live_units"])
        >>> panels[0, 0].get_title(), panels[0, 0].lines[0].get_ydata().tolist()
        ('live units', [8.5, 3.0])
    """
    for axes, column in zip(panels, columns, strict=True):
        bands(axes, {name: arm.curve(column) for name, arm in arms.items()})
        axes.set(xlabel="epoch", title=column.replace("_", " "))
        if "epoch" in log:
            log_axis(axes, "x")
        if column in log:
            log_axis(axes, "y")
        elif zoom is not None and column.endswith("accuracy"):
            zoom_axis(axes, zoom)


def ends(
    axes: "Axes",
    arms: Mapping[Any, _End],
    column: str,
    *,
    color: Any,
    label: str = "",
    marker: str = "o",
    shift: float = 0.0,
) -> None:
    """Draw where every run ended: a mark per run and a large one at their median, side by side by arm.

    Args:
        axes: the panel, whose ticks get the names of the arms.
        arms: by name or value of a setting, ordered: `studies.ArmView` or anything with its `end(column)` [runs].
        column: the column.
        color: of the marks, any of matplotlib's colours.
        label: of the marks, for the legend; empty for none.
        marker: the form of the marks, one of matplotlib's.
        shift: how far to the right of the ticks the marks stand, in distances of ticks.

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import ends, subplots
        >>> class Small:
        ...     def end(self, column):
        ...         return np.array([4.0, 2.0])
        >>> _, panels = subplots(1, 1)
        >>> ends(panels[0, 0], {"small": Small()}, "live_units", color="black")
        >>> [text.get_text() for text in panels[0, 0].get_xticklabels()], panels[0, 0].lines[1].get_ydata().tolist()
        (['small'], [3.0])
    """
    for position, arm in enumerate(arms.values()):
        values = arm.end(column)
        points(axes, position + shift, values, color=color, marker=marker, label=label)
        label = "" if np.isfinite(values).any() else label  # in the legend once, with the first marks that there are
    axes.set_xticks(range(len(arms)), [_label_of(name) for name in arms])
    axes.set(title=f"{column.replace('_', ' ')} at the end")
