"""Arms of networks with trained sizes, the check of their cuts, and the picture of their growth."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from experiments.common.networks import mlps
from jaxsize import plots
from jaxsize.gates import read_sizes
from jaxsize.learners.flexible import FlexibleConfig
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.statistics import describe
from jaxsize.studies import Arms, ArmView, Learned, Setup
from jaxsize.sweeps import size_sweep
from jaxsize.sweeps.cutting import cut
from jaxsize.sweeps.sizes import first_width

SMALLEST = 1e-8
"""Values of -dL/dsize that are negative or smaller than this are raised to it before medians are taken and drawn."""


def trained_sizes(
    setup: Setup, config: FlexibleConfig, *, depth: int = 1, width: int | None = None, **more: Any
) -> Callable[..., Batch]:
    """Return the `make` of arms whose networks have trained sizes.

    In the corrected form as many units are allocated at first as the start sizes need, and units are added when a size
    comes near the width. In the original form --width units are allocated, and none are added.

    Args:
        setup: the data set and the form.
        config: how gates, sizes and weights are trained.
        depth: the number of hidden layers.
        width: the units allocated at first, where it is not as above.
        **more: further arguments of `size_sweep`, and fields of `Batch`.
    """
    widen = setup.form == "corrected"
    options: dict[str, Any] = {"widen": widen}

    def make(dataset: Any, *, settings: Sequence[Mapping[str, Any]], **fields: Any) -> Batch:
        units = width or (first_width(settings) if widen else setup.flags.width)
        sized = mlps(dataset, gate="size")
        return size_sweep(dataset, sized, [units] * depth, config, settings, **options | fields | more)

    return make


def cuts(
    folder: Folder, setup: Setup, learned: Learned, *, arms: Sequence[str] | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Measure how far outputs on test rows move when every network is cut to the units that are on.

    Args:
        folder: the results folder.
        setup: the data set and the form.
        learned: the trained batches.
        arms: the first arms of the batches that are measured. None: all batches.
    """
    dataset = setup.dataset
    rows = dataset.as_inputs(dataset.test.inputs[:1000])
    apply = mlps(dataset, gate="size")([]).apply  # it takes its widths from its parameters
    moved = [
        cut(apply, network.params, rows)[1]
        for batch, trained in learned.values()
        if arms is None or batch.labels[0]["arm"] in arms
        for network in trained.networks
        if read_sizes(network.params)
        if all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(network.params))
    ]
    row = {"dataset": dataset.name, "form": setup.form, "output_change": describe(moved)}
    return {
        "Outputs on test rows after a cut to ceil(size + gray zone), relative to the largest": [
            row | {"largest": max(moved, default=None)}
        ]
    }


def growth(arms: Arms) -> Any:
    """Draw size, the mean of -dL/dsize over an epoch, and the loss of an epoch's steps, against epochs.

    A row of panels per form, a line per arm: the median over seeds, and a band from the smallest to the largest.
    """
    return draw_growth(arms, arms.by_form())


def draw_growth(arms: Arms, rows: Mapping[str, Mapping[Any, ArmView]], title: str = "") -> Any:
    """Draw the picture of `growth` of some arms, given by form and by name in the legend, which has a title."""
    gradient, loss = f"mean of -dL/dsize, at least {SMALLEST:g}", "loss of an epoch's steps"
    panels = {
        "size": lambda arm: arm.curve("size"),
        gradient: lambda arm: np.maximum(-arm.steps_by_epoch("size_gradient_0").mean(-1), SMALLEST),
        loss: lambda arm: arm.steps_by_epoch("loss").mean(-1),
    }
    figure, _ = plots.grid(rows, panels, log=["epoch", gradient, loss], title=title)
    figure.suptitle(f"{arms.title}, no penalty: median and range")
    return figure
