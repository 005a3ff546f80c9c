"""Whether contenders trained the same networks: checked before anything is timed."""

from collections.abc import Callable

import numpy as np

from benchmarks._seeds_jax import Arrays
from jaxsize.text_tables import format_table

TOLERANCES = {"losses": 1e-4, "weights": 1e-2, "gates": 1e-3}
"""Largest differences from jaxsize's results that are allowed after the first epoch.

losses: relative. weights: relative to how far they moved. gates: the share that is closed in one result and open in the
other. They are not 0, because sums in float32 are in another order: where a single relu is open in one and closed in
the other for that reason, Adam turns the difference into one of the size of its steps.
"""


Result = tuple[np.ndarray, Arrays]


def distances(ours: Result, other: Result, start: Arrays) -> dict[str, float]:
    """Return the largest differences of two results: of losses, relative; and of weights.

    Those of weights are relative to how far ours moved from `start`.
    """
    (our_losses, our_params), (losses, params) = ours, other
    moved = {name: np.linalg.norm(our_params[name] - start[name]) for name in start}
    weights = [np.linalg.norm(params[name] - our_params[name]) / moved[name] for name in start]
    return {"losses": float(np.max(np.abs(losses / our_losses - 1))), "weights": float(max(weights))}


def differences(ours: Result, other: Result, start: Arrays) -> dict[str, float]:
    """Return `distances`, and under `gates` the share of gates that are closed in one result and open in the other."""
    closed, our_closed = (values["hidden.liveness"] == 0 for _, values in (other, ours))
    return distances(ours, other, start) | {"gates": float(np.mean(closed != our_closed))}


def require_close(
    results: dict[str, Result], apart: Callable[[Result, Result], dict[str, float]], tolerances: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Print and return the differences of all results from the first one.

    Args:
        results: by name of the contender.
        apart: measures the differences of a result (its second argument) from the first one.
        tolerances: the largest differences that are allowed.

    Raises:
        SystemExit: when a difference is larger.
    """
    (first, ours), *others = results.items()
    distances_of = {name: apart(ours, result) for name, result in others}
    rows = [[name, *(f"{value:.1e}" for value in values.values())] for name, values in distances_of.items()]
    print(f"after one epoch, apart from {first}:\n{format_table(['', *tolerances], rows)}\n")
    wrong = [
        name
        for name, values in distances_of.items()
        if not all(values[key] <= bound for key, bound in tolerances.items())
    ]
    if wrong:
        raise SystemExit(f"{', '.join(wrong)}: further from {first} than {tolerances}; nothing was timed")
    return distances_of
