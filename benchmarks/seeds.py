"""How much faster many seeds of the sparsifier train together than in other ways: an epoch of 784-500-10 units.

    python -m benchmarks.seeds                    on a CPU: four ways to train 11 runs, and what the machine can do
    python -m benchmarks.seeds --runs 30          on a GPU: 30 runs against 1 run

Promised on a CPU: at batch 128 at least 78 % of the rate of large matrix products, on all cores and measured in the
same run; 1.2 times the seed-epochs per second of a JAX loop over seeds on one device; and beside PyTorch what the
number of cores allows (`SPEED_UPS`): on two cores it keeps both busy by itself, and the difference of the two shares is
left. The strongest set-up of PyTorch, one single-threaded process per core, is measured beside them. Smaller batches,
and the default of `experiments.sparsifier` on digits, where what is done between matrix products rules, have promises
of their own (`_race.SHARES`). Promised on a GPU: 30 runs take at most twice the time of 1. A ratio is the smaller one
of two, that of the medians and that of the fastest epochs: on cores that are shared with others, PyTorch's spinning
threads can stall for seconds, and medians may say more than is true.

Every contender has processes of its own (JAX and PyTorch slow each other down within one process). Its processes are
stopped while it is not their turn, so that not even a spinning thread runs. All contenders start with the same weights
and train the first epoch with the same orders of rows, and their results are compared before anything is timed. From
then on each draws its own orders and goes on training.
"""

import dataclasses
from typing import Literal

import jax
import numpy as np

from benchmarks._agreement import TOLERANCES, Result, differences, require_close
from benchmarks._race import SHARES, print_table, race, race_of, report_seeds, shares, speed_ups
from benchmarks._seeds_jax import Arrays, Jaxsize, flat, make_problem
from benchmarks._timing import Promise, medians, num_cores, run, time_in_turns
from jaxsize.programs import use_all_cores

SPEED_UPS = {
    2: {"PyTorch, seed by seed": 1.4, "torch.func.vmap": 1.2, "JAX, seed by seed": 1.2},
    4: {"PyTorch, seed by seed": 2.5, "torch.func.vmap": 1.7, "JAX, seed by seed": 1.4},
}
"""By number of cores, the largest one that is not above the machine's."""
MOST_TIMES_ONE_RUN = 2.0
SMOKE = {"runs": 2, "repetitions": 1, "batch_size": 16, "steps": 40}


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
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


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
    promises = shares(problem, seconds)
    for widths, batch_size in list(SHARES)[1 : 2 if flags.smoke else None]:
        other = make_problem(flags.runs, flags.steps, batch_size, widths)
        more = race_of(flags, other, {"jaxsize": ("benchmarks._seeds_jax:Jaxsize", [range(flags.runs)])})[0]
        print_table(medians(more), more, dict.fromkeys(more, flags.runs))
        promises += shares(other, more)
        seconds |= {f"{name}, {'-'.join(map(str, widths))}, batch {batch_size}": each for name, each in more.items()}
    bounds = SPEED_UPS[max(cores for cores in SPEED_UPS if cores <= max(2, num_cores()))]
    return report_seeds(
        flags, seconds, checked, promises + speed_ups(seconds, bounds), dict.fromkeys(seconds, flags.runs)
    )


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


def main(flags: Flags) -> int:
    """Run the comparison that the flags or the machine choose; return the exit status."""
    against = flags.against or ("one_run" if jax.default_backend() == "gpu" else "contenders")
    return (against_one_run if against == "one_run" else against_contenders)(flags)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
