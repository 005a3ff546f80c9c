"""A network whose inputs are multiplied by c, made to train as if they were not; and layers made to trade scales.

If inputs are c times larger, a first layer that starts c times smaller computes the same. It keeps doing so only if it
also *moves* c times less, while its gradient has become c times larger: under gradient descent its learning rate has to
be c^2 times smaller, whatever the other layers do. Written out for a leaf that is multiplied by s (1 / c for the
first layer's weights) and so has its gradient multiplied by 1 / s:

    gradient descent, with or without momentum    rate s^2, decay / s^2
    Adam, decay coupled (L2)                      rate s, epsilon / s, decay / s^2
    Adam, decay decoupled (AdamW)                 rate s, epsilon / s, decay / s

Then weights stay s times those of the other run, the velocity 1 / s times, and the function is the same at every step:
to rounding, and bit for bit if s is a power of two, nothing underflows and both are trained by the same program. That
answers seed `001_b29bdd91c7bd24d8.txt`; `python -m experiments.input_scaling` shows it. A bias of the first layer
is not multiplied by inputs and needs no change.

Both functions try out on rows of inputs what they rest on, and raise ValueError if it is not so. What is not in the
network they cannot see: a penalty on weights in the loss, or clipping by a norm over all gradients.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import jax
import numpy as np

from jaxsize.leaf_rates import Decay, per_leaf
from jaxsize.paths import named_leaves, with_leaves

Tree = Any
Apply = Callable[[Tree, Any], Any]
Optimizer = Literal["sgd", "adam"]
TOLERANCE = 1e-4
"""Outputs that should be the same may differ by this share of the largest one."""


class Start(NamedTuple):
    """Where training starts and how every leaf moves; the last three are trees of numbers like `params`."""

    params: Tree
    learning_rates: Tree
    weight_decays: Tree
    epsilons: Tree
    """Of Adam; no meaning for gradient descent."""


def for_scaled_inputs(
    apply: Apply,
    start: Start,
    inputs: Any,
    scale: float,
    *,
    kernels: Sequence[str],
    optimizer: Optimizer = "sgd",
    decay: Decay | None = None,
) -> Start:
    """The start from which a network trains on `scale` x inputs as it does from `start` on the inputs themselves.

    apply: (params, inputs) -> outputs, any network. kernels: names of the leaves that multiply inputs, such as
    "hidden.0.kernel": the first layer's weights, without its bias. The numbers in `start` are trees like its params,
    one per branch, or one for all. decay: coupled for "sgd", decoupled for "adam", unless given.
    inputs: some rows [B, ...], to try out that apply(params with kernels / a, a x inputs) = apply(params, inputs).
    """
    _require_factor("scale", scale)
    tried = _tried(apply, start.params, inputs)
    for params, outputs in tried:
        if _differ(apply(_times(params, dict.fromkeys(kernels, 0.25)), 4.0 * np.asarray(inputs)), outputs):
            raise ValueError(
                f"kernels: expected the weights that multiply inputs, so that a quarter of them makes up for four times"
                f" the inputs, got {', '.join(kernels) or 'none'}, which does not"
            )
    params, outputs = tried[-1]  # drawn at random: the given ones may be zeros
    if not _differ(apply(params, 4.0 * np.asarray(inputs)), outputs):
        raise ValueError(
            "inputs: expected rows whose scale matters to the outputs, got the same outputs for four times"
        )
    return _moved(start, dict.fromkeys(kernels, 1 / scale), optimizer, decay)


def rebalance(
    apply: Apply,
    start: Start,
    inputs: Any,
    factor: float,
    *,
    up: Sequence[str],
    down: Sequence[str],
    optimizer: Optimizer = "sgd",
    decay: Decay | None = None,
) -> Start:
    """The start from which a network trains as it does from `start` with the leaves `up` times `factor` and the leaves
    `down` divided by it.

    For two layers with an activation between them that is positively homogeneous, such as ReLU: up, weights and bias
    of the first; down, weights of the second without its bias. Tried out on rows of inputs, as above.
    """
    _require_factor("factor", factor)
    if twice := sorted(set(up) & set(down)):
        raise ValueError(f"rebalance: expected different leaves to go up and down, got {', '.join(twice)} twice")
    for params, outputs in _tried(apply, start.params, inputs):
        for by in (4.0, 0.25):
            if _differ(apply(_times(params, dict.fromkeys(up, by) | dict.fromkeys(down, 1 / by)), inputs), outputs):
                raise ValueError(
                    "rebalance: expected layers around a positively homogeneous function, so that one makes up for the"
                    f" other, got {', '.join(up) or 'none'} up, {', '.join(down) or 'none'} down, which do not"
                )
    return _moved(start, dict.fromkeys(up, factor) | dict.fromkeys(down, 1 / factor), optimizer, decay)


def _moved(start: Start, factors: Mapping[str, float], optimizer: Optimizer, decay: Decay | None) -> Start:
    """The start with leaves multiplied by these factors, and what that means for how they move."""
    if optimizer not in get_args(Optimizer):
        raise ValueError(f"optimizer: expected one of {', '.join(get_args(Optimizer))}, got {optimizer!r}")
    if decay is None:
        decay = "coupled" if optimizer == "sgd" else "decoupled"
    if decay not in get_args(Decay):
        raise ValueError(f"decay: expected one of {', '.join(get_args(Decay))}, got {decay!r}")
    rate = 2 if optimizer == "sgd" else 1
    together = rate if decay == "decoupled" else 2  # rate x decay is the share that a step takes; coupled, s^2 too
    powers = (rate, -together, -1)
    numbers = [
        _times(per_leaf(tree, start.params), {name: s**power for name, s in factors.items()})
        for tree, power in zip(start[1:], powers, strict=True)
    ]
    return Start(_times(start.params, factors), *numbers)


def _times(tree: Tree, factors: Mapping[str, float]) -> Tree:
    """The tree with the leaves of these names multiplied."""
    leaves = named_leaves(tree)
    if unknown := [name for name in factors if name not in leaves]:
        raise ValueError(f"leaves: expected some of {', '.join(leaves)}, got {unknown[0]!r}")
    return with_leaves(tree, leaves | {name: factor * leaves[name] for name, factor in factors.items()})


def _tried(apply: Apply, params: Tree, inputs: Any) -> list[tuple[Tree, np.ndarray]]:
    """Parameters to try something out on, with their outputs: those given, and random ones. ValueError unless the
    outputs are finite."""
    random = np.random.default_rng(0)

    def draw(leaf: Any) -> Any:
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.floating):
            return leaf
        spread = 1 / math.sqrt(max(1, math.prod(leaf.shape[:-1])))
        return (spread * random.normal(size=leaf.shape)).astype(leaf.dtype)

    found = [(tree, np.asarray(apply(tree, inputs))) for tree in (params, jax.tree.map(draw, params))]
    if not all(np.isfinite(outputs).all() for _, outputs in found):
        raise ValueError("apply: expected finite outputs of these parameters and inputs, got some that are not")
    return found


def _differ(found: Any, expected: np.ndarray) -> bool:
    largest = np.abs(expected).max(initial=0.0)
    return not np.abs(np.asarray(found) - expected).max(initial=0.0) <= TOLERANCE * largest


def _require_factor(name: str, value: float) -> None:
    if not (value > 0 and math.isfinite(value)):
        raise ValueError(f"{name}: expected a finite number above 0, got {value}")
