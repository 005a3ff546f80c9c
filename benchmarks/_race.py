"""Contenders that train the same seeds, timed in turns, beside the rate of matrix products that the machine reaches."""

import dataclasses
import importlib.util
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks._agreement import TOLERANCES, Result
from benchmarks._seeds_jax import WIDTHS, Problem, Products
from benchmarks._timing import Promise, device_name, machine, medians, num_cores, report, time_in_turns
from benchmarks._workers import Worker
from jaxsize.text_tables import format_table

SHARES = {(WIDTHS, 128): 0.78, (WIDTHS, 64): 0.65, (WIDTHS, 32): 0.5, ((64, 100, 10), 32): 0.05}
"""Least share of the rate of matrix products, by widths and batch size."""
PRODUCTS, PER_CORE = "matrix products", "PyTorch, a process per core"


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
    contenders = {"jaxsize": (ours, everything)} | {name: (other, everything) for name, other in others.items()}
    dealt = [range(core, num_runs, cores) for core in range(cores)]
    contenders[PER_CORE] = (next(iter(others.values())), dealt)
    if importlib.util.find_spec("torch") is None:
        contenders = {name: value for name, value in contenders.items() if "torch" not in value[0]}
        print("PyTorch is not installed: it is left out")
    seconds, checked = race_of(flags, problem, contenders, check)
    print_table(medians(seconds), seconds, dict.fromkeys(seconds, num_runs))
    return seconds, checked


def race_of(
    flags: Any,
    problem: Problem,
    contenders: Mapping[str, tuple[str, list[range]]],
    check: Callable[[dict[str, Result]], Any] = lambda results: None,
) -> tuple[dict[str, list[float]], Any]:
    """Time epochs of contenders, each with its parts of the seeds, in turns; and the machine's matrix products."""
    workers: dict[str, Worker] = {}
    try:
        for name, (contender, parts) in contenders.items():
            workers[name] = Worker(contender, problem, parts, pinned=name == PER_CORE, devices=name == "jaxsize")
            workers[name].epoch(first=True)
        checked = check({name: worker.result() for name, worker in workers.items()})
        workers[PRODUCTS] = Worker("benchmarks._seeds_jax:Products", problem, [range(len(problem.seeds))], devices=True)
        time_in_turns({name: worker.epoch for name, worker in workers.items()}, 1)
        return time_in_turns({name: worker.epoch for name, worker in workers.items()}, flags.repetitions), checked
    finally:
        for worker in workers.values():
            worker.close()


def shares(problem: Problem, seconds: dict[str, list[float]]) -> list[Promise]:
    """Print which share of the rate of matrix products the first contender reaches, and make the promise about it."""
    ours, products = next(iter(seconds.values())), seconds[PRODUCTS]
    peak = Products.flops(num_cores())
    share = max(
        problem.flops / statistic(ours) / (peak / statistic(products)) for statistic in (min, statistics.median)
    )
    name = f"{'-'.join(map(str, problem.widths))}, batch {problem.batch_size}"
    print(f"{name}: {problem.flops / min(ours) / 1e9:.0f} of {peak / min(products) / 1e9:.0f} GFLOP/s, {share:.2f}\n")
    bound = SHARES.get((problem.widths, problem.batch_size))
    return [] if bound is None else [Promise(f"share of the matrix products' rate, {name}", share, at_least=bound)]


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
        if name in seconds
    ]


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
    return report(name, device_name(), row, promises, smoke=flags.smoke)
