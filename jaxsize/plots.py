"""Pictures for papers: curves with a band over seeds, and one way to save them. matplotlib is imported when needed."""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "figure.constrained_layout.use": True,
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
}


def style() -> AbstractContextManager:
    """Draw inside this context: the look of this library's pictures, whatever the user's matplotlib settings."""
    import matplotlib

    return matplotlib.rc_context(STYLE)


def subplots(rows: int, columns: int, *, width: float = 3.3, height: float = 2.7) -> "tuple[Figure, np.ndarray]":
    """A figure of rows x columns panels, without a display; panels [rows, columns]. width, height: inches per panel."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def legend(figure: "Figure", axes: "Axes", title: str) -> None:
    """The legend of one panel, beside all of them, where it hides nothing."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", title=title)


def log_axis(axes: "Axes", which: Literal["x", "y"]) -> None:
    """Makes an axis logarithmic, labelled with plain numbers (20, 50, from 1e5 on 100k). Call it when all is drawn.

    Without anything positive to show, such as where every run has diverged, the axis stays linear.
    """
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


def save(figure: "Figure", path: str | os.PathLike) -> None:
    """Writes a PNG aside and renames it: a reader never sees half a picture. OSError if it cannot be written."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.aside")
    try:
        figure.savefig(aside, dpi=160, format="png")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def colors(count: int) -> list[Any]:
    """Colours for an ordered setting, from dark to light, told apart in grey as well."""
    import matplotlib

    return [matplotlib.colormaps["viridis"](position) for position in np.linspace(0, 0.88, max(count, 1))]


def band(
    axes: "Axes", x: Sequence[float] | np.ndarray, values: np.ndarray, *, color: Any, label: str, **line: Any
) -> None:
    """Median of values [runs, len(x)] over runs as a line, with a band from the smallest to the largest.

    Values that are not finite are left out, run by run; positions without any leave a gap.
    """
    values = np.ma.masked_invalid(np.asarray(values, float))
    middle = np.ma.median(values, axis=0).filled(np.nan)
    low, high = values.min(axis=0).filled(np.nan), values.max(axis=0).filled(np.nan)
    axes.plot(x, middle, color=color, label=label, **line)
    axes.fill_between(x, low, high, color=color, alpha=0.18, linewidth=0)


def points(
    axes: "Axes",
    x: float | np.integer,
    values: Sequence[float] | np.ndarray,
    *,
    color: Any,
    marker: str = "o",
    label: str = "",
) -> None:
    """Every value at x as a faint mark, and their median as a strong one."""
    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if finite.size:
        axes.plot(np.full(finite.size, x), finite, marker, color=color, alpha=0.3, markersize=4, markeredgewidth=0)
        axes.plot([float(x)], [np.median(finite)], marker, color=color, markersize=7, label=label or None)
