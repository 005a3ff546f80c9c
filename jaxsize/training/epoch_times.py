"""What an epoch costs in time: measured while all devices are full, on a ladder of sizes, and interpolated in between.

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

from jaxsize.errors import InputError
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.epoch import TrainState
from jaxsize.programs.run_axis import Device

Widths = tuple[int, ...]
AT_LEAST = 0.05
"""Least seconds for which a size is timed in a round: over several epochs where one is shorter."""
ROUNDS, SPAN = 3, 5.0
"""Least number of rounds, in each of which every size is timed once, and least seconds of all rounds together."""


class EpochTimes(NamedTuple):
    """Seconds of an epoch of one run, training and evaluation, by the size of its network.

    Example:
        >>> from jaxsize.training.epoch_times import EpochTimes
        >>> times = EpochTimes(multiply_adds=(1e4, 1e6), seconds=(0.1, 1.0))
        >>> times.at([1e4, 1e5, 1e6, 1e8]).round(3).tolist()
        [0.1, 0.316, 1.0, 1.0]
    """

    multiply_adds: tuple[float, ...]
    """Multiply-adds of one row, ascending."""
    seconds: tuple[float, ...]
    """Device-seconds: for how long the device of a run is busy, or its share of a device that trains several runs at
    once."""

    def at(self, multiply_adds: ArrayLike) -> np.ndarray:
        """Interpolate the seconds: log seconds against log multiply-adds.

        Args:
            multiply_adds: of one row, of any shape; outside of what was measured, the nearest size counts.
        """
        known = np.array(self.multiply_adds, float)
        inside = np.clip(multiply_adds, known[0], known[-1])
        return np.exp(np.interp(np.log(inside), np.log(known), np.log(self.seconds)))


def ladder(
    shapes: Iterable[Widths], cost: Callable[[Widths], float], *, most: int = 7, apart: float = 1.25
) -> list[Widths]:
    """Choose the shapes to time: the cheapest, the dearest, and those nearest to geometric steps between them.

    Args:
        shapes: the shapes to choose from.
        cost: the cost of a shape, above 0.
        most: chooses at most so many shapes.
        apart: smallest ratio of the costs of neighbouring steps, approximately.

    Returns:
        Some of the shapes, by ascending cost; of shapes that cost the same, one.

    Raises:
        InputError: when there are no shapes.

    Example:
        >>> import math
        >>> from jaxsize.training.epoch_times import ladder
        >>> ladder([(width, 10) for width in range(1, 101)], math.prod, most=3)
        [(1, 10), (10, 10), (100, 10)]
    """
    prices = {shape: cost(shape) for shape in shapes}
    if not prices:
        raise InputError("ladder: expected a shape or more, got none")
    low, high = min(prices.values()), max(prices.values())
    rungs = np.geomspace(low, high, min(most, 1 + math.ceil(math.log(high / low) / math.log(apart))))
    nearest = {min(prices, key=lambda shape: (abs(math.log(prices[shape] / rung)), shape)) for rung in rungs}
    return sorted(nearest, key=lambda shape: (prices[shape], shape))


def runs_that_fill(num_runs: int, devices: Sequence[Device] = ()) -> int:
    """Tell how many runs keep all devices busy.

    Args:
        num_runs: runs that an accelerator trains at once.
        devices: JAX devices; by default all.

    Returns:
        On a CPU one run for each device, since a device trains its runs one after the other; elsewhere `num_runs`.

    Example:
        >>> import jax
        >>> from jaxsize.training.epoch_times import runs_that_fill
        >>> runs_that_fill(24, jax.devices("cpu")[:1])
        1
    """
    devices = devices or jax.devices()
    return len(devices) if devices[0].platform == "cpu" else num_runs


def measure_epochs(batches: Sequence[Batch], devices: Sequence[Device] = ()) -> list[float]:
    """Time an epoch of one run of each batch.

    There are several rounds, each of which times all batches one after the other, so that a passing load does not fall
    on one batch alone; the best round of a batch counts. Nothing else should run on the devices.

    Args:
        batches: batches of one data set, each of as many runs as fill the devices (`runs_that_fill`).
        devices: JAX devices to train on; by default as many as there are runs.

    Returns:
        Device-seconds for each batch: the wall seconds of an epoch of its program, times the devices, divided by the
        runs.
    """
    timed: list[_Timed] = []
    for batch in batches:
        timed.append(_Timed(batch, devices, timed[0].program if timed else None))
    rounds, start = [], perf_counter()
    while len(rounds) < ROUNDS or perf_counter() - start < SPAN:
        rounds.append([program.seconds() for program in timed])
    return np.min(rounds, axis=0).tolist()


class _Timed:
    """A warmed-up program and the number of epochs timed per round.

    Between the rounds its state is on the host: one state at a time has room on the devices.
    """

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
        """Device-seconds of an epoch of one run, timed over the epochs of a round."""
        state = jax.block_until_ready(self.program.axis.put(self.host))
        start = perf_counter()
        for _ in range(self.num_epochs):
            state = self._train(state)
        wall = (perf_counter() - start) / self.num_epochs
        self.host = self.program.axis.fetch(state)
        return wall * len(self.program.axis.devices) / len(self.runs)
