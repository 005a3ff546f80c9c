"""The pictures of the study: the excess against epochs, and the way of networks that must become exact."""

from typing import Any

import numpy as np

from experiments.common.pixels import EXCESS
from jaxsize import plots
from jaxsize.studies import Arms, per

NONE = 1e-6
"""Where the logarithmic picture shows a share of 0; float32 holds no smaller one of all pixels."""


@per("dataset")
def excess(arms: Arms) -> Any:
    """Excess against epochs, a line per latent size: trained on all images, from principal components and at random.

    Lines are medians over seeds, in the range. The grey lines are the marks of 1 and .1 nat per image.
    """
    views = arms.like("informed", "random")
    figure, panels = plots.subplots(1, len(views), width=4.4, height=3.4)
    for axes, view in zip(panels[0], views, strict=True):
        plots.bands(axes, {latent: one.curve(EXCESS) for latent, one in view.by("latent").items()})
        for mark in (1.0, 0.1):
            axes.axhline(mark, color="0.6", linewidth=0.8)
        plots.log_axis(axes, "y")
        axes.set(xlabel="epoch", ylabel="excess in nats per image", title=f"{view.name} start")
        plots.legend_beside(axes, "latent units")
    figure.suptitle(f"{arms.title}:\nmedian and range")
    return figure


@per("dataset")
def exact(arms: Arms) -> Any:
    """Share of pixels that are not exact against the parameters of the network, epoch by epoch.

    A line per run; networks start on the top right, lose units, and learn on at the size that is left. A dot is where
    a run ended with all pixels exact, drawn at the bottom; a cross where it did not.
    """
    if "exact" not in arms:
        return None
    by_rows = arms["exact"].by("rows")
    figure, panels = plots.subplots(1, len(by_rows), width=3.6, height=3.2)
    for axes, (rows, view) in zip(panels[0], by_rows.items(), strict=True):
        priced = view.by("penalty")
        for look, (penalty, one) in zip(plots.looks(len(priced)), priced.items(), strict=True):
            label = f"{penalty:g}"
            for sizes, shares in zip(one.curve("parameters"), one.curve("train_exact_pixels"), strict=True):
                wrong = np.maximum(1 - shares, NONE)
                axes.plot(sizes, wrong, color=look.color, linestyle=look.stroke, label=label, linewidth=1)
                mark = "o" if shares[-1] == 1 else "x"
                axes.plot(sizes[-1:], wrong[-1:], color=look.color, marker=mark, markersize=4)
                label = ""
        for which in ("x", "y"):
            plots.log_axis(axes, which)
        axes.set(xlabel="parameters", ylabel="share of pixels that are not exact", title=f"{rows} images")
        plots.legend_beside(axes, "price of a unit")
    figure.suptitle(f"{arms['exact'].dataset}, every run")
    return figure


PICTURES = {"excess": excess, "exact": exact}
