"""C50, latent plane: whether classes cluster in it, whether 3 and 5 overlap; and its picture."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.autoencoder.grid import grid_structure
from experiments.autoencoder.plane import planes_of, read_plane
from experiments.autoencoder.views import in_structure, layers_of, ordered
from jaxsize import plots
from jaxsize.statistics import Part, median_interval, paired_difference
from jaxsize.studies import Arms, ArmView, Claim, above, listed, per
from jaxsize.studies.choosing import Choice

PAIR = (3, 5)
SHOWN = 500
"""Images in a panel of the picture, at most: more could not be told apart."""


def known_classes(view: ArmView) -> bool:
    """Tell whether the images of a data set have classes."""
    return "labels" in planes_of(view)


def planes(arms: Arms) -> Iterator[Choice]:
    """Choose the networks of every structure that Adam trained."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        for structure in ordered(here.settings["structures"]):
            view = in_structure(here, structure).get("Adam")
            if view is not None and known_classes(view):
                yield {"dataset": dataset, "structure": layers_of(structure, here[0].data)}, (view,)


def _counts(part: Part, view: ArmView) -> Part:
    second = grid_structure(tuple(view.settings["structures"]))
    why = f"the seed draws one structure, which we take to be {layers_of(second, view.data)}"
    return part if view.values("structure") == [second] else listed(part, why)


def cluster(view: ArmView) -> Iterator[Part]:
    """Yield the mean silhouette over classes, and how many test images are named right by the nearest training ones."""
    silhouettes, named = read_plane(view, "silhouettes"), read_plane(view, "named")
    yield _counts(above(median_interval(_mean(silhouettes)), of="mean silhouette of the classes"), view)
    right = _mean(np.diagonal(named, axis1=1, axis2=2)) - 1 / named.shape[1]
    part = above(median_interval(right), of="share of each class that its neighbours name right, less chance")
    yield listed(part, 'how many must be right to "cluster" is not said')


def _mean(values: np.ndarray) -> np.ndarray:
    """Average over the classes that have a number, [num_seeds]; NaN for a run without any, as one that diverged."""
    known = np.isfinite(values)
    sums, counts = np.where(known, values, 0).sum(axis=1), known.sum(axis=1)
    return np.where(counts, sums / np.maximum(counts, 1), np.nan)


def overlap(view: ArmView) -> Iterator[Part]:
    """Yield how much more often 3 and 5 are taken for each other than other pairs: than all on average, than any."""
    if view.dataset not in ("digits", "mnist"):
        return
    pair, others = confused(read_plane(view, "named"), *PAIR)
    part = above(paired_difference(pair, others.mean(axis=1)), of="3 and 5 confused, less the mean of other pairs")
    yield _counts(part, view)
    most = above(paired_difference(pair, others.max(axis=1)), of="the same, less the most confused other pair")
    yield listed(most, "the seed does not say that they overlap most")


def confused(named: np.ndarray, one: int, other: int) -> tuple[np.ndarray, np.ndarray]:
    """Return which share of two classes is taken for each other, and the same of all other pairs.

    Args:
        named: by class and by the class of the neighbours, shares, [runs, C, C].
        one: a class.
        other: another class.

    Returns:
        The mean of the shares of both directions, [runs] and [runs, pairs].

    Example:
        >>> import numpy as np
        >>> from experiments.autoencoder.classes import confused
        >>> pair, others = confused(np.array([[[0.9, 0.1, 0], [0.3, 0.7, 0], [0, 0, 1]]]), 0, 1)
        >>> pair.tolist(), others.tolist()
        ([0.2], [[0.0, 0.0]])
    """
    both = (named + named.transpose(0, 2, 1)) / 2
    rows, columns = np.triu_indices(named.shape[1], 1)
    is_pair = (rows == min(one, other)) & (columns == max(one, other))
    values = both[:, rows, columns]
    return values[:, is_pair][:, 0], values[:, ~is_pair]


CLAIMS = {
    "C50, clusters": Claim("classes cluster in the latent plane", planes, cluster, "needs a data set with classes"),
    "C50, 3 and 5": Claim(
        "in the latent plane 3 and 5 overlap, more than other pairs do on average",
        planes,
        overlap,
        "needs digits or mnist",
    ),
}


@per("dataset")
def latent_planes(arms: Arms) -> Any:
    """What two latent units put out for test images, by structure and optimiser; seed 0.

    Every image is a small figure, its class, and every class has a colour; large figures stand at the median of their
    class. Axes end where 1 % of the images would lie beyond.
    """
    views = {
        (structure, optimizer): view
        for structure in ordered(arms.settings["structures"])
        for optimizer, view in in_structure(arms, structure).items()
        if known_classes(view)
    }
    if not views or any(read_plane(view, "plane").shape[2] < 2 for view in views.values()):
        return None
    rows, columns = (list(dict.fromkeys(key[index] for key in views)) for index in (0, 1))
    figure, panels = plots.subplots(len(rows), len(columns), width=3.1, height=2.9)
    for (structure, optimizer), view in views.items():
        axes = panels[rows.index(structure), columns.index(optimizer)]
        _draw_plane(axes, read_plane(view, "plane")[0], read_plane(view, "labels"))
        axes.set(xticks=[], yticks=[], title=f"{layers_of(structure, view.data)}, {optimizer}")
    figure.suptitle(f"{arms[0].dataset}, seed 0")
    return figure


def _draw_plane(axes: Any, plane: np.ndarray, labels: np.ndarray) -> None:
    import matplotlib

    colours = [matplotlib.colormaps["tab10"](number) for number in range(10)]
    classes = np.unique(labels)
    finite: Any = np.isfinite(plane).all(axis=1)
    if not finite.any():
        axes.text(0.5, 0.5, "diverged", transform=axes.transAxes, ha="center")
        return
    for label in classes:
        colour, text = colours[int(label) % len(colours)], f"${label}$"
        where = plane[:SHOWN][(labels[:SHOWN] == label) & finite[:SHOWN]]
        axes.scatter(where[:, 0], where[:, 1], s=14, marker=text, color=colour, linewidths=0.3, alpha=0.8)
    for label in classes:
        middle: Any = np.median(plane[(labels == label) & finite], axis=0)
        box = {"boxstyle": "circle,pad=0.15", "facecolor": "white", "edgecolor": colours[int(label) % len(colours)]}
        axes.text(*middle[:2], str(label), fontsize=9, weight="bold", ha="center", va="center", bbox=box)
    low, high = np.percentile(plane[finite][:, :2], [0.5, 99.5], axis=0)
    room = 0.05 * (high - low) + 1e-9
    axes.set(xlim=(low[0] - room[0], high[0] + room[0]), ylim=(low[1] - room[1], high[1] + room[1]))
