"""One epoch of training as one program: a scan over steps, with the data resident on the device.

Nothing here knows how many runs there are: `make_epoch` and `make_evaluate` return pure, unjitted functions of one run,
and `jaxsize.runs` maps them over a batch of runs. What a way of learning adds (its loss, its optimiser, what happens
after a step) is a `Trainer`; `jaxsize.sparsifier` makes one.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args, get_type_hints

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct

Tree = Any
Array = jax.Array | np.ndarray  # on the device, or on its way there


def require_choice(config: Any, *names: str) -> None:
    """ValueError unless each of these fields holds one of the values of its Literal type."""
    types = get_type_hints(type(config))
    for name in names:
        if getattr(config, name) not in get_args(types[name]):
            known = ", ".join(get_args(types[name]))
            raise ValueError(f"{name}: expected one of {known}, got {getattr(config, name)!r}")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config:
    """What fixes shapes and lengths: static, Python values."""

    batch_size: int = 128
    shuffle: Literal["per_run", "shared"] = "per_run"
    """`per_run`: the order of rows depends on the seed and the epoch; `shared`: on the epoch only, the same for every
    run."""
    last_batch: Literal["keep", "drop"] = "keep"
    """The short batch at the end of an epoch: averaged over the rows it has, or dropped."""
    evaluation_batch_size: int = 2048

    def __post_init__(self) -> None:
        require_choice(self, "shuffle", "last_batch")
        for name in ("batch_size", "evaluation_batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")

    def steps_per_epoch(self, num_rows: int) -> int:
        full, rest = divmod(num_rows, self.batch_size)
        steps = full + (rest > 0 and self.last_batch == "keep")
        if not steps:
            raise ValueError(f"batch_size: {num_rows} rows hold no whole batch of {self.batch_size}")
        return steps


class Hparams(NamedTuple):
    """What differs from run to run without changing a shape: arrays [], or [R] for a batch of runs. Traced."""

    learning_rate: Any = 1e-3
    penalty_weight: Any = 0.0
    weight_decay: Any = 0.0
    gate_learning_rate: Any = 1e-3


@struct.dataclass
class TrainState:
    """What training carries from step to step, for one run (or stacked, [R, ...])."""

    params: Tree
    opt_state: Tree
    bookkeeping: Tree  # moved by the trainer, never differentiated: which units are alive, ...
    seed: jax.Array  # [] uint32, names the order of the rows
    epoch: jax.Array  # [] int32, epochs done


class Rows(NamedTuple):
    """Rows of a data set on the device. `inputs` may be uint8; `Data` says how they become network inputs."""

    inputs: Array  # [N, D]
    targets: Array  # [N] int32 or float32


class Data(NamedTuple):
    """What an epoch reads, the same for every run. Network inputs are float32(inputs) * scale + shift."""

    train: Rows
    scale: Array  # [] or [D] float32
    shift: Array

    def batch(self, rows: Rows, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Network inputs [B, D] and targets [B] of the rows at index [B]."""
        inputs = jnp.take(rows.inputs, index, axis=0, mode="clip").astype(jnp.float32)
        scale, shift = jnp.reshape(self.scale, (1, -1)), jnp.reshape(self.shift, (1, -1))  # [1, 1] or [1, D]
        return inputs * scale + shift, jnp.take(rows.targets, index, axis=0, mode="clip")


class Task(NamedTuple):
    """What is learned: losses and scores per row, from outputs [B, O] and targets [B]."""

    loss: Callable[[jax.Array, jax.Array], jax.Array]
    score: Callable[[jax.Array, jax.Array], jax.Array]
    score_name: str


def _squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    if outputs.shape != (*targets.shape, 1):  # (B,) against (B, 1) would broadcast to (B, B) without an error
        raise ValueError(f"regression: expected outputs {(*targets.shape, 1)}, got {outputs.shape}")
    return (outputs[:, 0] - targets) ** 2


TASKS = {
    "classification": Task(
        optax.softmax_cross_entropy_with_integer_labels,
        lambda outputs, targets: (jnp.argmax(outputs, axis=-1) == targets).astype(jnp.float32),
        "accuracy",
    ),
    "regression": Task(_squared_error, _squared_error, "error"),
}


class Trainer(NamedTuple):
    """One way of learning. All functions are pure; `hparams` holds the settings of one run."""

    objective: Callable[[Tree, jax.Array, jax.Array, jax.Array, Hparams], tuple[jax.Array, jax.Array]]
    """(params, inputs [B, D], targets [B], row weights [B], hparams) -> (what is minimised [], loss without penalty
    [])."""
    outputs: Callable[[Tree, jax.Array], jax.Array]
    """(params, inputs [B, D]) -> [B, O]."""
    optimizer: Callable[[Hparams], optax.GradientTransformation]
    after_step: Callable[[Tree, Tree, Hparams], tuple[Tree, Tree]]
    """(params, bookkeeping, hparams) -> the same after projections and deaths."""
    init_bookkeeping: Callable[[Tree], Tree]
    observe: Callable[[Tree], Tree]
    """bookkeeping -> what is recorded at every step, such as live units per layer."""
    live: Callable[[Tree], dict[str, Any]] = lambda bookkeeping: {}
    """bookkeeping -> which units live, bool [U] per gate; of a trainer without gates, nothing."""


def init_state(trainer: Trainer, params: Tree, seed: Array, hparams: Hparams) -> TrainState:
    """The state before the first step. `params` as drawn by `Network.init`; may be mapped over runs."""
    params, bookkeeping = trainer.after_step(params, trainer.init_bookkeeping(params), hparams)
    opt_state = trainer.optimizer(hparams).init(params)
    return TrainState(params, opt_state, bookkeeping, jnp.asarray(seed, jnp.uint32), jnp.zeros((), jnp.int32))


def row_order(seed: jax.Array, epoch: jax.Array, num_rows: int) -> jax.Array:
    """A permutation of the rows, int32 [num_rows], named by (seed, epoch).

    One stable sort by 32 random bits, half the time of `jax.random.permutation`, which sorts twice: rows that draw
    the same bits (0.3 expected pairs among 50 000) keep their order.
    """
    key = jax.random.fold_in(jax.random.key(seed), epoch)
    return jnp.argsort(jax.random.bits(key, (num_rows,)))


def _batches(order: jax.Array, num_steps: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Cuts an order of rows into [num_steps, batch_size], with weight 0 where the rows have run out."""
    num_rows = order.shape[0]
    total = num_steps * batch_size
    index = jnp.pad(order, (0, max(0, total - num_rows)))[:total]
    weights = (np.arange(total) < num_rows).astype(np.float32)
    return index.reshape(num_steps, batch_size), jnp.asarray(weights.reshape(num_steps, batch_size))


def make_epoch(trainer: Trainer, config: Config) -> Callable:
    """Returns epoch(state, hparams, data, order=None) -> (state, history): one pass over the rows, for one run.

    `order` [N] is the order of the rows, by default that of (state.seed, state.epoch). `history` has `loss` [steps],
    the loss of each batch without the penalty (before the step), `observed`, the trainer's observation after each
    step, and `observed_before`, that before the first.
    """

    def epoch(state: TrainState, hparams: Hparams, data: Data, order: jax.Array | None = None):
        num_rows = data.train.targets.shape[0]
        if order is None:
            order = row_order(state.seed, state.epoch, num_rows)
        optimizer = trainer.optimizer(hparams)

        def step(carry, batch):
            params, opt_state, bookkeeping = carry
            index, weights = batch
            inputs, targets = data.batch(data.train, index)
            gradient_of = jax.value_and_grad(trainer.objective, has_aux=True)
            (_, loss), gradient = gradient_of(params, inputs, targets, weights, hparams)
            updates, opt_state = optimizer.update(gradient, opt_state, params)
            params, bookkeeping = trainer.after_step(optax.apply_updates(params, updates), bookkeeping, hparams)
            return (params, opt_state, bookkeeping), {"loss": loss, "observed": trainer.observe(bookkeeping)}

        batches = _batches(order, config.steps_per_epoch(num_rows), config.batch_size)
        carry = (state.params, state.opt_state, state.bookkeeping)
        (params, opt_state, bookkeeping), history = jax.lax.scan(step, carry, batches)
        history["observed_before"] = trainer.observe(state.bookkeeping)
        return TrainState(params, opt_state, bookkeeping, state.seed, state.epoch + 1), history

    return epoch


def make_evaluate(trainer: Trainer, task: Task, config: Config) -> Callable:
    """Returns evaluate(params, rows, data) -> {"loss": [], score name: []}, means over all rows, for one run.

    Where the loss is not finite, the score is NaN.
    """

    def evaluate(params: Tree, rows: Rows, data: Data) -> dict[str, jax.Array]:
        num_rows = rows.targets.shape[0]
        batch_size = min(config.evaluation_batch_size, num_rows)
        index, weights = _batches(jnp.arange(num_rows), -(-num_rows // batch_size), batch_size)

        def sums(batch):
            inputs, targets = data.batch(rows, batch[0])
            outputs = trainer.outputs(params, inputs)
            return tuple(jnp.sum(jnp.where(batch[1] > 0, of(outputs, targets), 0)) for of in (task.loss, task.score))

        losses, scores = jax.lax.map(sums, (index, weights))
        loss, score = jnp.sum(losses) / num_rows, jnp.sum(scores) / num_rows
        # A network that has diverged always names class 0: that would look like an accuracy.
        return {"loss": loss, task.score_name: jnp.where(jnp.isfinite(loss), score, jnp.nan)}

    return evaluate


def mean_over_rows(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Mean of values [B] over the rows whose weight is 1; [B], [B] -> []."""
    return jnp.sum(values * weights) / jnp.sum(weights)
