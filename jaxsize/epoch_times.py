"""What an epoch costs in time: measured while all devices are full, on a ladder of sizes, and interpolated between.

The time that a run takes within a study says little of the run: others train beside it, at widths that all share, and
a run that trains alone is helped by devices that are idle. Here every size is measured alike, at exactly its widths.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

from jaxsize.batches import Batch, Program
from jaxsize.runs import Device
from jaxsize.training import TrainState

Widths = tuple[int, ...]
AT_LEAST = 0.05
"""Seconds that a size is timed for: over several epochs if they are short."""
ROUNDS, SPAN = 3, 5.0
"""How often every size is timed, and the seconds that all rounds take: more rounds if they are short."""


class EpochTimes(NamedTuple):
    """Seconds of an epoch of one run, training and evaluation, by its size."""

    multiply_adds: tuple[float, ...]
    """Of one row, ascending."""
    seconds: tuple[float, ...]
    """Device-seconds: what the device of a run is busy for, or its share of a device that trains several at once."""

    def at(self, multiply_adds: ArrayLike) -> np.ndarray:
        """Interpolated, log seconds against log multiply-adds; outside of what was measured, the nearest."""
        known = np.array(self.multiply_adds, float)
        inside = np.clip(multiply_adds, known[0], known[-1])
        return np.exp(np.interp(np.log(inside), np.log(known), np.log(self.seconds)))


def ladder(
    shapes: Iterable[Widths], cost: Callable[[Widths], float], *, most: int = 7, apart: float = 1.25
) -> list[Widths]:
    """Some of the shapes, from the cheapest to the dearest: those nearest to geometric steps, of about `apart` or more.
    ValueError if there is none."""
    prices = {shape: cost(shape) for shape in shapes}
    if not prices:
        raise ValueError("ladder: expected a shape at least, got none")
    low, high = min(prices.values()), max(prices.values())
    rungs = np.geomspace(low, high, min(most, 1 + math.ceil(math.log(high / low) / math.log(apart))))
    nearest = {min(prices, key=lambda shape: (abs(math.log(prices[shape] / rung)), shape)) for rung in rungs}
    return sorted(nearest, key=lambda shape: (prices[shape], shape))


def runs_that_fill(num_runs: int, devices: Sequence[Device] = ()) -> int:
    """Runs that keep all devices busy: on a CPU one for each, as a device trains one after the other; else num_runs."""
    devices = devices or jax.devices()
    return len(devices) if devices[0].platform == "cpu" else num_runs


def measure_epochs(batches: Sequence[Batch], devices: Sequence[Device] = ()) -> list[float]:
    """Device-seconds of an epoch of one run, for each batch of runs that fill the devices: the wall seconds of its
    program, times the devices, divided by the runs.

    The best of several rounds, each of which times all batches one after the other, so that a passing load is no
    batch's own. batches: of one data set. Nothing else should run on the devices.
    """
    timed: list[_Timed] = []
    for batch in batches:
        timed.append(_Timed(batch, devices, timed[0].program if timed else None))
    rounds, start = [], perf_counter()
    while len(rounds) < ROUNDS or perf_counter() - start < SPAN:
        rounds.append([one.seconds() for one in timed])
    return np.min(rounds, axis=0).tolist()


class _Timed:
    """A program that has trained a first epoch, and over how many it is timed. Between the rounds its state is on the
    host: one state at a time has room on the devices."""

    def __init__(self, batch: Batch, devices: Sequence[Device], other: Program | None):
        self.runs, self.epoch = range(len(batch)), 0
        self.program = Program(batch, len(batch), devices, data=other.data if other else None)
        state = self._train(self.program.start(self.runs))  # memory is allocated, helpers are compiled
        self.num_epochs, start = 0, perf_counter()
        while not self.num_epochs or perf_counter() - start < AT_LEAST:
            state, self.num_epochs = self._train(state), self.num_epochs + 1
        self.host = self.program.axis.fetch(state)

    def _train(self, state: TrainState) -> TrainState:
        self.epoch += 1
        return jax.block_until_ready(self.program.epoch(self.runs, state, self.epoch))[0]

    def seconds(self) -> float:
        state = jax.block_until_ready(self.program.axis.put(self.host))
        start = perf_counter()
        for _ in range(self.num_epochs):
            state = self._train(state)
        wall = (perf_counter() - start) / self.num_epochs
        self.host = self.program.axis.fetch(state)
        return wall * len(self.program.axis.devices) / len(self.runs)
