"""The learner of networks without gates: every layer has its own learning rate and weight decay, inputs have a factor.

What differs between runs is traced, the factor of the inputs included, so that all runs of a batch share one program:
`hparams.learning_rate` and `hparams.weight_decay` are numbers, or numbers by the name of the layer (`hidden.0`, see
`leaf_rates.by_layer`); the factor is a leaf of the parameters, `inputs.scale` [], that is never trained.
"""

import dataclasses
from typing import Literal

import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict

from jaxsize.errors import InputError, require_choice
from jaxsize.learners import leaf_rates
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import Task
from jaxsize.networks.network import Network
from jaxsize.trees import Tree, named_leaves, owner_of
from jaxsize.units.activations import activations


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


SCALE = "inputs.scale"
"""The path of the factor of the inputs."""


def scaled(params: Tree, inputs: jax.Array) -> jax.Array:
    """Multiply inputs by the leaf `inputs.scale` of the parameters, if they have one; it gets no gradient."""
    leaves = named_leaves(params)
    return inputs * jax.lax.stop_gradient(leaves[SCALE]) if SCALE in leaves else inputs


def make_optimizer(config: PlainConfig, hparams: Hparams) -> optax.GradientTransformation:
    """Make the optimiser of a run: every layer moves by its own numbers, and `inputs.scale` does not move."""

    def of_layers(numbers: Tree) -> leaf_rates.Numbers:
        return lambda params: leaf_rates.by_layer(numbers, params, fixed=[SCALE])

    rates, decays = of_layers(hparams.learning_rate), of_layers(hparams.weight_decay)
    if config.optimizer == "adam":
        return leaf_rates.adam(rates, decays)
    return leaf_rates.sgd(rates, decays, momentum=config.momentum)


def make_learner(network: Network, task: Task, config: PlainConfig) -> Learner:
    """Make the learner for a network without gates, with or without an `inputs.scale` beside its parameters.

    Args:
        network: the network to train.
        task: what it learns.
        config: how weights are moved.

    Returns:
        A learner that records, of every step and as things were before it, the `loss` and also

        - `gradient_norm` [layers], in the order of `leaf_rates.layers_of`;
        - `dead_share` [groups]: the share of units that put out 0 on every row of the batch, NaN where the loss is not
          finite; of the groups that `units.activations` finds, which are the hidden layers of an `mlp`;
        - `zero_outputs` []: 1 if all outputs of all rows are exactly 0, else 0;
        - `score` [].

    Example:
        >>> import jax, numpy as np
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import TASKS, plain
        >>> network = mlp((2, 3, 1), gate=None)
        >>> params = network.init(0) | {"inputs": {"scale": np.float32(255)}}
        >>> learner = plain.make_learner(network, TASKS["regression"], plain.PlainConfig())
        >>> optimizer = learner.optimizer(learner.hparams(learning_rate={"hidden.0": 0.5, "output": 0.25}))
        >>> gradient = jax.tree.map(np.ones_like, params)
        >>> updates = jax.jit(lambda: optimizer.update(gradient, optimizer.init(params), params)[0])()
        >>> updates["hidden"][0]["bias"].tolist(), updates["output"]["bias"].tolist()
        ([-0.5, -0.5, -0.5], [-0.25])
        >>> float(abs(updates["inputs"]["scale"]))
        0.0
    """

    def apply(params: Tree, inputs: jax.Array) -> jax.Array:
        return network.apply(params, scaled(params, inputs))

    def objective(params, inputs, targets, weights, hparams):
        outputs = apply(params, inputs)
        recorded = task.of_batch(outputs, targets, weights)
        loss = recorded["loss"]

        def zero(values: jax.Array) -> jax.Array:
            """Tell where values [B, ...] are 0 or in rows that do not count."""
            return ~jnp.expand_dims(weights > 0, range(1, values.ndim)) | (values == 0)

        def dead(units: jax.Array) -> jax.Array:
            return jnp.mean(jnp.all(zero(units), axis=tuple(range(units.ndim - 1))).astype(jnp.float32))

        shares = [dead(units) for units in activations(apply, params, inputs).values()]
        silent = jnp.stack(shares) if shares else jnp.zeros(0)
        recorded["dead_share"] = jnp.where(jnp.isfinite(loss), silent, jnp.nan)
        recorded["zero_outputs"] = jnp.all(zero(outputs)).astype(jnp.float32)
        return loss, recorded

    return Learner(
        objective=objective,
        optimizer=lambda hparams: make_optimizer(config, hparams),
        scores=lambda params, inputs, targets: task.of_rows(apply(params, inputs), targets),
        defaults=FrozenDict(learning_rate=1e-3, weight_decay=0.0),
        outputs=apply,
        of_gradient=lambda gradient: {"gradient_norm": jnp.stack(_norms(gradient))},
    )


def _norms(gradient: Tree) -> list[jax.Array]:
    """Compute the norm of the gradient of every layer."""
    layers = {name: [] for name in leaf_rates.layers_of(gradient, fixed=[SCALE])}
    for name, leaf in named_leaves(gradient).items():
        if name != SCALE:
            layers[owner_of(name)].append(leaf)
    return [_norm(of_layer) for of_layer in layers.values()]


def _norm(layer: Tree) -> jax.Array:
    """Compute the root of the sum of squares, which must not overflow before the gradient does."""
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(layer)]))
    unit = jnp.where((largest > 0) & jnp.isfinite(largest), largest, 1.0)
    return unit * jnp.sqrt(sum(jnp.sum((leaf / unit) ** 2) for leaf in jax.tree.leaves(layer)))
