"""Axes: logarithmic ones with plain numbers, and the part of them that is worth seeing."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from jaxsize.errors import require_package

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import Locator


def log_axis(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, labelled with plain numbers (20, 50, from 1e5 on 100k).

    Call this when all is drawn. An axis without anything positive to show, such as where every run has diverged, stays
    linear. Where 0 was drawn too, such as a network without units, the axis is linear up to the smallest positive value
    and starts at 0.

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
        >>> _ = panels[0, 0].plot([3], [0])
        >>> log_axis(panels[0, 0], "y")
        >>> panels[0, 0].get_yscale(), float(panels[0, 0].get_ylim()[0])
        ('symlog', 0.0)
    """
    require_package("matplotlib", "plots")
    from matplotlib.ticker import EngFormatter, FixedLocator, NullFormatter

    shown = axes.dataLim
    least, smallest = (shown.x0, shown.minposx) if which == "x" else (shown.y0, shown.minposy)
    if not np.isfinite(smallest):
        return
    axis = axes.xaxis if which == "x" else axes.yaxis
    if least == 0:
        axes.set(**{f"{which}scale": "log"})
        high = axis.get_view_interval()[1]
        getattr(axes, f"set_{which}scale")("symlog", linthresh=smallest, linscale=0.3)
        axes.set(**{f"{which}lim": (0, high)})
        ticks = np.asarray(_locator(smallest, high).tick_values(smallest, high))
        axis.set_major_locator(FixedLocator([0, *ticks[ticks >= smallest]]))
    else:
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_locator(_locator(*axis.get_view_interval()))
    large = EngFormatter(sep="")
    axis.set_major_formatter(lambda value, _: large(value) if value >= 1e5 else f"{value:g}")
    axis.set_minor_formatter(NullFormatter())


def _locator(low: float, high: float) -> "Locator":
    """Choose the numbers at a logarithmic axis: three or more, and few enough not to touch each other."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    first = int(np.searchsorted([-1000, -50], -high / low))  # long axes begin with fewer numbers
    for digits in [(1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 5, 7)][first:]:
        shown = np.outer(powers, digits)
        if np.sum((low <= shown) & (shown <= high)) >= 3:
            return LogLocator(subs=digits, numticks=12)
    return MaxNLocator(4, steps=[1, 2, 5, 10])  # no halves of a unit


def zoom_axis(axes: "Axes", depth: float, which: Literal["x", "y"] = "y") -> None:
    """Show only the highest values of a panel, so that a run that failed does not flatten the curves of the others.

    Call this when all is drawn.

    Args:
        axes: the panel.
        depth: how far below the highest value the axis reaches, unless all values are higher.
        which: "x" or "y".

    Example:
        >>> from jaxsize.plots import subplots, zoom_axis
        >>> _, panels = subplots(1, 1)
        >>> _ = panels[0, 0].plot([1, 2, 3], [0.1, 0.9, 1.0])
        >>> zoom_axis(panels[0, 0], 0.2)
        >>> low, high = panels[0, 0].get_ylim()
        >>> round(float(low), 2), round(float(high), 2)
        (0.79, 1.01)
    """
    low, high = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
    if np.isfinite([low, high]).all() and low < high:
        low = max(low, high - depth)
        axes.set(**{f"{which}lim": (low - 0.05 * (high - low), high + 0.05 * (high - low))})
