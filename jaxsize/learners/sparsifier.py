"""The sparsifier: one trained gate per unit, an L1 penalty on the gates, and death at zero.

The source is seed `003_d2c286111c329776.txt`, "Implement the first version of a Sparsifier Network",
in two forms. `original`: everything is moved by Adam on loss + penalty, with coupled weight decay (0 in the source),
and units are masked once relu closes. `corrected`: weight decay is decoupled and never on gates, so that the objective
has a minimiser, and gates are moved by a proximal step, so that a closed gate is exactly 0.

Beyond the source, gates may be signed, and units may die by the other death rules of D7.
"""

import dataclasses
import functools
import math
from collections.abc import Hashable, Mapping
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict

from jaxsize.errors import InputError, require_choice
from jaxsize.gates import deaths
from jaxsize.gates.deaths import DeathRule, count_live
from jaxsize.gates.leaves import read_liveness, replace_liveness
from jaxsize.gates.liveness import liveness_penalty
from jaxsize.learners._unit_norm import group_names, normalize_units
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import Task
from jaxsize.networks.network import Network
from jaxsize.trees import Tree


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierConfig:
    """The settings of what a gate is, how gates and weights are moved, and when a unit dies; they are static.

    Raises:
        InputError: when a field is not one of its choices, when `death_rule` and its gates do not fit (see
            `death_rule`), or when a number is out of its range.

    Example:
        >>> from jaxsize.learners import sparsifier
        >>> sparsifier.SparsifierConfig() == sparsifier.FORMS["corrected"]
        True
        >>> sparsifier.SparsifierConfig(gate="signed")
        Traceback (most recent call last):
        jaxsize.errors.InputError: death_rule: absorbing is for relu gates; signed ones take threshold or sign_variance
    """

    gate: Literal["relu", "signed"] = "relu"
    """`relu`: a unit is multiplied by relu(liveness), which costs relu(liveness). `signed`: by liveness itself, which
    costs |liveness|."""
    gate_step: Literal["proximal", "gradient"] = "proximal"
    """`gradient`: the optimiser's step on the penalised loss. `proximal`: the same step, cut at zero.

    For a gate f > 0 the cut step is the soft threshold max(f - t dL/df - t lambda, 0), where t is the optimiser's own
    step length for this gate: under Adam the learning rate / (sqrt(v) + eps), with the v of the whole objective; under
    SGD the learning rate. It gives exact zeros and the same path above 0. A step that would carry a signed gate through
    0 ends at 0. With z = f - t dL/df that is the soft threshold sign(z) max(|z| - t lambda, 0), except that it never
    comes out on the other side of 0, as the soft threshold does if |z| > t lambda and the signs of z and f differ."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    """The optimiser of gates; weights are always moved by Adam."""
    weight_decay: Literal["decoupled", "coupled"] = "decoupled"
    """`decoupled`: subtracted from the weights, never from gates (AdamW). `coupled`: added to every gradient, that of
    gates too."""
    unit_norm: bool = False
    """Whether the incoming weights of every gated unit are kept at norm 1, so that the gate holds the unit's scale. The
    penalty is then a group lasso. Decoupled weight decay leaves these weights alone."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """When a unit dies; the functions of the same names in `jaxsize.gates.deaths` say it exactly.

    `absorbing`: a relu gate dies at or below 0; not for signed gates, which are as open below 0 as above. `threshold`:
    a gate of any kind dies at |liveness| <= death_level; relu gates need proximal steps, as a plain step can jump over
    the level and leave a gate that is closed and never dies. `sign_variance`: a signed gate dies when its sign changes
    too much; it needs gradient steps, as a step that ends at 0 shows no change of sign."""
    death_level: float = 1e-5
    """The level of `threshold`: finite, at least 0."""
    sign_decay: float = 0.99
    """The decay of `sign_variance`, from 0 to below 1: the larger, the longer the memory. At 0 a unit dies at the first
    change of sign."""

    def __post_init__(self) -> None:
        require_choice(self, "gate", "gate_step", "gate_optimizer", "weight_decay", "death_rule")
        if self.death_rule == "absorbing" and self.gate == "signed":
            raise InputError(
                "absorbing is for relu gates; signed ones take threshold or sign_variance", field="death_rule"
            )
        if self.death_rule == "sign_variance" and self.gate == "relu":
            raise InputError(
                "sign_variance is for signed gates; a relu gate below 0 gets no gradient", field="death_rule"
            )
        if self.death_rule == "sign_variance" and self.gate_step == "proximal":
            raise InputError(
                "sign_variance needs gradient; a proximal step ends at 0, not beyond it", field="gate_step"
            )
        if self.death_rule == "threshold" and self.gate == "relu" and self.gate_step == "gradient":
            raise InputError(
                "threshold needs proximal for relu gates; a plain step can jump over the level", field="gate_step"
            )
        make_death_rule(self)  # raises an InputError for numbers out of range


def make_death_rule(config: SparsifierConfig) -> DeathRule:
    """Make the death rule that the config names.

    Its `live` reads off a learner's bookkeeping which units are alive.

    Raises:
        InputError: when `death_level` or `sign_decay` is out of its range and the rule uses it.
    """
    if config.death_rule == "threshold":
        return deaths.threshold(config.death_level)
    if config.death_rule == "sign_variance":
        return deaths.sign_variance(config.sign_decay)
    return deaths.absorbing()


FORMS = {
    "original": SparsifierConfig(gate_step="gradient", weight_decay="coupled"),
    "corrected": SparsifierConfig(),
}
DEFAULTS = FrozenDict(
    learning_rate=1e-3, penalty_weight=0.0, weight_decay=0.0, gate_learning_rate=1e-3, penalty_decay=1.0
)
"""The settings of a run, and their values where they are not given. In epoch e, counted from 0, the factor lambda of
the penalty is penalty_weight / penalty_decay**e."""


def penalty(params: Tree, *, signed: bool = False, unit_prices: Mapping[str, float] | None = None) -> jax.Array:
    """Return the sum of relu(liveness), or of |liveness| of signed gates, over the network, [].

    The objective multiplies it by lambda.

    Args:
        params: parameters of the network.
        signed: whether the gates are signed.
        unit_prices: price of a unit of each gate, by the gate's name; None: 1 for all.

    Raises:
        InputError: when `unit_prices` does not name exactly the gates of the network.
    """
    gates = read_liveness(params)
    prices = {name: liveness_penalty(gate, signed=signed) for name, gate in gates.items()}
    if unit_prices is not None:
        if set(unit_prices) != set(gates):
            raise InputError(f"expected the gates {sorted(gates)}, got {sorted(unit_prices)}", field="unit_prices")
        prices = {name: unit_prices[name] * price for name, price in prices.items()}
    return sum(prices.values(), start=jnp.zeros(()))


def make_optimizer(config: SparsifierConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Make the optimiser of a run: Adam for weights (betas .9, .999, eps 1e-8), and for gates what the config says.

    Weights move with `hparams.learning_rate`, gates with `hparams.gate_learning_rate`.
    """
    decay = optax.add_decayed_weights(hparams.weight_decay)
    coupled, decoupled = (decay, optax.identity()) if config.weight_decay == "coupled" else (optax.identity(), decay)
    scale_gates = {"adam": optax.scale_by_adam, "sgd": optax.identity}[config.gate_optimizer]
    gates = optax.chain(coupled, scale_gates(), optax.scale(-hparams.gate_learning_rate))
    if config.gate == "signed" and config.gate_step == "proximal":  # needs the gate before the step, as here
        gates = optax.chain(gates, optax.stateless(lambda steps, params: jax.tree.map(_stop_at_zero, steps, params)))
    weights = optax.chain(coupled, optax.scale_by_adam(), decoupled, optax.scale(-hparams.learning_rate))
    # Decoupled decay of a column whose norm is kept would only move into its gate.
    unit_norm = optax.chain(coupled, optax.scale_by_adam(), optax.scale(-hparams.learning_rate))

    groups: dict[Hashable, optax.GradientTransformation] = {"gates": gates, "weights": weights, "unit_norm": unit_norm}
    return optax.partition(groups, functools.partial(group_names, unit_norm=config.unit_norm))


def _stop_at_zero(step: jax.Array, gate: jax.Array) -> jax.Array:
    """Return the step [U], or -gate [U] where gate + step would have the other sign; gate + -gate is exactly 0."""
    return jnp.where(jnp.sign(gate) * jnp.sign(gate + step) < 0, -gate, step)


def make_learner(
    network: Network, task: Task, config: SparsifierConfig, *, unit_prices: Mapping[str, float] | None = None
) -> Learner:
    """Make the learner for any network whose gates are leaves named `liveness`; without any, it trains a plain network.

    Args:
        network: the network to train.
        task: the task whose loss is minimised.
        config: the settings.
        unit_prices: price of an open gate, by the name of the gate (see `jaxsize.gates.leaves.read_liveness`), such as
            the parameters or multiply-adds of one unit (E23): finite, at least 0. None: 1 for every gate.

    Returns:
        A learner with the bookkeeping of the death rule, which for `absorbing` and `threshold` is
        `{gate name: bool [U]}`, True while a unit lives. It observes the number of live units per gate, int32 [gates].

    Raises:
        InputError: when the network says that its gates are of the other kind, or a price is out of its range; and when
            the objective is first called, unless exactly the network's gates have prices.

    Example:
        >>> import jax, numpy as np
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import TASKS, sparsifier
        >>> network = mlp((4, 3, 2))
        >>> learner = sparsifier.make_learner(network, TASKS["classification"], sparsifier.SparsifierConfig())
        >>> params = network.init(0)
        >>> bookkeeping = learner.init_bookkeeping(params)
        >>> params["hidden"][0]["liveness"] = np.array([0.5, 0.0, -0.25], np.float32)  # after some step
        >>> params, bookkeeping = jax.jit(learner.after_step)(params, bookkeeping, learner.hparams())
        >>> params["hidden"][0]["liveness"].tolist(), learner.live(bookkeeping)["hidden.0"].tolist()
        ([0.5, 0.0, 0.0], [True, False, False])
    """
    signed, rule = config.gate == "signed", make_death_rule(config)
    if network.signed not in (None, signed):
        kinds = {False: "relu", True: "signed"}
        raise InputError(f"the config says {config.gate}, but the network has {kinds[not signed]} gates", field="gate")
    prices = None if unit_prices is None else {name: float(price) for name, price in unit_prices.items()}
    for name, price in (prices or {}).items():
        if not 0 <= price < math.inf:
            raise InputError(f"expected a finite number from 0 on for {name!r}, got {price}", field="unit_prices")

    def objective(params, inputs, targets, weights, hparams):
        recorded = task.of_batch(network.apply(params, inputs), targets, weights)
        price = penalty(params, signed=signed, unit_prices=prices)
        return recorded["loss"] + hparams.penalty_weight * price, recorded

    def after_step(params, bookkeeping, hparams):
        if config.unit_norm:
            params = normalize_units(params)
        if config.gate_step == "proximal" and not signed:
            params = replace_liveness(params, {k: jnp.maximum(gate, 0) for k, gate in read_liveness(params).items()})
        return rule.update(params, bookkeeping)

    return Learner(
        objective=objective,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        scores=lambda params, inputs, targets: task.of_rows(network.apply(params, inputs), targets),
        outputs=network.apply,
        defaults=DEFAULTS,
        after_step=after_step,
        init_bookkeeping=rule.init,
        observe=lambda bookkeeping: count_live(rule.live(bookkeeping)),
        live=rule.live,
        schedule=lambda hparams, epoch: hparams.replace(
            penalty_weight=hparams.penalty_weight / hparams.penalty_decay**epoch
        ),
    )
