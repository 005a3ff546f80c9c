"""How much faster networks of flexible size train together than one after the other in PyTorch.

Timed is an epoch of networks of 784-500-10 units, every seed with both slopes of the gate.

    python -m benchmarks.flexible_seeds               about a minute
    python -m benchmarks.flexible_seeds --seeds 30    the runs of J10: 30 seeds, 2 slopes

Promised on 4 cores: at least 2.5 times the seed-epochs per second of PyTorch's eager loop over runs. The strongest
set-up of PyTorch, one single-threaded process per core, is measured beside it. `seeds` explains how all is measured.
"""

import dataclasses
import functools

import numpy as np

from benchmarks._agreement import Result, distances, require_close
from benchmarks._race import race, report_seeds, shares, speed_ups
from benchmarks._seeds_jax import Arrays, flat, make_flexible_problem
from benchmarks._timing import run

LOOP = "PyTorch, run by run"
SPEED_UPS = {LOOP: 2.5}
SLOPES = (0.4, 1.0)
SMOKE = {"seeds": 1, "repetitions": 1, "batch_size": 16, "steps": 60}
TOLERANCES = {"losses": 1e-4, "weights": 1e-2, "sizes": 0.2}
"""Largest differences from jaxsize's results that are allowed after the first epoch.

losses: of all steps, relative. weights: relative to how far they moved. sizes: in units. A penalty or a learning rate
that is wrong by 1 % exceeds them.
"""


@dataclasses.dataclass(frozen=True)
class Flags:
    """How many runs, and how often they are timed."""

    seeds: int = 6
    """Seeds; each trains with every slope."""
    repetitions: int = 7
    """Timed epochs of each contender; their median counts."""
    batch_size: int = 128
    """Rows per step."""
    steps: int = 100
    """Steps per epoch."""
    start_size: float = 50.0
    """Units that are on before training."""
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


def differences(start: Arrays, ours: Result, other: Result) -> dict[str, float]:
    """Return `distances`, and under `sizes` the largest difference of sizes, in units.

    Raises:
        SystemExit: when a size of jaxsize moved by less than a unit.
    """
    sizes, our_sizes = (params["hidden.size"] for _, params in (other, ours))
    if np.abs(our_sizes - start["hidden.size"]).min() < 1:
        raise SystemExit("a size moved by less than a unit: the check does not cover sizes")
    moving = {name: leaf for name, leaf in start.items() if name != "hidden.slope"}
    return distances(ours, other, moving) | {"sizes": float(np.abs(sizes - our_sizes).max())}


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    problem = make_flexible_problem(flags.seeds, SLOPES, flags.steps, flags.batch_size, flags.start_size)
    apart = functools.partial(differences, flat(problem.params))
    seconds, checked = race(
        flags,
        problem,
        "benchmarks._seeds_jax:FlexibleJaxsize",
        {LOOP: "benchmarks._seeds_torch:FlexibleTorchLoop"},
        lambda results: require_close(results, apart, TOLERANCES),
    )
    runs = dict.fromkeys(seconds, flags.seeds * len(SLOPES))
    promises = [*shares(problem, seconds), *speed_ups(seconds, SPEED_UPS)]
    return report_seeds(flags, seconds, checked, promises, runs, "flexible_seeds", TOLERANCES)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
