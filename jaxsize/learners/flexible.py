"""The flexible-size learner: one trained scalar per layer says how many of its units are on, and an integral prices it.

The source is seed `003_d2c286111c329776.txt`, from the heading "Implement a metric-less resizing" on
(J7 to J13, D1, D2), in two forms. `original`: Adam on everything, coupled weight decay (L2), the size in a group of its
own with learning rate 1. `corrected`: the same with decoupled weight decay. Sizes are not decayed unless `decay_size`
asks for it. The original also ignored the start size that it was given; that is a matter of how runs are set up, see
`ignore_start` of `jaxsize.sweeps.size_sweep`.

Learning rates and decays are traced: `hparams.learning_rate` moves weights (and slopes that are trained),
`hparams.size_learning_rate` moves sizes. A rate of 0 freezes what it moves.
"""

import dataclasses
from collections.abc import Hashable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict

from jaxsize.errors import InputError, require_choice
from jaxsize.gates._names import is_size, is_slope
from jaxsize.gates.leaves import read_sizes, units_beside, with_sizes
from jaxsize.gates.ramp import size_penalty
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.importance import Measure, measure_units
from jaxsize.learners.learner import Learner
from jaxsize.learners.sampled_gates import Estimator, draw_slopes, sampled_outputs
from jaxsize.learners.tasks import Task, mean_over_rows
from jaxsize.networks.network import Network
from jaxsize.trees import Tree
from jaxsize.units.reading import unit_groups
from jaxsize.units.reordering import reorder_units

Optimizer = Literal["adam", "adamax", "sgd"]
SLOPES = (1e-3, 1e4)
"""The range in which a trained slope is kept: with a slope below 0 a gate would let through the wrong units."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlexibleConfig:
    """The settings of how weights and sizes are moved, and of what a gate is; they are static.

    Raises:
        InputError: when a field is not one of its choices, when `gray_zones` are not two finite numbers above 0 in
            order, or when an `estimator` is asked for without a bernoulli gate.

    Example:
        >>> from jaxsize.learners import flexible
        >>> flexible.FlexibleConfig() == flexible.FORMS["corrected"], flexible.FORMS["original"].weight_decay
        (True, 'coupled')
        >>> flexible.FlexibleConfig(gray_zones=(5.0, 2.0))
        Traceback (most recent call last):
        jaxsize.errors.InputError: gray_zones: expected two numbers above 0 in order, got 5.0, 2.0
    """

    optimizer: Optimizer = "adam"
    """The optimiser of weights, and of trained slopes: Adam or Adamax with betas .9 and .999, or plain gradient
    descent."""
    size_optimizer: Optimizer = "adam"
    """The optimiser of sizes."""
    weight_decay: Literal["decoupled", "coupled"] = "decoupled"
    """`coupled`: added to the gradient before the optimiser scales it (L2). `decoupled`: subtracted after (AdamW)."""
    decay_size: bool = False
    """Whether sizes are decayed too, as the weights are."""
    slope: Literal["fixed", "trained", "random"] = "fixed"
    """`fixed`: slopes stay as they are. `trained`: they move like weights, without decay. `random`: the gray zone of
    every layer is drawn anew at every training step; evaluation uses the slope in the parameters."""
    gray_zones: tuple[float, float] = (1.0, 20.0)
    """Smallest and largest width of a gray zone that `random` draws, in units."""
    gate: Literal["ramp", "bernoulli"] = "ramp"
    """`ramp`: a unit is multiplied by its gate. `bernoulli`: in training it is on or off, the gate its probability."""
    estimator: Estimator = "none"
    """How the gradient passes a Bernoulli gate: see `sampled_gates.sampled_outputs`."""
    order: Literal["none", Measure] = "none"
    """Which units come first, decided after every epoch. `spread`: those with the largest running standard deviation
    over rows. `leave_one_out`: those whose absence costs most. `none`: units keep their places."""

    def __post_init__(self) -> None:
        names = ("optimizer", "size_optimizer", "weight_decay", "slope", "gate", "estimator", "order")
        require_choice(self, *names)
        low, high = self.gray_zones
        if not 0 < low <= high < float("inf"):
            raise InputError(f"expected two numbers above 0 in order, got {low}, {high}", field="gray_zones")
        if self.gate == "ramp" and self.estimator != "none":
            raise InputError(
                f"{self.estimator} needs a bernoulli gate; a ramp has a gradient of its own", field="estimator"
            )


FORMS = {"original": FlexibleConfig(weight_decay="coupled"), "corrected": FlexibleConfig()}
DEFAULTS = FrozenDict(learning_rate=1e-3, size_learning_rate=1.0, penalty_weight=0.0, weight_decay=0.0)
"""The settings of a run, and their values where they are not given; sizes move with learning rate 1, as in the
journal."""


def penalty(params: Tree) -> jax.Array:
    """Return the sum of `size_penalty` over gated layers, [], in units (D1). Lambda times it is in the objective."""
    slopes, prices = read_sizes(params, "slope"), []
    for name, size in read_sizes(params).items():
        prices.append(size_penalty(size, slopes[name], units_beside(params, name)))
    return sum(prices, start=jnp.zeros(()))


def make_optimizer(config: FlexibleConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Make the optimiser of a run: one group for weights, one for sizes and one for slopes.

    Weights and trained slopes move with `hparams.learning_rate`, sizes with `hparams.size_learning_rate`; slopes that
    are not trained do not move.
    """
    scales = {"adam": optax.scale_by_adam, "adamax": optax.scale_by_adamax, "sgd": optax.identity}
    decay = optax.add_decayed_weights(hparams.weight_decay)
    before, after = (decay, optax.identity()) if config.weight_decay == "coupled" else (optax.identity(), decay)
    plain = (optax.identity(), optax.identity())

    def group(optimizer: Optimizer, rate: Any, decays: bool) -> optax.GradientTransformation:
        coupled, decoupled = (before, after) if decays else plain
        return optax.chain(coupled, scales[optimizer](), decoupled, optax.scale(-rate))

    def labels(params: Tree) -> Tree:
        def of(path: tuple, leaf: Any) -> str:
            return "sizes" if is_size(path) else "slopes" if is_slope(path) else "weights"

        return jax.tree_util.tree_map_with_path(of, params)

    groups: dict[Hashable, optax.GradientTransformation] = {
        "weights": group(config.optimizer, hparams.learning_rate, True),
        "sizes": group(config.size_optimizer, hparams.size_learning_rate, config.decay_size),
        "slopes": group(config.optimizer, hparams.learning_rate, False)
        if config.slope == "trained"
        else optax.set_to_zero(),
    }
    return optax.partition(groups, labels)


def make_learner(network: Network, task: Task, config: FlexibleConfig) -> Learner:
    """Make the learner of a network some layers of which have a trained size.

    Args:
        network: the network to train; `size` and `slope` stand beside the arrays of their layer, whose last axis is
            that of its units, as in an `mlp(gate="size")`.
        task: what it learns.
        config: how weights and sizes are moved, and what a gate is.

    Returns:
        A learner that observes sizes, slopes and widths, [3, gated layers], in the order of the layers' names. Of every
        step it records `size_gradient` [gated layers], the derivative of the whole objective by each size.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import TASKS, flexible
        >>> network = mlp((4, 50, 30, 2), gate="size", size=10.0, slope=0.5)
        >>> learner = flexible.make_learner(network, TASKS["classification"], flexible.FlexibleConfig())
        >>> sizes, slopes, widths = learner.observe(learner.init_bookkeeping(network.init(0))).tolist()
        >>> print(sizes, slopes, widths)
        [10.0, 10.0] [0.5, 0.5] [50.0, 30.0]
    """

    def objective(params, inputs, targets, weights, hparams):
        if config.slope == "random":
            params = draw_slopes(hparams.key, params, *config.gray_zones)
        if config.gate == "bernoulli":
            outputs, log_p = sampled_outputs(
                network.apply, params, inputs, jax.random.fold_in(hparams.key, 1), config.estimator
            )
        else:
            outputs, log_p = network.apply(params, inputs), jnp.zeros(targets.shape[0])
        recorded = task.of_batch(outputs, targets, weights)
        total = recorded["loss"] + hparams.penalty_weight * penalty(params)
        if config.estimator == "score_function":
            total = total + _score_function(task.loss(outputs, targets), log_p, weights)
        return total, recorded

    def after_step(params, bookkeeping, hparams):
        if config.slope == "trained":
            slopes = {name: jnp.clip(slope, *SLOPES) for name, slope in read_sizes(params, "slope").items()}
            params = with_sizes(params, "slope", slopes)
        return params, bookkeeping | _observed(params)

    def after_epoch(params, opt_state, bookkeeping, inputs, targets, weights, hparams):
        groups = unit_groups(network.apply, params, inputs[:1])
        measured = measure_units(config.order, network, task, params, inputs, targets, weights)
        spread = {name: 0.9 * bookkeeping["order"][name] + 0.1 * value for name, value in measured.items()}
        score = spread if config.order == "spread" else measured
        params, opt_state, order = reorder_units(make_optimizer(config, hparams), groups, params, opt_state, score)
        return params, opt_state, bookkeeping | {"order": {name: spread[name][order[name]] for name in order}}

    def init_bookkeeping(params):
        if config.order == "none":
            return _observed(params)
        order = {name: jnp.zeros(units_beside(params, name)) for name in read_sizes(params)}
        return _observed(params) | {"order": order}

    return Learner(
        objective=objective,
        outputs=network.apply,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        scores=lambda params, inputs, targets: task.of_rows(network.apply(params, inputs), targets),
        defaults=DEFAULTS,
        after_step=after_step,
        init_bookkeeping=init_bookkeeping,
        observe=lambda bookkeeping: jnp.stack([bookkeeping[name] for name in ("size", "slope", "width")]),
        of_gradient=lambda gradient: {"size_gradient": jnp.stack(list(read_sizes(gradient).values()))},
        after_epoch=None if config.order == "none" else after_epoch,
    )


def _observed(params: Tree) -> dict[str, jax.Array]:
    gates = {leaf: jnp.stack(list(map(jnp.asarray, read_sizes(params, leaf).values()))) for leaf in ("size", "slope")}
    widths = [units_beside(params, name) for name in read_sizes(params)]
    return gates | {"width": jnp.array(widths, gates["size"].dtype)}


def _score_function(rows: jax.Array, log_p: jax.Array, weights: jax.Array) -> jax.Array:
    """Return 0, whose gradient is the mean over rows of (loss of the row - mean loss of the others) d log p."""
    rest = jnp.sum(weights) - weights
    others = (jnp.sum(rows * weights) - rows * weights) / jnp.where(rest > 0, rest, 1)
    term = mean_over_rows(jax.lax.stop_gradient(rows - others) * log_p, weights)
    return term - jax.lax.stop_gradient(term)
