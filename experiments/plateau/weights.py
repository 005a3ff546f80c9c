"""Outgoing weights of the units of flexible layers before and after training, and how long an unused weight lives."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsize.gates import gray_zone, read_sizes, units_beside
from jaxsize.learners import Hparams
from jaxsize.learners.flexible import DEFAULTS, FlexibleConfig, make_optimizer
from jaxsize.programs import Batch
from jaxsize.studies import ArmView
from jaxsize.trees import Tree, named_leaves
from jaxsize.units import unit_groups

MOST_STEPS = 20_000
"""The most steps that are simulated."""


def outgoing(batch: Batch) -> Callable[[Tree], np.ndarray]:
    """Make a function that sums |outgoing weight| of each unit of a network with one size, as the journal plots it.

    The units are those that the networks of the batch start with, [width]. Outgoing weights are those of the group's
    units that do not stand beside its size.
    """
    first = batch.init(0)
    (layer,), groups = read_sizes(first), unit_groups(batch.learner.outputs, first, batch.input_shape)
    (group,) = (one for one in groups.groups.values() if one.ordered and not one.fixed)  # counted by the size
    readers = [place for place in group.places if not place.leaf.startswith(f"{layer}.")]
    width = units_beside(first, layer)

    def sums(params: Tree) -> np.ndarray:
        leaves = named_leaves(params)
        weights = [np.moveaxis(np.abs(np.asarray(leaves[leaf], float)), axis, 0) for leaf, axis, *_ in readers]
        return np.sum([of[:width].reshape(width, -1).sum(-1) for of in weights], axis=0)

    return sums


def beyond(arm: ArmView) -> np.ndarray:
    """Return which units are disabled: beyond size + gray zone at the end of training, bool [num_seeds, width]."""
    edges = arm.end("size") + gray_zone(arm.end("slope"))
    return np.arange(arm.settings["width"]) > edges[:, None]


def left_beyond(arm: ArmView) -> np.ndarray:
    """Return what is left of the outgoing weights of disabled units, as a share, [num_seeds].

    It is the mean over these units of their sum of |outgoing weights|, relative to that before training; NaN where
    there is no such unit.
    """
    before, after = arm.before_and_after("outgoing")
    pairs = zip(after / before, beyond(arm), strict=True)
    return np.array([shares[units].mean() if units.any() else np.nan for shares, units in pairs])


def steps_to_a_tenth(config: FlexibleConfig, rate: float, decays: Sequence[float], width: int) -> list[float]:
    """Count after how many steps with a gradient of 0 a typical outgoing weight has shrunk to a tenth.

    The weight starts at .5 / sqrt(width). Steps are simulated in float64; beyond `MOST_STEPS` they are extrapolated,
    since such a weight shrinks by the same factor at every step.

    Args:
        config: how weights are trained.
        rate: their learning rate.
        decays: weight decays above 0.
        width: units of the layer.

    Returns:
        The steps, a number per decay.
    """
    first = 0.5 / math.sqrt(width)
    with jax.enable_x64(True):
        settings = {"learning_rate": jnp.float64(rate), "weight_decay": jnp.asarray(decays, jnp.float64)}
        optimizer = make_optimizer(config, Hparams(**{**DEFAULTS, **settings}))
        params = {"kernel": jnp.full(len(decays), first)}

        def step(carry: Any, _: None) -> Any:
            params, state = carry
            updates, state = optimizer.update(jax.tree.map(jnp.zeros_like, params), state, params)
            moved: Any = optax.apply_updates(params, updates)
            return (moved, state), moved["kernel"]

        begin: Any = params, optimizer.init(params)
        left = np.asarray(jax.lax.scan(step, begin, length=MOST_STEPS)[1]).T / first
    return [
        int(np.argmax(of <= 0.1)) + 1 if of.min() <= 0.1 else math.log(10) / -math.log(of[-1]) * MOST_STEPS
        for of in left
    ]
