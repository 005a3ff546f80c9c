"""Logarithmic axes with plain numbers."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from jaxsize.errors import require_package

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def log_axis(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, labelled with plain numbers (20, 50, from 1e5 on 100k).

    Call this when all is drawn. An axis without anything positive to show, such as where every run has diverged, stays
    linear.

    Args:
        axes: the panel.
        which: "x" or "y".

    Example:
        >>> from jaxsize.plots import log_axis, subplots
        >>> _, panels = subplots(1, 1)
        >>> _ = panels[0, 0].plot([1, 2], [20, 200_000])
        >>> log_axis(panels[0, 0], "y")
        >>> label = panels[0, 0].yaxis.get_major_formatter()
        >>> panels[0, 0].get_yscale(), label(20), label(200_000)
        ('log', '20', '200k')
    """
    require_package("matplotlib", "plots")
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    if not np.isfinite(axes.dataLim.minposx if which == "x" else axes.dataLim.minposy):
        return
    axes.set(**{f"{which}scale": "log"})
    axis = axes.xaxis if which == "x" else axes.yaxis
    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 300 * low else (1,), numticks=12))
    large = EngFormatter(sep="")
    axis.set_major_formatter(lambda value, _: large(value) if value >= 1e5 else f"{value:g}")
    axis.set_minor_formatter(NullFormatter())
