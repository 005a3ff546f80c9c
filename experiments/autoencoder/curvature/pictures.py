"""Pictures of the curvature: how far both matrices agree, their spectra while units are removed, their densities."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.autoencoder.curvature.views import density, from_the_start, half_way, measured
from jaxsize import plots
from jaxsize.curvature import density_curve
from jaxsize.studies import Arms, ArmView, per

MATRICES = {"hessian": "Hessian", "gauss_newton": "Gauss-Newton matrix"}


@per("dataset")
def agreement(arms: Arms) -> Any:
    """The cosine between H v and G v from the start on, for random vectors and for the gradient; below, the loss.

    A column per activation. Lines are medians over seeds, in the range.
    """
    if "spectrum" not in arms:
        return None
    views = arms["spectrum"].by("activation")
    figure, grid = plots.subplots(2, len(views), width=4.0, height=2.4)
    for column, (activation, view) in enumerate(views.items()):
        cosines = {
            name: from_the_start(view, f"{of}_cosine")
            for name, of in (("random v", "random"), ("gradient", "gradient"))
        }
        plots.bands(grid[0, column], cosines, markevery=1)
        plots.bands(grid[1, column], {"loss": from_the_start(view, "curvature_loss")}, markevery=1)
        plots.log_axis(grid[1, column], "y")
        grid[0, column].axhline(1, color="0.6", linewidth=0.8)
        grid[0, column].set(title=activation, xlabel="epoch")
        grid[1, column].set(xlabel="epoch")
    grid[0, 0].set_ylabel("cosine of H v and G v")
    grid[1, 0].set_ylabel("loss per image")
    plots.legend_beside(grid[0, -1])
    figure.suptitle(f"{arms.title}: median and range")
    return figure


def _compared(arms: Arms) -> dict[str, ArmView]:
    """Return the networks at a price, without one, and of the widths found, by name in the legend."""
    view = arms["compressed"]
    (price,) = view.values("penalty", skip=0.0)
    views = {"no price": view.at(penalty=0.0), "price": view.at(penalty=price)}
    return views | ({"found widths": arms["found widths"]} if "found widths" in arms else {})


@per("dataset")
def eigenvalues(arms: Arms) -> Any:
    """Ends of the spectra, effective ranks and live units against epochs: at a price, at none, and of the found widths.

    Lines are medians over seeds, in the range. Marks at the bottom are epochs in which units of any seed died.
    """
    if "compressed" not in arms:
        return None
    views = _compared(arms)
    titles = {
        "hessian_largest": "largest eigenvalue of H",
        "hessian_smallest": "smallest eigenvalue of H",
        "gauss_newton_largest": "largest eigenvalue of G",
        "hessian_effective_rank": "effective rank of H",
        "gauss_newton_effective_rank": "effective rank of G",
        "live_units": "live units",
    }
    figure, grid = plots.subplots(2, 3, width=3.6, height=2.6)
    deaths = 2 + np.flatnonzero((np.diff(views["price"].curve("live_units"), axis=1) < 0).any(axis=0))
    for axes, (column, title) in zip(grid.flat, titles.items(), strict=True):
        plots.bands(axes, {name: measured(view, column) for name, view in views.items()})
        if column == "live_units":
            axes.set_ylim(bottom=0)
        elif column != "hessian_smallest":
            plots.log_axis(axes, "y")
        if deaths.size:  # an empty line that is not clipped would have a place: the corner of the figure
            axes.plot(
                deaths, np.zeros(len(deaths)), "|", color="0.3", transform=axes.get_xaxis_transform(), clip_on=False
            )
        axes.set(title=title, xlabel="epoch")
    plots.legend_beside(grid[0, -1])
    figure.suptitle(f"{arms.title}: median and range")
    return figure


@per("dataset")
def densities(arms: Arms) -> Any:
    """Spectral densities at the first measure, when half of the units that die are gone, and at the end.

    All seeds together; each eigenvalue is smoothed by a normal distribution of a hundredth of the axis.
    """
    if "compressed" not in arms:
        return None
    views = _compared(arms)
    priced = views["price"]
    epochs = measured(priced, "live_units")[0]
    places = {"first": int(epochs[0]), "half of the deaths": half_way(priced), "end": int(epochs[-1])}
    figure, grid = plots.subplots(2, 3, width=3.6, height=2.5)
    for row, (matrix, name) in zip(grid, MATRICES.items(), strict=True):
        found = {
            (place, kind): density(view, matrix, epoch)
            for place, epoch in places.items()
            for kind, view in views.items()
        }
        nodes = [np.asarray(one.nodes) for one in found.values() if one is not None]
        low, high = (min(n.min() for n in nodes), max(n.max() for n in nodes)) if nodes else (0.0, 1.0)
        width = (high - low) / 100
        points = jnp.linspace(low - 3 * width, high + 3 * width, 600)
        for axes, (place, epoch) in zip(row, places.items(), strict=True):
            for kind, look in zip(views, plots.looks(len(views)), strict=True):
                if (one := found[place, kind]) is not None:
                    heights = density_curve(one, points, width)
                    axes.plot(points, heights, color=look.color, linestyle=look.stroke, label=kind)
            axes.set(yscale="log", ylim=(1e-5 / width, None), xlabel="eigenvalue", title=f"{place}: epoch {epoch}")
        row[0].set_ylabel(f"density, {name}")
    plots.legend_beside(grid[0, -1])
    figure.suptitle(arms.title)
    return figure


PICTURES = {"curvature": agreement, "spectra": eigenvalues, "spectral_densities": densities}
