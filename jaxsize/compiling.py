"""The programs of a part: where each runs, and compiling them while others train."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from jaxsize.batches import Batch, Program, place_data
from jaxsize.runs import Device, RunAxis
from jaxsize.shrinking import Cohort, Widths

Tree = Any


class Compiler:
    """Compiles the programs of cohorts in the background, each once, on devices that others leave idle.

    cost(widths): multiply-adds of one epoch of one run. shapes(widths): of one run's parameters. program: one for all
    runs at full width, if there is one yet.
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
        """Nothing is compiled any more afterwards."""
        for threads in (self._beside_training, self._waited_for):
            threads.shutdown(cancel_futures=True)

    def begin(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[Future[Program]]:
        """Their programs, beside cohorts that train on these devices; new ones are compiled in the background."""
        return self._futures(cohorts, beside, self._beside_training)

    def _futures(
        self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]], threads: ThreadPoolExecutor
    ) -> list[Future[Program]]:
        if self._data is None:  # on all devices, for programs on any of them
            self._data = place_data(self.batch, self.axis)
        found = []
        for cohort, devices in zip(cohorts, self._placed(cohorts, beside), strict=True):
            key = len(cohort.runs), cohort.widths, devices
            if key not in self._programs:
                self._programs[key] = threads.submit(self._compiled, *key)
            found.append(self._programs[key])
        return found

    def finish(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[Program]:
        """Their programs, when all are compiled."""
        clock = time.perf_counter()
        programs = [program.result() for program in self._futures(cohorts, beside, self._waited_for)]
        self.seconds_waited += time.perf_counter() - clock
        return programs

    def _compiled(self, num_runs: int, widths: Widths, devices: tuple[Device, ...]) -> Program:
        starts = (num_runs, widths) == (len(self.start.runs), self.start.widths)  # no other program has to
        return Program(self.batch, num_runs, devices, params=None if starts else self.shapes(widths), data=self._data)

    def _placed(self, cohorts: Sequence[Cohort], beside: Mapping[Cohort, Sequence[Device]]) -> list[tuple[Device, ...]]:
        """The devices of each cohort. Cohorts train at the same time: each takes the devices with least to do, so that
        small ones fill what large ones leave idle. Those whose runs cost most are placed first."""
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
    """XLA spreads a matrix product evenly over all cores: a thread that compiles on one of them holds up all."""
    if sys.platform == "linux":  # where a thread has a priority of its own
        with contextlib.suppress(OSError):  # a sandbox may not allow it
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
