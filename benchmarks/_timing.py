"""What the benchmarks share: timing in turns, promises, and a file that records what was measured on which machine."""

import dataclasses
import importlib.metadata
import os
import platform
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from jaxsize.results import versions
from jaxsize.results.json_files import write_json
from jaxsize.text_tables import format_table

RESULTS = Path(__file__).parent / "results"
"""The folder of result files."""


def time_in_turns(measures: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    """Time every measure in turn, `repetitions` times, in an order that is reversed from one repetition to the next.

    A machine that slows down for a while thus slows all measures. A measure must return only when its work is done
    (JAX: `block_until_ready`), and must have been called before, so that nothing is compiled here.

    Returns:
        The seconds of every call, by name of the measure.
    """
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for repetition in range(repetitions):
        for name in list(measures)[:: -1 if repetition % 2 else 1]:
            start = time.perf_counter()
            measures[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def run(main: Callable[[Any], int], flags: type, smoke: Mapping[str, Any]) -> NoReturn:
    """Read the command line of a benchmark, run it, and exit with its status.

    Args:
        main: gets the flags and returns the exit status.
        flags: a dataclass with a field `smoke`.
        smoke: the values of fields that --smoke sets.
    """
    import tyro

    parsed = tyro.cli(flags)
    sys.exit(main(dataclasses.replace(parsed, **smoke) if parsed.smoke else parsed))


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return the median of each entry."""
    return {name: statistics.median(values) for name, values in seconds.items()}


@dataclasses.dataclass(frozen=True)
class Promise:
    """A measured number that was promised to be at least, or at most, a bound."""

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the number is within the bound."""
        high_enough = self.at_least is None or self.measured >= self.at_least
        return high_enough and (self.at_most is None or self.measured <= self.at_most)

    @property
    def bound(self) -> str:
        """The bound in text."""
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


def report_path(name: str, device: str) -> Path:
    """Return the path of the results file of a benchmark on a device."""
    return RESULTS / f"{name}-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}.json"


def report(name: str, device: str, row: Mapping[str, Any], promises: Sequence[Promise], *, smoke: bool = False) -> int:
    """Print the promises, write them and `row` to results/NAME-DEVICE.json, and return the exit status.

    Args:
        name: the benchmark.
        device: what was measured on.
        row: what was measured.
        promises: what was promised of it.
        smoke: nothing is written, and no promise counts: tiny sizes say nothing about speed.

    Returns:
        1 if a promise was broken, else 0.
    """
    if smoke:
        print(f"\n{name}: it works; such sizes say nothing about speed")
        return 0
    lines = [[p.what, f"{p.measured:.3g}", p.bound, "kept" if p.kept else "BROKEN"] for p in promises]
    print("\n" + format_table(["promise", "measured", "bound", ""], lines))
    kept = all(promise.kept for promise in promises)
    RESULTS.mkdir(exist_ok=True)
    path = report_path(name, device)
    outcomes = [dataclasses.asdict(promise) | {"kept": promise.kept} for promise in promises]
    write_json(path, {"benchmark": name, **row, "promises": outcomes, "kept": kept})
    print(f"\n{path.relative_to(RESULTS.parent.parent)}")
    return 0 if kept else 1


def machine(*packages: str) -> dict[str, Any]:
    """Describe the machine for a record: processor, cores of this process, load now, and versions of software."""
    return {
        "processor": _processor(),
        "cores": num_cores(),
        "load_average": os.getloadavg()[0],
        "versions": versions() | {name: _version(name) for name in packages},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # for example PyTorch, on a machine that measures jaxsize alone
        return None


def num_cores() -> int:
    """Return the number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0))


def device_name() -> str:
    """Return a name for the device that JAX computes on: the accelerator's name, or the number of CPU cores."""
    import jax

    device = jax.devices()[0]
    return f"cpu-{num_cores()}-cores" if device.platform == "cpu" else device.device_kind


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux
        return platform.processor()
