"""A team: the runs of a part that train at the same widths by one program; and the network that a run ends with."""

import dataclasses
import logging
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxsize.errors import InputError
from jaxsize.learners.learner import Learner
from jaxsize.programs._program import Program
from jaxsize.programs.epoch import TrainState
from jaxsize.resizing._regrouping import Cohort
from jaxsize.trees import Array, Tree
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups

logger = logging.getLogger(__name__)


class FinalNetwork(NamedTuple):
    """The network that a run ended with.

    Example:
        >>> import numpy as np
        >>> from jaxsize.training import FinalNetwork
        >>> params = {"hidden": [{"kernel": np.ones((3, 2))}]}
        >>> network = FinalNetwork(params, survivors={"hidden.0": np.array([1, 4])}, epoch=20)  # of 5 units, 2 are left
        >>> network.params["hidden"][0]["kernel"].shape[1] == len(network.survivors["hidden.0"])
        True
    """

    params: Tree
    """NumPy arrays, without dead units unless the batch only masks them."""
    survivors: dict[str, np.ndarray]
    """By group the original index of every unit that is left, int [U]; empty where the batch only masks dead units."""
    epoch: int
    """Epochs that the network was trained."""


@dataclasses.dataclass
class Team:
    """A cohort with its program and its state, on the devices and, after every epoch, on the host."""

    cohort: Cohort
    program: Program
    groups: UnitGroups
    survivors: dict[str, np.ndarray]
    """By group that can change its size the original index of every unit: int [runs of the cohort, width]."""
    counts: np.ndarray
    """Live units per run and group, when last looked at: int [runs of the cohort, groups]."""
    host: TrainState
    """The state on the host, NumPy arrays [runs of the cohort, ...], as it was after the last epoch."""
    state: TrainState
    """The state on the devices."""

    def on_host(self) -> dict[str, Tree]:
        """Collect what a checkpoint holds of the team."""
        runs = np.array(self.cohort.runs)
        return {"runs": runs, "survivors": self.survivors, "counts": self.counts, "state": self.host}


class Removable(NamedTuple):
    """The groups whose units can be removed from a learner's runs."""

    names: list[str]
    """Their names, in the order of the groups."""
    by_loss: bool
    """Whether that rests on the loss, since the optimiser sums over the gradients of units."""


def loss_of(learner: Learner, inputs: jax.ShapeDtypeStruct, targets: Array | None) -> Callable[[Tree], jax.Array]:
    """Return what a learner minimises as a function of the parameters, on rows of zeros, to be traced.

    Args:
        learner: how the runs learn.
        inputs: shape and dtype of the rows of one step.
        targets: the targets of all rows [N, ...]; None: the targets are the inputs.
    """
    hparams = jax.tree.map(lambda _: jnp.float32(0.5), learner.hparams()).replace(key=jax.random.key(0))  # none is 0

    def loss(params: Tree) -> jax.Array:
        rows = jnp.zeros(inputs.shape, inputs.dtype)
        of_rows = rows if targets is None else jnp.zeros((len(rows), *targets.shape[1:]), targets.dtype)
        return learner.objective(params, rows, of_rows, jnp.ones(len(rows)), hparams)[0]

    return loss


def removable(
    batch: str,
    learner: Learner,
    groups: UnitGroups,
    params_shape: Tree,
    loss_fn: Callable[[Tree], jax.Array] | None = None,
) -> Removable:
    """Find the groups whose units can be removed without a change of the outputs or of how training goes on.

    It is tried out on zeros, before training: nothing that the optimiser or `after_step` does may mix units of the
    group, as a norm over the weights of dead units does. A warning is logged for every other group with gates.

    Args:
        batch: the name of the runs' batch, for the warning.
        learner: how the runs learn.
        groups: the unit groups of the network.
        params_shape: shapes and dtypes of one run's parameters.
        loss_fn: what the learner minimises (see `loss_of`), for an optimiser that sums over the gradients of units.
    """
    hparams = learner.hparams().replace(key=jax.random.key(0))
    optimizer = learner.optimizer(hparams)

    def after_step(updates: Tree, params: Tree) -> Tree:
        params, _ = learner.after_step(params, learner.init_bookkeeping(params), hparams)
        return jax.tree.map(lambda update, leaf: update + leaf, updates, params)

    step = optax.chain(optimizer, optax.stateless(after_step))
    params, opt_state = jax.tree.map(
        lambda leaf: np.zeros(leaf.shape, leaf.dtype), (params_shape, jax.eval_shape(step.init, params_shape))
    )
    bookkeeping = jax.eval_shape(learner.init_bookkeeping, params_shape)
    bookkeeping = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), bookkeeping)

    def reason_against(name: str, loss_fn: Callable[[Tree], jax.Array] | None) -> str:
        fewer, states = {name: np.arange(groups[name].size - 1)}, {"opt_state": opt_state, "bookkeeping": bookkeeping}
        try:
            compact(groups, params, fewer, optimizer=step, loss_fn=loss_fn, **states)
        except InputError as error:
            return str(error).removeprefix("compact: ")
        return ""

    known = set(groups.live_by_gate(learner.live(bookkeeping)))
    names, by_loss = [], False
    for name, group in groups.groups.items():
        if name not in known or group.ordered:
            continue
        reason = reason_against(name, None)
        if reason and loss_fn is not None and not (reason := reason_against(name, loss_fn)):
            by_loss = True  # most optimisers do without it, and are asked without it, since it takes longer to trace
        if reason:
            logger.warning(
                "%s: dead units of %s stay in the network until the end, masked; the results are the same, only slower "
                "(%s)",
                batch,
                name,
                reason,
            )
        else:
            names.append(name)
    return Removable(names, by_loss)
