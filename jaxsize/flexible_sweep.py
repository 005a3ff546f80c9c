"""Batches of flexible-size networks: every run with its own seed, start size, slope, penalty, rates and decay.

All of these are traced, so any list of settings is one program. Whatever else differs (`FlexibleConfig`) is another
batch.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.batches import Batch, task_of
from jaxsize.buckets import bucket
from jaxsize.compaction import compact
from jaxsize.datasets import Dataset
from jaxsize.flexible import FlexibleConfig, make_learner
from jaxsize.flexible_gates import gray_zone, read_sizes, with_sizes
from jaxsize.groups import UnitGroups, unit_groups
from jaxsize.networks import mlp, mlp_sizes, num_mlp_parameters
from jaxsize.training import Hparams
from jaxsize.widening import Widening

Tree = Any
DEFAULTS: dict[str, float] = {
    "penalty": 0.0,
    "start_size": 0.0,
    "slope": 1.0,
    "learning_rate": 1e-3,
    "size_learning_rate": 1.0,
    "weight_decay": 0.0,
}
"""What a setting is where it is not given; sizes move with learning rate 1, as in the journal. Columns of every row."""
IGNORED_START = 1.0
"""Where the journal's layers started, whatever they were told ("Erratum")."""


def flexible_batch(
    dataset: Dataset,
    hidden: Sequence[int],
    flexible: FlexibleConfig,
    settings: Sequence[Mapping[str, Any]],
    *,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    ignore_start: bool = False,
    start: Callable[[int], Tree] | None = None,
    widen: bool = False,
    **batch: Any,
) -> Batch:
    """One batch of runs, one per setting: `seed`, what is in `DEFAULTS`, and any further columns of its rows.

    hidden: units allocated per layer. ignore_start: start at size 1 whatever the settings say, as the journal's code
    did. start: index of a run -> parameters to go on from, their sizes replaced by the setting's. widen: allocate more
    units when a size comes near the width. batch: further fields of `Batch`. ValueError for a
    start size or slope out of range.
    """
    runs = [{**DEFAULTS, **setting} for setting in settings]
    for run in runs:
        if not (abs(run["start_size"]) <= 1e6 and 0 <= run["slope"] <= 1e4):
            raise ValueError(f"settings: expected sizes up to 1e6 and slopes from 0 to 1e4, got {dict(run)}")
        if widen and not run["slope"]:
            raise ValueError(f"settings: at slope 0 no width is enough to widen to, got {dict(run)}")
    widths = (dataset.num_inputs, *hidden, dataset.num_outputs)
    network, fastest = mlp(widths, gate="size"), max(run["size_learning_rate"] for run in runs)
    drawn = functools.cache(network.init)  # settings share the networks of their seeds

    def init(index: int) -> Tree:
        params = drawn(runs[index]["seed"]) if start is None else start(index)
        begin = IGNORED_START if ignore_start else runs[index]["start_size"]
        names, slope = read_sizes(params), np.array(runs[index]["slope"], np.float32)
        params = with_sizes(params, "size", dict.fromkeys(names, np.array(begin, np.float32)))
        params = with_sizes(params, "slope", dict.fromkeys(names, slope))
        assert all(size == np.float32(begin) for size in read_sizes(params).values())  # the erratum's flaw
        return params

    def init_wider(index: int, hidden: Sequence[int]) -> Tree:
        wider = mlp((dataset.num_inputs, *hidden, dataset.num_outputs), gate="size")
        return wider.init(runs[index]["seed"])

    more: dict[str, Any] = {"histories": histories(len(hidden)), **batch}
    return Batch(
        name=name,
        labels=[{**label, "run": first_run + index, **run} for index, run in enumerate(runs)],
        init=init,
        num_parameters=num_mlp_parameters(widths),
        hparams=Hparams(
            learning_rate=np.array([run["learning_rate"] for run in runs], np.float32),
            penalty_weight=np.array([run["penalty"] for run in runs], np.float32),
            weight_decay=np.array([run["weight_decay"] for run in runs], np.float32),
            gate_learning_rate=np.array([run["size_learning_rate"] for run in runs], np.float32),
        ),
        learner=make_learner(network, task_of(dataset), flexible),
        dataset=dataset,
        columns=make_columns(dataset),
        shrinking=None,
        widening=Widening(lambda params: units_needed(params, fastest), init_wider) if widen else None,
        **more,
    )


def histories(num_layers: int) -> dict[str, Callable[[Tree], np.ndarray]]:
    """What is kept of every step: the loss, and of every layer the size after it and the objective's derivative by the
    size before it."""
    found: dict[str, Callable[[Tree], np.ndarray]] = {"loss": lambda history: history["loss"]}
    for layer in range(num_layers):
        found[f"size_{layer}"] = lambda history, layer=layer: history["observed"][:, 0, layer]
        found[f"size_gradient_{layer}"] = lambda history, layer=layer: history["size_gradient"][:, layer]
    return found


def live_units(size: float, slope: float, most: float = math.inf) -> int:
    """Units that a cut keeps: up to a gray zone beyond the size, at least 1."""
    return int(max(1, min(most, math.ceil(size + gray_zone(slope))))) if slope > 0 else int(most)


def units_needed(params: Tree, rate: float = 1.0) -> list[int]:
    """Units that layers should have for their sizes to move freely: two gray zones beyond the size, and 64, or 64 times
    the rate of the sizes if that is above 1."""
    pairs, room = zip(read_sizes(params).values(), read_sizes(params, "slope").values(), strict=True), 64 * max(1, rate)
    return [math.ceil(size + 2 * gray_zone(slope) + room) if np.isfinite(size) else 1 for size, slope in pairs]


def first_width(settings: Sequence[Mapping[str, Any]]) -> int:
    """Units to allocate before training where layers are widened: for the largest of these starts, with twice the room
    that `units_needed` keeps, as sizes move most in the first epoch. ValueError for a slope of 0."""
    runs = [{**DEFAULTS, **setting} for setting in settings]
    if min(run["slope"] for run in runs) <= 0:
        raise ValueError("first_width: expected slopes above 0, got 0: no width is enough")
    room = 128 * max(1.0, *(run["size_learning_rate"] for run in runs))
    return bucket(math.ceil(max(run["start_size"] + 2 * gray_zone(run["slope"]) for run in runs) + room))


def make_columns(dataset: Dataset) -> Callable[..., dict[str, Any]]:
    """What a row says of sizes, for `Batch.columns`: `size` (all layers), `size_per_layer`, `slope_per_layer`, and
    `live_units`, `live_units_per_layer`, `parameters`, `multiply_adds` of the network cut there (NaN or missing if a
    size is not finite)."""

    def columns(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        sizes, slopes, widths = after.astype(float).tolist()
        told = {"size": sum(sizes), "size_per_layer": sizes, "slope_per_layer": slopes}
        if not np.isfinite(after).all():
            return told | dict.fromkeys(("live_units", "parameters", "multiply_adds"), math.nan)
        live = [live_units(*layer) for layer in zip(sizes, slopes, widths, strict=True)]
        named = {f"hidden.{layer}": units for layer, units in enumerate(live)}
        return (
            told
            | {"live_units": sum(live), "live_units_per_layer": live}
            | mlp_sizes(dataset.num_inputs, named, dataset.num_outputs)
        )

    return columns


def cut(params: Tree, inputs: np.ndarray) -> tuple[Tree, float]:
    """A trained network cut to ceil(size + gray zone) units per layer, and how far its outputs on `inputs` [B, D] move:
    the largest difference, relative to the largest output. NumPy parameters in and out.

    A unit that goes has a gate below 1.1e-4.
    """
    widths = tuple(len(layer["bias"]) for layer in params["hidden"])
    apply, groups, names = _ordered_groups((inputs.shape[1], *widths, len(params["output"]["bias"])))
    kept = {
        name: np.arange(live_units(float(layer["size"]), float(layer["slope"]), width))
        for name, layer, width in zip(names, params["hidden"], widths, strict=True)
    }
    small = compact(groups, params, kept, exact=False).params
    whole, less = (np.asarray(apply(tree, inputs)) for tree in (params, small))
    return small, float(np.abs(less - whole).max() / np.abs(whole).max())


@functools.cache
def _ordered_groups(widths: tuple[int, ...]) -> tuple[Callable, UnitGroups, list[str]]:
    """The function of a network of these widths, its groups, and those that count units by position, by layer."""
    network = mlp(widths, gate="size")
    groups = unit_groups(network.apply, network.init(0), jax.ShapeDtypeStruct((1, widths[0]), np.float32))
    return network.apply, groups, [n for n, group in groups.groups.items() if group.ordered and not group.fixed]
