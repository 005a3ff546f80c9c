"""The claims of the study `flexible`: C13 and C14 about the broken forms in `specimens`, and C15 to C18."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.flexible.specimens import grid
from jaxsize.statistics import Estimate, Part, Verdict, median_interval, paired_difference
from jaxsize.studies import Arms, ArmView, Claim, above, across, below, each, gain, listed, unclear, versus

SPOKEN_OF = ("mnist", "fashion_mnist")
"""The data sets that the journal's claim C17 is about."""


def grid_and(*names: str) -> Callable[[Arms], Iterator[Any]]:
    """Choose nothing once, for what the grid of `specimens` says, and then these arms together on every data set."""

    def choose(arms: Arms) -> Iterator[Any]:
        yield {}, ()
        for (dataset,), chosen in arms.by("dataset").items():
            yield {"dataset": dataset}, tuple(chosen[name] for name in names)

    return choose


def counted(count: int, total: int, expected: str, **label: Any) -> Part:
    """Return the part about an exact share: all, some or none are expected; some of all leave it open."""
    holds = {"all": count == total, "some": count > 0, "none": count == 0}[expected]
    other = "open" if expected == "all" and count else "refuted"
    share = Estimate(count / total, None, None, 0.95, total, "count")
    return label, share, Verdict("holds" if holds else other, f"{count} of {total}, expected {expected}")


def naive_is_not_finite(*gates: ArmView) -> Iterator[Part]:
    """Yield the share of cells of the grid, or of runs with trained slopes, that stop being finite.

    Of runs also the median step, counted from 1, at which the loss does.
    """
    for gate, expected in (("naive", "some"), ("stable", "none")) if not gates else ():
        yield counted(grid()[gate], grid()["cells"], expected, gate=gate, of="share of cells not finite")
    for arm in gates:
        gate = arm.name.removesuffix("_gate")
        for start, view in arm.by("start_size").items():
            lost = ~np.isfinite(view.steps("loss"))
            first = lost.argmax(axis=1)[lost.any(axis=1)] + 1
            label = {"gate": gate, "start_size": start, "of": "share of runs not finite"}
            label |= {"step": float(np.median(first)) if first.size else None}
            part = counted(first.size, len(lost), "all" if gate == "naive" else "none", **label)
            is_aside = gate == "naive" and start == 1
            yield listed(part, "the journal's text starts with all units on") if is_aside else part


def speed(arm: ArmView) -> np.ndarray:
    """Return how far the size moves per step over the last quarter of the steps, [num_seeds].

    The unit is the learning rate of the size: it is -1 where the size falls at full speed.
    """
    sizes = arm.steps("size_0")
    quarter = max(1, sizes.shape[1] // 4)
    return (sizes[:, -1] - sizes[:, -1 - quarter]) / (quarter * arm.settings["size_learning_rate"])


def size_runs_off(*prices: ArmView) -> Iterator[Part]:
    """Yield whether a size that is its own price still falls at the end, and faster than one priced by the integral.

    It counts at the highest penalty, as the journal does not say which ones suffice; the speeds at the others are
    listed. That the integral has bounds, so that there is nothing to run off for, is counted on the grid.
    """
    if not prices:
        yield counted(grid()["outside"], grid()["cells"], "none", of="share of cells with an integral outside 0..width")
        return
    highest = max(prices[0].values("penalty"))
    size, integral = (speed(arm.at(penalty=highest)) for arm in prices)
    yield below(paired_difference(size, integral), price="size less integral", of="speed at the highest penalty")
    for arm in prices:
        for penalty, view in arm.by("penalty").items():
            label = {"price": arm.name.removesuffix("_price"), "penalty": penalty, "of": "speed"}
            part = below(median_interval(speed(view)), **label, end=float(np.median(view.steps("size_0")[:, -1])))
            why = "which penalties suffice, and how slow a fall is none"
            counts = arm.name == "size_price" and penalty == highest
            yield part if counts else listed(unclear(part, why), "which penalties suffice")


def ends(arm: ArmView) -> np.ndarray:
    """Return the sizes per layer at the end of every run, [num_seeds, starts]."""
    return arm.matrix("size", over="start_size") / arm.settings["depth"]


def per_seed(arm: ArmView, values: np.ndarray, measure: Callable[[list[float], np.ndarray], Any]) -> Estimate:
    """Estimate the median of a measure of (start sizes, a seed's values), of values [num_seeds, starts]."""
    starts = arm.values("start_size")
    return median_interval([measure(starts, line) if np.isfinite(line).all() else np.nan for line in values])


def slope_on_start(arm: ArmView) -> Part:
    """Return the part about the least-squares slope of the final size on the start size."""
    return above(per_seed(arm, ends(arm), lambda starts, line: np.polyfit(starts, line, 1)[0]), of="slope on start")


def forgets_start(arm: ArmView) -> Iterator[Part]:
    """Yield the slope of the final size on the start size: an interval that excludes 0 refutes the claim.

    Nothing shows that it holds: the source does not say how small a slope is none.
    """
    label, slope, outcome = slope_on_start(arm)
    yield label, slope, outcome if outcome.outcome == "open" else Verdict("refuted", outcome.reason)


def sticks(arm: ArmView) -> Iterator[Part]:
    """Yield that slope: it is 1 where all starts grow alike, and 0 where they are forgotten."""
    yield unclear(slope_on_start(arm), "how near 1 the slope is if sizes stick")


def grows(arm: ArmView) -> Iterator[Part]:
    """Yield the growth (the final size less the start) per seed: the median over starts, and the smallest."""
    growth = ends(arm) - arm.values("start_size")
    for name, over in (("median", np.median), ("smallest", np.min)):
        yield above(median_interval(over(growth, axis=1)), of=f"final less start, {name} over starts")


def uncorrelated(arm: ArmView) -> Iterator[Part]:
    """Yield Spearman's correlation of the test score with the start size, over starts, per seed; 0 for equal scores.

    A negative one holds, a positive one refutes, and one that may be 0 stays open: how small is none is not said.
    """
    from scipy import stats

    def rank_correlation(starts: list[float], scores: np.ndarray) -> Any:
        return stats.spearmanr(starts, scores)[0] if np.ptp(scores) else 0.0

    scores = np.round(arm.matrix("test_score", over="start_size"), 6)
    yield below(per_seed(arm, scores, rank_correlation), of="Spearman with start")


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


def _label(static: ArmView) -> dict[str, object]:
    return {"units": static.values("live_units")[0], "of": "test score, flexible less static"}


def larger_on_mnist(mnist: ArmView, fashion: ArmView) -> Iterator[Part]:
    """Yield the size on MNIST less the size on Fashion-MNIST, paired over seeds."""
    yield above(gain(mnist, fashion, "size"), of="size")


STARTS = each("starts", by=["slope", "weight_decay"])
IGNORED = {"original": "the original form ignores the start"}
CELLS = ("weight_decay", "penalty")
STATIC, STATIC_L2 = (versus("penalties", name, by=CELLS) for name in ("static", "static L2"))
NO_SIZE = "no run ended with a finite size"
CLAIMS = {
    "C13": Claim(
        "with a trained slope the naive gate ends in NaN, and the stable one does not",
        grid_and("naive_gate", "stable_gate"),
        naive_is_not_finite,
        seeds=1,
    ),
    "C14": Claim(
        "with itself as the price the size runs off to minus infinity, with the integral it stays",
        grid_and("size_price", "integral_price"),
        size_runs_off,
    ),
    "C15": Claim("the final size does not depend on the start", STARTS, forgets_start, skip=IGNORED),
    "C15b": Claim("every size grows from its start", STARTS, grows, skip=IGNORED),
    "C15b, sticks": Claim("and then sticks", STARTS, sticks, skip=IGNORED),
    "C16": Claim("test accuracy is not correlated with the start, or negatively", STARTS, uncorrelated, skip=IGNORED),
    "C17": Claim(
        "with L2 a flexible network is as good as a static one of its size on MNIST and worse on Fashion",
        STATIC,
        as_good_as_static,
        NO_SIZE,
    ),
    "C17, without L2": Claim(
        "without L2 a flexible network is nearly as good as a static one of its size on both sets",
        STATIC,
        nearly_as_good,
        NO_SIZE,
    ),
    "C17, same L2": Claim(
        "beside static networks with the same L2, too, a flexible one is as good on MNIST and worse on Fashion",
        STATIC_L2,
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
