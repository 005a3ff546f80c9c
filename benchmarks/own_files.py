"""What a study of many batches spends on its own files: rows, events, checkpoints.

    python -m benchmarks.own_files             60 batches of 10 runs and 100 epochs, 60 000 rows: minutes

Small networks (64-32-10) on the digits, a batch each; at the end all rows are read, as a summary does. Promised: rows
and events take less than 2 % of the time.
"""

import dataclasses
import tempfile
import time
from pathlib import Path
from typing import Any

import jax

from benchmarks._timing import Promise, device_name, machine, report, run
from jaxsize.data import load
from jaxsize.learners.plain import PlainConfig
from jaxsize.networks import mlp
from jaxsize.programs import Config, use_all_cores
from jaxsize.results import Runs, checkpoints, open_folder
from jaxsize.results.rows import Rows
from jaxsize.sweeps import layer_rate_sweep
from jaxsize.text_tables import format_table
from jaxsize.training import Progress, train

MOST = 0.02


@dataclasses.dataclass(frozen=True)
class Flags:
    """The size of the study."""

    batches: int = 60
    """Batches, trained one after the other."""
    runs: int = 10
    """Runs of a batch."""
    epochs: int = 100
    """Epochs of a run."""
    smoke: bool = False
    """A tiny study, to show that it works; nothing is written."""


SMOKE = {"batches": 2, "runs": 2, "epochs": 2}


def time_calls(owner: Any, names: tuple[str, ...], kind: str, seconds: dict[str, float]) -> None:
    """Have every call of some functions of a class or module counted as seconds of a kind; not calls within calls."""
    inside: list[str] = []

    def timed(function: Any) -> Any:
        def call(*args: Any, **named: Any) -> Any:
            if inside:
                return function(*args, **named)
            inside.append(kind)
            start = time.perf_counter()
            try:
                return function(*args, **named)
            finally:
                inside.clear()
                seconds[kind] = seconds.get(kind, 0.0) + time.perf_counter() - start

        return call

    for name in names:
        if hasattr(owner, name):
            setattr(owner, name, timed(getattr(owner, name)))


def main(flags: Flags) -> int:
    """Train, print and write what took how long; return the exit status."""
    use_all_cores()
    seconds: dict[str, float] = {}
    time_calls(Rows, ("append", "read", "truncate", "check", "resume", "mark"), "rows and events", seconds)
    time_calls(checkpoints, ("save", "restore", "latest", "shapes"), "checkpoints", seconds)
    jax.devices()
    data, start = load("digits"), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = open_folder(Path(scratch, "study"), {})
        progress = Progress(flags.batches * flags.epochs)
        for number in range(flags.batches):
            batch = layer_rate_sweep(
                data,
                mlp((data.num_inputs, 32, data.num_outputs), gate=None, bias=None),
                plain=PlainConfig(),
                settings=[{"seed": seed, "learning_rates": 1e-3} for seed in range(flags.runs)],
                name=f"batch_{number}",
                label={"batch": f"batch_{number}"},
                first_run=number * flags.runs,
                config=Config(batch_size=128),
                num_epochs=flags.epochs,
            )
            train(batch, folder, progress)
        progress.close()
        num_rows = len(folder.rows.read())
        Runs(folder, {"num_seeds": flags.runs}).values("batch")
        total = time.perf_counter() - start
    lines = [[kind, f"{spent:.2f}", f"{spent / total:.2%}"] for kind, spent in seconds.items()]
    print(f"{flags.batches} batches, {num_rows} rows")
    print(format_table(["", "seconds", "share"], [*lines, ["in all", f"{total:.1f}", ""]]))
    promises = [Promise("share of rows and events", seconds["rows and events"] / total, at_most=MOST)]
    row = machine() | {"device": device_name(), "settings": dataclasses.asdict(flags), "seconds": dict(seconds)}
    row |= {"total_seconds": total, "rows": num_rows}
    return report("own_files", device_name(), row, promises, smoke=flags.smoke)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
