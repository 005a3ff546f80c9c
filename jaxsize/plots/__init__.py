"""Pictures for papers: one look, values over runs with their spread, logarithmic axes.

matplotlib is imported only when a picture is drawn.
"""

from jaxsize.plots.axes import log_axis, zoom_axis
from jaxsize.plots.curves import curves, ends
from jaxsize.plots.grid import grid
from jaxsize.plots.looks import Look, colors, looks
from jaxsize.plots.marks import band, bands, points
from jaxsize.plots.style import STYLE, legend, legend_beside, save, style, subplots

__all__ = [
    "STYLE",
    "Look",
    "band",
    "bands",
    "colors",
    "curves",
    "ends",
    "grid",
    "legend",
    "legend_beside",
    "log_axis",
    "looks",
    "points",
    "save",
    "style",
    "subplots",
    "zoom_axis",
]
