"""The sparsifier: one trained gate per unit, an L1 penalty on the gates, and death at zero.

The source is seed `003_d2c286111c329776.txt`, "Implement the first version of a Sparsifier Network",
in two forms. `original`: everything by Adam on loss + penalty, coupled weight decay (0 in the source), units masked
when relu closes. `corrected`: weight decay decoupled and never on gates, so that the objective has a minimiser
and gates moved by a proximal step, so that a closed gate is exactly 0.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.tree_util import tree_map_with_path

from jaxsize.liveness import LEAF, absorb, count_live, init_live, is_liveness, read_liveness, replace_liveness
from jaxsize.networks import Network
from jaxsize.penalties import group_norms, liveness_penalty
from jaxsize.training import Hparams, Task, Trainer, mean_over_rows, require_choice

Tree = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierConfig:
    """How gates and weights are moved. Static."""

    gate_step: Literal["proximal", "gradient"] = "proximal"
    """`gradient`: the optimiser's step on the penalised loss. `proximal`: the same step cut at zero. For a gate f > 0
    that is the soft threshold max(f - t dL/df - t lambda, 0) with t the optimiser's own step length per gate
    (learning rate / (sqrt(v) + eps) under Adam, where v is that of the whole objective; the learning rate under SGD):
    exact zeros, same path above 0."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    weight_decay: Literal["decoupled", "coupled"] = "decoupled"
    """`decoupled`: subtracted from the weights, never from gates (AdamW). `coupled`: added to every gradient, gates
    too."""
    unit_norm: bool = False
    """Keep the incoming weights of every gated unit at norm 1 and its size in the gate: the penalty is a group lasso
    then. These weights are not decayed."""

    def __post_init__(self) -> None:
        require_choice(self, "gate_step", "gate_optimizer", "weight_decay")


FORMS = {
    "original": SparsifierConfig(gate_step="gradient", weight_decay="coupled"),
    "corrected": SparsifierConfig(),
}


def penalty(params: Tree) -> jax.Array:
    """Sum of relu(liveness) over every gate of the network, []; multiplied by lambda in the loss."""
    return sum((liveness_penalty(gate) for gate in read_liveness(params).values()), start=jnp.zeros(()))


def make_optimizer(config: SparsifierConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Adam for weights (betas .9, .999, eps 1e-8), and for gates what the config says, each with its learning rate."""
    decay = optax.add_decayed_weights(hparams.weight_decay)
    coupled, decoupled = (decay, optax.identity()) if config.weight_decay == "coupled" else (optax.identity(), decay)
    scale_gates = {"adam": optax.scale_by_adam, "sgd": optax.identity}[config.gate_optimizer]
    gates = optax.chain(coupled, scale_gates(), optax.scale(-hparams.gate_learning_rate))
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


def make_trainer(network: Network, task: Task, config: SparsifierConfig) -> Trainer:
    """A trainer for any network whose parameters hold leaves named `liveness`; without any it trains the plain network.

    The bookkeeping is `{gate name: bool [U]}`, True while a unit lives; the observation is the live units per gate.
    """

    def objective(params, inputs, targets, weights, hparams):
        loss = mean_over_rows(task.loss(network.apply(params, inputs), targets), weights)
        return loss + hparams.penalty_weight * penalty(params), loss

    def after_step(params, live, hparams):
        if config.unit_norm:
            params = normalize_units(params)
        if config.gate_step == "proximal":
            params = replace_liveness(params, {k: jnp.maximum(gate, 0) for k, gate in read_liveness(params).items()})
        return absorb(params, live)

    return Trainer(
        objective=objective,
        outputs=network.apply,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        after_step=after_step,
        init_bookkeeping=init_live,
        observe=count_live,
    )


def make_columns(
    gates: Sequence[str], num_parameters: Callable[[dict[str, int]], int]
) -> Callable[..., dict[str, Any]]:
    """What a row says of the gates, for `batches.Batch.columns`. `gates`: their names (liveness.read_liveness).

    Columns: `live_units` (all layers), `live_units_per_layer`, `deaths_per_layer` (in this epoch; layers in the order
    of their numbers), `live_inputs` if inputs are gated, and `parameters`, num_parameters({gate name: live units}),
    those of the network without its dead units.
    """
    names = sorted(gates)
    layers = sorted((i for i, name in enumerate(names) if name != "inputs"), key=lambda i: _in_numbers(names[i]))

    def columns(before: np.ndarray, after: np.ndarray) -> dict[str, Any]:
        counts = dict(zip(names, after.tolist(), strict=True))
        live = [counts[names[index]] for index in layers]
        inputs = {"live_inputs": counts["inputs"]} if "inputs" in counts else {}
        return {
            "live_units": sum(live),
            "live_units_per_layer": live,
            "deaths_per_layer": [int(before[index] - after[index]) for index in layers],
            "parameters": num_parameters(counts),
        } | inputs

    return columns


def _in_numbers(name: str) -> list[tuple[int, str]]:
    """Sorts `hidden.2` before `hidden.10`."""
    return [(int(part) if part.isdigit() else -1, part) for part in name.split(".")]


def make_total(gates: Sequence[str]) -> Callable[[np.ndarray], np.ndarray]:
    """Live units of all layers, without inputs, for `batches.Batch.total`: [..., gates] -> [...]."""
    units = [index for index, name in enumerate(sorted(gates)) if name != "inputs"]
    return lambda observed: observed[..., units].sum(-1)
