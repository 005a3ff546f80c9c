"""C49 of seed `002_2034385bae2412e3.txt`: which optimiser is fastest and best, what is unstable, what depth delays."""

from collections.abc import Iterator

import numpy as np

from experiments.autoencoder.contestants import HESSIAN_FREE
from experiments.autoencoder.times import epoch_seconds
from experiments.autoencoder.views import (
    HALF_OF_IT,
    LOSS,
    MOST_OF_IT,
    epochs_to,
    in_structure,
    layers_of,
    level,
    ordered,
    roughness,
    spread,
    still_falling,
)
from experiments.common.structures import widths_of
from jaxsize.statistics import Part, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, above, below, listed, trending, unclear
from jaxsize.studies.choosing import Choice

NOT_ASKED = "Hessian-free is not in the seed"
FEWEST = 6
"""The fewest epochs over which it can be said how steady a curve is."""


def beside_adam(arms: Arms) -> Iterator[Choice]:
    """Choose Adam beside every other optimiser of the same structure, and all of them for the level to be reached."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        for structure in ordered(here.settings["structures"]):
            views = in_structure(here, structure)
            for name, view in views.items():
                if name != "Adam" and "Adam" in views:
                    label = {"dataset": dataset, "structure": layers_of(structure, here[0].data), "against": name}
                    yield label, (views["Adam"], view, *views.values())


def averaged(arms: Arms) -> Iterator[Choice]:
    """Choose Adam beside every other optimiser, each as its runs of all structures, Adam's first."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        views = [in_structure(here, structure) for structure in here.settings["structures"]]
        for name in here.settings["optimizers"]:
            if name != "Adam" and views and all({name, "Adam"} <= one.keys() for one in views):
                yield (
                    {"dataset": dataset, "against": name},
                    tuple(one[which] for which in ("Adam", name) for one in views),
                )


def first_beside_others(arms: Arms) -> Iterator[Choice]:
    """Choose the structure without hidden layers beside every other one, with the same optimiser."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        first, *others = ordered(here.settings["structures"])
        if len(widths_of(first)) > 1:
            continue
        for name, view in in_structure(here, first).items():
            for structure in others:
                if other := in_structure(here, structure).get(name):
                    label = {"dataset": dataset, "optimizer": name, "against": layers_of(structure, here[0].data)}
                    yield label, (view, other)


def depths(arms: Arms) -> Iterator[Choice]:
    """Choose the runs of SGD on the seed's structures, and on those of one width, and all runs of each structure."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        seeds, deeper = ordered(here.settings["structures"]), ordered(here.settings["deeper"])
        one_width = [structure for structure in seeds if len(widths_of(structure)) == 2][:1] + deeper
        for name, structures in (("the seed's", seeds), ("one width", one_width)):
            views = [in_structure(here, structure) for structure in structures]
            if len(structures) >= 3 and all("SGD" in one for one in views):
                yield {"dataset": dataset, "structures": name}, tuple(one["SGD"] for one in views)


def adam_is_fastest(adam: ArmView, other: ArmView, *every: ArmView) -> Iterator[Part]:
    """Yield the epochs until Adam has come most of the way less those of another; and the seconds, which do not count.

    A run that never came so far counts as one epoch more than the longer of both trainings had: to have been given
    fewer epochs, as Hessian-free is, does not make it faster.
    """
    levels = level(every, MOST_OF_IT)
    never = 1 + max(view.curve(LOSS).shape[1] for view in (adam, other))
    epochs = [epochs_to(view, levels, never=never) for view in (adam, other)]
    part = below(paired_difference(*epochs), of=f"epochs to {MOST_OF_IT:.0%} of the way")
    yield listed(part, NOT_ASKED) if other.name == HESSIAN_FREE else part
    seconds = [of * epoch_seconds(view) for of, view in zip(epochs, (adam, other), strict=True)]
    log_ratio = paired_difference(*(np.log10(of) for of in seconds))
    yield listed(below(log_ratio, of="log10 of the ratio of seconds to it"), "the seed counts epochs")


def adam_ends_best(*views: ArmView) -> Iterator[Part]:
    """Yield the mean over structures of Adam's test loss at the end less that of another optimiser."""
    half = len(views) // 2
    means = [np.mean([view.end(LOSS) for view in some], axis=0) for some in (views[:half], views[half:])]
    part = below(paired_difference(*means), of="test loss at the end, mean of all structures")
    yield listed(part, NOT_ASKED) if views[-1].name == HESSIAN_FREE else part
    for adam, other in zip(views[:half], views[half:], strict=True):
        difference = paired_difference(adam.end(LOSS), other.end(LOSS))
        of = f"test loss at the end, {layers_of(adam.values('structure')[0], adam.data)}"
        yield listed(below(difference, of=of), "the claim is about the average")


def first_is_unstable(first: ArmView, other: ArmView) -> Iterator[Part]:
    """Yield by how much more runs of the first structure differ, from epoch to epoch and from each other.

    What still falls at the end is listed: not converged is another thing than unstable.
    """
    if min(view.curve(LOSS).shape[1] for view in (first, other)) < FEWEST:
        return
    kinds = {"changes of log test loss between epochs": roughness, "distance from the median run": spread}
    for of, kind in kinds.items():
        part = above(paired_difference(kind(first), kind(other)), of=of)
        yield listed(part, NOT_ASKED) if first.name == HESSIAN_FREE else part
    falling = above(paired_difference(still_falling(first), still_falling(other)), of="fall in the last tenth")
    yield listed(falling, "unconverged is not unstable")


def depth_delays(*sgd: ArmView) -> Iterator[Part]:
    """Yield whether the epochs until SGD has come half of its own way grow with depth.

    Of every structure its own way counts: from the mean image to where SGD ends.
    """
    number = [len(widths_of(view.values("structure")[0])) for view in sgd]
    epochs = np.stack([epochs_to(view, level([view], HALF_OF_IT)) for view in sgd], axis=1)
    yield trending(trend(number, epochs, direction="positive"), of=f"epochs to {HALF_OF_IT:.0%} of its own way")
    share = median_interval(epochs[:, -1] / sgd[-1].settings["epochs"])
    part = above(share, of="the same of the deepest, as a share of all epochs")
    yield listed(unclear(part, "the seed: 16 of 33"), "a description")


CLAIMS = {
    "C49, fastest": Claim(
        "Adam comes to the same test loss in fewer epochs than SGD and RMSprop, each at the rate that ends best",
        beside_adam,
        adam_is_fastest,
    ),
    "C49, best": Claim("Adam ends with the least test loss, on average over structures", averaged, adam_ends_best),
    "C49, unstable": Claim(
        "without hidden layers, straight from all pixels to 2 units, training is unstable",
        first_beside_others,
        first_is_unstable,
        f"needs a structure without hidden layers, others, and {FEWEST} epochs or more",
    ),
    "C49, delay": Claim(
        "the delay of SGD grows with depth", depths, depth_delays, "needs SGD, and three depths or more"
    ),
}
