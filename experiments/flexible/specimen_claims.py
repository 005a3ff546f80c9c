"""The results of the broken forms in `specimens`: C13, C14, and the picture of sizes under two kinds of price."""

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.flexible import pictures as flexible_figures
from experiments.flexible import specimens
from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    bootstrap_interval,
    claim,
    paired_difference,
    range_verdict,
    verdict,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


RUNS_OFF = -0.5
"""A size runs off if it moves by less than this per step over the last quarter of the steps, in units of its
learning rate."""
grid = functools.cache(specimens.grid)
"""`specimens.grid`, evaluated once."""


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C13 and C14 in one form."""
    return {"C13": naive_is_not_finite(runs, form), "C14": size_runs_off(runs, form)}


def naive_is_not_finite(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C13: the naive gate ends in NaN, and the stable one does not.

    The parts are the share of a grid of slopes, sizes and widths where something is not finite; and the share of runs
    with trained slopes whose loss stops being finite, with the median step at which it does.
    """
    parts: list[Part] = []
    for gate, text, wanted in (("naive", "1 or more", True), ("stable", "none", False)):
        count, cells = (sum(row[name] for row in grid()) for name in (gate, "cells"))
        answer = Verdict("holds" if (count > 0) == wanted else "refuted", f"{count} of {cells} cells, expected {text}")
        parts.append(({"gate": gate, "of": "share of cells not finite"}, _share(count, cells), answer))
    for dataset in runs.settings["dataset"]:
        where = {"dataset": dataset, "form": form}
        for arm in ("naive_gate", "stable_gate"):
            for start in runs.values("start_size", arm=arm, **where):
                losses = runs.steps("loss", arm=arm, start_size=start, **where)
                steps = first_not_finite(losses)
                label: dict[str, Any] = {"dataset": dataset, "gate": arm.removesuffix("_gate"), "start_size": start}
                label |= {"of": "share of runs not finite", "step": float(np.median(steps)) if steps.size else None}
                if arm == "naive_gate" and start == 1:
                    label["uninformative"] = "the journal's text starts with all units on"
                share = _share(steps.size, len(losses))
                parts.append((label, share, _all_or_none(share, arm == "naive_gate")))
    return claim("with a trained slope the naive gate ends in NaN, and the stable one does not", parts)


def first_not_finite(losses: np.ndarray) -> np.ndarray:
    """Return the first step, counted from 1, whose loss is not finite, for each run that has one.

    Args:
        losses: floating [runs, steps].
    """
    bad = ~np.isfinite(losses)
    return bad.argmax(axis=1)[bad.any(axis=1)] + 1


def _share(count: int, total: int) -> Estimate:
    return Estimate(count / total if total else None, None, None, 0.95, total, "count")


def _all_or_none(share: Estimate, wanted: bool) -> Verdict:
    reason = f"{share.estimate:g} of {share.n} runs, expected {'all' if wanted else 'none'}"
    opposite = float(not wanted)
    holds = share.estimate == float(wanted)
    return Verdict("holds" if holds else "refuted" if share.estimate == opposite or not wanted else "open", reason)


def speeds(sizes: np.ndarray, rate: float) -> np.ndarray:
    """Return how far the size of each run moves per step over the last quarter of its steps, [runs].

    Args:
        sizes: floating [runs, steps].
        rate: the learning rate of the size, the unit of the result: -1 for a size that falls at full speed.
    """
    quarter = max(1, sizes.shape[1] // 4)
    return (sizes[:, -1] - sizes[:, -1 - quarter]) / (quarter * rate)


def size_runs_off(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C14: with itself as the price the size runs off to minus infinity, with the integral it stays.

    A size runs off if it still falls by more than half its learning rate per step in the last quarter of the steps, and
    ends below 0. What counts is the share of penalties, per seed, at which it does: with the size as the price less
    that with the integral; and that with the integral alone.
    """
    parts: list[Part] = []
    count, cells = (sum(row[name] for row in grid()) for name in ("outside", "cells"))
    inside = Verdict("refuted" if count else "holds", f"{count} of {cells} cells are outside")
    parts.append(({"of": "share of cells with an integral outside 0..width"}, _share(count, cells), inside))
    for dataset in runs.settings["dataset"]:
        off: dict[str, list[np.ndarray]] = {"size": [], "integral": []}
        each: list[Part] = []
        for price, shares in off.items():
            for penalty, sizes in trajectories(runs, dataset, form, price).items():
                speed = speeds(sizes, runs.settings["size_learning_rate"])
                away = (speed < RUNS_OFF) & (sizes[:, -1] < 0)
                shares.append(np.where(np.isfinite(speed), away, np.nan))
                label = {"dataset": dataset, "price": price, "penalty": penalty, "of": "speed"}
                label |= {"end": float(np.median(sizes[:, -1])), "uninformative": "which penalties suffice"}
                estimate = bootstrap_interval(speed)
                wanted = (-np.inf, RUNS_OFF) if price == "size" else (RUNS_OFF, np.inf)
                each.append((label, estimate, range_verdict(estimate, *wanted)))
        size, integral = (np.mean(shares, axis=0) for shares in off.values())
        more, most = paired_difference(size, integral), bootstrap_interval(integral)
        of = "share of penalties where the size runs off"
        label = {"dataset": dataset, "price": "size less integral", "of": of}
        parts.append((label, more, verdict(more, "positive")))
        none = Verdict(
            "refuted" if (integral > 0).any() else "holds", f"{np.count_nonzero(integral)} seeds of {most.n}"
        )
        parts += [({"dataset": dataset, "price": "integral", "of": of}, most, none), *each]
    return claim("with itself as the price the size runs off to minus infinity, with the integral it stays", parts)


def trajectories(runs: Runs, dataset: str, form: Form, price: str) -> dict[float, np.ndarray]:
    """Return, by penalty, the sizes after every step, [num_seeds, steps]; `price` is "size" or "integral"."""
    where = {"dataset": dataset, "form": form, "arm": f"{price}_price"}
    return {penalty: runs.steps("size_0", penalty=penalty, **where) for penalty in runs.values("penalty", **where)}


def picture(runs: Runs, dataset: str, form: Form, title: str) -> "Figure":
    """Draw sizes step by step, priced by themselves and by the integral of their gates."""
    names = {"size": "priced by itself", "integral": "priced by the integral"}
    curves = {name: trajectories(runs, dataset, form, price) for price, name in names.items()}
    return flexible_figures.prices(curves, title)
