"""The claims about principal components, C10 to C12: what is measured of the runs, and what would settle it."""

from collections.abc import Iterator

import numpy as np

from experiments.common.widths import plateau, widths_of
from experiments.pca_metric.layers import read_components
from jaxsize.statistics import Part, equivalence_ratio, median_interval, trend
from jaxsize.studies import ArmView, Claim, above, each, equal, exactly, listed, trending, unclear, within

STATED = 350
"""The width at which the journal saw the slopes of MNIST become parallel (J6)."""
MARGIN = 0.15
"""By what share numbers may differ and count as equal, or slopes as parallel; the journal names no number."""


def own_kind(arm: ArmView) -> str:
    """Return the directions that a form takes for principal components."""
    return "columns" if arm.form == "original" else "rows"


def alike(one: np.ndarray, other: np.ndarray, what: str) -> Iterator[Part]:
    """Yield the ratios of two numbers [seeds, widths] that are claimed to be equal: over all widths, and at the widest.

    That over all widths is each seed's geometric mean.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        logarithms = np.log(one / other)
    for widths, of_seeds in (("all", logarithms.mean(axis=1)), ("the widest", logarithms[:, -1])):
        ratio = equivalence_ratio(np.exp(of_seeds), np.ones(len(of_seeds)), MARGIN)
        yield equal(ratio, MARGIN, of=what, widths=widths)


def equally_important(arm: ArmView) -> Iterator[Part]:
    """Yield the area under the curve of errors over that of random directions.

    The area is a half where all directions have the same share of the variance, and less where the first ones have
    more.
    """
    numbers = read_components(arm)
    yield from alike(numbers[f"area_{own_kind(arm)}"], numbers["area_random"], "area over that of the control")


def parallel_from(arm: ArmView) -> np.ndarray:
    """Return the log2 of the first width from which on slopes differ from that of the widest by 15 % at most, [seeds].

    The slope of the line from the total variance to 0 is the mean variance of a unit: with columns, the curve is near
    this line.
    """
    widths = widths_of(arm)
    slopes = np.nansum(read_components(arm)["spectrum"], axis=2) / widths[None]
    lost = ~(slopes > 0).all(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.abs(np.log(slopes / slopes[:, -1:])) <= np.log1p(MARGIN)
    stays = np.logical_and.accumulate(near[:, ::-1], axis=1)[:, ::-1]
    return np.where(lost, np.nan, np.log2(widths[np.argmax(stays, axis=1)]))


def nothing_to_read(arm: ArmView) -> Iterator[Part]:
    """Yield where slopes become parallel, how the number of components that suffices moves, and where spectra break."""
    numbers, widths = read_components(arm), widths_of(arm)
    from_width = parallel_from(arm)
    if arm.dataset == "mnist" and min(widths) < STATED < max(widths):
        stated = np.log2(STATED)
        at = within(median_interval(from_width), stated - 0.5, stated + 0.5, of="log2 of the width of parallel slopes")
        yield unclear(at, f'"around {STATED}" was read off a picture')
    beyond = above(median_interval(from_width - plateau(arm)), of="log2 of parallel slopes less that of the plateau")
    yield unclear(beyond, "how near a slope is parallel is not said")
    enough = numbers[f"enough_{own_kind(arm)}"]
    half = len(widths) // 2
    grows = trend(widths[half:], enough[:, half:], direction="positive")
    yield trending(grows, of="directions for 99 % of the accuracy, upper half of the widths")
    with np.errstate(divide="ignore"):
        size = np.log2(enough[:, -1])
    beyond = above(median_interval(size - plateau(arm)), of="log2 of the same at the widest less that of the plateau")
    yield unclear(beyond, "that components tell nothing has no number")
    rank = int(numbers["input_rank"])
    for at, width in enumerate(widths.tolist()):
        if width > rank:
            past = numbers["break"][:, at] - rank
            yield exactly(0, past, median_interval(past), of="break of the spectrum less the inputs' rank", width=width)


def stays_when_relabelled(arm: ArmView) -> Iterator[Part]:
    """Yield what noise, labelled by the network itself, makes of measures of its layer.

    Measures of weights alone cannot change: the network is the same. The last part says how many classes the noise
    falls into, since a network that suffices for few classes may be far too large for them.
    """
    numbers = read_components(arm)
    accuracy = numbers["noise_accuracy"].min(axis=1)
    suffices = above(median_interval(accuracy - 0.99), of="least accuracy on its own labels, less .99")
    yield listed(suffices, "so by construction, up to ties")
    measures = {"participation": "effective dimensions", "area": "area under E_k", "mean_spread": "mean spread"}
    for name, words in measures.items():
        yield from alike(numbers[f"noise_{name}"], numbers[name], f"{words}, on noise over on data")
    classes = above(median_interval(numbers["noise_classes"].mean(axis=1)), of="classes that the noise falls into")
    yield unclear(classes, "that a proof fails does not show that some measure can tell")


STATIC = each("static")
CLAIMS = {
    "C10": Claim("all principal components of a layer are equally important", STATIC, equally_important),
    "C11": Claim(
        "slopes of errors point at about 350 units on MNIST and at nothing on Fashion-MNIST, and spectra tell no more: "
        "the components needed grow with the layer, and spectra break at the rank of the inputs",
        STATIC,
        nothing_to_read,
    ),
    "C12": Claim(
        "nothing read off a layer tells its right size. Tested is the proof: measures stay the same, within 15 %, when "
        "inputs are noise and labels what the network says of it, for which it suffices by construction",
        STATIC,
        stays_when_relabelled,
    ),
}
