"""The sparsifier: one trained gate per unit, an L1 penalty on the gates, and death at zero.

The source is seed `003_d2c286111c329776.txt`, "Implement the first version of a Sparsifier Network",
in two forms. `original`: everything by Adam on loss + penalty, coupled weight decay (0 in the source), units masked
when relu closes. `corrected`: weight decay decoupled and never on gates, so that the objective has a minimiser
and gates moved by a proximal step, so that a closed gate is exactly 0.

Beside its relu gates and absorption at 0 stand signed gates and the other death rules of REFERENCE D7.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import tree_map_with_path

from jaxsize import liveness
from jaxsize.liveness import LEAF, DeathRule, count_live, is_liveness, read_liveness, replace_liveness
from jaxsize.networks import Network
from jaxsize.penalties import group_norms, liveness_penalty
from jaxsize.training import Hparams, Task, Learner, mean_over_rows, require_choice

Tree = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierConfig:
    """What a gate is, how gates and weights are moved, and when a unit dies. Static.

    ValueError for a rule that its gates do not fit: see `death_rule`.
    """

    gate: Literal["relu", "signed"] = "relu"
    """`relu`: a unit is multiplied by relu(liveness), which costs relu(liveness). `signed`: by liveness itself, which
    costs |liveness|."""
    gate_step: Literal["proximal", "gradient"] = "proximal"
    """`gradient`: the optimiser's step on the penalised loss. `proximal`: the same step cut at zero. For a gate f > 0
    that is the soft threshold max(f - t dL/df - t lambda, 0) with t the optimiser's own step length per gate
    (learning rate / (sqrt(v) + eps) under Adam, where v is that of the whole objective; the learning rate under SGD):
    exact zeros, same path above 0. A step that would carry a signed gate through 0 ends there: with z = f - t dL/df,
    the soft threshold sign(z) max(|z| - t lambda, 0), except that it never comes out on the other side, where it would
    be if |z| > t lambda with the sign of z other than that of f."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    weight_decay: Literal["decoupled", "coupled"] = "decoupled"
    """`decoupled`: subtracted from the weights, never from gates (AdamW). `coupled`: added to every gradient, gates
    too."""
    unit_norm: bool = False
    """Keep the incoming weights of every gated unit at norm 1 and its size in the gate: the penalty is a group lasso
    then. These weights are not decayed."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """`absorbing`: a relu gate dies at or below 0; a signed gate is as open below 0 as above. `threshold`: any gate
    dies at |liveness| <= death_level; relu gates need proximal steps, as a plain one can jump over the level, closed
    and never dead. `sign_variance`: a signed gate dies of changes of its sign; it needs gradient steps, as a step that
    ends at 0 shows none. (liveness.absorbing, threshold, sign_variance)"""
    death_level: float = 1e-5
    """Of `threshold`: finite, at least 0."""
    sign_decay: float = 0.99
    """Of `sign_variance`: from 0 to below 1; the longer memory. 0: dead at the first change of sign."""

    def __post_init__(self) -> None:
        require_choice(self, "gate", "gate_step", "gate_optimizer", "weight_decay", "death_rule")
        if self.death_rule == "absorbing" and self.gate == "signed":
            raise ValueError("death_rule: absorbing is for relu gates; signed ones take threshold or sign_variance")
        if self.death_rule == "sign_variance" and self.gate == "relu":
            raise ValueError("death_rule: sign_variance is for signed gates; a relu gate below 0 gets no gradient")
        if self.death_rule == "sign_variance" and self.gate_step == "proximal":
            raise ValueError("gate_step: sign_variance needs gradient; a proximal step ends at 0, not beyond it")
        if self.death_rule == "threshold" and self.gate == "relu" and self.gate_step == "gradient":
            raise ValueError("gate_step: threshold needs proximal for relu gates; a plain step can jump over the level")
        make_death_rule(self)  # raises for numbers out of range


def make_death_rule(config: SparsifierConfig) -> DeathRule:
    """The rule that the config names; its `live` reads what is alive off the bookkeeping of a learner."""
    if config.death_rule == "threshold":
        return liveness.threshold(config.death_level)
    if config.death_rule == "sign_variance":
        return liveness.sign_variance(config.sign_decay)
    return liveness.absorbing()


FORMS = {
    "original": SparsifierConfig(gate_step="gradient", weight_decay="coupled"),
    "corrected": SparsifierConfig(),
}


def penalty(params: Tree, *, signed: bool = False, unit_prices: Mapping[str, float] | None = None) -> jax.Array:
    """Sum of relu(liveness), or |liveness| of signed gates, over the network, []; multiplied by lambda in the loss.

    `unit_prices`: what a unit of each gate costs, by gate name; 1 for all by default. ValueError unless exactly the
    gates of the network are named.
    """
    gates = read_liveness(params)
    prices = {name: liveness_penalty(gate, signed=signed) for name, gate in gates.items()}
    if unit_prices is not None:
        if set(unit_prices) != set(gates):
            raise ValueError(f"unit_prices: expected the gates {sorted(gates)}, got {sorted(unit_prices)}")
        prices = {name: unit_prices[name] * price for name, price in prices.items()}
    return sum(prices.values(), start=jnp.zeros(()))


def make_optimizer(config: SparsifierConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Adam for weights (betas .9, .999, eps 1e-8), and for gates what the config says, each with its learning rate."""
    decay = optax.add_decayed_weights(hparams.weight_decay)
    coupled, decoupled = (decay, optax.identity()) if config.weight_decay == "coupled" else (optax.identity(), decay)
    scale_gates = {"adam": optax.scale_by_adam, "sgd": optax.identity}[config.gate_optimizer]
    gates = optax.chain(coupled, scale_gates(), optax.scale(-hparams.gate_learning_rate))
    if config.gate == "signed" and config.gate_step == "proximal":  # needs the gate before the step, as here
        gates = optax.chain(gates, optax.stateless(lambda steps, params: jax.tree.map(_stop_at_zero, steps, params)))
    weights = optax.chain(coupled, optax.scale_by_adam(), decoupled, optax.scale(-hparams.learning_rate))
    # Decoupled decay of a column whose norm is kept would only move into its gate.
    unit_norm = optax.chain(coupled, optax.scale_by_adam(), optax.scale(-hparams.learning_rate))

    def labels(params: Tree) -> Tree:
        named = tree_map_with_path(lambda path, _: "gates" if is_liveness(path) else "weights", params)
        if not config.unit_norm:
            return named
        return _map_gated_layers(
            lambda layer: {name: "gates" if name == LEAF else "unit_norm" for name in layer}, named
        )

    return optax.partition({"gates": gates, "weights": weights, "unit_norm": unit_norm}, labels)


def _stop_at_zero(step: jax.Array, gate: jax.Array) -> jax.Array:
    """The step [U], or -gate [U] where gate + step would have the other sign; gate + -gate is exactly 0."""
    return jnp.where(jnp.sign(gate) * jnp.sign(gate + step) < 0, -gate, step)


def _map_gated_layers(fn: Callable[[dict[str, Any]], dict[str, Any]], params: Tree) -> Tree:
    """`params` with fn applied to every dict that holds a gate beside the kernel of its units."""

    def is_gated_layer(node: Any) -> bool:
        return isinstance(node, dict) and {LEAF, "kernel"} <= set(node)

    return jax.tree.map(lambda node: fn(node) if is_gated_layer(node) else node, params, is_leaf=is_gated_layer)


def normalize_units(params: Tree) -> Tree:
    """Divides incoming weights and bias of every gated unit by the norm of its weights and multiplies its gate by it.

    The function computed does not change, since a relu unit is positively homogeneous. A unit with zero weights is left
    alone, and so is a gate that stands beside no `kernel` (the gate of the inputs). Every array beside a gate must have
    the units on its last axis and scale with them, as kernel and bias do; ValueError if the axis does not fit.
    """

    def normalize(layer: dict[str, Any]) -> dict[str, Any]:
        kernel, units = layer["kernel"], layer[LEAF].shape
        for name, leaf in layer.items():
            if jnp.shape(leaf)[-1:] != units:
                raise ValueError(f"unit_norm: expected units {list(units)} on the last axis of {name!r}")
        norms = group_norms(kernel.reshape(-1, kernel.shape[-1]))
        norms = jnp.where(norms > 0, norms, 1)
        scaled = {name: leaf / jnp.expand_dims(norms, range(leaf.ndim - 1)) for name, leaf in layer.items()}
        return scaled | {LEAF: layer[LEAF] * norms}

    return _map_gated_layers(normalize, params)


def make_learner(
    network: Network, task: Task, config: SparsifierConfig, *, unit_prices: Mapping[str, float] | None = None
) -> Learner:
    """A learner for any network whose parameters hold leaves named `liveness`; without any it trains the plain network.

    `unit_prices`: what an open gate costs, by the name of the gate (liveness.read_liveness), such as the parameters or
    multiply-adds of one unit (REFERENCE E23); 1 for every gate by default. The bookkeeping is that of the death rule,
    for `absorbing` and `threshold` `{gate name: bool [U]}`, True while a unit lives; the observation is the live units
    per gate, int32. ValueError if the network says that its gates are of the other kind, for a cost that is not finite
    and at least 0, and, when the objective is first called, unless exactly the network's gates have costs.
    """
    signed, rule = config.gate == "signed", make_death_rule(config)
    if network.signed not in (None, signed):
        kinds = {False: "relu", True: "signed"}
        raise ValueError(f"gate: the config says {config.gate}, but the network has {kinds[not signed]} gates")
    costs = None if unit_prices is None else {name: float(cost) for name, cost in unit_prices.items()}
    for name, cost in (costs or {}).items():
        if not 0 <= cost < math.inf:
            raise ValueError(f"unit_prices: expected a finite number from 0 on for {name!r}, got {cost}")

    def objective(params, inputs, targets, weights, hparams):
        outputs = network.apply(params, inputs)
        loss, score = (mean_over_rows(of(outputs, targets), weights) for of in (task.loss, task.score))
        price = penalty(params, signed=signed, unit_prices=costs)
        return loss + hparams.penalty_weight * price, {"loss": loss, "score": score}

    def after_step(params, bookkeeping, hparams):
        if config.unit_norm:
            params = normalize_units(params)
        if config.gate_step == "proximal" and not signed:
            params = replace_liveness(params, {k: jnp.maximum(gate, 0) for k, gate in read_liveness(params).items()})
        return rule.update(params, bookkeeping)

    return Learner(
        objective=objective,
        outputs=network.apply,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        after_step=after_step,
        init_bookkeeping=rule.init,
        observe=lambda bookkeeping: count_live(rule.live(bookkeeping)),
        live=rule.live,
    )


def make_columns(
    gates: Sequence[str], sizes: Callable[[dict[str, int]], dict[str, int]]
) -> Callable[..., dict[str, Any]]:
    """What a row says of the gates, for `batches.Batch.columns`. `gates`: their names (liveness.read_liveness).

    Columns: `live_units` (all layers), `live_units_per_layer`, `deaths_per_layer` (in this epoch; layers in the order
    of their numbers), `live_inputs` if inputs are gated, and sizes({gate name: live units}), such as the `parameters`
    of the network without its dead units.
    """
    names = sorted(gates)
    layers = sorted((i for i, name in enumerate(names) if name != "inputs"), key=lambda i: _in_numbers(names[i]))

    def columns(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        counts = dict(zip(names, after.tolist(), strict=True))
        live = [counts[names[index]] for index in layers]
        inputs = {"live_inputs": counts["inputs"]} if "inputs" in counts else {}
        return (
            {
                "live_units": sum(live),
                "live_units_per_layer": live,
                "deaths_per_layer": [int(before[index] - after[index]) for index in layers],
            }
            | sizes(counts)
            | inputs
        )

    return columns


def _in_numbers(name: str) -> list[tuple[int, str]]:
    """Sorts `hidden.2` before `hidden.10`."""
    return [(int(part) if part.isdigit() else -1, part) for part in name.split(".")]


def make_total(gates: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """Live units of all layers, without inputs: what the learner observes [..., gates] -> [...]."""
    units = [index for index, name in enumerate(sorted(gates)) if name != "inputs"]
    return lambda observed: observed[..., units].sum(-1)
