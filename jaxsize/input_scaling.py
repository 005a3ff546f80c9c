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
network they cannot see: a penalty on weights in the loss, or clipping by a norm over all gradients. The optimiser has
to be a fresh one, as velocities and moments are not converted, and a schedule has to multiply all learning rates alike.
Weights should be float32 or bfloat16: in float16, those that are divided by the scale soon leave the range.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxsize.leaf_rates import Decay, per_leaf
from jaxsize.paths import named_leaves, with_leaves

Tree = Any
Apply = Callable[[Tree, Any], Any]
Optimizer = Literal["sgd", "adam"]
TOLERANCE = 1e-4
"""Outputs that should be the same may differ by this share of how much rows differ: the factors tried are powers of
two, so little is lost to rounding."""

SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


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
    one per branch in containers of the same types, or one for all. decay: coupled for "sgd", decoupled for "adam",
    unless given.
    inputs: some rows [B, ...], to try out that apply(params with kernels / a, a x inputs) = apply(params, inputs).
    """
    scale, inputs = _factor("scale", scale), jnp.asarray(inputs)
    tried = _tried(apply, start.params, inputs)
    for params, outputs in tried:
        for by in (4.0, _power_of_two(scale)):
            moved = _times(params, dict.fromkeys(kernels, 1 / by))
            if _differ(_outputs(apply, moved, _by(by, inputs)), outputs):
                raise ValueError(
                    f"kernels: expected the weights that multiply inputs, so that dividing them makes up for {by:g}"
                    f" times the inputs, got {', '.join(kernels) or 'none'}, which does not"
                )
    params, outputs = tried[-1]  # drawn at random: the given ones may be zeros
    if not _differ(_outputs(apply, params, _by(4.0, inputs)), outputs):
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
    factor = _factor("factor", factor)
    if twice := sorted(set(up) & set(down)):
        raise ValueError(f"rebalance: expected different leaves to go up and down, got {', '.join(twice)} twice")
    for params, outputs in _tried(apply, start.params, inputs):
        for by in (4.0, 0.25, _power_of_two(factor)):
            moved = _times(params, dict.fromkeys(up, by) | dict.fromkeys(down, 1 / by))
            if _differ(_outputs(apply, moved, inputs), outputs):
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
    numbers = []
    for field, power in zip(Start._fields[1:], powers, strict=True):
        tree, by = per_leaf(getattr(start, field), start.params), {name: s**power for name, s in factors.items()}
        _require_float32(field, tree, by)
        numbers.append(_times(tree, by))
    return Start(_times(start.params, factors), *numbers)


def _require_float32(field: str, tree: Tree, factors: Mapping[str, float]) -> None:
    """ValueError if a number times its factor would become 0, or infinite, in float32. Traced ones are not known."""
    leaves = named_leaves(tree)
    for name, factor in factors.items():
        if not isinstance(leaves[name], Tracer):
            sizes = factor * np.abs(np.asarray(leaves[name], np.float64))
            if not ((sizes == 0) | (sizes >= SMALLEST) & (sizes <= LARGEST)).all():
                raise ValueError(f"{field}: expected numbers in the range of float32, got {sizes} for {name}")


def _times(tree: Tree, factors: Mapping[str, float]) -> Tree:
    """The tree with the leaves of these names multiplied."""
    leaves = named_leaves(tree)
    if unknown := [name for name in factors if name not in leaves]:
        raise ValueError(f"leaves: expected some of {', '.join(leaves)}, got {unknown[0]!r}")
    return with_leaves(tree, leaves | {name: _by(factor, leaves[name]) for name, factor in factors.items()})


def _by(factor: float, leaf: Any) -> Any:
    """The leaf, or inputs, multiplied: of the same type if that is a floating one."""
    product = factor * leaf
    return product.astype(leaf.dtype) if hasattr(leaf, "dtype") and _is_floating(leaf) else product


def _is_floating(leaf: Any) -> bool:
    return jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating)


def _outputs(apply: Apply, params: Tree, inputs: Any) -> np.ndarray:
    found = apply(params, inputs)
    if not hasattr(found, "dtype"):
        raise ValueError(f"apply: expected one array of outputs, got a {type(found).__name__}")
    return np.atleast_1d(np.asarray(found, np.float64))


def _tried(apply: Apply, params: Tree, inputs: Any) -> list[tuple[Tree, np.ndarray]]:
    """Parameters to try something out on, with their outputs: those given, and random ones. ValueError unless the
    outputs are finite."""
    random = np.random.default_rng(0)

    def draw(leaf: Any) -> Any:
        if not _is_floating(leaf):
            return leaf
        leaf = np.asarray(leaf)
        spread = math.sqrt(2 / max(1, math.prod(leaf.shape[:-1])))  # does not fade through layers of ReLU
        values = spread * random.normal(size=leaf.shape)
        return jnp.asarray((values if leaf.ndim > 1 else np.abs(values)).astype(leaf.dtype))  # no variance below 0

    found = [(tree, _outputs(apply, tree, inputs)) for tree in (params, jax.tree.map(draw, params))]
    if not all(np.isfinite(outputs).all() for _, outputs in found):
        raise ValueError(
            "apply: expected finite outputs of these parameters, and of random ones, got some that are not"
        )
    return found


def _differ(found: np.ndarray, expected: np.ndarray) -> bool:
    """Of a single row, outputs themselves are the measure; of more, what does not depend on the row is left out."""
    varying = expected - expected.mean(0) if len(expected) > 1 else expected
    return not np.abs(found - expected).max(initial=0.0) <= TOLERANCE * np.abs(varying).max(initial=0.0)


def _power_of_two(factor: float) -> float:
    """The nearest one that float32 has, and whose inverse it has."""
    return 2.0 ** max(-126, min(126, round(math.log2(factor))))


def _factor(name: str, value: float) -> float:
    if not SMALLEST <= value <= LARGEST:
        raise ValueError(f"{name}: expected a finite number above 0, in the range of float32, got {value}")
    return float(value)
