"""Pictures with a row of panels for every form of a study."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from jaxsize.plots.axes import log_axis
from jaxsize.plots.marks import bands
from jaxsize.plots.style import legend_beside, subplots

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.figure import Figure


_Arm = TypeVar("_Arm")


def grid(
    rows: Mapping[str, Mapping[Any, _Arm]],
    panels: Mapping[str, Callable[[_Arm], Any]],
    *,
    log: Sequence[str] = (),
    xlabel: str = "epoch",
    width: float = 3.4,
    title: str = "",
) -> "tuple[Figure, np.ndarray]":
    """Draw a row of panels per form and a line per arm, with a band from the smallest to the largest run.

    Args:
        rows: by form, and then by name in the legend, the arms. They may differ between forms: each row has its legend
            beside it.
        panels: by title, a function of an arm that returns what `bands` draws of it.
        log: the titles of the panels whose values are drawn on a logarithmic axis; `xlabel` among them stands for the
            other axis of all panels.
        xlabel: what the values are drawn against.
        width: of a panel, in inches.
        title: the title of the legends.

    Returns:
        The figure and the panels, `Axes` [forms, panels].

    Example:
        >>> import numpy as np
        >>> from jaxsize.plots import grid
        >>> arms = {"all": np.array([[3.0, 4.0], [5.0, 8.0]])}
        >>> figure, panels = grid({"corrected": arms}, {"size": lambda arm: arm, "half": lambda arm: arm / 2})
        >>> [(axes.get_title(), axes.lines[0].get_ydata().tolist()) for axes in panels[0]]
        [('corrected: size', [4.0, 6.0]), ('half', [2.0, 3.0])]
    """
    figure, axes = subplots(len(rows), len(panels), width=width)
    for row, (form, arms) in zip(axes, rows.items(), strict=True):
        for panel, (what, read) in zip(row, panels.items(), strict=True):
            bands(panel, {name: read(arm) for name, arm in arms.items()})
            panel.set(xlabel=xlabel, title=f"{form}: {what}" if panel is row[0] else what)
            if xlabel in log:
                log_axis(panel, "x")
            if what in log:
                log_axis(panel, "y")
        legend_beside(row[-1], title)
    return figure, axes
