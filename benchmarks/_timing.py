"""What the benchmarks share: timing in turns, promises, and a row file that says what was measured, and on what."""

import dataclasses
import importlib.metadata
import os
import platform
import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxsize.json_files import write_json
from jaxsize.records import versions
from jaxsize.tables import format_table

RESULTS = Path(__file__).parent / "results"


def time_in_turns(measures: Mapping[str, Callable[[], object]], repetitions: int) -> dict[str, list[float]]:
    """Seconds of every call of every measure, each called `repetitions` times, in an order reversed each time.

    So a machine that slows down for a while slows all of them. A measure returns when its work is done (JAX:
    `block_until_ready`), and was called before, so that nothing is compiled here.
    """
    seconds: dict[str, list[float]] = {name: [] for name in measures}
    for repetition in range(repetitions):
        for name in list(measures)[:: -1 if repetition % 2 else 1]:
            start = time.perf_counter()
            measures[name]()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in seconds.items()}


@dataclasses.dataclass(frozen=True)
class Promise:
    """A number that was promised to be at least, or at most, a bound."""

    what: str
    measured: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        high_enough = self.at_least is None or self.measured >= self.at_least
        return high_enough and (self.at_most is None or self.measured <= self.at_most)

    @property
    def bound(self) -> str:
        return f">= {self.at_least:g}" if self.at_least is not None else f"<= {self.at_most:g}"


def report(name: str, device: str, row: Mapping[str, Any], promises: Sequence[Promise]) -> int:
    """Prints the promises, writes `row` with them to results/NAME-DEVICE.json, and returns the exit status: 1 if one
    was broken."""
    lines = [[p.what, f"{p.measured:.3g}", p.bound, "kept" if p.kept else "BROKEN"] for p in promises]
    print("\n" + format_table(["promise", "measured", "bound", ""], lines))
    kept = all(promise.kept for promise in promises)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}.json"
    told = [dataclasses.asdict(promise) | {"kept": promise.kept} for promise in promises]
    write_json(path, {"benchmark": name, **row, "promises": told, "kept": kept})
    print(f"\n{path.relative_to(RESULTS.parent.parent)}")
    return 0 if kept else 1


def machine(*packages: str) -> dict[str, Any]:
    """What a row says of the machine: processor, cores of this process, load at the time, versions."""
    return {
        "processor": _processor(),
        "cores": num_cores(),
        "load_average": os.getloadavg()[0],
        "versions": versions() | {name: _version(name) for name in packages},
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:  # as PyTorch on a machine that measures jaxsize alone
        return None


def num_cores() -> int:
    return len(os.sched_getaffinity(0))


def device_name() -> str:
    """A name for the device that JAX computes on, for a file: the accelerator's, or how many CPU cores there are."""
    import jax

    device = jax.devices()[0]
    return f"cpu-{num_cores()}-cores" if device.platform == "cpu" else device.device_kind


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):  # not Linux
        return platform.processor()
