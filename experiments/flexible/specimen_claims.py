"""What the broken forms in `specimens` show: C13 and C14."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.flexible.specimens import grid
from jaxsize.statistics import Estimate, Part, Verdict, bootstrap_interval, paired_difference, range_verdict
from jaxsize.studies import Arms, ArmView, Claim, above, exactly, listed

RUNS_OFF = -0.5
"""A size runs off if it moves by less than this per step over the last quarter of the steps, in units of its
learning rate."""


def grid_and(*names: str) -> Callable[[Arms], Iterator[Any]]:
    """Choose nothing once, for what the grid says, and then these arms together on every data set."""

    def choose(arms: Arms) -> Iterator[Any]:
        yield {}, ()
        for (dataset,), chosen in arms.by("dataset").items():
            yield {"dataset": dataset}, tuple(chosen[name] for name in names)

    return choose


def naive_is_not_finite(*gates: ArmView) -> Iterator[Part]:
    """Yield the share of cells of the grid, or of runs with trained slopes, that stop being finite.

    Of runs also the median step at which the loss does.
    """
    for gate, text, wanted in (("naive", "1 or more", True), ("stable", "none", False)) if not gates else ():
        count, cells = grid()[gate], grid()["cells"]
        outcome = Verdict("holds" if (count > 0) == wanted else "refuted", f"{count} of {cells} cells, expected {text}")
        yield {"gate": gate, "of": "share of cells not finite"}, share(count, cells), outcome
    for arm in gates:
        for start, view in arm.by("start_size").items():
            losses = view.steps("loss")
            steps = first_not_finite(losses)
            label = {"gate": arm.name.removesuffix("_gate"), "start_size": start, "of": "share of runs not finite"}
            label |= {"step": float(np.median(steps)) if steps.size else None}
            estimate, wanted = share(steps.size, len(losses)), arm.name == "naive_gate"
            part = label, estimate, all_or_none(estimate, wanted)
            yield listed(part, "the journal's text starts with all units on") if wanted and start == 1 else part


def share(count: int, of: int) -> Estimate:
    """Return an exact share, without an interval."""
    return Estimate(count / of if of else None, None, None, 0.95, of, "count")


def first_not_finite(losses: np.ndarray) -> np.ndarray:
    """Return the first step, counted from 1, whose loss is not finite, for each run that has one.

    Args:
        losses: floating [runs, steps].
    """
    bad = ~np.isfinite(losses)
    return bad.argmax(axis=1)[bad.any(axis=1)] + 1


def all_or_none(estimate: Estimate, wanted: bool) -> Verdict:
    """Decide whether a share is 1, if that is wanted, or else 0; some runs, not all, leave open whether it is 1."""
    reason = f"{estimate.estimate:g} of {estimate.n} runs, expected {'all' if wanted else 'none'}"
    if estimate.estimate == float(wanted):
        return Verdict("holds", reason)
    return Verdict("open" if wanted and estimate.estimate else "refuted", reason)


def speeds(sizes: np.ndarray, rate: float) -> np.ndarray:
    """Return how far the size of each run moves per step over the last quarter of its steps, [runs].

    Args:
        sizes: floating [runs, steps].
        rate: the learning rate of the size, the unit of the result: -1 for a size that falls at full speed.
    """
    quarter = max(1, sizes.shape[1] // 4)
    return (sizes[:, -1] - sizes[:, -1 - quarter]) / (quarter * rate)


def size_runs_off(*prices: ArmView) -> Iterator[Part]:
    """Yield the share of penalties, per seed, at which the size runs off, and speeds at each penalty.

    A size runs off if it still falls by more than half its learning rate per step in the last quarter of the steps, and
    ends below 0. The share with the size as the price is taken less that with the integral; and that with the integral
    alone. The grid has the share of cells where the integral itself is out of its bounds.
    """
    if not prices:
        count, cells = grid()["outside"], grid()["cells"]
        inside = Verdict("refuted" if count else "holds", f"{count} of {cells} cells are outside")
        yield {"of": "share of cells with an integral outside 0..width"}, share(count, cells), inside
        return
    off, each = [], []
    for arm, range_of in zip(prices, ((-np.inf, RUNS_OFF), (RUNS_OFF, np.inf)), strict=True):
        shares = []
        for penalty, view in arm.by("penalty").items():
            sizes = view.steps("size_0")
            speed = speeds(sizes, arm.settings["size_learning_rate"])
            shares.append(np.where(np.isfinite(speed), (speed < RUNS_OFF) & (sizes[:, -1] < 0), np.nan))
            label = {"price": arm.name.removesuffix("_price"), "penalty": penalty, "of": "speed"}
            label |= {"end": float(np.median(sizes[:, -1]))}
            estimate = bootstrap_interval(speed)
            each.append(listed((label, estimate, range_verdict(estimate, *range_of)), "which penalties suffice"))
        off.append(np.mean(shares, axis=0))
    of = "share of penalties where the size runs off"
    yield above(paired_difference(*off), price="size less integral", of=of)
    yield exactly(0, off[1], bootstrap_interval(off[1]), price="integral", of=of)
    yield from each


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
}
