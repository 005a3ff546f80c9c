"""How much faster many seeds of the sparsifier train together than in other ways: an epoch of 784-500-10 units.

    python -m benchmarks.seeds                    on a CPU: five ways to train 11 runs
    python -m benchmarks.seeds --runs 30          on a GPU: 30 runs against 1 run

Promised on 4 cores: at least 2.5 times the seed-epochs per second of PyTorch's eager loop over seeds, 1.7 times those
of `torch.func.vmap`, and 1.4 times those of a JAX loop over seeds on one device with all threads. The strongest
set-up of PyTorch, one single-threaded process per core, is measured beside them. Promised on a GPU: 30 runs take at
most twice the time of 1. A speed-up is the smaller one of two ratios, that of the medians and that of the fastest
epochs: on cores that are shared with others, PyTorch's spinning threads can stall for seconds, and medians may say more
than is true.

Every contender has processes of its own (JAX and PyTorch slow each other down within one process). Its processes are
stopped while it is not their turn, so that not even a spinning thread runs. All contenders start with the same weights
and train the first epoch with the same orders of rows, and their results are compared before anything is timed. From
then on each draws its own orders and goes on training.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, Literal

import jax
import numpy as np
import tyro

from benchmarks._agreement import TOLERANCES, Result, differences, require_close
from benchmarks._seeds_jax import WIDTHS, Arrays, Jaxsize, Problem, flat, make_problem
from benchmarks._timing import Promise, device_name, machine, medians, num_cores, report, time_in_turns
from benchmarks._workers import Worker
from jaxsize.programs import use_all_cores
from jaxsize.text_tables import format_table

SPEED_UPS = {"PyTorch, seed by seed": 2.5, "torch.func.vmap": 1.7, "JAX, seed by seed": 1.4}
MOST_TIMES_ONE_RUN = 2.0


@dataclasses.dataclass(frozen=True)
class Flags:
    """How many runs, and how often they are timed."""

    runs: int = 11
    """Seeds that train."""
    repetitions: int = 7
    """Timed epochs of each contender; their median counts."""
    batch_size: int = 128
    """Rows per step."""
    steps: int = 100
    """Steps per epoch."""
    against: Literal["contenders", "one_run"] | None = None
    """What the batch of runs is compared with. Default: one_run on a GPU, contenders elsewhere."""


# --- The two comparisons.


def check(results: dict[str, Result], start: Arrays) -> dict[str, dict[str, float]]:
    """Print and return the differences of all results from the first one.

    Raises:
        SystemExit: when one is above `TOLERANCES`, or no gate was closed.
    """
    ours = next(iter(results.values()))
    print(f"{np.mean(ours[1]['hidden.liveness'] == 0):.1%} of the gates closed;", end=" ")
    checked = require_close(results, lambda ours, other: differences(ours, other, start), TOLERANCES)
    if not np.any(ours[1]["hidden.liveness"] == 0):
        raise SystemExit("no gate was closed: the check does not cover closed gates")
    return checked


def against_contenders(flags: Flags) -> int:
    """Compare the batch of runs with the other ways to train; return the exit status."""
    problem = make_problem(flags.runs, flags.steps, flags.batch_size)
    contenders = {
        "PyTorch, seed by seed": "benchmarks._seeds_torch:TorchLoop",
        "torch.func.vmap": "benchmarks._seeds_torch:TorchVmap",
        "JAX, seed by seed": "benchmarks._seeds_jax:JaxLoop",
    }
    seconds, checked = race(
        flags,
        problem,
        "benchmarks._seeds_jax:Jaxsize",
        contenders,
        lambda results: check(results, flat(problem.params)),
    )
    return report_seeds(flags, seconds, checked, speed_ups(seconds, SPEED_UPS), dict.fromkeys(seconds, flags.runs))


def race(
    flags: Any, problem: Problem, ours: str, others: dict[str, str], check: Callable[[dict[str, Result]], Any]
) -> tuple[dict[str, list[float]], Any]:
    """Time epochs of all contenders in turns.

    Args:
        flags: the flags of the benchmark.
        problem: what is trained.
        ours: MODULE:CLASS of jaxsize's contender.
        others: the same of the others, by name; the first of them is also measured in a process per core.
        check: compares the results after the first epoch.

    Returns:
        The seconds of every epoch by contender, and what `check` returned.
    """
    num_runs = len(problem.seeds)
    everything, cores = [range(num_runs)], min(num_cores(), num_runs)
    workers: dict[str, Worker] = {}
    try:
        workers["jaxsize"] = Worker(ours, problem, everything, devices=True)
        for name, contender in others.items():
            workers[name] = Worker(contender, problem, everything)
        dealt = [range(core, num_runs, cores) for core in range(cores)]
        loop = next(iter(others.values()))
        workers["PyTorch, a process per core"] = Worker(loop, problem, dealt, pinned=True)
        for worker in workers.values():
            worker.epoch(first=True)
        checked = check({name: worker.result() for name, worker in workers.items()})
        time_in_turns({name: worker.epoch for name, worker in workers.items()}, 1)
        seconds = time_in_turns({name: worker.epoch for name, worker in workers.items()}, flags.repetitions)
    finally:
        for worker in workers.values():
            worker.close()
    typical = medians(seconds)
    print_table(typical, seconds, dict.fromkeys(typical, num_runs))
    return seconds, checked


def speed_ups(seconds: dict[str, list[float]], bounds: dict[str, float]) -> list[Promise]:
    """Make the promises about the speed-up of the first contender over others.

    A speed-up is the smaller one of two ratios: that of the medians and that of the fastest epochs.
    """
    typical = medians(seconds)
    first = next(iter(seconds))
    return [
        Promise(
            f"speed-up over {name}, medians or fastest",
            min(typical[name] / typical[first], min(seconds[name]) / min(seconds[first])),
            at_least=bound,
        )
        for name, bound in bounds.items()
    ]


def against_one_run(flags: Flags) -> int:
    """Compare the batch of runs with a single run; return the exit status."""
    use_all_cores()
    problem = make_problem(flags.runs, flags.steps, flags.batch_size)
    names = {f"{flags.runs} runs": flags.runs, "1 run": 1}
    learners = {name: Jaxsize(problem.only(range(count))) for name, count in names.items()}
    for learner in learners.values():
        learner.epoch(first=True)
    results = {}
    for name, learner in learners.items():
        losses, params = learner.result()
        results[name] = losses[:1], {key: leaf[:1] for key, leaf in params.items()}
    checked = check(results, {key: leaf[:1] for key, leaf in flat(problem.params).items()})
    measures = {name: lambda learner=learner: learner.epoch(first=False) for name, learner in learners.items()}
    time_in_turns(measures, 1)
    seconds = time_in_turns(measures, flags.repetitions)
    typical = medians(seconds)
    print_table(typical, seconds, names)
    many, one = typical.values()
    promises = [Promise(f"time of {flags.runs} runs over that of 1", many / one, at_most=MOST_TIMES_ONE_RUN)]
    return report_seeds(flags, seconds, checked, promises, names)


def print_table(typical: dict[str, float], seconds: dict[str, list[float]], num_runs: dict[str, int]) -> None:
    """Print seed-epochs per second, seconds per epoch, and how many times faster the first contender is."""
    first = next(iter(typical))

    def times(values: dict[str, float], name: str) -> str:
        """How many seed-epochs the first contender does in the time of one seed-epoch of `name`."""
        return f"{values[name] / num_runs[name] / (values[first] / num_runs[first]):.2f}"

    fastest = {name: min(values) for name, values in seconds.items()}
    rows = [
        [
            name,
            f"{num_runs[name] / median:.2f}",
            f"{median:.3f}",
            f"{fastest[name]:.3f} .. {max(seconds[name]):.3f}",
            times(typical, name),
            times(fastest, name),
        ]
        for name, median in typical.items()
    ]
    header = ["", "seed-epochs/s", "seconds", "from .. to", f"times {first}", "fastest"]
    print(format_table(header, rows))


def report_seeds(
    flags: Any,
    seconds: dict[str, list[float]],
    checked: Any,
    promises: list[Promise],
    num_runs: dict[str, int],
    name: str = "seeds",
    tolerances: dict[str, float] = TOLERANCES,
) -> int:
    """Print and write what was measured, as `_timing.report` does; return the exit status."""
    row = machine("torch", "tyro") | {
        "device": device_name(),
        "dtype": "float32",
        "widths": WIDTHS,
        "rows": flags.steps * flags.batch_size,
        "settings": dataclasses.asdict(flags),
        "tolerances": tolerances,
        "differences_after_one_epoch": checked,
        "runs": num_runs,
        "seconds": seconds,
        "median_seconds": medians(seconds),
    }
    return report(name, device_name(), row, promises)


def main(flags: Flags) -> int:
    """Run the comparison that the flags or the machine choose; return the exit status."""
    against = flags.against or ("one_run" if jax.default_backend() == "gpu" else "contenders")
    return (against_one_run if against == "one_run" else against_contenders)(flags)


if __name__ == "__main__":
    sys.exit(main(tyro.cli(Flags)))
