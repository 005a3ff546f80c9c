"""The programs of a part: on which devices each runs, and compiling them while others train."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from jaxsize.programs._placing import place_data
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.run_axis import Device, RunAxis
from jaxsize.resizing._regrouping import Cohort
from jaxsize.resizing.shrinking import Widths
from jaxsize.trees import Tree


class Compiler:
    """A compiler of the programs of cohorts: in the background, each once, for devices that others leave idle.

    Args:
        batch: the batch that the runs are of.
        start: the cohort of all runs at full width.
        devices: JAX devices to use; by default as many of `jax.devices()` as there are runs.
        program: a program for all runs at full width, if there is one yet; its devices are used, and its data.
        cost: multiply-adds of one epoch of one run at given widths.
        shapes: shapes and dtypes of one run's parameters at given widths.
    """

    def __init__(
        self,
        batch: Batch,
        start: Cohort,
        devices: Sequence[Device],
        program: Program | None,
        *,
        cost: Callable[[Widths], float],
        shapes: Callable[[Widths], Tree],
    ):
        self.batch, self.start, self.cost, self.shapes = batch, start, cost, shapes
        self.axis = RunAxis(len(start.runs), tuple(devices)) if program is None else program.axis
        self.seconds_waited = 0.0
        self._data = None if program is None else program.data
        self._programs: dict[tuple[int, Widths, tuple[Device, ...]], Future[Program]] = {}
        if program is not None:
            self._programs[len(start.runs), start.widths, program.axis.devices] = Future()
            self._programs[len(start.runs), start.widths, program.axis.devices].set_result(program)
        self._beside_training = ThreadPoolExecutor(os.cpu_count(), initializer=_yield_to_training)
        self._waited_for = ThreadPoolExecutor(os.cpu_count())

    @property
    def num_programs(self) -> int:
        """Programs compiled so far, or being compiled."""
        return len(self._programs)

    def close(self) -> None:
        """Stop compiling, for good: wait for what is being compiled, and give up what is not begun."""
        for threads in (self._beside_training, self._waited_for):
            threads.shutdown(cancel_futures=True)

    def begin(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[Future[Program]]:
        """Begin to compile the programs of cohorts in the background, at the lowest priority.

        Args:
            cohorts: the cohorts that need a program; a program that is there already is not compiled again.
            beside: the devices of every cohort that trains at the same time.

        Returns:
            A future of each cohort's program.
        """
        return self._futures(cohorts, beside, self._beside_training)

    def _futures(
        self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]], threads: ThreadPoolExecutor
    ) -> list[Future[Program]]:
        if self._data is None:  # on all devices, for programs on any of them
            self._data = place_data(self.batch, self.axis)
        futures = []
        for cohort, devices in zip(cohorts, self._placed(cohorts, beside), strict=True):
            key = len(cohort.runs), cohort.widths, devices
            if key not in self._programs:
                self._programs[key] = threads.submit(self._compiled, *key)
            futures.append(self._programs[key])
        return futures

    def finish(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[Program]:
        """Wait until the programs of cohorts are compiled; the seconds of it add to `seconds_waited`.

        Args:
            cohorts: the cohorts that need a program.
            beside: the devices of every cohort that trains at the same time.

        Returns:
            Each cohort's program.
        """
        clock = time.perf_counter()
        programs = [program.result() for program in self._futures(cohorts, beside, self._waited_for)]
        self.seconds_waited += time.perf_counter() - clock
        return programs

    def _compiled(self, num_runs: int, widths: Widths, devices: tuple[Device, ...]) -> Program:
        starts = (num_runs, widths) == (len(self.start.runs), self.start.widths)  # no other program starts runs
        return Program(self.batch, num_runs, devices, params=None if starts else self.shapes(widths), data=self._data)

    def _placed(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[tuple[Device, ...]]:
        """The devices of each cohort.

        Cohorts train at the same time: each takes the devices with least to do, so that small cohorts fill what large
        ones leave idle. The cohorts whose runs cost most are placed first.
        """
        load = dict.fromkeys(self.axis.devices, 0.0)

        def add(cohort: Cohort, devices: Sequence[Device]) -> None:
            for device in devices:
                load[device] += -(-len(cohort.runs) // len(devices)) * self.cost(cohort.widths)

        for cohort, devices in beside.items():
            add(cohort, devices)
        placed: dict[int, tuple[Device, ...]] = {}
        for index in sorted(range(len(cohorts)), key=lambda index: -self.cost(cohorts[index].widths)):
            idle = sorted(load, key=lambda device: load[device])[: len(cohorts[index].runs)]
            placed[index] = tuple(device for device in load if device in idle)
            add(cohorts[index], placed[index])
        return [placed[index] for index in range(len(cohorts))]


def _yield_to_training() -> None:
    """Give this thread the lowest priority.

    XLA spreads a matrix product evenly over all cores: a thread that compiles on one of them holds up all.
    """
    if sys.platform == "linux":  # where a thread has a priority of its own
        with contextlib.suppress(OSError):  # a sandbox may not allow it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
