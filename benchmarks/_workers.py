"""The processes in which contenders train: stopped between requests, so that each is timed alone."""

import contextlib
import importlib
import multiprocessing
import os
import signal
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, Protocol

import numpy as np

from benchmarks._seeds_jax import Arrays
from jaxsize.programs import use_all_cores


class Problem(Protocol):
    """What is trained or computed; it can be divided among processes."""

    def only(self, runs: Sequence[int], /) -> Any:
        """Return the problem of these runs alone."""


def _serve(contender: str, problem: Problem, cores: set[int], devices: bool, pipe: Connection) -> None:
    """The work of a process: prepare the contender, say so, and answer requests until killed or the pipe is closed."""
    os.sched_setaffinity(0, cores)  # before JAX or PyTorch counts its threads
    if devices:
        use_all_cores()
    module, name = contender.split(":")
    learner = getattr(importlib.import_module(module), name)(problem)
    pipe.send(None)
    with contextlib.suppress(EOFError):
        while True:
            request, *arguments = pipe.recv()
            pipe.send(getattr(learner, request)(*arguments))


class Worker:
    """A contender in `len(parts)` processes, each with a part of the seeds. They are stopped between requests.

    Args:
        contender: MODULE:CLASS of the contender.
        problem: what it trains.
        parts: the seeds of each process.
        pinned: each process may use one core only.
        devices: every core is a JAX device.
    """

    def __init__(
        self, contender: str, problem: Problem, parts: list[range], *, pinned: bool = False, devices: bool = False
    ):
        context = multiprocessing.get_context("spawn")
        cores = sorted(os.sched_getaffinity(0))
        self.order = np.argsort([run for part in parts for run in part])
        self.processes, self.pipes = [], []
        for index, part in enumerate(parts):
            here, there = context.Pipe()
            allowed = {cores[index]} if pinned else set(cores)
            arguments = (contender, problem.only(part), allowed, devices, there)
            self.processes.append(context.Process(target=_serve, args=arguments, daemon=True))
            self.pipes.append(here)
            self.processes[-1].start()
            there.close()  # so that a worker that dies is noticed: recv raises EOFError
        self._receive()

    def _receive(self) -> list[Any]:
        answers = [pipe.recv() for pipe in self.pipes]
        self._signal(signal.SIGSTOP)
        return answers

    def _signal(self, which: signal.Signals) -> None:
        for process in self.processes:
            os.kill(process.pid, which)

    def ask(self, *request: Any) -> list[Any]:
        """Call a method of the contender in all processes, with these arguments, and return the answers."""
        self._signal(signal.SIGCONT)
        for pipe in self.pipes:
            pipe.send(request)
        return self._receive()

    def epoch(self, first: bool = False) -> None:
        """Train one epoch."""
        self.ask("epoch", first)

    def result(self) -> tuple[np.ndarray, Arrays]:
        """Return the contender's result, of all seeds in order."""
        losses, params = zip(*self.ask("result"), strict=True)
        joined = {name: np.concatenate([part[name] for part in params])[self.order] for name in params[0]}
        return np.concatenate(losses)[self.order], joined

    def close(self) -> None:
        """Kill the processes."""
        for process in self.processes:
            process.kill()
            process.join()
