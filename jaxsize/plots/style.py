"""Figures for papers: one look, and one way to save them. matplotlib is imported when needed."""

import os
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from jaxsize.errors import require_package

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
    """Set the look of this library's pictures, whatever the user's matplotlib settings, for all drawn in this context.

    Example:
        >>> import matplotlib
        >>> from jaxsize.plots import style
        >>> with style():
        ...     print(matplotlib.rcParams["font.size"])
        9.0
    """
    require_package("matplotlib", "plots")
    import matplotlib

    return matplotlib.rc_context(STYLE)


def subplots(rows: int, columns: int, *, width: float = 3.3, height: float = 2.7) -> "tuple[Figure, np.ndarray]":
    """Make a figure of panels that needs no display.

    Args:
        rows: number of rows of panels.
        columns: number of columns of panels.
        width: of a panel, in inches.
        height: of a panel, in inches.

    Returns:
        The figure and the panels, `Axes` [rows, columns].

    Example:
        >>> from jaxsize.plots import subplots
        >>> figure, panels = subplots(2, 3, width=2.0, height=1.5)
        >>> panels.shape, figure.get_size_inches().tolist()
        ((2, 3), [6.0, 3.0])
    """
    require_package("matplotlib", "plots")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width * columns, height * rows))
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False)


def legend(figure: "Figure", axes: "Axes", title: str) -> None:
    """Draw the legend of one panel beside all panels, where it hides nothing.

    Args:
        figure: the figure.
        axes: the panel whose legend it is.
        title: the title of the legend.

    Example:
        >>> from jaxsize.plots import legend, subplots
        >>> figure, panels = subplots(1, 2)
        >>> _ = panels[0, 0].plot([1, 2], label="0.1")
        >>> legend(figure, panels[0, 0], "penalty")
        >>> [text.get_text() for text in (figure.legends[0].get_title(), *figure.legends[0].get_texts())]
        ['penalty', '0.1']
    """
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", title=title)


def legend_beside(axes: "Axes", title: str = "") -> None:
    """Draw the legend of a panel right beside it, where it hides nothing; nothing where the panel has no labels.

    Args:
        axes: the panel.
        title: the title of the legend.

    Example:
        >>> from jaxsize.plots import legend_beside, subplots
        >>> _, panels = subplots(1, 2)
        >>> _ = panels[0, 0].plot([1, 2], label="0.1")
        >>> legend_beside(panels[0, 0], "penalty")
        >>> [text.get_text() for text in panels[0, 0].get_legend().get_texts()]
        ['0.1']
    """
    if axes.get_legend_handles_labels()[0]:
        axes.legend(title=title, fontsize=7, title_fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))


def save(figure: "Figure", path: str | os.PathLike) -> None:
    """Write a figure as a PNG aside and rename it: a reader never sees half a picture.

    Raises:
        OSError: when the picture cannot be written; the old one is then intact.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.plots import save, subplots
        >>> figure, _ = subplots(1, 1, width=0.5, height=0.5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     save(figure, Path(folder, "empty.png"))
        ...     print([file.name for file in Path(folder).iterdir()])
        ['empty.png']
    """
    path = Path(path)
    aside = path.with_name(f".{path.name}.aside")
    try:
        figure.savefig(aside, dpi=160, format="png")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
