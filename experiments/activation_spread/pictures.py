"""The pictures of the study: densities of spreads, and what the layer says against its width."""

from typing import Any

import numpy as np
from scipy.stats import gaussian_kde

from experiments.activation_spread.claims import LINE, peak_of_w, score
from experiments.activation_spread.layers import read_layers
from experiments.common.widths import widths_of
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per


def _densities(axes: Any, arm: ArmView, chosen: list[int]) -> None:
    """Draw the density of the spreads of all seeds' units, a line per chosen position of a width."""
    spreads = [read_layers(arm)["spreads"][:, at] for at in chosen]
    cells = [of_width[np.isfinite(of_width)] for of_width in spreads]
    high = max((float(cell.max()) for cell in cells if cell.size), default=1.0)
    points = np.linspace(0, high, 300)
    for at, cell, color in zip(chosen, cells, plots.colors(len(chosen)), strict=True):
        if cell.size > 2 and np.ptp(cell) > 0:
            axes.plot(points, gaussian_kde(cell)(points), color=color, label=str(widths_of(arm)[at]))
    axes.set(xlabel="spread of a unit", ylabel="density", xlim=(0, high))
    axes.legend(title="width", fontsize=7)


@per("dataset", "form")
def densities(arms: Arms) -> Any:
    """Densities of the units' spreads, all seeds together: at widths from small to large, and where W is largest.

    Lines are kernel estimates with the bandwidth of Scott. The panel on the right has the median width of W's peak over
    seeds, and its two neighbours.
    """
    (arm,) = arms
    count = len(widths_of(arm))
    figure, panels = plots.subplots(1, 2, width=4.6, height=3.2)
    _densities(panels[0, 0], arm, sorted(set(np.linspace(0, count - 1, 6).round().astype(int).tolist())))
    peak = np.nanmedian(peak_of_w(arm)) if np.isfinite(peak_of_w(arm)).any() else np.nan
    if np.isfinite(peak):
        at = int(np.argmin(np.abs(np.log2(widths_of(arm)) - peak)))
        _densities(panels[0, 1], arm, [one for one in (at - 1, at, at + 1) if 0 <= one < count])
    panels[0, 1].set_title("W's peak and its neighbours")
    figure.suptitle(arms.title)
    return figure


@per("dataset", "form")
def against_width(arms: Arms) -> Any:
    """W, total spread, dead units per model and accuracy against the width: medians over seeds, in the range.

    W is of samples of 64 units, of all where a layer has fewer. The dashed line is W of the units of all seeds
    together, as the journal had it.
    """
    (arm,) = arms
    layers, widths = read_layers(arm), widths_of(arm)
    split = "training" if arm.form == "original" else "test"
    drawn = {
        "W of Shapiro and Wilk": layers["w"],
        "total spread of a layer": layers["total_spread"],
        "dead units of a layer": layers["dead"],
        f"accuracy on {split} rows": score(arm),
    }
    figure, panels = plots.subplots(1, len(drawn), width=3.6, height=3.0)
    for axes, (title, values) in zip(panels[0], drawn.items(), strict=True):
        plots.band(axes, widths, values, color=plots.colors(1)[0], label="median", marker=".")
        plots.log_axis(axes, "x")
        axes.set(xlabel="hidden units", title=title)
    panels[0, 0].plot(widths, layers["pooled_w"][0], color="0.3", linestyle="--", label="pooled")
    panels[0, 0].legend(fontsize=7)
    figure.suptitle(f"{arms.title}: median and range")
    return figure


@per("dataset", "form")
def metrics(arms: Arms) -> Any:
    """Shares of useless units by both mixtures, of units that can go one by one, W, and accuracy, against the width.

    Lines are medians over seeds; W and accuracy are scaled to 0 to 1. The dotted line is at .025, from where on the
    journal calls a layer too large.
    """
    (arm,) = arms
    layers = read_layers(arm)

    def scaled(values: np.ndarray) -> np.ndarray:
        middle = np.nanmedian(values, axis=0)
        return (middle - np.nanmin(middle)) / max(float(np.ptp(middle[np.isfinite(middle)])), 1e-12)

    lines = {
        "useless: exponential and normal": np.nanmedian(layers["exponential_share"], axis=0),
        "useless: two gammas": np.nanmedian(layers["gamma_share"], axis=0),
        "cost less than 1e-4 each": np.nanmedian(layers["unneeded"], axis=0),
        "W, scaled": scaled(layers["w"]),
        "accuracy, scaled": scaled(score(arm)),
    }
    figure, panels = plots.subplots(1, 1, width=6.0, height=3.6)
    (axes,) = panels[0]
    for look, (name, values) in zip(plots.looks(len(lines)), lines.items(), strict=True):
        axes.plot(widths_of(arm), values, label=name, **{**look.line, "markevery": 1})
    axes.axhline(LINE, color="0.3", linestyle=":")
    plots.log_axis(axes, "x")
    axes.set(xlabel="hidden units", ylabel="share, or scaled", ylim=(-0.05, 1.05))
    plots.legend_beside(axes)
    figure.suptitle(arms.title)
    return figure


PICTURES = {"densities": densities, "against_width": against_width, "metrics": metrics}
