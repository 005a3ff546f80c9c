"""Optimisers in which every leaf has a learning rate and a weight decay of its own: numbers, traced or not.

Where a tree of numbers is asked for, one number for all parameters, or one per branch of the parameters, serves as
well; the containers of such a tree are of the same types as those of the parameters. So does a function that makes such
a tree for given parameters, as `by_layer` does. States and updates keep the dtype of each leaf.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

from jaxsize.errors import InputError
from jaxsize.trees import Tree, named_leaves, owner_of, with_leaves

Numbers = Tree | Callable[[Tree], Tree]
"""A number for all parameters, a tree of numbers, or a function that makes such a tree for given parameters."""
Decay = Literal["coupled", "decoupled"]


def layers_of(params: Tree, *, fixed: Collection[str] = ()) -> list[str]:
    """List the layers of a network: the paths of all dicts that hold arrays, in the order of the parameters.

    Args:
        params: parameters of any network.
        fixed: names of leaves that belong to no layer.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import leaf_rates
        >>> leaf_rates.layers_of(mlp((2, 4, 4, 1)).init(0))
        ['hidden.0', 'hidden.1', 'output']
    """
    return list(dict.fromkeys(owner_of(leaf) for leaf in named_leaves(params) if leaf not in fixed))


def by_layer(numbers: Tree, params: Tree, *, fixed: Collection[str] = ()) -> Tree:
    """Make a tree like `params` that holds, at every leaf, the number of the layer that the leaf belongs to.

    Args:
        numbers: one number for all layers, or numbers by layer; a layer is the path of the dict that holds its arrays,
            such as `hidden.0`.
        params: the tree whose structure is wanted; its values are not read.
        fixed: paths of leaves that do not move: their number is 0.

    Raises:
        InputError: when a layer has no number, or a number no layer.

    Example:
        >>> from jaxsize.learners import leaf_rates
        >>> params = {"hidden": [{"kernel": 0, "bias": 0}], "output": {"kernel": 0}, "scale": 0}
        >>> print(leaf_rates.by_layer({"hidden.0": 0.1, "output": 0.2}, params, fixed=["scale"]))
        {'hidden': [{'bias': 0.1, 'kernel': 0.1}], 'output': {'kernel': 0.2}, 'scale': 0.0}
    """
    leaves = list(named_leaves(params))
    layers = layers_of(params, fixed=fixed)
    by_name = numbers if isinstance(numbers, Mapping) else dict.fromkeys(layers, numbers)
    if odd := [*(name for name in layers if name not in by_name), *(name for name in by_name if name not in layers)]:
        expected = f"numbers for the layers {', '.join(layers)}"
        raise InputError(f"rates: expected {expected}, got {', '.join(by_name) or 'none'}: {odd[0]!r} differs")
    return with_leaves(params, {leaf: 0.0 if leaf in fixed else by_name[owner_of(leaf)] for leaf in leaves})


def per_leaf(numbers: Numbers, params: Tree) -> Tree:
    """Make a tree like `params` that holds, at every leaf, the number of its branch in `numbers`.

    Args:
        numbers: a number for all parameters, a tree with one per branch or leaf, or a function of `params` that makes
            such a tree.
        params: the tree whose structure is wanted; its values are not read.

    Raises:
        InputError: when `numbers` has other branches than `params`, or a dict where `params` has a FrozenDict. The
            message is one line.

    Example:
        >>> from jaxsize.learners import leaf_rates
        >>> params = {"hidden": {"kernel": 0, "bias": 0}, "output": {"kernel": 0}}
        >>> print(leaf_rates.per_leaf({"hidden": 0.1, "output": 0.2}, params))
        {'hidden': {'bias': 0.1, 'kernel': 0.1}, 'output': {'kernel': 0.2}}
    """
    if callable(numbers):
        numbers = numbers(params)
    try:
        return jax.tree.map(lambda number, branch: jax.tree.map(lambda _: number, branch), numbers, params)
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            "rates: expected a number for all parameters, or one per branch or leaf in containers of the same types,"
            f" got others: {reason}"
        ) from None


# Not `optax.trace`: with traced decays it turns the velocity of a bfloat16 leaf into float32, which no scan accepts;
# rounding the decayed gradients to bfloat16 before it gives other numbers. Its state also has other containers, which
# checkpoints compare: a study that was interrupted before such a change could not go on.
def sgd(
    learning_rates: Numbers, weight_decays: Numbers = 0.0, *, momentum: float = 0.0
) -> optax.GradientTransformation:
    """Make gradient descent with coupled decay: v <- momentum v + (g + decay w), w <- w - rate v, from v = 0.

    Args:
        learning_rates: a number, or a tree of numbers.
        weight_decays: a number, or a tree of numbers.
        momentum: from 0 to below 1, the same for all leaves.

    Returns:
        An optimiser whose state is the velocity v, a tree like the parameters.

    Example:
        >>> import jax, numpy as np
        >>> from jaxsize.learners import leaf_rates
        >>> optimizer = leaf_rates.sgd({"first": 0.5, "second": 0.25})
        >>> params = {"first": np.float32(3), "second": np.float32(3)}
        >>> gradient = {"first": np.float32(2), "second": np.float32(2)}
        >>> updates, _ = jax.jit(optimizer.update)(gradient, optimizer.init(params), params)
        >>> float(updates["first"]), float(updates["second"])
        (-1.0, -0.5)
    """

    def update(updates: Tree, state: Tree, params: Tree | None = None) -> tuple[Tree, Tree]:
        decays, rates = (per_leaf(numbers, updates) for numbers in (weight_decays, learning_rates))

        def moved(v: Any, g: Any, w: Any, d: Any) -> Any:
            return (momentum * v + (g + d * w)).astype(v.dtype)

        velocity = jax.tree.map(moved, state, updates, params, decays)
        return jax.tree.map(lambda v, rate: -(rate * v).astype(v.dtype), velocity, rates), velocity

    return optax.GradientTransformation(lambda params: jax.tree.map(jnp.zeros_like, params), update)


def adam(
    learning_rates: Numbers,
    weight_decays: Numbers = 0.0,
    epsilons: Numbers = 1e-8,
    *,
    decay: Decay = "decoupled",
    betas: tuple[float, float] = (0.9, 0.999),
) -> optax.GradientTransformation:
    """Make Adam, in which every leaf has an epsilon of its own as well.

    Args:
        learning_rates: a number, or a tree of numbers.
        weight_decays: a number, or a tree of numbers.
        epsilons: a number, or a tree of numbers, added to the square root of the second moment.
        decay: `coupled`, added to the gradient; `decoupled`, added to the step before the learning rate (AdamW).
        betas: decay rates of the first and of the second moment, the same for all leaves.

    Returns:
        An optimiser whose state is the step count, int32 [], and the two moments, trees like the parameters.
    """
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
