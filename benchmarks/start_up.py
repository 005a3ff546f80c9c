"""How long a study takes from its command to its first row of results.

    python -m benchmarks.start_up

What is started is `python -m experiments.sparsifier`, with so few rows and seeds that the training before the first row
takes milliseconds: once on the digits, and once with a 784-500-10 network on synthetic files in MNIST's format. A cold
start has an empty folder of compiled programs, a warm start the folder that an earlier run left. From both, the time of
a process that does `import jax; jax.devices()` is subtracted. Promised: at most 2.5 s cold, 1.5 s warm.

Checked first: the rows of a cold and of a warm run are the same. Where the time goes is printed at the end, and written
to the file of results.
"""

import collections
import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._stages import STAGES
from benchmarks._timing import Promise, device_name, machine, medians, report, run, time_in_turns
from jaxsize.results import BatchRows
from jaxsize.text_tables import format_table

MOST_COLD, MOST_WARM = 2.5, 1.5
FEW = ("--num-seeds", "2", "--penalties", "0.1", "0.01", "--epochs", "2")
NETWORKS = {
    "digits 64-100-10": ("--dataset", "digits"),
    "mnist 784-500-10": ("--dataset", "mnist", "--data-dir", "DATA"),
}
ONLY_JAX = "import jax; jax.devices(); print(flush=True)"
REPOSITORY = Path(__file__).parent.parent


@dataclasses.dataclass(frozen=True)
class Flags:
    """How often each start is timed."""

    repetitions: int = 7
    """Starts of each kind; their median counts."""
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


SMOKE = {"repetitions": 1}


# --- Starting and waiting.


def write_mnist(folder: Path) -> None:
    """Write random images as the four files of MNIST; they are few, so that an epoch is short."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for part, num_rows in (("train", 768), ("t10k", 128)):
        images, labels = rng.integers(0, 256, (num_rows, 28, 28), np.uint8), rng.integers(0, 10, num_rows, np.uint8)
        for kind, values in ((f"images-idx{images.ndim}", images), (f"labels-idx{labels.ndim}", labels)):
            header = bytes((0, 0, 8, values.ndim)) + np.array(values.shape, ">u4").tobytes()
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())


@contextmanager
def process(command: Sequence[str], cache: Path, **options: Any) -> Iterator[subprocess.Popen]:
    """Run Python with `cache` as its folder of compiled programs, and kill it at the end of the `with` block."""
    environment = os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)}
    started = subprocess.Popen([sys.executable, *command], env=environment, cwd=REPOSITORY, **options)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def first_rows(command: Sequence[str], cache: Path, **options: Any) -> list[dict[str, Any]]:
    """Start a study, wait until the rows of its first epoch are on the disk, kill it, and return the rows."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        with process([*command, "--out", str(out)], cache, stdout=subprocess.DEVNULL, **options) as started:
            while not any(path.stat().st_size for path in out.glob("rows/*.jsonl")):
                if started.poll() is not None:
                    raise SystemExit(f"{' '.join(command)}: ended without a row, exit status {started.returncode}")
                time.sleep(0.002)
            rows = BatchRows(out / "rows").read()
    return [row for row in rows if row["epoch"] == 1]


def only_jax(cache: Path) -> None:
    """Run a process that only imports JAX and looks for devices."""
    with process(["-c", ONLY_JAX], cache, stdout=subprocess.PIPE) as started:
        assert started.stdout is not None and started.stdout.readline() == b"\n"


# --- Where the time goes.


def stages_of(arguments: Sequence[str], cache: Path) -> dict[str, float]:
    """Return the seconds of every stage of one start of the study."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "stages.json")
        code = "import sys; from benchmarks._stages import trace; trace(float(sys.argv[1]), sys.argv[2], sys.argv[3:])"
        first_rows(["-c", code, str(time.time()), str(path), *arguments], cache)
        return json.loads(path.read_text())


def imports_of(start: Callable[[Any], object]) -> dict[str, float]:
    """Return the seconds of importing by package, without what a package imports in turn.

    Args:
        start: runs a process with `python -X importtime`, with the file that it gets as its standard error.
    """
    with tempfile.TemporaryFile() as errors:
        start(errors)
        errors.seek(0)
        lines = errors.read().decode()
    seconds: dict[str, float] = collections.defaultdict(float)
    for own, name in re.findall(r"^import time: +(\d+) \| +\d+ \| +([\w.]+)$", lines, re.MULTILINE):
        seconds[name.split(".")[0]] += int(own) / 1e6
    return dict(seconds)


# --- The measurement.


def without_clock(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows without the columns of times."""
    return [{key: value for key, value in row.items() if not key.endswith("seconds")} for row in rows]


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        temporary = Path(scratch)
        write_mnist(temporary / "data" / "mnist")
        networks = {
            name: [*FEW, *(str(temporary / "data") if argument == "DATA" else argument for argument in arguments)]
            for name, arguments in list(NETWORKS.items())[: 1 if flags.smoke else None]
        }

        def cold(arguments: Sequence[str]) -> list[dict[str, Any]]:
            with tempfile.TemporaryDirectory(dir=temporary) as cache:
                return first_rows(["-m", "experiments.sparsifier", *arguments], Path(cache))

        def warm(arguments: Sequence[str]) -> list[dict[str, Any]]:
            return first_rows(["-m", "experiments.sparsifier", *arguments], temporary / "warm")

        measures: dict[str, Callable[[], object]] = {"import jax; jax.devices()": lambda: only_jax(temporary / "none")}
        for name, arguments in networks.items():
            warm(arguments)
            if without_clock(cold(arguments)) != without_clock(warm(arguments)):
                raise SystemExit(f"{name}: a warm start gave other rows than a cold one; nothing was timed")
            if not flags.smoke:
                measures[f"{name}, cold"] = lambda arguments=arguments: cold(arguments)
            measures[f"{name}, warm"] = lambda arguments=arguments: warm(arguments)
        seconds = time_in_turns(measures, flags.repetitions)

        stages = {}
        for name, arguments in networks.items():
            if not flags.smoke:
                with tempfile.TemporaryDirectory(dir=temporary) as cache:
                    stages[f"{name}, cold"] = stages_of(arguments, Path(cache))
            stages[f"{name}, warm"] = stages_of(arguments, temporary / "warm")
        first = next(iter(networks.values()))
        imports = {
            "experiment": imports_of(
                lambda errors: first_rows(
                    ["-X", "importtime", "-m", "experiments.sparsifier", *first],
                    temporary / "warm",
                    stderr=errors,
                )
            ),
            "only JAX": imports_of(
                lambda errors: subprocess.run(
                    [sys.executable, "-X", "importtime", "-c", ONLY_JAX], stderr=errors, stdout=subprocess.DEVNULL
                )
            ),
        }

    typical = medians(seconds)
    base, *starts = typical
    own = {name: typical[name] - typical[base] for name in starts}
    rows = [
        [name, f"{value:.2f}", f"{min(seconds[name]):.2f} .. {max(seconds[name]):.2f}", f"{own.get(name, 0):.2f}"]
        for name, value in typical.items()
    ]
    print(format_table(["", "seconds", "from .. to", "our own"], rows) + "\n")
    _print_stages(stages)
    _print_imports(imports)
    row = machine("tyro") | {
        "device": device_name(),
        "dtype": "float32",
        "networks": NETWORKS,
        "settings": dataclasses.asdict(flags),
        "seconds": seconds,
        "median_seconds": typical,
        "own_seconds": own,
        "stages": stages,
        "imports": imports,
    }
    promises = [Promise(name, own[name], at_most=MOST_COLD if name.endswith("cold") else MOST_WARM) for name in starts]
    return report("start_up", device_name(), row, promises, smoke=flags.smoke)


def _print_stages(stages: dict[str, dict[str, float]]) -> None:
    labels = list(dict.fromkeys(label for each in stages.values() for label in each))
    order = ["interpreter", "imports", *(label for label, _, _ in STAGES), "rest, training included"]
    labels.sort(key=lambda label: order.index(label) if label in order else len(order))
    rows = [[label, *(f"{each.get(label, 0):.3f}" for each in stages.values())] for label in labels]
    print(format_table(["seconds of one start", *stages], rows) + "\n")


def _print_imports(imports: dict[str, dict[str, float]], shown: int = 14) -> None:
    ours, base = imports.values()
    names = sorted(ours, key=lambda name: base.get(name, 0) - ours[name])[:shown]
    rows = [[name, f"{ours[name]:.3f}", f"{base.get(name, 0):.3f}"] for name in names]
    rows.append(["all packages", *(f"{sum(each.values()):.3f}" for each in imports.values())])
    print(format_table(["importing, s", *imports], rows))


if __name__ == "__main__":
    run(main, Flags, SMOKE)
