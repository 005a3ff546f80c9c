"""Optimisers in which every leaf has a learning rate and a weight decay of its own: numbers, traced or not.

Wherever trees of numbers are asked for, a number for all, or one per branch of the parameters, serves as well; the
containers of such a tree are of the same types as those of the parameters. States and updates keep the leaves' dtype.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

Tree = Any
Decay = Literal["coupled", "decoupled"]


def per_leaf(numbers: Tree, params: Tree) -> Tree:
    """A tree like `params` that holds, at every leaf, the number of its branch in `numbers`.

    ValueError, in one line, if `numbers` has other branches than `params`, or a dict where `params` has a FrozenDict.
    """
    try:
        return jax.tree.map(lambda number, branch: jax.tree.map(lambda _: number, branch), numbers, params)
    except ValueError as error:
        told = str(error).splitlines()[0]
        raise ValueError(
            "rates: expected a number for all parameters, or one per branch or leaf in containers of the same types,"
            f" got others: {told}"
        ) from None


def sgd(learning_rates: Tree, weight_decays: Tree = 0.0, *, momentum: float = 0.0) -> optax.GradientTransformation:
    """Gradient descent with coupled decay: v <- momentum v + (g + decay w), w <- w - rate v, from v = 0."""

    def update(updates: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        decays, rates = (per_leaf(numbers, updates) for numbers in (weight_decays, learning_rates))

        def moved(v: Any, g: Any, w: Any, d: Any) -> Any:
            return (momentum * v + (g + d * w)).astype(v.dtype)

        velocity = jax.tree.map(moved, state, updates, params, decays)
        return jax.tree.map(lambda v, rate: -(rate * v).astype(v.dtype), velocity, rates), velocity

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


def adam(
    learning_rates: Tree,
    weight_decays: Tree = 0.0,
    epsilons: Tree = 1e-8,
    *,
    decay: Decay = "decoupled",
    betas: tuple[float, float] = (0.9, 0.999),
) -> optax.GradientTransformation:
    """Adam with an epsilon of its own for every leaf as well. decay: `coupled`, added to the gradient; `decoupled`, to
    the step before the learning rate (AdamW)."""
    coupled = decay == "coupled"

    def update(updates: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        decays, rates, smallest = (per_leaf(numbers, updates) for numbers in (weight_decays, learning_rates, epsilons))
        if coupled:
            updates = jax.tree.map(lambda g, w, d: g + d * w, updates, params, decays)
        count, (mean, square) = state[0] + 1, state[1:]
        mean = jax.tree.map(lambda m, g: (betas[0] * m + (1 - betas[0]) * g).astype(m.dtype), mean, updates)
        square = jax.tree.map(lambda s, g: (betas[1] * s + (1 - betas[1]) * g**2).astype(s.dtype), square, updates)
        full, full_square = (1 - jnp.float32(beta) ** count for beta in betas)

        def step(m: Any, s: Any, w: Any, rate: Any, d: Any, epsilon: Any) -> Any:
            move = m / full / (jnp.sqrt(s / full_square) + epsilon)
            return -(rate * (move if coupled else move + d * w)).astype(m.dtype)

        return jax.tree.map(step, mean, square, params, rates, decays, smallest), (count, mean, square)

    def init(params: Tree) -> Tree:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return jnp.zeros((), jnp.int32), zeros, zeros

    return optax.GradientTransformation(init, update)
