"""The learner of networks without gates: every layer has its own learning rate and weight decay, inputs have a factor.

What differs between runs is traced, the factor of the inputs included, so that all runs of a batch share one program:
`hparams.learning_rate` and `hparams.weight_decay` are numbers, or trees {"hidden": [number, ...], "output": number}
like the parameters of an `mlp`; the factor is a leaf of the parameters, `inputs.scale` [], that is never trained.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict

from jaxsize.errors import InputError, require_choice
from jaxsize.gates.liveness import relu
from jaxsize.learners import leaf_rates
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import Task
from jaxsize.networks.layers import dense
from jaxsize.trees import Tree


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlainConfig:
    """The settings of how weights are moved; they are static.

    Raises:
        InputError: when `optimizer` is not one of its choices, or `momentum` is not from 0 to below 1.

    Example:
        >>> from jaxsize.learners import plain
        >>> plain.PlainConfig().momentum
        0.9
        >>> plain.PlainConfig(momentum=1.0)
        Traceback (most recent call last):
        jaxsize.errors.InputError: momentum: expected a number from 0 on, below 1, got 1.0
    """

    optimizer: Literal["sgd", "adam"] = "sgd"
    """`sgd`: gradient descent with momentum and coupled decay. `adam`: AdamW with betas .9 and .999."""
    momentum: float = 0.9
    """The momentum of `sgd`, from 0 to below 1; `adam` does not use it."""

    def __post_init__(self) -> None:
        require_choice(self, "optimizer")
        if not 0 <= self.momentum < 1:
            raise InputError(f"expected a number from 0 on, below 1, got {self.momentum}", field="momentum")


def forward(params: Tree, inputs: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
    """Compute what an `mlp` without gates puts out for inputs times its `inputs.scale`.

    Args:
        params: parameters of an `mlp(gate=None)`, with {"inputs": {"scale": []}} beside them.
        inputs: floating [B, D].

    Returns:
        The outputs [B, O], and the outputs of every hidden layer [B, U].
    """
    activations, hidden = inputs * jax.lax.stop_gradient(params["inputs"]["scale"]), []
    for layer in params["hidden"]:
        activations = relu(dense(layer, activations))
        hidden.append(activations)
    return dense(params["output"], activations), hidden


def make_optimizer(config: PlainConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Make the optimiser of a run: every layer moves by its own numbers, and `inputs.scale` does not move."""
    rates, decays = (
        (numbers if isinstance(numbers, dict) else {"hidden": numbers, "output": numbers}) | {"inputs": 0.0}
        for numbers in (hparams.learning_rate, hparams.weight_decay)
    )
    if config.optimizer == "adam":
        return leaf_rates.adam(rates, decays)
    return leaf_rates.sgd(rates, decays, momentum=config.momentum)


def make_learner(task: Task, config: PlainConfig) -> Learner:
    """Make the learner for parameters of an `mlp` without gates, with an `inputs.scale` beside them.

    Returns:
        A learner that records, of every step and as things were before it, the `loss` and also

        - `gradient_norm` [layers];
        - `dead_share` [hidden layers]: the share of units that put out 0 on every row of the batch, NaN where the loss
          is not finite;
        - `zero_outputs` []: 1 if all outputs of all rows are exactly 0, else 0;
        - `score` [].

    Example:
        >>> import jax, numpy as np
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import TASKS, plain
        >>> params = mlp((2, 3, 1), gate=None).init(0) | {"inputs": {"scale": np.float32(255)}}
        >>> learner = plain.make_learner(TASKS["regression"], plain.PlainConfig())
        >>> optimizer = learner.optimizer(learner.hparams(learning_rate={"hidden": [0.5], "output": 0.25}))
        >>> gradient = jax.tree.map(np.ones_like, params)
        >>> updates = jax.jit(lambda: optimizer.update(gradient, optimizer.init(params), params)[0])()
        >>> updates["hidden"][0]["bias"].tolist(), updates["output"]["bias"].tolist()
        ([-0.5, -0.5, -0.5], [-0.25])
        >>> float(abs(updates["inputs"]["scale"]))
        0.0
    """

    def objective(params, inputs, targets, weights, hparams):
        outputs, hidden = forward(params, inputs)
        recorded = task.of_batch(outputs, targets, weights)
        loss, there = recorded["loss"], (weights > 0)[:, None]
        silent = jnp.stack([jnp.mean(jnp.all(~there | (units == 0), axis=0).astype(jnp.float32)) for units in hidden])
        recorded["dead_share"] = jnp.where(jnp.isfinite(loss), silent, jnp.nan)
        recorded["zero_outputs"] = jnp.all(~there | (outputs == 0)).astype(jnp.float32)
        return loss, recorded

    return Learner(
        objective=objective,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        scores=lambda params, inputs, targets: task.of_rows(forward(params, inputs)[0], targets),
        defaults=FrozenDict(learning_rate=1e-3, weight_decay=0.0),
        outputs=lambda params, inputs: forward(params, inputs)[0],
        of_gradient=lambda gradient: {
            "gradient_norm": jnp.stack([_norm(layer) for layer in (*gradient["hidden"], gradient["output"])])
        },
    )


def _norm(layer: Tree) -> jax.Array:
    """Compute the root of the sum of squares, which must not overflow before the gradient does."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(layer)]))
    unit = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
    return unit * jnp.sqrt(sum(jnp.sum((leaf / unit) ** 2) for leaf in jax.tree.leaves(layer)))
