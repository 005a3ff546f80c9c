"""Marks for values over runs: a median with a band, points with their median."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsize.plots.looks import looks

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def band(
    axes: "Axes", x: Sequence[float] | np.ndarray, values: np.ndarray, *, color: Any, label: str, **line: Any
) -> None:
    """Draw the median over runs as a line, with a band from the smallest to the largest value.

    Values that are not finite are left out; a position without any finite value leaves a gap.

    Args:
        axes: the panel.
        x: positions [n].
        values: [runs, n].
        color: of line and band, any of matplotlib's colours.
        label: of the line, for the legend.
        **line: further arguments of `Axes.plot` for the line.

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import band, subplots
        >>> _, panels = subplots(1, 1)
        >>> band(panels[0, 0], [1, 2], np.array([[1, 3], [2, 5], [9, np.nan]]), color="black", label="size")
        >>> panels[0, 0].lines[0].get_ydata().tolist()
        [2.0, 4.0]
    """
    values = np.ma.masked_invalid(np.asarray(values, float))
    middle = np.ma.median(values, axis=0).filled(np.nan)
    low, high = values.min(axis=0).filled(np.nan), values.max(axis=0).filled(np.nan)
    shown = np.unique(np.stack([np.asarray(x, float), middle])[:, np.isfinite(middle)], axis=1).shape[1]
    if shown <= 3:  # matplotlib spaces no marks along a line without a length, and few points need a mark each
        line["markevery"] = 1
    axes.plot(x, middle, color=color, label=label, **line)
    axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)


def bands(axes: "Axes", values: Mapping[Any, Any], **line: Any) -> None:
    """Draw a `band` for every entry, in the order of `looks`.

    Args:
        axes: the panel.
        values: by name in the legend, or by the value of a setting: values [runs, n], which are drawn against 1 to n,
            at whole numbers, or a pair of positions [n] and such values.
        **line: further arguments of `Axes.plot` for the lines, which win over those of the looks.

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import bands, subplots
        >>> _, panels = subplots(1, 1)
        >>> bands(panels[0, 0], {0.0: np.array([[9, 8]]), 1e-5: ([20, 40], np.array([[9, 4]]))})
        >>> [(line.get_label(), line.get_xdata().tolist()) for line in panels[0, 0].lines]
        [('0', [1, 2]), ('1e-05', [20, 40])]
    """
    for look, (name, of) in zip(looks(len(values)), values.items(), strict=True):
        x, heights = of if isinstance(of, tuple) else (np.arange(1, of.shape[1] + 1), of)
        if not isinstance(of, tuple) and axes.get_xscale() == "linear":
            axes.locator_params(axis="x", integer=True)  # there is no epoch 1.5
        band(axes, x, heights, label=_label_of(name), **{**look.line, **line})


def _label_of(name: Any) -> str:
    """Write a name, or the value of a setting, as legends and axes show it."""
    return f"{name:g}" if isinstance(name, float) else str(name)


def points(
    axes: "Axes",
    x: float | np.integer,
    values: Sequence[float] | np.ndarray,
    *,
    color: Any,
    marker: str = "o",
    label: str = "",
) -> None:
    """Draw every finite value as a faint mark, and their median as a strong one.

    Args:
        axes: the panel.
        x: the position of all marks.
        values: [n]; without a finite one nothing is drawn.
        color: of the marks, any of matplotlib's colours.
        marker: the form of the marks, one of matplotlib's.
        label: of the median, for the legend; empty for none.

    Example:
        >>> from jaxsize.plots import points, subplots
        >>> _, panels = subplots(1, 1)
        >>> points(panels[0, 0], 3, [1, 2, 6, float("nan")], color="black")
        >>> [line.get_ydata().tolist() for line in panels[0, 0].lines]
        [[1.0, 2.0, 6.0], [2.0]]
    """
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if finite.size:
        axes.plot(np.full(finite.size, x), finite, marker, color=color, alpha=0.3, markersize=4, markeredgewidth=0)
        axes.plot([float(x)], [np.median(finite)], marker, color=color, markersize=7, label=label or None)
