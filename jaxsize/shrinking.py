"""When removing units pays: which runs of a batch train at which widths, until the next look.

A decision weighs the multiply-adds saved against the programs that must be compiled, both counted, not timed: it
depends on the live units alone, so that an interrupted study ends as an uninterrupted one. Findings behind the numbers:
PERFORMANCE 4 and 5; `benchmarks/shrinking.py` measures them.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from jaxsize.buckets import bucket

Widths = tuple[int, ...]  # one per group, in a fixed order


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shrinking:
    """How eagerly units are removed while training. Static."""

    factor: float = 1.03
    """Ratio of neighbouring buckets, the widths to choose from. Fine, since `hysteresis` keeps programs few."""
    multiple: int = 16
    """Buckets are multiples of this; 64 or 128 suit a GPU."""
    min_width: int = 1
    """Units that stay allocated in a layer, also when all are dead."""
    program_cost: float = 1e11
    """Multiply-adds that the whole machine could do while a program is compiled; four CPU cores do this many in about
    a second. 0: remove as soon as a bucket allows it."""
    hysteresis: float = 0.1
    """Units are removed from a run only where that saves at least this share of its work."""
    ahead: bool = True
    """Compile while an epoch runs what the next one will need if live units go on falling as they did."""

    def __post_init__(self) -> None:
        if not (self.min_width >= 1 and self.program_cost >= 0 and 0 <= self.hysteresis < 1):
            found = f"{self.min_width}, {self.program_cost}, {self.hysteresis}"
            expected = "min_width >= 1, program_cost >= 0, 0 <= hysteresis < 1"
            raise ValueError(f"shrinking: expected {expected}, got {found}")
        if not 1 <= self.factor < math.inf:
            raise ValueError(f"shrinking: expected a finite factor of at least 1, got {self.factor}")
        bucket(1, multiple=self.multiple)  # raises for one out of range

    def widths_for(self, live: Sequence[int], allocated: Widths, cost: Callable[[Widths], float]) -> Widths:
        """The buckets of a run with so many live units per group, never above what is allocated; what is allocated
        where they save too little of cost(widths), the multiply-adds of an epoch."""
        sizes = [bucket(max(count, self.min_width), factor=self.factor, multiple=self.multiple) for count in live]
        widths = tuple(min(size, width) for size, width in zip(sizes, allocated, strict=True))
        return widths if cost(widths) <= (1 - self.hysteresis) * cost(allocated) else allocated


def serves(before: float, now: float, epochs_left: int) -> int:
    """Epochs for which programs of the right size are expected to serve: until the work falls by another third.

    before, now: the work of an epoch at the widths wanted, an epoch ago and now. Where it falls no more, to the end.
    """
    falls = 1 - now / before if before > now else 0.0
    return min(epochs_left, max(2, round(0.3 / falls))) if falls > 0 else epochs_left


class Cohort(NamedTuple):
    """Runs of a batch that train together at the same widths."""

    runs: tuple[int, ...]
    widths: Widths


def regroup(
    shrinking: Shrinking,
    cohorts: Sequence[Cohort],
    wanted: Mapping[int, Widths],
    *,
    cost: Callable[[Widths], float],
    epochs: int,
    num_devices: int,
) -> list[Cohort]:
    """The cohorts that are expected to finish first, from those at hand: the same ones if no others win.

    wanted: per run the widths that would do, none above its present ones. epochs: for how many the cohorts are expected
    to serve. cost(widths): multiply-adds of one epoch of one run. The devices share the work of a cohort evenly, but
    where it has more runs than there are devices it is padded to a multiple of their number (`runs.RunAxis`).
    Neighbours in cost share a cohort, at the widths that serve all of them, where that is cheaper than a program more.
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
    # best[k]: the cheapest way to train the first k classes, and where its last cohort starts.
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
    found, end = [], len(classes)
    while end:
        start = best[end][1]
        runs, widths, _ = _joined(classes[start:end])
        found.append(Cohort(tuple(sorted(runs)), widths))
        end = start
    return sorted(found)


class _Class(NamedTuple):
    """Runs that want the same widths and have the same allocated."""

    runs: list[int]
    widths: Widths
    allocated: Widths


def _classes(
    allocated: Mapping[int, Widths], wanted: Mapping[int, Widths], cost: Callable[[Widths], float]
) -> list[_Class]:
    """By what they cost, cheapest first."""
    runs: dict[tuple[Widths, Widths], list[int]] = {}
    for run in sorted(wanted):
        runs.setdefault((wanted[run], allocated[run]), []).append(run)
    return [_Class(runs[key], *key) for key in sorted(runs, key=lambda key: (cost(key[0]), key))]


def _joined(classes: Sequence[_Class]) -> tuple[list[int], Widths, Widths]:
    """All their runs, the widths that serve all of them, and the widths that all of them have."""
    widths = np.max([one.widths for one in classes], axis=0)
    room = np.min([one.allocated for one in classes], axis=0)
    return [run for one in classes for run in one.runs], tuple(widths.tolist()), tuple(room.tolist())
