"""What products with the Hessian and with the Gauss-Newton matrix cost, in gradients of the same loss.

Multiplied is the curvature of the autoencoder 784-200-2-200-784 (half the squared error, the mean over rows) at two
sizes of batch, with 1 and with 16 vectors.

    python -m benchmarks.curvature

Promised on a CPU: a product with the Hessian takes at most 2.2 gradients, each of 16 at most 1.7, and each of 16
Gauss-Newton products at most 1.35. Counted in the operations of matrix products, these three are 2.2, 1.6 and 1.2
gradients; a single Gauss-Newton product, about which nothing is promised, is 1.6. In the same run PyTorch's double
backward pass, its fastest way, takes at least twice as long for one product with the Hessian, and 1.3 times as long for
16, where it keeps the graph of the gradient. At 2000 rows the first of these two is not kept: the time there is that of
large matrix products, of which PyTorch's way takes 13 and ours, with nothing left to share, 11. curvlinops is measured
too, where it is installed.

Checked first: every product against the R-operator in float64, and those of many vectors against each other.
"""

import dataclasses
import importlib.util

import numpy as np

from benchmarks._curvature_jax import (
    GAUSS_NEWTON,
    GAUSS_NEWTONS,
    GRADIENT,
    HESSIAN,
    HESSIANS,
    MANY,
    Problem,
    make_problem,
    reference,
)
from benchmarks._timing import Promise, device_name, machine, medians, report, run, time_in_turns
from benchmarks._workers import Worker
from jaxsize.text_tables import format_table

OURS, TORCH, CURVLINOPS = "jaxsize", "PyTorch", "curvlinops"
CONTENDERS = {
    OURS: "benchmarks._curvature_jax:Jaxsize",
    TORCH: "benchmarks._curvature_torch:DoubleBackward",
    CURVLINOPS: "benchmarks._curvature_torch:Curvlinops",
}
NEEDS = {OURS: "jax", TORCH: "torch", CURVLINOPS: "curvlinops"}
MOST_GRADIENTS = {HESSIAN: 2.2, HESSIANS: 1.7, GAUSS_NEWTONS: 1.35}
LEAST_SPEED_UPS = {HESSIAN: 2.0, HESSIANS: 1.3}
TOLERANCE = 1e-4
"""Largest difference from the R-operator that is allowed, relative to the norm of the product."""
SMOKE = {"batch_sizes": (4,), "widths": (12, 8, 2, 8, 12), "num_vectors": 2, "repetitions": 1, "seconds": 1e-4}


@dataclasses.dataclass(frozen=True)
class Flags:
    """What is multiplied, and how often it is timed."""

    batch_sizes: tuple[int, ...] = (100, 2000)
    """Rows; everything is measured for each."""
    widths: tuple[int, ...] = (784, 200, 2, 200, 784)
    """Units of the autoencoder's layers, inputs and outputs included."""
    num_vectors: int = 16
    """Vectors of the products with many."""
    repetitions: int = 15
    """Timings of each product; their median counts."""
    seconds: float = 0.2
    """Length of one timing, about: as many times as fit in, at least one."""
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


def check(workers: dict[str, Worker], problem: Problem) -> dict[str, float]:
    """Return the largest relative difference of each contender from the R-operator, and among its many vectors.

    Raises:
        SystemExit: when one is more than `TOLERANCE`.
    """
    expected = reference(problem)
    several = {HESSIANS: HESSIAN, GAUSS_NEWTONS: GAUSS_NEWTON}
    ours = {name: workers[OURS].ask("result", name)[0] for name in several}
    differences = {}
    for contender, worker in workers.items():
        apart = []
        for name in worker.ask("can")[0]:
            got = worker.ask("result", name)[0]
            if name in MANY:
                apart.append(_apart(got, ours[name]))
                got = got[0]
            apart.append(_apart(got, expected[several.get(name, name)]))
        differences[contender] = max(apart)
        if not differences[contender] <= TOLERANCE:
            raise SystemExit(f"{contender}: a product differs by {differences[contender]:.1e}; nothing was timed")
    return differences


def _apart(got: np.ndarray, expected: np.ndarray) -> float:
    return float(np.linalg.norm(got - expected) / np.linalg.norm(expected))


def measure(flags: Flags, batch_size: int) -> tuple[dict, list[Promise]]:
    """Check and measure at one size of batch; return a row of results and the promises."""
    problem = make_problem(flags.widths, batch_size, flags.num_vectors)
    workers: dict[str, Worker] = {}
    try:
        for contender, place in CONTENDERS.items():
            if importlib.util.find_spec(NEEDS[contender]) is None:
                print(f"{contender} is not installed: it is left out")
            else:
                workers[contender] = Worker(place, problem, [range(1)])
        differences = check(workers, problem)
        seconds = time_all(workers, flags)
    finally:
        for worker in workers.values():
            worker.close()
    costs = {
        what: [second / (flags.num_vectors if what[1] in MANY else 1) for second in each]
        for what, each in seconds.items()
    }
    print_table(costs, batch_size)
    row = {
        "batch_size": batch_size,
        "differences": differences,
        "seconds_per_vector": {" ".join(what): each for what, each in costs.items()},
        "median_seconds_per_vector": {" ".join(what): each for what, each in medians_of(costs).items()},
    }
    return row, promises(costs, batch_size)


Costs = dict[tuple[str, str], list[float]]
"""Seconds per vector of every repetition, by contender and product."""


def time_all(workers: dict[str, Worker], flags: Flags) -> Costs:
    """Time every product of every contender in turns, each as often as fits into `flags.seconds`."""
    kinds = {f"{one}|{name}": (one, name) for one, worker in workers.items() for name in worker.ask("can")[0]}
    times = dict.fromkeys(kinds, 1)

    def repeat(kind: str) -> None:
        contender, name = kinds[kind]
        workers[contender].ask("repeat", name, times[kind])

    measures = {kind: lambda kind=kind: repeat(kind) for kind in kinds}
    time_in_turns(measures, 1)
    for kind, second in medians(time_in_turns(measures, 3)).items():
        times[kind] = max(1, round(flags.seconds / second))
    timed = time_in_turns(measures, flags.repetitions)
    return {what: [second / times[kind] for second in timed[kind]] for kind, what in kinds.items()}


def medians_of(costs: Costs) -> dict[tuple[str, str], float]:
    """Return the median of each entry."""
    return dict(zip(costs, medians({str(what): each for what, each in costs.items()}).values(), strict=True))


def promises(costs: Costs, batch_size: int) -> list[Promise]:
    """Make the promises, by medians: costs in gradients, and speed-ups over PyTorch."""
    typical = medians_of(costs)
    gradient = typical[OURS, GRADIENT]
    made = [
        Promise(f"{name} in gradients, batch {batch_size}", typical[OURS, name] / gradient, at_most=bound)
        for name, bound in MOST_GRADIENTS.items()
    ]
    for name, bound in LEAST_SPEED_UPS.items():
        if (TORCH, name) in typical:
            speed_up = typical[TORCH, name] / typical[OURS, name]
            made.append(Promise(f"speed-up of {name} over {TORCH}, batch {batch_size}", speed_up, at_least=bound))
    return made


def print_table(costs: Costs, batch_size: int) -> None:
    """Print milliseconds per vector, and their ratios to jaxsize's gradient and to the contender's own."""
    typical = medians_of(costs)
    rows = []
    for (contender, name), second in typical.items():
        own = typical.get((contender, GRADIENT)) or typical[TORCH, GRADIENT]
        fastest = min(costs[contender, name]) / min(costs[OURS, GRADIENT])
        ratios = (second / typical[OURS, GRADIENT], fastest, second / own)
        rows.append([contender, name, f"{1e3 * second:.2f}", *(f"{ratio:.2f}" for ratio in ratios)])
    print(f"\nBatches of {batch_size} rows; per vector, in gradients")
    print(format_table(["", "", "ms", f"of {OURS}", "fastest", "of its own"], rows))


def main(flags: Flags) -> int:
    """Check, measure, print and write the results; return the exit status."""
    rows, made = zip(*(measure(flags, batch_size) for batch_size in flags.batch_sizes), strict=True)
    row = machine("torch", "curvlinops-for-pytorch", "tyro") | {
        "device": device_name(),
        "dtype": "float32",
        "settings": dataclasses.asdict(flags),
        "tolerance": TOLERANCE,
        "rows": rows,
    }
    return report("curvature", device_name(), row, [promise for some in made for promise in some], smoke=flags.smoke)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
