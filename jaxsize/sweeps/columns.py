"""The columns about gates and sizes in the rows of a study."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

import numpy as np


def gate_columns(
    gates: Sequence[str], sizes: Callable[[dict[str, int]], dict[str, int]], inputs: Collection[str] = ()
) -> Callable[..., dict[str, Any]]:
    """Make the function that computes a row's columns about gates, for `Batch.columns`.

    Args:
        gates: names of the gates (see `jaxsize.gates.leaves.read_liveness`).
        sizes: {gate name: live units} -> further columns, such as the `parameters` of the network without its dead
            units.
        inputs: those of the gates that are gates of inputs, which are no units.

    Returns:
        A function of the live units per gate before and after an epoch, int [gates] each in the sorted order of the
        gates' names. Its columns are `live_units` (of all layers), `live_units_per_layer`, `deaths_per_layer` (in this
        epoch), then those of `sizes`, then `live_inputs` if inputs are gated. Layers are in the order of `in_order`.

    Example:
        >>> import numpy as np
        >>> from jaxsize.sweeps.columns import gate_columns
        >>> columns = gate_columns(["in", "out"], lambda live: {"weights": live["in"] * live["out"]})
        >>> for name, value in columns(np.array([5, 3]), np.array([4, 3])).items():
        ...     print(name, value)
        live_units 7
        live_units_per_layer [4, 3]
        deaths_per_layer [1, 0]
        weights 12
    """
    names = sorted(gates)
    layers = [names.index(name) for name in in_order(gates) if name not in inputs]

    def columns(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        counts = dict(zip(names, after.tolist(), strict=True))
        live = [counts[names[index]] for index in layers]
        of_inputs = {"live_inputs": sum(counts[name] for name in inputs)} if inputs else {}
        return (
            {
                "live_units": sum(live),
                "live_units_per_layer": live,
                "deaths_per_layer": [int(before[index] - after[index]) for index in layers],
            }
            | sizes(counts)
            | of_inputs
        )

    return columns


def in_order(names: Iterable[str]) -> list[str]:
    """Sort the names of gates, numbers in them by their value.

    Example:
        >>> from jaxsize.sweeps.columns import in_order
        >>> in_order(["hidden.10", "hidden.2", "first"])
        ['first', 'hidden.2', 'hidden.10']
    """
    return sorted(names, key=_in_numbers)


def _in_numbers(name: str) -> list[tuple[int, str]]:
    """Make a key that sorts `hidden.2` before `hidden.10`."""
    return [(int(part) if part.isdigit() else -1, part) for part in name.split(".")]


def total_live_units(gates: Sequence[str], inputs: Collection[str] = ()) -> Callable[[np.ndarray], np.ndarray]:
    """Make the function that adds up the live units of all layers, without inputs.

    Args:
        gates: names of the gates (see `jaxsize.gates.leaves.read_liveness`).
        inputs: those of the gates that are gates of inputs.

    Returns:
        A function of what the learner observes, [..., gates] in the sorted order of the gates' names -> [...].
    """
    units = [index for index, name in enumerate(sorted(gates)) if name not in inputs]
    return lambda observed: observed[..., units].sum(-1)
