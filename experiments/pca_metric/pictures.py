"""The pictures of the study: spectra, errors and accuracies with the first k directions, and what noise changes."""

from typing import Any

import numpy as np

from experiments.common.widths import widths_of
from experiments.pca_metric.layers import KINDS, counts_of, read_components
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per

TITLES = {"rows": "principal components", "columns": "the journal's columns", "random": "random directions"}


def _lines(axes: Any, arm: ArmView, of: Any) -> None:
    """Draw a line per width, the median over seeds in the range; `of` gives places and values of a position."""
    plots.bands(axes, {str(width): of(at, width) for at, width in enumerate(widths_of(arm).tolist())}, marker="")


@per("dataset", "form")
def spectra(arms: Arms) -> Any:
    """Variances along the principal components, by width: medians over seeds, in the range.

    The dashed line is at the rank of the inputs: no layer has more components, whatever its width. Variances below
    1e-15 of the largest are rounding.
    """
    (arm,) = arms
    numbers = read_components(arm)
    figure, panels = plots.subplots(1, 1, width=6.0, height=3.8)
    (axes,) = panels[0]

    def of(at: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        variances = numbers["spectrum"][:, at, :width]
        return np.arange(1, width + 1), np.where(variances > 0, variances, np.nan)

    _lines(axes, arm, of)
    axes.axvline(int(numbers["input_rank"]), color="0.3", linestyle="--", linewidth=1)
    for which in ("x", "y"):
        plots.log_axis(axes, which)
    axes.set(xlabel="number of the component", ylabel="variance")
    plots.legend_beside(axes, "width")
    figure.suptitle(arms.title)
    return figure


def _by_kind(arms: Arms, name: str, of: Any) -> tuple[Any, np.ndarray]:
    (arm,) = arms
    values = read_components(arm)[name]
    figure, panels = plots.subplots(1, len(KINDS), width=3.6, height=3.2)
    for number, (axes, kind) in enumerate(zip(panels[0], KINDS, strict=True)):
        _lines(axes, arm, lambda at, width, number=number: of(values[:, at, number], width))
        axes.set_title(TITLES[kind])
    plots.legend_beside(panels[0, -1], "width")
    figure.suptitle(arms.title)
    return figure, panels[0]


@per("dataset", "form")
def errors(arms: Arms) -> Any:
    """Share of the variance that the first k directions miss, against k as a share of the width: medians, in the range.

    If all directions are equally important, the curve is the dashed line. The journal took columns for components.
    """
    figure, panels = _by_kind(
        arms, "errors", lambda values, width: (np.arange(width + 1) / width, values[:, : width + 1])
    )
    for axes in panels:
        axes.plot([0, 1], [1, 0], color="0.3", linestyle="--", linewidth=1)
        axes.set(xlabel="k / width", ylabel="share of the variance missed", ylim=(-0.02, 1.02))
    return figure


@per("dataset", "form")
def accuracies(arms: Arms) -> Any:
    """Accuracy of networks whose hidden layer keeps its first k directions only, against k: medians, in the range.

    On training rows and without centring in the original form, as the journal had it; on test rows in the corrected
    form. At k = 0 the layer puts out the same for all rows.
    """
    counts = read_components(arms[0])["counts"]

    def of(values: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
        measured = np.isin(counts, counts_of(width))
        return counts[measured], values[:, measured]

    figure, panels = _by_kind(arms, "accuracies", of)
    for axes in panels:
        axes.set_xscale("symlog", base=4, linthresh=1)  # a tick for every doubling is too much
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(xlabel="directions kept", ylabel="accuracy", ylim=(0, 1.02))
    return figure


@per("dataset", "form")
def relabelled(arms: Arms) -> Any:
    """What measures say of the same layers on the data, and on noise that the networks label themselves.

    Lines are medians over seeds, in the range. On noise every network suffices by construction; measures of its weights
    alone are the same on both.
    """
    (arm,) = arms
    numbers, widths = read_components(arm), widths_of(arm)
    drawn = {
        "participation": "effective dimensions",
        "area": "area under the curve of errors",
        "mean_spread": "mean spread of a unit",
        "enough": "components for 99 % of accuracy",
    }
    figure, panels = plots.subplots(1, len(drawn), width=3.6, height=3.0)
    for axes, (name, title) in zip(panels[0], drawn.items(), strict=True):
        on_data = numbers["enough_rows" if name == "enough" else name]
        plots.bands(axes, {"data": (widths, on_data), "noise": (widths, numbers[f"noise_{name}"])})
        plots.log_axis(axes, "x")
        axes.set(xlabel="hidden units", title=title)
    plots.legend_beside(panels[0, -1], "inputs")
    figure.suptitle(arms.title)
    return figure


PICTURES = {"spectra": spectra, "errors": errors, "accuracies": accuracies, "relabelled": relabelled}
