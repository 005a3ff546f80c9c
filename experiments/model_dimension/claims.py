"""Claims C42 to C44 of seed `000_1e759a4f1a03c71d.txt`, and what learning the sizes adds."""

import itertools
from collections.abc import Iterator

import numpy as np

from experiments.common.pixels import EXCESS
from experiments.model_dimension.views import breaks, first_as_good, relus, still_falling
from jaxsize.statistics import Part, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, above, below, each, listed, trending, unclear, within
from jaxsize.studies.choosing import Choice, Chooser


def structures(depths: range) -> Chooser:
    """Choose every structure with so many hidden layers, on all rows, with all its latent sizes."""

    def choose(arms: Arms) -> Iterator[Choice]:
        for label, (view,) in each("sweep", by=["hidden", "rows"])(arms):
            whole = max(arms.at(dataset=view.dataset)["sweep"].values("rows"))
            if label["hidden"].count("-") + 1 in depths and label["rows"] == whole:
                yield {name: label[name] for name in ("dataset", "hidden")}, (view,)

    return choose


def pairs_of_structures(arms: Arms) -> Iterator[Choice]:
    """Choose a deeper structure beside the one layer that it starts with, at each latent size."""
    for label, (deep,) in structures(range(2, 100))(arms):
        first = label["hidden"].split("-")[0]
        for latent, one in deep.by("latent").items():
            if (shallow := one.at(hidden=first)).count:
                yield label | {"against": first, "latent": latent}, (one, shallow)


def pairs_of_images(arms: Arms) -> Iterator[Choice]:
    """Choose a structure of one layer on every two sets of images: data sets, noise, and few rows of each."""
    found: dict[str, list[tuple[str, ArmView]]] = {}
    for label, (view,) in each("sweep", by=["hidden", "rows"])(arms):
        if "-" not in label["hidden"]:
            found.setdefault(label["hidden"], []).append((f"{view.dataset}, {label['rows']} rows", view))
    for hidden, views in found.items():
        for (name, one), (other_name, other) in itertools.combinations(views, 2):
            yield {"dataset": name, "against": other_name, "hidden": hidden}, (one, other)


def beyond_the_width(arms: Arms) -> Iterator[Choice]:
    """Choose a structure with a ReLU after the latent and without, at latent sizes above the hidden width."""
    for label, (view,) in each("latent ReLU", by=["hidden", "rows", "latent"])(arms):
        twin = view.at(arm="sweep")
        if label["latent"] > relus(view) and twin.count:
            yield {name: label[name] for name in ("dataset", "hidden", "latent")}, (view, twin)


def saturates(view: ArmView) -> Iterator[Part]:
    """Yield whether the excess falls with the latent size, and whether that ends at twice the ReLUs.

    Latent sizes are tried in doublings: the end is at 2n if it is nearer to 2n than to n or 4n, on a logarithmic scale.
    How much of the fall goes on beyond that end is listed.
    """
    latents, excess = view.values("latent"), view.matrix(EXCESS, over="latent")
    if len(latents) >= 3:
        yield trending(trend(latents, excess, direction="negative"), of="excess with the latent size")
    if len(latents) >= 5 and max(latents) > 2 * relus(view):
        ratio = median_interval(np.log2(breaks(view) / (2 * relus(view))), what="seeds")
        yield within(ratio, -0.5, 0.5, of="log2 of the break over 2n")
        left = median_interval(still_falling(view), what="seeds")
        part = above(left, of="fall per doubling beyond the break, as a share of that before it")
        yield listed(unclear(part, "the seed does not say how little is nothing"), "a description")


def depth_does_not_help(deep: ArmView, shallow: ArmView) -> Iterator[Part]:
    """Claim that the deeper structure ends with a larger excess."""
    yield above(paired_difference(deep.end(EXCESS), shallow.end(EXCESS)))


def width_helps(view: ArmView) -> Iterator[Part]:
    """Yield whether the excess falls with the width at one latent size, and what the last widening still gains."""
    layers = {int(hidden): one.end(EXCESS) for hidden, one in view.by("hidden").items() if "-" not in hidden}
    widths = sorted(layers)
    if len(widths) >= 3:
        ends = np.stack([layers[width] for width in widths], axis=1)
        yield trending(trend(widths, ends, direction="negative"), of="excess with the width")
        *_, before, last = widths
        gained = below(paired_difference(layers[last], layers[before]), of=f"excess of {last} less that of {before}")
        yield unclear(gained, '"until 128-256" does not say how little is nothing')


def larger_latents_learn_worse(view: ArmView) -> Iterator[Part]:
    """Claim that the excess of a deeper structure rises with the latent size."""
    latents = view.values("latent")
    if len(latents) >= 3:
        yield trending(trend(latents, view.matrix(EXCESS, over="latent"), direction="positive"))


def same_dimension(one: ArmView, other: ArmView) -> Iterator[Part]:
    """Claim that the excess stops falling at the same latent size on other images: at the same one of the doublings."""
    if len(one.values("latent")) >= 5:
        ratio = median_interval(np.log2(breaks(one) / breaks(other)), what="seeds")
        yield within(ratio, -0.5, 0.5, of="log2 of the ratio of breaks")


def relu_after_latent(relu: ArmView, linear: ArmView) -> Iterator[Part]:
    """Say what a ReLU after the latent units changes."""
    difference = paired_difference(relu.end(EXCESS), linear.end(EXCESS))
    yield listed(below(difference), "the seed claims nothing about it")


def learned_beside_the_search(arms: Arms) -> Iterator[Choice]:
    """Choose the networks learned at each price beside all steps of the search."""
    for label, (view,) in each("learned", by=["penalty"])(arms):
        yield label, (view, arms.at(dataset=view.dataset)["search"])


def smaller_than_found(learned: ArmView, search: ArmView) -> Iterator[Part]:
    """Yield whether the learned network has fewer parameters than the first one of the search that is as good.

    And whether it took fewer epochs, those of the search's earlier steps included. A seed whose search never came so
    far is lost, and not left out: what came of it says how good the search is.
    """
    parameters, epochs = first_as_good(learned, search)
    smaller = median_interval(np.log(learned.end("parameters") / parameters), what="seeds")
    yield below(smaller, of="log of learned over found parameters")
    sooner = median_interval(np.log(learned.settings["epochs"] / epochs), what="seeds")
    yield below(sooner, of="log of learned over searched epochs")


CLAIMS = {
    "C42": Claim(
        "the loss falls with the latent size, and no more from the model dimension 2n on (n ReLUs in one layer)",
        structures(range(1, 2)),
        saturates,
    ),
    "C43, depth": Claim(
        "a second hidden layer of the same width does not help", pairs_of_structures, depth_does_not_help
    ),
    "C43, width": Claim(
        "a wider first layer helps, until 128 to 256 units", each("sweep", by=["latent", "rows"]), width_helps
    ),
    "C44, depth": Claim(
        "in deeper networks more latent units are worse", structures(range(2, 100)), larger_latents_learn_worse
    ),
    "C44, images": Claim(
        "the dimension needed depends on the structure and not on the images", pairs_of_images, same_dimension
    ),
    "Learned": Claim(
        "prices on open gates find a smaller network of the same excess than the seed's search, and sooner",
        learned_beside_the_search,
        smaller_than_found,
    ),
    "D16": Claim(
        "a ReLU after the latent units lets sizes beyond the hidden width express more",
        beyond_the_width,
        relu_after_latent,
    ),
}
