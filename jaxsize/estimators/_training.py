"""Training in memory: all epochs as one compiled program, which fits of equal shapes share.

Rows are padded to few numbers (`_rows.padded`), and padding changes nothing: it comes last in the order of the rows,
weighs nothing, and a step that has no other rows is not made. Rates, penalty, order and number of rows are traced.
`jax.jit` keeps the programs, by shapes and `Settings`.
"""

import dataclasses
import functools
import math
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import FrozenDict

from jaxsize.export.folding import fold_gates
from jaxsize.gates.leaves import read_liveness
from jaxsize.learners import sparsifier
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import TASKS
from jaxsize.networks.mlp import mlp
from jaxsize.programs import Config, Data, init_state, make_epoch
from jaxsize.trees import Tree
from jaxsize.units import UnitGroups, compact, unit_groups


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What fixes the compiled program, beside the shapes of the data."""

    widths: tuple[int, ...]
    """(inputs, hidden ..., outputs)."""
    task: Literal["classification", "regression"]
    batch_size: int

    def steps(self, num_rows: int) -> int:
        """Count the steps of an epoch over so many rows."""
        return math.ceil(num_rows / self.batch_size)


def learner_of(settings: Settings, steps_per_epoch: int) -> Learner:
    """Make the sparsifier's learner for rows with weights.

    Args:
        settings: the network and the task.
        steps_per_epoch: steps that the program makes in an epoch, of which `hparams.num_steps` count.

    Returns:
        A learner for targets [B, K + 1], whose last column is the weight of the row. The others are the targets of a
        regression, or one class. It records how many rows weigh anything as `num_rows`, beside the loss.
    """
    network = mlp(settings.widths)
    base = sparsifier.make_learner(network, TASKS[settings.task], sparsifier.SparsifierConfig())

    def objective(params, inputs, targets, weights, hparams):
        weights = weights * targets[:, -1]
        num_rows = jnp.sum(weights > 0)
        targets = targets[:, :-1] if settings.task == "regression" else targets[:, 0].astype(jnp.int32)
        value, recorded = base.objective(params, inputs, targets, weights, hparams)
        return value, recorded | {"num_rows": num_rows}

    def optimizer(hparams: Hparams) -> optax.GradientTransformation:
        def is_made(step: Any, **_: Any) -> Any:
            return step % steps_per_epoch < hparams.num_steps

        return optax.conditionally_mask(base.optimizer(hparams), is_made)

    defaults = FrozenDict({**base.defaults, "num_steps": steps_per_epoch})
    return base._replace(objective=objective, optimizer=optimizer, defaults=defaults)


def orders_of_rows(seed: int, epochs: int, num_rows: int, length: int) -> np.ndarray:
    """Draw the order of rows of every epoch, and put the padding behind them.

    On the host: a sort of random numbers is a third of what the program takes to compile.

    Args:
        seed: names the orders.
        epochs: how many.
        num_rows: the number of rows that are no padding.
        length: the number of all.

    Returns:
        int32 [epochs, length]: each first a permutation of 0 .. num_rows - 1, the same whatever the length.
    """
    draw = np.random.default_rng(seed)
    orders = np.tile(np.arange(length, dtype=np.int32), (epochs, 1))
    for order in orders:
        draw.shuffle(order[:num_rows])
    return orders


def all_epochs(
    settings: Settings, params: Tree, rates: dict[str, jax.Array], data: Data, num_rows: jax.Array, orders: jax.Array
) -> tuple[Tree, jax.Array]:
    """Train a gated network for all epochs.

    Args:
        settings: what the program is compiled for.
        params: of the `mlp` of `settings.widths`.
        rates: the settings of the sparsifier by name, [] each.
        data: rows with targets float32 [N, K + 1] as `learner_of` has them, padded.
        num_rows: [] int32, how many are no padding.
        orders: int32 [epochs, N], the order of the rows in every epoch.

    Returns:
        The parameters, in which dead units have closed gates; the mean loss of every epoch, without the penalty,
        [epochs].
    """
    length = data.rows.targets.shape[0]
    learner = learner_of(settings, settings.steps(length))
    epoch = make_epoch(learner, Config(batch_size=settings.batch_size))
    hparams = learner.hparams(**rates, num_steps=-(-num_rows // settings.batch_size))

    def pass_over_rows(state, order):
        state, history = epoch(state, hparams, data, order)
        return state, jnp.sum(history["loss"] * history["num_rows"]) / jnp.sum(history["num_rows"])

    no_seed = np.asarray(0, np.uint32)  # it would name the orders, which are given
    state = init_state(learner, params, no_seed, hparams)
    state, losses = jax.lax.scan(pass_over_rows, state, orders)
    return state.params, losses


train = jax.jit(all_epochs, static_argnums=0)
"""`all_epochs`, compiled."""


@functools.lru_cache(maxsize=64)
def _groups(widths: tuple[int, ...]) -> UnitGroups:
    """Read the unit groups off an `mlp`; tracing it takes longer than a small fit."""
    network = mlp(widths)
    return unit_groups(network.apply, network.init(0), np.zeros((1, widths[0]), np.float32))


def without_dead_units(widths: tuple[int, ...], params: Tree) -> tuple[Tree, list[int]]:
    """Remove dead units and fold the gates of those that live.

    Args:
        widths: (inputs, hidden ..., outputs) of the `mlp`.
        params: its parameters, NumPy arrays.

    Returns:
        Parameters of the plain `mlp`, in which at least one unit per layer stays; the number of live units per layer.
    """
    groups = _groups(widths)
    small = compact(groups, params, groups.live(params))
    return fold_gates(small.params), [int(np.sum(gate > 0)) for gate in read_liveness(params).values()]
