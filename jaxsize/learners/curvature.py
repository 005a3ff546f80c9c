"""Curvature along training: a learner that also measures, after every epoch, the curvature of its loss."""

import functools
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxsize.curvature import CurvatureSummary, summarise
from jaxsize.errors import InputError
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.trees import Array, Tree


def with_curvature(
    learner: Learner,
    model: Callable[[Tree, Any], Any],
    loss: Callable[[Any, Any], jax.Array],
    inputs: Any,
    targets: Any,
    *,
    every: int = 1,
    num_vectors: int = 2,
    num_steps: int = 20,
) -> Learner:
    """Let a learner record the curvature of a loss of its network on fixed rows, after every epoch.

    The rows of its runs get the columns `curvature_loss`, `random_cosine` and `gradient_cosine`; and for `hessian` and
    `gauss_newton` each, as in `hessian_largest`, `smallest`, `largest`, `error`, `trace`, `effective_rank`, and the
    density as `nodes` and `weights`, [num_vectors * steps]: see `curvature.CurvatureSummary`.

    Training goes on as without. Random vectors are drawn anew after every epoch, in the shapes that the parameters have
    then, so that units may be removed or added on the way. Removing a unit whose relu gate is closed takes only
    eigenvalues of 0 out of both spectra: all derivatives of the loss by its weights and by its gate are 0.

    Args:
        learner: how the network learns; its objective and its scores stay as they are.
        model: (params, inputs) -> outputs. Where it ends decides what the Gauss-Newton matrix is: a squared error of
            sigmoid outputs has the sigmoid in the model.
        loss: (outputs, targets) -> the loss of every row [B], whose mean is meant. Prices on gates have no part in it.
        inputs: the rows [B, ...], as the network reads them: floating pixels and not bytes.
        targets: [B, ...].
        every: measure after every so many epochs, and leave the columns empty (NaN) after the others. Where runs are
            mapped over by `jax.vmap`, as on a GPU, that saves no time.
        num_vectors: see `curvature.summarise`.
        num_steps: see `curvature.summarise`.

    Returns:
        The learner.

    Raises:
        InputError: when a number is out of range, or there are not as many targets as inputs. What it measures raises
            one when a leaf of the parameters is not floating.

    Example:
        >>> import jax, jax.numpy as jnp, optax
        >>> from jaxsize.learners import TASKS, supervised, with_curvature
        >>> apply = lambda params, inputs: inputs @ params
        >>> learner = supervised(apply, TASKS["regression"], lambda hparams: optax.sgd(hparams.learning_rate))
        >>> inputs, targets = jnp.eye(2), jnp.ones((2, 1))
        >>> measuring = with_curvature(learner, apply, TASKS["regression"].loss, inputs, targets)
        >>> hparams = measuring.hparams().replace(key=jax.random.key(0))
        >>> columns = jax.jit(measuring.of_epoch)(jnp.zeros((2, 1)), hparams, 1)
        >>> round(float(columns["random_cosine"]), 3)  # a model that is linear in its parameters
        1.0
    """
    if len(inputs) != len(targets) or not len(inputs):
        raise InputError(f"expected one for each of {len(inputs)} inputs, got {len(targets)}", field="targets")
    for name, value, least in (("every", every, 1), ("num_vectors", num_vectors, 2), ("num_steps", num_steps, 1)):
        if not isinstance(value, numbers.Integral) or value < least:
            raise InputError(f"expected a whole number, at least {least}, got {value!r}", field=name)

    def measure(params: Tree, seed: jax.Array) -> dict[str, jax.Array]:
        there = summarise(
            lambda params: model(params, inputs),
            lambda outputs: jnp.mean(loss(outputs, targets)),
            params,
            jax.random.key(seed),
            num_vectors=num_vectors,
            num_steps=num_steps,
        )
        return _columns(there)

    def of_epoch(params: Tree, hparams: Hparams, epoch: Array) -> dict[str, jax.Array]:
        before = learner.of_epoch(params, hparams, epoch)
        key = jax.random.fold_in(hparams.key, 0)  # that of the learner itself may be used up
        at = functools.partial(measure, params, jax.random.bits(key))  # a key that one branch uses is refused
        if every == 1:
            return before | at()
        empty = jax.tree.map(lambda leaf: jnp.full(leaf.shape, jnp.nan, leaf.dtype), jax.eval_shape(at))
        return before | jax.lax.cond(epoch % every == 0, at, lambda: empty)

    return learner._replace(of_epoch=of_epoch)


def _columns(there: CurvatureSummary) -> dict[str, jax.Array]:
    columns = {
        "curvature_loss": there.loss,
        "random_cosine": there.random_cosine,
        "gradient_cosine": there.gradient_cosine,
    }
    for matrix, spectrum in (("hessian", there.hessian), ("gauss_newton", there.gauss_newton)):
        density = {"nodes": spectrum.density.nodes.ravel(), "weights": spectrum.density.weights.ravel()}
        scalars = {name: value for name, value in spectrum._asdict().items() if name != "density"}
        columns |= {f"{matrix}_{name}": value for name, value in (scalars | density).items()}
    return columns
