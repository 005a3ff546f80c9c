"""One epoch of training as one program: a scan over steps, with the data resident on the device.

Nothing here knows how many runs there are: `make_epoch` returns a pure, unjitted function of one run, and
`RunAxis` maps it over a batch of runs. What differs between ways of learning (the loss, the optimiser, what happens
after a step) is a `Learner`.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data
from jaxsize.trees import Array, Tree


@struct.dataclass
class TrainState:
    """The state that training carries from step to step, of one run (or stacked, [R, ...]).

    Example:
        >>> import numpy as np
        >>> from jaxsize.programs import TrainState
        >>> state = TrainState({"kernel": np.ones((3, 2))}, (), {}, seed=np.uint32(5), epoch=np.int32(1))
        >>> int(state.replace(epoch=state.epoch + 1).epoch)
        2
    """

    params: Tree
    opt_state: Tree
    bookkeeping: Tree
    """Arrays that the learner moves and nobody differentiates: which units are alive, ..."""
    seed: jax.Array
    """[] uint32; names the order of the rows, with the epoch."""
    epoch: jax.Array
    """[] int32: epochs done."""


_BEFORE = np.uint32(2**32 - 1)  # names the draws before the first epoch


def init_state(learner: Learner, params: Tree, seed: Array, hparams: Hparams) -> TrainState:
    """Make the state of a run before the first step.

    The parameters go through the learner's `after_step` once, so that they meet its constraints from the start. Pure:
    may be mapped over runs.

    Args:
        learner: how the run learns.
        params: parameters as `Network.init` draws them.
        seed: [] uint32, names the order of the rows and the learner's draws.
        hparams: the run's settings.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> from jaxsize.learners import TASKS
        >>> from jaxsize.learners.plain import PlainConfig, make_learner
        >>> from jaxsize.networks import mlp
        >>> from jaxsize.programs import init_state
        >>> network = mlp((3, 4, 2), gate=None)
        >>> params = network.init(seed=0) | {"inputs": {"scale": np.float32(1)}}
        >>> learner = make_learner(network, TASKS["classification"], PlainConfig())
        >>> start = jax.jit(lambda params, seed: init_state(learner, params, seed, learner.hparams()))
        >>> state = start(params, np.uint32(7))
        >>> int(state.seed), int(state.epoch)
        (7, 0)
    """
    hparams = hparams.replace(key=_key(seed, _BEFORE))
    params, bookkeeping = learner.after_step(params, learner.init_bookkeeping(params), hparams)
    opt_state = learner.optimizer(hparams).init(params)
    return TrainState(params, opt_state, bookkeeping, jnp.asarray(seed, jnp.uint32), jnp.zeros((), jnp.int32))


def _key(seed: Array, epoch: Array | np.uint32) -> jax.Array:
    """The random key that names the draws of an epoch; a step folds its number into it."""
    return jax.random.fold_in(jax.random.key(seed), epoch)


def row_order(seed: jax.Array, epoch: jax.Array, num_rows: int) -> jax.Array:
    """Draw the order of rows (or batches) in an epoch: the same permutation for the same seed and epoch.

    One stable sort by 32 random bits, in half the time of `jax.random.permutation`, which sorts twice: rows that draw
    the same bits (0.3 expected pairs among 50 000) keep their order.

    Args:
        seed: [] uint32.
        epoch: [] int32, number of the epoch, from 0 on.
        num_rows: rows to permute.

    Returns:
        A permutation of 0 .. num_rows - 1, int32 [num_rows].

    Example:
        >>> import jax
        >>> import numpy as np
        >>> from jaxsize.programs import row_order
        >>> draw = jax.jit(row_order, static_argnums=2)
        >>> orders = [draw(np.uint32(seed), np.int32(0), 5).tolist() for seed in (1, 1, 2)]
        >>> sorted(orders[0]), orders[0] == orders[1], orders[0] == orders[2]
        ([0, 1, 2, 3, 4], True, False)
    """
    return jnp.argsort(jax.random.bits(_key(seed, epoch), (num_rows,))).astype(jnp.int32)


def _batches(order: jax.Array, num_steps: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """An order of rows cut into batches, [num_steps, batch_size], and their weights: 0 where the rows have run out."""
    num_rows = order.shape[0]
    total = num_steps * batch_size
    index = jnp.pad(order, (0, max(0, total - num_rows)))[:total]
    weights = (np.arange(total) < num_rows).astype(np.float32)
    return index.reshape(num_steps, batch_size), jnp.asarray(weights.reshape(num_steps, batch_size))


def make_epoch(learner: Learner, config: Config) -> Callable:
    """Make the pure function that trains one run for one epoch: one pass over rows.

    Args:
        learner: how the run learns.
        config: rows per step, and what happens to a short batch at the end.

    Returns:
        epoch(state, hparams, data, order=None) -> (state, history), to be jitted, or mapped over runs. `order` is
        integers [N], the numbers of the rows in the order in which they are read; by default all rows, in the order
        that (state.seed, state.epoch) name. `history` is a dict: `objective` [steps] and what the objective records of
        each batch (before the step), [steps] each; `observed` [steps, ...], the learner's observation after each step;
        `observed_before` [...], its observation before the first step; what the learner records of gradients,
        [steps, ...]; and `of_epoch`, a dict of what it measures of the network after the last step.

    Example:
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import numpy as np
        >>> import optax
        >>> from jaxsize.learners import Learner
        >>> from jaxsize.programs import Config, Data, Rows, init_state, make_epoch
        >>> def objective(params, inputs, targets, weights, hparams):  # fits a mean
        ...     loss = jnp.sum(weights * (params - targets) ** 2) / jnp.sum(weights)
        ...     return loss, {"loss": loss}
        >>> learner = Learner(
        ...     objective,
        ...     optimizer=lambda hparams: optax.sgd(hparams.learning_rate),
        ...     scores=lambda params, inputs, targets: {"loss": (params - targets) ** 2},
        ... )
        >>> data = Data(Rows(np.zeros((6, 1), np.float32), np.full(6, 4, np.float32)), np.float32(1), np.float32(0))
        >>> hparams, epoch = learner.hparams(learning_rate=0.25), make_epoch(learner, Config(batch_size=2))
        >>> def first_epoch(params, seed, order):
        ...     return epoch(init_state(learner, params, seed, hparams), hparams, data, order)
        >>> state, history = jax.jit(first_epoch)(np.float32(0), np.uint32(0), np.arange(6))
        >>> history["loss"].tolist(), float(state.params), int(state.epoch)
        ([16.0, 4.0, 1.0], 3.5, 1)
    """

    def epoch(state: TrainState, hparams: Hparams, data: Data, order: jax.Array | None = None):
        settings, key = learner.schedule(hparams, state.epoch), _key(state.seed, state.epoch)
        if order is None:
            order = row_order(state.seed, state.epoch, data.rows.num_rows)
        optimizer = learner.optimizer(settings)

        def step(carry, batch):
            params, opt_state, bookkeeping = carry
            number, (index, weights) = batch
            hparams = settings.replace(key=jax.random.fold_in(key, number))
            inputs, targets = data.batch(index)
            if (of_rows := data.weights(index)) is not None:
                weights = weights * of_rows
            gradient_of = jax.value_and_grad(learner.objective, has_aux=True)
            (objective, recorded), gradient = gradient_of(params, inputs, targets, weights, hparams)
            more = learner.update_args(inputs, targets, weights, hparams)
            updates, opt_state = optimizer.update(gradient, opt_state, params, **more)
            params, bookkeeping = learner.after_step(optax.apply_updates(params, updates), bookkeeping, hparams)
            recorded |= learner.of_gradient(gradient) | {"objective": objective}
            return (params, opt_state, bookkeeping), recorded | {"observed": learner.observe(bookkeeping)}

        num_steps = config.steps_per_epoch(order.shape[0])
        batches = (jnp.arange(num_steps), _batches(order, num_steps, config.batch_size))
        carry = (state.params, state.opt_state, state.bookkeeping)
        carry, history = jax.lax.scan(step, carry, batches)
        if learner.after_epoch is not None:
            first = order[: config.evaluation_batch_size]
            carry = learner.after_epoch(*carry, *data.batch(first), data.weights(first), settings)
        params, opt_state, bookkeeping = carry
        history["observed_before"] = learner.observe(state.bookkeeping)
        own_key = jax.random.fold_in(key, num_steps)  # as no step has
        history["of_epoch"] = learner.of_epoch(params, settings.replace(key=own_key), state.epoch + 1)
        return TrainState(params, opt_state, bookkeeping, state.seed, state.epoch + 1), history

    return epoch
