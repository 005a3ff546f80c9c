"""C15 to C18 of the study `flexible`, and its answer in plain words; C13, C14: `specimen_claims`."""

from collections.abc import Iterator

import numpy as np

from experiments.common.words import median
from jaxsize.statistics import Part, Verdict, median_interval
from jaxsize.studies import Arms, ArmView, Claim, above, across, below, each, gain, listed, unclear, versus

SPOKEN_OF = ("mnist", "fashion_mnist")
"""The data sets that the journal's claim is about."""


def slopes(starts: list[float], values: np.ndarray) -> np.ndarray:
    """Return the least-squares slope of each row of values [seeds, starts] on the starts [starts], as [seeds].

    NaN for a row that is not finite.
    """
    return np.array([np.polyfit(starts, row, 1)[0] if np.isfinite(row).all() else np.nan for row in values])


def rank_correlations(starts: list[float], values: np.ndarray) -> np.ndarray:
    """Return Spearman's correlation of each row of values [seeds, starts] with the starts [starts], as [seeds].

    NaN for a row that is not finite, 0 for one of equal values.
    """
    from scipy import stats

    return np.array([stats.spearmanr(starts, row)[0] if np.ptp(row) != 0 else 0.0 for row in values])


def starts_and_ends(arm: ArmView) -> tuple[list[float], np.ndarray]:
    """Return the start sizes, and the sizes per layer at the end of every run, [num_seeds, starts]."""
    return arm.values("start_size"), arm.matrix("size", over="start_size") / arm.settings["depth"]


def forgets_start(arm: ArmView) -> Iterator[Part]:
    """Yield the slope of the final size on the start size, per seed: an interval that excludes 0 refutes the claim.

    Nothing shows that it holds: the source does not say how small a slope is none.
    """
    label, slope, outcome = above(median_interval(slopes(*starts_and_ends(arm))), of="slope on start")
    yield label, slope, outcome if outcome.outcome == "open" else Verdict("refuted", outcome.reason)


def sticks(arm: ArmView) -> Iterator[Part]:
    """Yield that slope: it is 1 where all starts grow alike, and 0 where they are forgotten."""
    slope = above(median_interval(slopes(*starts_and_ends(arm))), of="slope on start")
    yield unclear(slope, "how near 1 the slope is if sizes stick")


def grows(arm: ArmView) -> Iterator[Part]:
    """Yield the growth (the final size less the start) per seed: the median over starts, and the smallest."""
    starts, ends = starts_and_ends(arm)
    for name, over in (("median", np.median), ("smallest", np.min)):
        yield above(median_interval(over(ends - starts, axis=1)), of=f"final less start, {name} over starts")


def uncorrelated(arm: ArmView) -> Iterator[Part]:
    """Yield Spearman's correlation of the test score with the start size, over starts, per seed.

    A negative one holds, a positive one refutes, and one that may be 0 stays open: how small is none is not said.
    """
    scores = np.round(arm.matrix("test_score", over="start_size"), 6)
    yield below(median_interval(rank_correlations(arm.values("start_size"), scores)), of="Spearman with start")


def _label(static: ArmView) -> dict[str, object]:
    """Label a difference of test scores."""
    return {"units": static.values("live_units")[0], "of": "test score, flexible less static"}


def as_good_as_static(flexible: ArmView, static: ArmView) -> Iterator[Part]:
    """Yield the test score of flexible networks with decay less that of static ones of the same size, over seeds.

    The flexible network should be worse on Fashion-MNIST, and on MNIST as good: a difference above 0 shows that it is,
    one below 0 that it is not. The journal does not speak of other data sets.
    """
    if flexible.where["weight_decay"] > 0:
        worse = flexible.dataset == "fashion_mnist"
        part = (below if worse else above)(
            gain(flexible, static), said="worse" if worse else "as good", **_label(static)
        )
        yield part if flexible.dataset in SPOKEN_OF else listed(part, "the journal has no such data")


def nearly_as_good(flexible: ArmView, static: ArmView) -> Iterator[Part]:
    """Yield the same difference of networks without decay."""
    if flexible.where["weight_decay"] == 0:
        yield unclear(above(gain(flexible, static), **_label(static)), "how near nearly is")


def larger_on_mnist(mnist: ArmView, fashion: ArmView) -> Iterator[Part]:
    """Yield the size on MNIST less the size on Fashion-MNIST, paired over seeds."""
    yield above(gain(mnist, fashion, "size"), of="size")


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes ended, by where they started, and what a price left beside a static network of that size."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        (slope, decay), view = next(iter(chosen["starts"].by("slope", "weight_decay").items()))
        starts, ends = starts_and_ends(view)
        began = f"{starts[0]:g} to {starts[-1]:g} units" if form == "corrected" else "1 unit, whatever was asked for,"
        ended = " to ".join(dict.fromkeys(median(size, ".3g") for size in ends[:, [0, -1]].T))
        penalty, kind = max(chosen["penalties"].values("penalty")), view.score()[0]
        cell = chosen.at(weight_decay=decay, penalty=penalty)
        size = median(cell["penalties"].end("size"), ".3g")
        scores = [median(one.end(kind), ".4f") for one in (cell["penalties"], *cell.like("static"))]
        yield (
            f"{dataset}, {form} form, slope {slope:g}, weight decay {decay:g}: "
            f"layers that started with {began} ended with {ended}."
        )
        yield (
            f"A price of {penalty:g} per unit left a size of {size}; {kind.replace('_', ' ')} "
            f"{', of static networks of that size '.join(scores)}."
        )


STARTS = each("starts", by=["slope", "weight_decay"])
NO_SIZE = "no run ended with a finite size"
CELLS = ("weight_decay", "penalty")
IGNORED = {"original": "the original form ignores the start"}
CLAIMS = {
    "C15": Claim("the final size does not depend on the start", STARTS, forgets_start, skip=IGNORED),
    "C15b": Claim("every size grows from its start", STARTS, grows, skip=IGNORED),
    "C15b, sticks": Claim("and then sticks", STARTS, sticks, skip=IGNORED),
    "C16": Claim("test accuracy is not correlated with the start, or negatively", STARTS, uncorrelated, skip=IGNORED),
    "C17": Claim(
        "with L2 a flexible network is as good as a static one of its size on MNIST and worse on Fashion",
        versus("penalties", "static", by=CELLS),
        as_good_as_static,
        NO_SIZE,
    ),
    "C17, without L2": Claim(
        "without L2 a flexible network is nearly as good as a static one of its size on both sets",
        versus("penalties", "static", by=CELLS),
        nearly_as_good,
        NO_SIZE,
    ),
    "C17, same L2": Claim(
        "beside static networks with the same L2, too, a flexible one is as good on MNIST and worse on Fashion",
        versus("penalties", "static L2", by=CELLS),
        as_good_as_static,
        NO_SIZE,
        skip={"corrected": "the static networks of C17 have the same decay there"},
    ),
    "C18": Claim(
        "a network grows larger on MNIST than on Fashion",
        across("penalties", dataset=("mnist", "fashion_mnist"), by=CELLS),
        larger_on_mnist,
        "needs --dataset mnist fashion_mnist",
    ),
}
