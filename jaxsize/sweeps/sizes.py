"""Batches of flexible-size networks: every run has its own seed, start size, slope, penalty, rates and decay.

All of these are traced, so that any list of settings is one program. Runs that differ in anything else, such as their
`FlexibleConfig`, are another batch.
"""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.gates.leaves import read_sizes, with_sizes
from jaxsize.gates.ramp import gray_zone
from jaxsize.learners.flexible import FlexibleConfig, make_learner
from jaxsize.learners.tasks import Task, task_of
from jaxsize.networks.network import Network
from jaxsize.programs.batch import Batch
from jaxsize.resizing.buckets import bucket
from jaxsize.resizing.widening import Widening
from jaxsize.sweeps._grid import column, numbered
from jaxsize.trees import Tree
from jaxsize.units._naming import group_of, is_single_unit
from jaxsize.units.groups import UnitGroups
from jaxsize.units.reading import unit_groups
from jaxsize.units.sizes import network_sizes

DEFAULTS: dict[str, float] = {
    "penalty": 0.0,
    "start_size": 0.0,
    "slope": 1.0,
    "learning_rate": 1e-3,
    "size_learning_rate": 1.0,
    "weight_decay": 0.0,
}
"""The values of settings that are not given; sizes move with learning rate 1, as in the journal. All settings are
columns of every row."""
MOST_UNITS = 2**24
"""More units than any layer is widened to."""
IGNORED_START = 1.0
"""The size at which the journal's layers started, whatever start size they were given ("Erratum")."""


def size_sweep(
    dataset: Dataset,
    network: Callable[[Sequence[int]], Network],
    widths: Sequence[int],
    flexible: FlexibleConfig,
    settings: Sequence[Mapping[str, Any]],
    *,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    ignore_start: bool = False,
    start: Callable[[int], Tree] | None = None,
    widen: bool = False,
    task: Task | None = None,
    **batch: Any,
) -> Batch:
    """Make one batch of runs, one per setting.

    Args:
        dataset: the data set to train on.
        network: widths -> the network with so many units in each layer that has a `size`.
        widths: units allocated per such layer.
        flexible: how weights and sizes are moved, and what a gate is.
        settings: for every run its `seed`, any of `DEFAULTS`, and any further columns of its rows.
        name: name of the batch, used as a file name.
        label: columns that all rows share; `run` and the settings are added.
        first_run: number of the first run.
        ignore_start: whether every layer starts at size 1 whatever the settings say, as in the journal's code.
        start: index of a run -> parameters to go on from; their sizes and slopes are replaced by those of the setting.
            None: parameters drawn from the run's seed.
        widen: whether more units are allocated when a size comes near the width.
        task: the losses and scores; by default those of the data set's task.
        batch: further fields of `Batch`.

    Raises:
        InputError: when a start size is not within +-1e6, or a slope not within 0 to 1e4; with `widen`, also when a
            slope is 0, for which no width is enough.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.flexible import FlexibleConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import size_sweep
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> settings = [{"seed": 0, "start_size": size, "penalty": 0.01} for size in (1.0, 6.0)]
        >>> names = {"name": "sizes", "label": {}, "first_run": 0}
        >>> network = lambda widths: mlp((3, *widths, 3), gate="size")
        >>> batch = size_sweep(
        ...     dataset, network, [8], FlexibleConfig(), settings, **names, config=Config(), num_epochs=1
        ... )
        >>> [float(batch.init(run)["hidden"][0]["size"]) for run in range(len(batch))]
        [1.0, 6.0]
    """
    runs = [{**DEFAULTS, **setting} for setting in settings]
    for run in runs:
        if not (abs(run["start_size"]) <= 1e6 and 0 <= run["slope"] <= 1e4):
            raise InputError(f"settings: expected sizes up to 1e6 and slopes from 0 to 1e4, got {dict(run)}")
        if widen and not run["slope"]:
            raise InputError(f"settings: at slope 0 no width is enough to widen to, got {dict(run)}")
    first, fastest = network(tuple(widths)), max(run["size_learning_rate"] for run in runs)
    drawn = functools.cache(first.init)  # settings share the networks of their seeds
    groups = unit_groups(first.apply, shapes := first.shapes(), dataset.network_inputs(1))
    layers = list(read_sizes(shapes))

    def init(index: int) -> Tree:
        params = drawn(runs[index]["seed"]) if start is None else start(index)
        begin = IGNORED_START if ignore_start else runs[index]["start_size"]
        names, slope = read_sizes(params), np.array(runs[index]["slope"], np.float32)
        params = with_sizes(params, "size", dict.fromkeys(names, np.array(begin, np.float32)))
        params = with_sizes(params, "slope", dict.fromkeys(names, slope))
        assert all(size == np.float32(begin) for size in read_sizes(params).values())  # the erratum's flaw
        return params

    def init_wider(index: int, widths: Sequence[int]) -> Tree:
        return network(tuple(widths)).init(runs[index]["seed"])

    more: dict[str, Any] = {"histories": histories(len(layers)), **batch}
    return Batch(
        name=name,
        labels=numbered(label, runs, first_run),
        init=init,
        num_parameters=network_sizes(groups, {})["parameters"],
        hparams={
            "learning_rate": column(runs, "learning_rate"),
            "penalty_weight": column(runs, "penalty"),
            "weight_decay": column(runs, "weight_decay"),
            "size_learning_rate": column(runs, "size_learning_rate"),
        },
        learner=make_learner(first, task or task_of(dataset), flexible),
        dataset=dataset,
        columns=size_columns(groups, layers),
        shrinking=None,
        widening=Widening(lambda params: units_needed(params, fastest), init_wider) if widen else None,
        **more,
    )


def histories(num_layers: int) -> dict[str, Callable[[Tree], np.ndarray]]:
    """Make the functions that read off an epoch's history what is kept of every step, for `Batch.histories`.

    It is the `loss` before the step, and by the layer's number N `size_N`, the size after the step, and
    `size_gradient_N`, the objective's derivative by the size before the step.
    """
    readers: dict[str, Callable[[Tree], np.ndarray]] = {"loss": lambda history: history["loss"]}
    for layer in range(num_layers):
        readers[f"size_{layer}"] = lambda history, layer=layer: history["observed"][:, 0, layer]
        readers[f"size_gradient_{layer}"] = lambda history, layer=layer: history["size_gradient"][:, layer]
    return readers


def live_units(size: float, slope: float, most: float = math.inf) -> int:
    """Return how many units a cut keeps: those up to a gray zone beyond the size, at least 1.

    Args:
        size: trained size of the layer.
        slope: slope of its gate, at least 0; at 0 no unit is cut.
        most: units of the layer.

    Example:
        >>> from jaxsize.sweeps.sizes import live_units
        >>> live_units(10.0, slope=1.0), live_units(10.0, slope=1.0, most=15), live_units(-50.0, slope=1.0)
        (20, 15, 1)
    """
    return int(max(1, min(most, math.ceil(size + gray_zone(slope))))) if slope > 0 else int(most)


def units_needed(params: Tree, rate: float = 1.0) -> list[int]:
    """Return how many units each layer should have for its size to move freely.

    That is two gray zones beyond the size, plus 64 units, or 64 times the learning rate of sizes if that is above 1. It
    is 1 where a size is not finite.

    Args:
        params: NumPy parameters of one run.
        rate: learning rate of sizes.
    """
    pairs, room = zip(read_sizes(params).values(), read_sizes(params, "slope").values(), strict=True), 64 * max(1, rate)
    return [math.ceil(size + 2 * gray_zone(slope) + room) if np.isfinite(size) else 1 for size, slope in pairs]


def first_width(settings: Sequence[Mapping[str, Any]]) -> int:
    """Return how many units to allocate per layer before training, where layers are widened.

    They are enough for the largest start size of the settings, with twice the room that `units_needed` keeps, as sizes
    move most in the first epoch.

    Args:
        settings: those of `size_sweep`, one or more.

    Raises:
        InputError: when a slope is not above 0: no width is enough.

    Example:
        >>> from jaxsize.sweeps.sizes import first_width
        >>> first_width([{"start_size": 50.0}]), first_width([{"start_size": 500.0}])
        (240, 768)
    """
    runs = [{**DEFAULTS, **setting} for setting in settings]
    if min(run["slope"] for run in runs) <= 0:
        raise InputError("first_width: expected slopes above 0, got 0: no width is enough")
    room = 128 * max(1.0, *(run["size_learning_rate"] for run in runs))
    return bucket(math.ceil(max(run["start_size"] + 2 * gray_zone(run["slope"]) for run in runs) + room))


def size_columns(groups: UnitGroups, layers: Sequence[str]) -> Callable[..., dict[str, Any]]:
    """Make the function that computes a row's columns about sizes, for `Batch.columns`.

    Args:
        groups: the unit groups of the network, of any widths.
        layers: the layers with a size, as `gates.read_sizes` names them.

    Returns:
        A function of what the learner observes before and after an epoch, [3, gated layers] each. Its columns are
        `size` (the sum over layers), `size_per_layer` and `slope_per_layer`, and of the network that is cut at its
        sizes `live_units`, `live_units_per_layer`, `parameters` and `multiply_adds`. If a size is not finite,
        `live_units_per_layer` is missing and the other three are NaN.
    """

    several = [layer for layer in layers if not is_single_unit(groups, layer)]
    names = [group_of(groups, layer, where="size_columns") for layer in several]
    wide = groups.resized(dict.fromkeys(names, MOST_UNITS))  # layers may be widened

    def columns(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        sizes, slopes, widths = after.astype(float).tolist()
        row = {"size": sum(sizes), "size_per_layer": sizes, "slope_per_layer": slopes}
        if not np.isfinite(after).all():
            return row | dict.fromkeys(("live_units", "parameters", "multiply_adds"), math.nan)
        live = [live_units(*layer) for layer in zip(sizes, slopes, widths, strict=True)]
        of_network = network_sizes(wide, dict(zip(layers, live, strict=True)))
        return row | {"live_units": sum(live), "live_units_per_layer": live} | of_network

    return columns
