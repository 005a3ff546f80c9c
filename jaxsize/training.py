"""One epoch of training as one program: a scan over steps, with the data resident on the device.

Nothing here knows how many runs there are: `make_epoch` and `make_evaluate` return pure, unjitted functions of one run,
and `jaxsize.runs` maps them over a batch of runs. What a way of learning adds (its loss, its optimiser, what happens
after a step) is a `Learner`; `jaxsize.sparsifier` makes one.
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
    shuffle: Literal["per_run", "shared", "batches"] = "per_run"
    """`per_run`: the order of rows depends on the seed and the epoch; `shared`: on the epoch only, the same for every
    run; `batches`: as `per_run`, but of whole batches, whose rows stay together as the data set has them."""
    last_batch: Literal["keep", "drop"] = "keep"
    """The short batch at the end of an epoch: averaged over the rows it has, or dropped."""
    evaluation_batch_size: int = 2048
    evaluated_train_rows: int | None = None
    """So many training rows, the last ones, are evaluated after an epoch: all of them take about a third as long as
    training on them. They should be in no order. None: all."""

    def __post_init__(self) -> None:
        require_choice(self, "shuffle", "last_batch")
        for name in ("batch_size", "evaluation_batch_size", "evaluated_train_rows"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")

    def steps_per_epoch(self, num_rows: int) -> int:
        full, rest = divmod(num_rows, self.batch_size)
        steps = full + (rest > 0 and self.last_batch == "keep")
        if not steps:
            raise ValueError(f"batch_size: {num_rows} rows hold no whole batch of {self.batch_size}")
        return steps


class Hparams(NamedTuple):
    """What differs from run to run without changing a shape: arrays [], or [R] for a batch of runs. Traced.

    Where a learner says so, a field is a tree of such arrays, a number per layer.
    """

    learning_rate: Any = 1e-3
    penalty_weight: Any = 0.0
    weight_decay: Any = 0.0
    gate_learning_rate: Any = 1e-3
    penalty_decay: Any = 1.0
    """The penalty weight of epoch e, from 0 on, is penalty_weight / penalty_decay**e."""
    key: Any = None
    """The random key of a step, of the run's own, for learners that draw; `make_epoch` and `init_state` put it here."""


@struct.dataclass
class TrainState:
    """What training carries from step to step, for one run (or stacked, [R, ...])."""

    params: Tree
    opt_state: Tree
    bookkeeping: Tree  # moved by the learner, never differentiated: which units are alive, ...
    seed: jax.Array  # [] uint32, names the order of the rows
    epoch: jax.Array  # [] int32, epochs done


class Rows(NamedTuple):
    """Rows of a data set on the device. `inputs` may be uint8; `Data` says how they become network inputs."""

    inputs: Array  # [N, D]
    targets: Array  # [N] int32 or float32


class Data(NamedTuple):
    """What an epoch reads, the same for every run. Network inputs are float32(inputs) * scale + shift."""

    rows: Rows
    """Of all splits, one after the other."""
    scale: Array  # [] or [D] float32
    shift: Array

    def batch(self, index: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Network inputs [B, D] and targets [B] of the rows at index [B]."""
        inputs = jnp.take(self.rows.inputs, index, axis=0, mode="clip").astype(jnp.float32)
        scale, shift = jnp.reshape(self.scale, (1, -1)), jnp.reshape(self.shift, (1, -1))  # [1, 1] or [1, D]
        return inputs * scale + shift, jnp.take(self.rows.targets, index, axis=0, mode="clip")


class Task(NamedTuple):
    """What is learned: losses and scores per row, from outputs [B, O] and targets [B]."""

    loss: Callable[[jax.Array, jax.Array], jax.Array]
    score: Callable[[jax.Array, jax.Array], jax.Array]
    score_name: str


def _squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    if outputs.shape != (*targets.shape, 1):  # (B,) against (B, 1) would broadcast to (B, B) without an error
        raise ValueError(f"regression: expected outputs {(*targets.shape, 1)}, got {outputs.shape}")
    return (outputs[:, 0] - targets) ** 2


def regression(target_mean: float = 0.0, target_std: float = 1.0) -> Task:
    """Squared errors: `loss` of targets standardised by these numbers, which the outputs stand for, `score` in the
    targets' own unit."""

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return _squared_error(outputs, (targets - target_mean) / target_std)

    return Task(loss, lambda outputs, targets: target_std**2 * loss(outputs, targets), "error")


TASKS = {
    "classification": Task(
        optax.softmax_cross_entropy_with_integer_labels,
        lambda outputs, targets: (jnp.argmax(outputs, axis=-1) == targets).astype(jnp.float32),
        "accuracy",
    ),
    "regression": regression(),
}


class Learner(NamedTuple):
    """One way of learning. All functions are pure; `hparams` holds the settings of one run."""

    objective: Callable[[Tree, jax.Array, jax.Array, jax.Array, Hparams], tuple[jax.Array, dict[str, jax.Array]]]
    """(params, inputs [B, D], targets [B], row weights [B], hparams) -> (what is minimised [], what is recorded of the
    batch [] each: "loss", without the penalty, ...)."""
    outputs: Callable[[Tree, jax.Array], jax.Array]
    """(params, inputs [B, D]) -> [B, O]."""
    optimizer: Callable[[Hparams], optax.GradientTransformation]
    after_step: Callable[[Tree, Tree, Hparams], tuple[Tree, Tree]]
    """(params, bookkeeping, hparams) -> the same after projections and deaths."""
    init_bookkeeping: Callable[[Tree], Tree]
    observe: Callable[[Tree], Tree]
    """bookkeeping -> what is recorded at every step, such as live units per layer."""
    live: Callable[[Tree], dict[str, Any]] = lambda bookkeeping: {}
    """bookkeeping -> which units live, bool [U] per gate; of a learner without gates, nothing."""
    of_gradient: Callable[[Tree], dict[str, jax.Array]] = lambda gradient: {}
    """The gradient of a step, like params -> what is recorded of it beside what the objective records."""
    after_epoch: Callable[[Tree, Tree, Tree, Array, Array, Hparams], tuple[Tree, Tree, Tree]] | None = None
    """(params, opt_state, bookkeeping, inputs, targets, hparams) -> the first three, after the last step of an epoch;
    the rows are the first `evaluation_batch_size` ones of the epoch. None: nothing."""


_BEFORE = np.uint32(2**32 - 1)  # names the draws before the first epoch


def init_state(learner: Learner, params: Tree, seed: Array, hparams: Hparams) -> TrainState:
    """The state before the first step. `params` as drawn by `Network.init`; may be mapped over runs."""
    hparams = hparams._replace(key=_key(seed, _BEFORE))
    params, bookkeeping = learner.after_step(params, learner.init_bookkeeping(params), hparams)
    opt_state = learner.optimizer(hparams).init(params)
    return TrainState(params, opt_state, bookkeeping, jnp.asarray(seed, jnp.uint32), jnp.zeros((), jnp.int32))


def _key(seed: Array, epoch: Array | np.uint32) -> jax.Array:
    """Names the draws of an epoch; a step folds its number into it."""
    return jax.random.fold_in(jax.random.key(seed), epoch)


def row_order(seed: jax.Array, epoch: jax.Array, num_rows: int) -> jax.Array:
    """A permutation of rows (or batches), int32 [num_rows], named by (seed, epoch).

    One stable sort by 32 random bits, half the time of `jax.random.permutation`, which sorts twice: rows that draw
    the same bits (0.3 expected pairs among 50 000) keep their order.
    """
    return jnp.argsort(jax.random.bits(_key(seed, epoch), (num_rows,))).astype(jnp.int32)


def _batches(order: jax.Array, num_steps: int, batch_size: int) -> tuple[jax.Array, jax.Array]:
    """Cuts an order of rows into [num_steps, batch_size], with weight 0 where the rows have run out."""
    num_rows = order.shape[0]
    total = num_steps * batch_size
    index = jnp.pad(order, (0, max(0, total - num_rows)))[:total]
    weights = (np.arange(total) < num_rows).astype(np.float32)
    return index.reshape(num_steps, batch_size), jnp.asarray(weights.reshape(num_steps, batch_size))


def make_epoch(learner: Learner, config: Config) -> Callable:
    """Returns epoch(state, hparams, data, order=None) -> (state, history): one pass over rows, for one run.

    `order` [N] names the rows and their order, by default all rows in that of (state.seed, state.epoch). `history` has
    `objective` [steps] and what it records of each batch (before the step), `observed`, the learner's observation after
    each step, and `observed_before`, that before the first; [steps] more of what the learner records of gradients.
    """

    def epoch(state: TrainState, hparams: Hparams, data: Data, order: jax.Array | None = None):
        penalty_weight = hparams.penalty_weight / hparams.penalty_decay**state.epoch
        settings, key = hparams._replace(penalty_weight=penalty_weight), _key(state.seed, state.epoch)
        if order is None:
            order = row_order(state.seed, state.epoch, data.rows.targets.shape[0])
        optimizer = learner.optimizer(settings)

        def step(carry, batch):
            params, opt_state, bookkeeping = carry
            number, (index, weights) = batch
            hparams = settings._replace(key=jax.random.fold_in(key, number))
            inputs, targets = data.batch(index)
            gradient_of = jax.value_and_grad(learner.objective, has_aux=True)
            (objective, recorded), gradient = gradient_of(params, inputs, targets, weights, hparams)
            updates, opt_state = optimizer.update(gradient, opt_state, params)
            params, bookkeeping = learner.after_step(optax.apply_updates(params, updates), bookkeeping, hparams)
            recorded |= learner.of_gradient(gradient) | {"objective": objective}
            return (params, opt_state, bookkeeping), recorded | {"observed": learner.observe(bookkeeping)}

        num_steps = config.steps_per_epoch(order.shape[0])
        batches = (jnp.arange(num_steps), _batches(order, num_steps, config.batch_size))
        carry = (state.params, state.opt_state, state.bookkeeping)
        carry, history = jax.lax.scan(step, carry, batches)
        if learner.after_epoch is not None:
            carry = learner.after_epoch(*carry, *data.batch(order[: config.evaluation_batch_size]), settings)
        params, opt_state, bookkeeping = carry
        history["observed_before"] = learner.observe(state.bookkeeping)
        return TrainState(params, opt_state, bookkeeping, state.seed, state.epoch + 1), history

    return epoch


def make_evaluate(learner: Learner, task: Task, config: Config) -> Callable:
    """Returns evaluate(params, data, ends) -> {split: {"loss": [], score name: []}}, means over all rows of a split
    (of the first one, the training rows, over `config.evaluated_train_rows` if there are more), for one run.

    ends: the number of the row after the last of each split, in the order of the rows. Where the loss is not finite,
    the score is NaN.
    """

    def evaluate(params: Tree, data: Data, ends: dict[str, int]) -> dict[str, dict[str, jax.Array]]:
        stops = np.array(list(ends.values()))
        first = max(0, int(stops[0]) - (config.evaluated_train_rows or int(stops[0])))
        starts = np.array([first, *stops[:-1]])
        num_rows = int(stops[-1]) - first
        batch_size = min(config.evaluation_batch_size, num_rows)
        batches = first + np.arange(-(-num_rows // batch_size) * batch_size).reshape(-1, batch_size)

        def sums(index):  # [splits] each
            inputs, targets = data.batch(index)
            outputs = learner.outputs(params, inputs)
            inside = (starts[:, None] <= index[None, :]) & (index[None, :] < stops[:, None])
            return tuple(
                jnp.sum(jnp.where(inside, of(outputs, targets)[None, :], 0), axis=1) for of in (task.loss, task.score)
            )

        losses, scores = (jnp.sum(of, axis=0) / (stops - starts) for of in jax.lax.map(sums, jnp.asarray(batches)))
        # A network that has diverged always names class 0: that would look like an accuracy.
        scores = jnp.where(jnp.isfinite(losses), scores, jnp.nan)
        return {name: {"loss": losses[n], task.score_name: scores[n]} for n, name in enumerate(ends)}

    return evaluate


def mean_over_rows(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Mean of values [B] over the rows whose weight is 1; [B], [B] -> []."""
    return jnp.sum(values * weights) / jnp.sum(weights)
