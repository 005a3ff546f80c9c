"""A team: the runs of a part that train at the same widths by one program, and where a run of it ended."""

import dataclasses
import logging
from typing import Any, NamedTuple

import jax
import numpy as np
import optax

from jaxsize.batches import Program
from jaxsize.compaction import compact
from jaxsize.groups import UnitGroups
from jaxsize.shrinking import Cohort
from jaxsize.training import Hparams, Learner, TrainState

Tree = Any
logger = logging.getLogger(__name__)


class FinalNetwork(NamedTuple):
    """Where a run ended: NumPy parameters, without dead units unless the batch only masks them, and the original
    index of every unit that is left, by group."""

    params: Tree
    survivors: dict[str, np.ndarray]
    epoch: int
    """Epochs it was trained."""


@dataclasses.dataclass
class Team:
    """A cohort with its program and its state, on the devices and, after every epoch, on the host."""

    cohort: Cohort
    program: Program
    groups: UnitGroups
    survivors: dict[str, np.ndarray]
    """Per group that can lose units [runs of the cohort, width]."""
    counts: np.ndarray
    """Live units per run and group, when last looked at: [runs of the cohort, groups]."""
    host: TrainState
    state: TrainState

    def on_host(self) -> dict[str, Tree]:
        """What a checkpoint holds of it."""
        runs = np.array(self.cohort.runs)
        return {"runs": runs, "survivors": self.survivors, "counts": self.counts, "state": self.host}


def removable(learner: Learner, groups: UnitGroups, params_shape: Tree) -> list[str]:
    """The groups that any units can be removed from without a change of the outputs or of how training goes on.

    Tried out on zeros, before training: nothing that the optimiser or `after_step` does may mix units of the group, as
    a norm over the weights of dead units does.
    """
    optimizer = learner.optimizer(Hparams())

    def after_step(updates: Tree, params: Tree) -> Tree:
        params, _ = learner.after_step(params, learner.init_bookkeeping(params), Hparams())
        return jax.tree.map(lambda update, leaf: update + leaf, updates, params)

    step = optax.chain(optimizer, optax.stateless(after_step))
    params, opt_state = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), (params_shape, jax.eval_shape(step.init, params_shape))
    )
    bookkeeping = jax.eval_shape(learner.init_bookkeeping, params_shape)
    bookkeeping = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), bookkeeping)
    known = set(groups.live_by_gate(learner.live(bookkeeping)))
    names = []
    for name, group in groups.groups.items():
        if name in known and not group.ordered:
            fewer = {name: np.arange(group.size - 1)}
            try:
                compact(groups, params, fewer, optimizer=step, opt_state=opt_state, bookkeeping=bookkeeping)
            except ValueError as error:
                logger.warning("units of %s are masked but not removed: %s", name, error)
            else:
                names.append(name)
    return names
