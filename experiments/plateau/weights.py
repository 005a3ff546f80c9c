"""Outgoing weights of the units of flexible layers before and after training, and how long an unused weight lives."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsize.gates import gray_zone, read_sizes
from jaxsize.learners import Hparams
from jaxsize.learners.flexible import DEFAULTS, FlexibleConfig, make_optimizer
from jaxsize.results import Folder, write_arrays
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.trees import Tree, named_leaves
from jaxsize.units import UnitGroups, unit_groups

MOST_STEPS = 20_000
"""The most steps that are simulated."""


def outgoing(groups: UnitGroups, params: Tree, width: int) -> np.ndarray:
    """Return the sum of |outgoing weight| of each of the first units of a network with one size, as the journal plots.

    Args:
        groups: the unit groups of the network.
        params: its parameters.
        width: the number of units.

    Returns:
        [width]. Outgoing weights are those of the group's units that do not stand beside its size.
    """
    (layer,), leaves = read_sizes(params), named_leaves(params)
    (group,) = (one for one in groups.groups.values() if one.ordered and not one.fixed)  # counted by the size
    readers = [place for place in group.places if not place.leaf.startswith(f"{layer}.")]
    weights = [np.moveaxis(np.abs(np.asarray(leaves[leaf], float)), axis, 0) for leaf, axis, *_ in readers]
    return sum((of.reshape(len(of), -1)[:width].sum(-1) for of in weights), start=np.zeros(width))


def write_norms(folder: Folder, setup: Setup, learned: Learned) -> None:
    """Write norms_DATASET_FORM.npz: the outgoing weights of every run of one-layer networks.

    It holds the numbers of the runs, `run` [R], and the sums of |outgoing weights| of the units that they started with,
    `before` and `after` training, [R, width] each.
    """
    runs, before, after = [], [], []
    for batch, trained in learned.values():
        groups = unit_groups(batch.learner.outputs, batch.init(0), batch.input_shape)
        for index, (label, network) in enumerate(zip(batch.labels, trained.networks, strict=True)):
            runs.append(label["run"])
            before.append(outgoing(groups, batch.init(index), setup.flags.width))
            after.append(outgoing(groups, network.params, setup.flags.width))
    path = folder.path / f"norms_{setup.dataset.name}_{setup.form}.npz"
    write_arrays(path, run=np.array(runs), before=np.array(before, "f4"), after=np.array(after, "f4"))


def read_norms(arm: ArmView) -> tuple[np.ndarray, np.ndarray]:
    """Read the sums of |outgoing weights| before and after training, [num_seeds, width] each; NaN for a missing run."""
    with np.load(arm.runs.folder.path / f"norms_{arm.dataset}_{arm.form}.npz") as file:
        numbers, both = file["run"].tolist(), (file["before"], file["after"])
    lines = [numbers.index(int(run)) if np.isfinite(run) else None for run in arm.end("run")]
    empty = np.full(both[0].shape[1], np.nan)
    before, after = (np.array([empty if line is None else of[line] for line in lines], float) for of in both)
    return before, after


def beyond(arm: ArmView) -> np.ndarray:
    """Return which units are disabled: beyond size + gray zone at the end of training, bool [num_seeds, width]."""
    edges = arm.end("size") + gray_zone(arm.end("slope"))
    return np.arange(arm.settings["width"]) > edges[:, None]


def left_beyond(arm: ArmView) -> np.ndarray:
    """Return what is left of the outgoing weights of disabled units, as a share, [num_seeds].

    It is the mean over these units of their sum of |outgoing weights|, relative to that before training; NaN where
    there is no such unit.
    """
    before, after = read_norms(arm)
    pairs = zip(after / before, beyond(arm), strict=True)
    return np.array([shares[units].mean() if units.any() else np.nan for shares, units in pairs])


def steps_to_a_tenth(
    optimizers: Mapping[str, FlexibleConfig], rates: Mapping[str, float], decays: Sequence[float], width: int
) -> list[dict[str, Any]]:
    """Count after how many steps with a gradient of 0 a typical outgoing weight has shrunk to a tenth.

    The weight starts at .5 / sqrt(width). Steps are simulated in float64; beyond `MOST_STEPS` they are extrapolated,
    since such a weight shrinks by the same factor at every step.

    Args:
        optimizers: by name, how weights are trained.
        rates: the learning rate of the weights, by name of the optimiser.
        decays: weight decays; 0 is skipped.
        width: units of the layer.

    Returns:
        A row per optimiser and decay above 0.
    """
    rows = []
    first = 0.5 / math.sqrt(width)
    for name, config in optimizers.items():
        for decay in decays:
            if decay:
                steps, left = _shrink(config, rates[name], decay, first)
                simulated = left <= 0.1
                needed = steps if simulated else math.log(10) / -math.log(left) * steps
                rows.append({"optimizer": name, "learning_rate": rates[name], "weight_decay": decay, "steps": needed})
    return rows


def _shrink(config: FlexibleConfig, rate: float, decay: float, first: float) -> tuple[int, float]:
    """Steps until a weight has shrunk to a tenth, at most `MOST_STEPS`, and the share of it that is left then."""
    with jax.enable_x64(True):
        hparams = Hparams(**{**DEFAULTS, "learning_rate": jnp.float64(rate), "weight_decay": jnp.float64(decay)})
        optimizer = make_optimizer(config, hparams)
        params = {"kernel": jnp.float64(first)}

        def go_on(carry):
            steps, params, _ = carry
            return (steps < MOST_STEPS) & (params["kernel"] > 0.1 * first)

        def step(carry):
            steps, params, state = carry
            updates, state = optimizer.update({"kernel": jnp.zeros_like(params["kernel"])}, state, params)
            return steps + 1, optax.apply_updates(params, updates), state

        begin: Any = (0, params, optimizer.init(params))
        steps, params, _ = jax.lax.while_loop(go_on, step, begin)
        return int(steps), float(params["kernel"]) / first
