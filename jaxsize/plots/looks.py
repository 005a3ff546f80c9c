"""Looks of several lines in one panel: each has a colour, a stroke and marks of its own, so that grey print will do."""

import dataclasses
from typing import Any

import numpy as np

from jaxsize.errors import require_package

STROKES = ("-", "--", ":", "-.", (0, (7, 2)), (0, (4, 1, 1, 1, 1, 1)), (0, (1, 3)))
MARKERS = "os^DvXP*"
"""Their number and that of the strokes have no common divisor: 56 looks differ in stroke or marks alone."""


@dataclasses.dataclass(frozen=True)
class Look:
    """How one of several lines is drawn, and one of several kinds of marks.

    Example:
        >>> from jaxsize.plots import looks, points, subplots
        >>> _, panels = subplots(1, 1)
        >>> _ = panels[0, 0].plot([1, 2, 3], [4, 2, 1], **looks(2)[1].line)
        >>> points(panels[0, 0], 3, [1, 2], **looks(2)[1].marks)
        >>> [line.get_marker() for line in panels[0, 0].lines]
        ['s', 's', 's']
    """

    color: Any
    """Any of matplotlib's colours."""
    stroke: Any
    """Any of matplotlib's line styles."""
    marker: str
    """The form of the marks, one of matplotlib's."""
    start: float = 0.0
    """How far from its beginning a line has its first mark, as a share of the panel's diagonal."""

    @property
    def line(self) -> dict[str, Any]:
        """Arguments of `band` for a line with a mark here and there; of `Axes.plot` if the line has finite points."""
        marks = {"marker": self.marker, "markersize": 4.5, "markerfacecolor": "none", "markeredgewidth": 1}
        return {"color": self.color, "linestyle": self.stroke, **marks, "markevery": (self.start, 0.25)}

    @property
    def marks(self) -> dict[str, Any]:
        """Arguments of `points` and `ends` for marks without a line."""
        return {"color": self.color, "marker": self.marker}


def looks(count: int) -> list[Look]:
    """List looks for the lines of a panel, in the order of a setting.

    Colours are those of `colors`. Brightness alone tells few lines apart, so that strokes and marks differ as well; and
    marks stand at other places on every line, which shows how many lines lie on each other.

    Args:
        count: the number of lines.

    Example:
        >>> from jaxsize.plots import looks
        >>> [(look.stroke, look.marker, round(look.start, 2)) for look in looks(3)]
        [('-', 'o', 0.0), ('--', 's', 0.08), (':', '^', 0.17)]
    """
    return [
        Look(color, STROKES[number % len(STROKES)], MARKERS[number % len(MARKERS)], 0.25 * number / max(count, 1))
        for number, color in enumerate(colors(count)[:count])
    ]


def colors(count: int) -> list[Any]:
    """List colours for an ordered setting, from dark to light, which a colour-blind reader can tell apart.

    Many of them differ little in grey print, where lines also need strokes and marks: see `looks`.

    Example:
        >>> from jaxsize.plots import colors
        >>> brightness = [sum(color[:3]) for color in colors(5)]
        >>> len(brightness), brightness == sorted(brightness)
        (5, True)
    """
    require_package("matplotlib", "plots")
    import matplotlib

    return [matplotlib.colormaps["viridis"](position) for position in np.linspace(0, 0.8, max(count, 1))]
