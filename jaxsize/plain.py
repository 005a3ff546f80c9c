"""The learner of networks without gates, each layer with its own learning rate and weight decay, inputs times a factor.

What differs between runs is traced, the factor of the inputs included, so that all runs of a batch share one program:
`hparams.learning_rate` and `hparams.weight_decay` are numbers, or trees {"hidden": [number, ...], "output": number}
like the parameters of an `mlp`; the factor is a leaf of the parameters, `inputs.scale` [], that is never trained.
"""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from jaxsize import leaf_rates
from jaxsize.gates import relu
from jaxsize.layers import dense
from jaxsize.training import Hparams, Task, Learner, mean_over_rows, require_choice

Tree = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """How weights are moved. Static."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    """`sgd`: gradient descent with momentum and coupled decay. `adam`: AdamW with betas .9 and .999."""
    momentum: float = 0.9

    def __post_init__(self) -> None:
        require_choice(self, "optimizer")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum: expected a number from 0 on, below 1, got {self.momentum}")


def forward(params: Tree, inputs: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """Outputs [B, O] of an `mlp` without gates on its `inputs.scale` x inputs, and what its hidden layers put out."""
    activations, hidden = inputs * jax.lax.stop_gradient(params["inputs"]["scale"]), []
    for layer in params["hidden"]:
        activations = relu(dense(layer, activations))
        hidden.append(activations)
    return dense(params["output"], activations), hidden


def make_optimizer(config: PlainConfig, hparams: Hparams) -> optax.GradientTransformation:
    rates, decays = (
        (numbers if isinstance(numbers, dict) else {"hidden": numbers, "output": numbers}) | {"inputs": 0.0}
        for numbers in (hparams.learning_rate, hparams.weight_decay)
    )
    if config.optimizer == "adam":
        return leaf_rates.adam(rates, decays)
    return leaf_rates.sgd(rates, decays, momentum=config.momentum)


def make_learner(task: Task, config: PlainConfig) -> Learner:
    """A learner for parameters of an `mlp` without gates, with an `inputs.scale` beside them.

    It records of every step, before it: `gradient_norm` [layers], `dead_share` [hidden layers], the share of units
    that put out 0 on every row of the batch (NaN where the loss is not finite), `zero_outputs`, 1 if all outputs of
    all rows are exactly 0, and `score`.
    """

    def objective(params, inputs, targets, weights, hparams):
        outputs, hidden = forward(params, inputs)
        loss = mean_over_rows(task.loss(outputs, targets), weights)
        there = (weights > 0)[:, None]
        silent = jnp.stack([jnp.mean(jnp.all(~there | (units == 0), axis=0).astype(jnp.float32)) for units in hidden])
        return loss, {
            "loss": loss,
            "score": mean_over_rows(task.score(outputs, targets), weights),
            "dead_share": jnp.where(jnp.isfinite(loss), silent, jnp.nan),
            "zero_outputs": jnp.all(~there | (outputs == 0)).astype(jnp.float32),
        }

    return Learner(
        objective=objective,
        outputs=lambda params, inputs: forward(params, inputs)[0],
        optimizer=lambda hparams: make_optimizer(config, hparams),
        after_step=lambda params, bookkeeping, hparams: (params, bookkeeping),
        init_bookkeeping=lambda params: {},
        observe=lambda bookkeeping: jnp.zeros(()),
        of_gradient=lambda gradient: {
            "gradient_norm": jnp.stack([_norm(layer) for layer in (*gradient["hidden"], gradient["output"])])
        },
    )


def _norm(layer: Tree) -> jax.Array:
    """Root of the sum of squares, which must not overflow before the gradient does."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(layer)]))
    unit = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
    return unit * jnp.sqrt(sum(jnp.sum((leaf / unit) ** 2) for leaf in jax.tree.leaves(layer)))
