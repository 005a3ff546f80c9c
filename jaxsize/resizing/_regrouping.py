"""Which runs of a batch train together at which widths, until it is decided again after the next epoch."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxsize.resizing.shrinking import Shrinking, Widths


def serves(before: float, now: float, epochs_left: int) -> int:
    """Estimate for how many epochs a program compiled now will stay the right size.

    It is of the right size until the work of an epoch has fallen by another third (30 %), if every epoch lowers it by
    as much as the last one did. It is at least 2 epochs, and at most those that are left.

    Args:
        before: the work of an epoch at exactly the live units, an epoch ago.
        now: the same, now.
        epochs_left: epochs still to train; also the estimate where the work no longer falls.
    """
    falls = 1 - now / before if before > now else 0.0
    return min(epochs_left, max(2, round(0.3 / falls))) if falls > 0 else epochs_left


class Cohort(NamedTuple):
    """Runs of a batch that train together at the same widths."""

    runs: tuple[int, ...]
    """Indices of the runs within the batch, ascending."""
    widths: Widths
    """Units of each group that can change its size."""


def regroup(
    shrinking: Shrinking,
    cohorts: Sequence[Cohort],
    wanted: Mapping[int, Widths],
    *,
    cost: Callable[[Widths], float],
    epochs: int,
    num_devices: int,
) -> list[Cohort]:
    """Choose the cohorts that are expected to finish first.

    Runs are ordered by the cost of what they want, and neighbours share a cohort, at the widths that serve all of them,
    where that is cheaper than one program more. The devices share the work of a cohort evenly; a cohort with more runs
    than there are devices is padded to a multiple of their number (`run_axis.RunAxis`).

    Args:
        shrinking: says what a program costs.
        cohorts: the present cohorts; their programs are compiled already.
        wanted: by run the widths that would do for it, none above its present ones.
        cost: multiply-adds of one epoch of one run at given widths.
        epochs: for how many epochs the new cohorts are expected to serve; below 1, the present ones stay.
        num_devices: devices that train the runs.

    Returns:
        The new cohorts, sorted; the present ones, in their order, where no others are expected to finish earlier.
    """
    if epochs < 1:
        return list(cohorts)
    compiled = {(len(cohort.runs), cohort.widths) for cohort in cohorts}

    def work(num_runs: int, widths: Widths) -> float:
        compiling = 0 if (num_runs, widths) in compiled else shrinking.program_cost
        padded = num_runs if num_runs < num_devices else -(-num_runs // num_devices) * num_devices
        return padded * cost(widths) * epochs + compiling

    allocated = {run: cohort.widths for cohort in cohorts for run in cohort.runs}
    classes = _classes(allocated, wanted, cost)
    # best[k]: the least work to train the first k classes, and the class at which their last cohort starts.
    best: list[tuple[float, int]] = [(0.0, 0)]
    for end in range(1, len(classes) + 1):
        best.append((float("inf"), 0))
        for start in range(end):
            runs, widths, room = _joined(classes[start:end])
            if all(width <= most for width, most in zip(widths, room, strict=True)):
                total = best[start][0] + work(len(runs), widths)
                best[end] = min(best[end], (total, start))
    if best[-1][0] >= sum(work(len(cohort.runs), cohort.widths) for cohort in cohorts):
        return list(cohorts)
    cheapest, end = [], len(classes)
    while end:
        start = best[end][1]
        runs, widths, _ = _joined(classes[start:end])
        cheapest.append(Cohort(tuple(sorted(runs)), widths))
        end = start
    return sorted(cheapest)


class _Class(NamedTuple):
    """Runs that want the same widths and have the same widths allocated."""

    runs: list[int]
    widths: Widths
    """The widths that the runs want."""
    allocated: Widths


def _classes(
    allocated: Mapping[int, Widths], wanted: Mapping[int, Widths], cost: Callable[[Widths], float]
) -> list[_Class]:
    """The runs sorted into classes, in ascending order of the cost of the widths they want."""
    runs: dict[tuple[Widths, Widths], list[int]] = {}
    for run in sorted(wanted):
        runs.setdefault((wanted[run], allocated[run]), []).append(run)
    return [_Class(runs[key], *key) for key in sorted(runs, key=lambda key: (cost(key[0]), key))]


def _joined(classes: Sequence[_Class]) -> tuple[list[int], Widths, Widths]:
    """The runs of some classes, the least widths that serve all of them, and the largest that all of them can have."""
    widths = np.max([one.widths for one in classes], axis=0)
    room = np.min([one.allocated for one in classes], axis=0)
    return [run for one in classes for run in one.runs], tuple(widths.tolist()), tuple(room.tolist())
