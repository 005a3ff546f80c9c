"""Hessian-free optimisation: damped Gauss-Newton steps, solved by conjugate gradients, as an optax transformation."""

import math
import numbers
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import jax
import jax.numpy as jnp
import optax
from jax.scipy.sparse.linalg import cg

from jaxsize.curvature._checks import alike, floating
from jaxsize.curvature.products import linear_ggn
from jaxsize.errors import InputError
from jaxsize.trees import Tree


class HessianFreeState(NamedTuple):
    """The state of `hessian_free`: its damping, and how the last step went.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.curvature import HessianFreeState, hessian_free
        >>> state = hessian_free(damping=0.5).init(jnp.ones(2))
        >>> isinstance(state, HessianFreeState), float(state.damping)
        (True, 0.5)
    """

    damping: jax.Array
    """What is added to the diagonal of the Gauss-Newton matrix in the next step: floating []."""
    ratio: jax.Array
    """By how much the last step lowered the objective, over what its quadratic model foresaw: floating []; 0 before
    the first step, and where no reduction was foreseen."""
    accepted: jax.Array
    """Whether the last step was taken, as it did not raise the objective: bool []; True before the first step."""


def hessian_free(
    *, damping: float = 1.0, factor: float = 1.5, num_cg_steps: int = 20, tolerance: float = 1e-5
) -> optax.GradientTransformationExtraArgs:
    """Make the Hessian-free optimiser: Gauss-Newton steps with the damping of Levenberg and Marquardt.

    A step d solves (G + damping I) d = -gradient by conjugate gradients, which ends after `num_cg_steps` products or
    at a residual of `tolerance` times the gradient's norm. With the reduction foreseen by the undamped model,
    -(gradient d + d G d / 2), the ratio of actual to foreseen reduction adapts the damping: above 3/4 it is divided by
    `factor`, below 1/4 multiplied. A step that raises the objective, or makes it NaN, is not taken: its update is 0,
    and the damping grows.
    Source: Martens, 2010, with his 3/2 as the factor, without his preconditioner and line search.

    `update(gradient, state, params, model_fn=..., loss_fn=..., value_fn=None)` takes the same functions as
    `linear_ggn`, closed over the rows at hand. The gradient is that of loss_fn(model_fn(params)). If the objective has
    other terms, such as a price on gates, give the gradient of it all, and `value_fn(params)`, the whole objective,
    with which steps are judged; the matrix remains that of model and loss. The updates are complete steps: nothing
    that scales them should follow in an `optax.chain`, or the ratio is one of another step.

    Args:
        damping: before the first step, at least 0. 0 stays 0.
        factor: above 1.
        num_cg_steps: most products per step, at least 1; one more judges the step.
        tolerance: at least 0.

    Returns:
        The transformation. It works within `jax.jit`, `jax.lax.scan` and `jax.vmap`.

    Raises:
        InputError: when a setting is out of range. Its update raises it when `params` are missing, or the gradient has
            another form than they.

    Example:
        >>> import jax.numpy as jnp
        >>> import optax
        >>> from jaxsize.curvature import hessian_free, linear_ggn
        >>> def model(x):
        ...     return jnp.array([1.0, 100.0]) * x
        >>> def loss(z):
        ...     return ((z - 100) ** 2).sum() / 2
        >>> optimizer, params = hessian_free(damping=0.0), jnp.zeros(2)
        >>> gradient, _ = linear_ggn(model, loss, params)
        >>> state = optimizer.init(params)
        >>> updates, state = optimizer.update(gradient, state, params, model_fn=model, loss_fn=loss)
        >>> [round(float(x), 2) for x in optax.apply_updates(params, updates)]  # a quadratic: one step
        [100.0, 1.0]
    """
    for name, value, least in (("damping", damping, 0), ("factor", factor, 1), ("tolerance", tolerance, 0)):
        if not least <= value < math.inf or (name == "factor" and value == 1):
            bound = "above 1" if name == "factor" else "at least 0"
            raise InputError(f"expected a finite number, {bound}, got {value}", field=name)
    if not isinstance(num_cg_steps, numbers.Integral) or num_cg_steps < 1:
        raise InputError(f"expected a whole number, at least 1, got {num_cg_steps!r}", field="num_cg_steps")

    def init(params: Tree) -> HessianFreeState:
        dtype = jnp.result_type(*jax.tree.leaves(floating(params)))
        return HessianFreeState(jnp.asarray(damping, dtype), jnp.zeros((), dtype), jnp.asarray(True))

    def update(
        updates: Tree,
        state: HessianFreeState,
        params: Tree | None = None,
        *,
        model_fn: Callable[[Any], Any],
        loss_fn: Callable[[Any], jax.Array],
        value_fn: Callable[[Any], jax.Array] | None = None,
        **extra_args: Any,
    ) -> tuple[Tree, HessianFreeState]:
        del extra_args  # of other transformations in the same chain
        if params is None:
            raise InputError(
                "expected the parameters, as in update(gradient, state, params, ...), got None", field="params"
            )
        point: Any = floating(params)
        gradient = alike(updates, point, "updates")
        objective = value_fn or (lambda params: loss_fn(model_fn(params)))
        _, product = linear_ggn(model_fn, loss_fn, point)
        step, foreseen = _solve(product, gradient, state.damping, num_cg_steps, tolerance)
        before, after = objective(point), objective(optax.apply_updates(point, step))
        reduction, foreseen = ((value.astype(state.damping.dtype)) for value in (before - after, foreseen))
        accepted = after <= before  # False for NaN
        step = jax.tree.map(lambda leaf: jnp.where(accepted, leaf, jnp.zeros_like(leaf)), step)
        return step, _adapted(state.damping, reduction, foreseen, accepted, factor)

    return optax.GradientTransformationExtraArgs(init, cast(Any, update))  # which asks for arguments by name


def _solve(
    product: Callable[[Tree], Tree], gradient: Tree, damping: jax.Array, num_steps: int, tolerance: float
) -> tuple[Tree, jax.Array]:
    """Return the step d that solves (G + damping I) d = -gradient, and the reduction that the undamped model sees."""

    def damped(vector: Tree) -> Tree:
        return jax.tree.map(lambda image, leaf: image + damping.astype(leaf.dtype) * leaf, product(vector), vector)

    step, _ = cg(damped, jax.tree.map(jnp.negative, gradient), tol=tolerance, maxiter=num_steps)
    change = optax.tree.vdot(gradient, step) + optax.tree.vdot(step, product(step)) / 2
    return step, -jnp.asarray(change)


def _adapted(
    damping: jax.Array, reduction: jax.Array, foreseen: jax.Array, accepted: jax.Array, factor: float
) -> HessianFreeState:
    """Return the state after a step. Where nothing was left to reduce, at a gradient of 0, the damping stays."""
    possible = foreseen > 0
    ratio = jnp.where(possible, reduction / jnp.where(possible, foreseen, 1), jnp.zeros_like(reduction))
    good, fair = possible & (ratio > 0.75), (possible & (ratio >= 0.25)) | (foreseen == 0)
    change = jnp.where(good, 1 / factor, jnp.where(fair, 1.0, factor)).astype(damping.dtype)
    return HessianFreeState(damping * change, ratio, accepted)
