"""The study's answer, in plain sentences."""

from collections.abc import Iterator

import numpy as np

from experiments.autoencoder.classes import PAIR, confused, known_classes
from experiments.autoencoder.contestants import HESSIAN_FREE
from experiments.autoencoder.grid import GRID, best_cell, cells, grid_structure
from experiments.autoencoder.plane import read_plane
from experiments.autoencoder.views import LOSS, MOST_OF_IT, epochs_to, in_structure, layers_of, level, ordered
from experiments.common.pixels import middle
from experiments.common.words import median, medians
from jaxsize.studies import Arms, ArmView


def answer(arms: Arms) -> Iterator[str]:
    """Say where every optimiser ended and how soon, which cell of the grid is best, and what the plane shows."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        data = here[0].data
        yield (
            f"{dataset}: the mean image for all has a test loss of {data.info['mean_image_loss']:.3g}, the first "
            f"principal components, as many as latent units, {data.info['components_loss']:.3g}."
        )
        for structure in ordered(here.settings["structures"]):
            views = in_structure(here, structure)
            ends = medians({name: view.end(LOSS) for name, view in views.items()})
            levels = level(list(views.values()), MOST_OF_IT)
            soon = ", ".join(f"{_epochs(view, levels)} ({name})" for name, view in views.items())
            best = f"the best end{', Hessian-free left out,' if HESSIAN_FREE in views else ''}"
            yield (
                f"{dataset}, {layers_of(structure, data)}: the test loss ended at {ends}; it came {MOST_OF_IT:.0%} of "
                f"the way from the mean image to {best} in {soon} epochs."
            )
        if GRID in here:
            yield _of_grid(here[GRID])
        adam = in_structure(here, grid_structure(tuple(here.settings["structures"]))).get("Adam")
        if adam is not None and known_classes(adam):
            yield _of_plane(adam)


def _epochs(view: ArmView, levels: np.ndarray) -> str:
    """Write the median epochs to a level, or that they are more than there were."""
    epochs, most = middle(epochs_to(view, levels)), view.curve(LOSS).shape[1]
    return f"more than {most}" if epochs > most else f"{epochs:.3g}"


def _of_grid(grid: ArmView) -> str:
    rate, rows = best_cell(grid)
    return (
        f"{grid.dataset}: of all rates and batch sizes of Adam, a rate of {rate:g} with batches of {rows} has the "
        f"least validation loss; its test loss ended at {median(cells(grid)[rate, rows].end(LOSS))}."
    )


def _of_plane(adam: ArmView) -> str:
    named = read_plane(adam, "named")
    right = np.nanmean(np.diagonal(named, axis1=1, axis2=2), axis=1)
    network = layers_of(adam.values("structure")[0], adam.data)
    text = (
        f"{adam.dataset}: in the latent plane of Adam's {network}, the nearest training images name "
        f"{middle(right):.0%} of the test images right"
    )
    if adam.dataset in ("digits", "mnist"):
        pair, others = confused(named, *PAIR)
        most = middle(others.mean(axis=1))
        text += f"; they take {middle(pair):.1%} of 3 and 5 for each other, and of other pairs {most:.1%} on average"
    return f"{text}."
