"""C15 to C18 of the study `flexible`, and its answer in plain words; C13, C14: `specimen_claims`."""

from collections.abc import Iterator

import numpy as np

from jaxsize.statistics import Part, bootstrap_interval, range_verdict
from jaxsize.studies import Arms, ArmView, Claim, above, across, below, each, gain, listed, versus, within

SAME = 0.1
"""A slope of the final size on the start, or a rank correlation, counts as 0 (or as 1) if it is within this of it."""
NEARLY = 0.005
"""Accuracies count as equal if they differ by at most this."""
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
    """Yield the slope of the final size on the start size, per seed."""
    slope = bootstrap_interval(slopes(*starts_and_ends(arm)))
    yield within(slope, -SAME, SAME, of="slope on start")


def grows_and_sticks(arm: ArmView) -> Iterator[Part]:
    """Yield that slope, and the growth (the final size less the start) per seed: median over starts, and smallest."""
    starts, ends = starts_and_ends(arm)
    yield within(bootstrap_interval(slopes(starts, ends)), 1 - SAME, 1 + SAME, of="slope on start")
    for name, over in (("median", np.median), ("smallest", np.min)):
        yield above(bootstrap_interval(over(ends - starts, axis=1)), of=f"final less start, {name} over starts")


def uncorrelated(arm: ArmView) -> Iterator[Part]:
    """Yield Spearman's correlation of the test score with the start size, over starts, per seed.

    It holds if the interval ends below .1 and is refuted if the interval lies above 0.
    """
    scores = np.round(arm.matrix("test_score", over="start_size"), 6)
    correlation = bootstrap_interval(rank_correlations(arm.values("start_size"), scores))
    positive = above(correlation)[2].outcome == "holds"
    label = {"of": "Spearman with start"}
    yield below(correlation, **label) if positive else (label, correlation, range_verdict(correlation, -1, SAME))


def as_good_as_static(flexible: ArmView, static: ArmView) -> Iterator[Part]:
    """Yield the test score of flexible networks less that of static ones of the same size, paired over seeds.

    On Fashion-MNIST with decay the flexible network should be worse; elsewhere (on MNIST, and without decay on both)
    the two should be equal, up to `NEARLY`. The journal does not speak of other data sets: they do not count.
    """
    worse = flexible.dataset == "fashion_mnist" and flexible.where["weight_decay"] > 0
    label = {"units": static.values("live_units")[0], "of": "test score, flexible less static"}
    label["said"] = "worse" if worse else "equal"
    difference = gain(flexible, static)
    part = below(difference, **label) if worse else within(difference, -NEARLY, NEARLY, **label)
    yield part if flexible.dataset in SPOKEN_OF else listed(part, "the journal has no such data")


def larger_on_mnist(mnist: ArmView, fashion: ArmView) -> Iterator[Part]:
    """Yield the size on MNIST less the size on Fashion-MNIST, paired over seeds."""
    yield above(gain(mnist, fashion, "size"), of="size")


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes ended, by where they started, and what a price left beside a static network of that size."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        (slope, decay), view = next(iter(chosen["starts"].by("slope", "weight_decay").items()))
        starts, ends = starts_and_ends(view)
        first, *_, last = (f"{size:.3g}" for size in np.nanmedian(ends, axis=0))
        began, ended = f"{starts[0]:g} to {starts[-1]:g} units", f"{first} to {last}"
        if form == "original":
            began, ended = "1 unit, whatever was asked for,", first
        yield (
            f"{dataset}, {form} form, slope {slope:g}, weight decay {decay:g}: layers that started with {began} "
            f"ended with {ended}."
        )
        penalty, kind = max(chosen["penalties"].values("penalty")), view.score()[0]
        cell = chosen.at(weight_decay=decay, penalty=penalty)
        flexible = cell["penalties"]
        against = "".join(
            f", against {np.nanmedian(static.end(kind)):.4f} of static networks of that size"
            for static in cell.like("static")
        )
        yield (
            f"A price of {penalty:g} per unit left {np.nanmedian(flexible.end('size')):.3g} units; "
            f"{kind.replace('_', ' ')} {np.nanmedian(flexible.end(kind)):.4f}{against}."
        )


STARTS = each("starts", by=["slope", "weight_decay"])
CELLS = ("weight_decay", "penalty")
IGNORED = {"original": "the original form ignores the start"}
CLAIMS = {
    "C15": Claim(
        "the final size is independent of the start: the slope of one on the other is within .1 of 0",
        STARTS,
        forgets_start,
        skip=IGNORED,
    ),
    "C15b": Claim(
        "every size grows from its start and sticks: the slope of final size on start is within .1 of 1",
        STARTS,
        grows_and_sticks,
        skip=IGNORED,
    ),
    "C16": Claim("test accuracy is uncorrelated with the start, or negatively", STARTS, uncorrelated, skip=IGNORED),
    "C17": Claim(
        "a flexible network equals a static one of its size, but on Fashion with L2, where it is worse",
        versus("penalties", "static", by=CELLS),
        as_good_as_static,
        "no run ended with a finite size",
    ),
    "C18": Claim(
        "a network grows larger on MNIST than on Fashion",
        across("penalties", dataset=("mnist", "fashion_mnist"), by=CELLS),
        larger_on_mnist,
        "needs --dataset mnist fashion_mnist",
    ),
}
