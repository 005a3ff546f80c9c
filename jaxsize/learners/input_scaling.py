"""A network whose inputs are multiplied by c, made to train as if they were not; and layers made to trade scales.

If inputs are c times larger, a first layer that starts c times smaller computes the same. It keeps doing so only if it
also *moves* c times less, while its gradient has become c times larger: under gradient descent its learning rate has to
be c^2 times smaller, whatever the other layers do. For a leaf that is multiplied by s (1 / c for the first layer's
weights), and whose gradient is therefore multiplied by 1 / s, this is what changes:

    gradient descent, with or without momentum    rate s^2, decay / s^2
    Adam, decay coupled (L2)                      rate s, epsilon / s, decay / s^2
    Adam, decay decoupled (AdamW)                 rate s, epsilon / s, decay / s

Then weights stay s times those of the other run, the velocity stays 1 / s times that of the other run, and the function
is the same at every step: to rounding, and bit for bit if s is a power of two, nothing underflows and both runs are
trained by the same program. That answers seed `001_b29bdd91c7bd24d8.txt`; `python -m experiments.input_scaling` shows
it. A bias of the first layer is not multiplied by inputs and needs no change.

Both functions rest on properties of the network. They try these out on rows of inputs, and raise InputError where they
do not hold. They cannot see what is not in the network: a penalty on weights in the loss, or clipping by a norm over
all gradients. The optimiser has to be a fresh one, as velocities and moments are not converted, and a schedule has to
multiply all learning rates alike. Weights should be float32 or bfloat16: in float16, those that are divided by the
scale soon leave the range.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, get_args

import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from jaxsize.errors import InputError
from jaxsize.learners._trials import Apply, differ, is_floating, list_trials, outputs_of, power_of_two
from jaxsize.learners.leaf_rates import Decay, per_leaf
from jaxsize.trees import Tree, named_leaves, with_leaves

Optimizer = Literal["sgd", "adam"]

SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class Start(NamedTuple):
    """The start of a training run: the parameters and the numbers by which every leaf moves.

    The last three fields are trees of numbers like `params`; one number per branch in containers of the same types, or
    one for all parameters, serves as well.

    Example:
        >>> from jaxsize import mlp
        >>> from jaxsize.learners import Start
        >>> rates = {"hidden": 0.1, "output": 0.02}
        >>> start = Start(mlp((4, 8, 2), gate=None).init(0), rates, weight_decays=0.0, epsilons=1e-8)
        >>> sorted(start.params) == sorted(start.learning_rates)
        True
    """

    params: Tree
    learning_rates: Tree
    weight_decays: Tree
    epsilons: Tree
    """The epsilons of Adam; gradient descent does not use them."""


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
    """Return the start from which a network trains on `scale` x inputs as it does from `start` on the inputs alone.

    Args:
        apply: (params, inputs) -> outputs; any network.
        start: the start without the scale.
        inputs: some rows [B, ...], to try out that apply(params with kernels / a, a x inputs) = apply(params, inputs).
        scale: the factor of the inputs, above 0 and a normal float32.
        kernels: names of the leaves that multiply inputs, such as "hidden.0.kernel": the first layer's weights, without
            its bias.
        optimizer: `sgd`, with or without momentum, or `adam`.
        decay: how the weight decay acts; None: `coupled` for "sgd", `decoupled` for "adam".

    Returns:
        The new start; its numbers are trees with one per leaf, its params have the dtypes of the old ones.

    Raises:
        InputError: when the kernels do not make up for the scale or do not exist, when the outputs are no single array,
            are not finite or do not depend on the scale of the inputs, or when an argument or a resulting number is out
            of its range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import Start, for_scaled_inputs
        >>> def apply(params, inputs):
        ...     return np.asarray(inputs) @ np.asarray(params["kernel"]) + np.asarray(params["bias"])
        >>> params, inputs = {"kernel": np.ones((2, 1)), "bias": np.ones(1)}, np.array([[1.0, 2.0], [3.0, -1.0]])
        >>> start = Start(params, learning_rates=0.5, weight_decays=0.0, epsilons=1e-8)
        >>> scaled = for_scaled_inputs(apply, start, inputs, 4.0, kernels=["kernel"])
        >>> print(scaled.learning_rates, scaled.params["kernel"].tolist())
        {'bias': 0.5, 'kernel': 0.03125} [[0.25], [0.25]]
        >>> np.array_equal(apply(scaled.params, 4 * inputs), apply(params, inputs))
        True
    """
    scale, inputs = _factor("scale", scale), jnp.asarray(inputs)
    _require_leaves(start.params, kernels=kernels)
    trials = list_trials(apply, start.params, inputs)
    for params, outputs in trials:
        for by in (4.0, power_of_two(scale)):
            moved = _times(params, dict.fromkeys(kernels, 1 / by))
            if differ(outputs_of(apply, moved, _by(by, inputs)), outputs):
                raise InputError(
                    f"expected the weights that multiply inputs, so that dividing them makes up for {by:g}"
                    f" times the inputs, got {', '.join(kernels) or 'none'}, which does not",
                    field="kernels",
                )
    params, outputs = trials[-1]  # drawn at random: the given ones may be zeros
    if not differ(outputs_of(apply, params, _by(4.0, inputs)), outputs):
        raise InputError(
            "expected rows whose scale matters to the outputs, got the same outputs for four times", field="inputs"
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
    """Return the start from which a network trains as it does from `start`, with some leaves larger and others smaller.

    It is for two layers around an activation that is positively homogeneous, such as ReLU.

    Args:
        apply: (params, inputs) -> outputs; any network.
        start: the start before the trade.
        inputs: some rows [B, ...], to try out that the outputs stay the same.
        factor: the factor of the leaves `up`, and the divisor of the leaves `down`; above 0 and a normal float32.
        up: names of the leaves that are multiplied: weights and bias of the first layer.
        down: names of the leaves that are divided: weights of the second layer, without its bias.
        optimizer: `sgd`, with or without momentum, or `adam`.
        decay: how the weight decay acts; None: `coupled` for "sgd", `decoupled` for "adam".

    Returns:
        The new start; its numbers are trees with one per leaf, its params have the dtypes of the old ones.

    Raises:
        InputError: when a leaf goes both up and down, when the leaves do not make up for each other or do not exist,
            when the outputs are no single array or are not finite, or when an argument or a resulting number is out of
            its range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import Start, rebalance
        >>> def apply(params, inputs):
        ...     hidden = np.maximum(np.asarray(inputs) @ np.asarray(params["first"]), 0)
        ...     return hidden @ np.asarray(params["second"])
        >>> start = Start({"first": np.eye(2), "second": np.ones((2, 1))}, 1.0, 0.0, 1e-8)
        >>> traded = rebalance(apply, start, np.array([[1.0, 2.0], [3.0, -1.0]]), 4.0, up=["first"], down=["second"])
        >>> print(traded.learning_rates, traded.params["second"].tolist())
        {'first': 16.0, 'second': 0.0625} [[0.25], [0.25]]
    """
    factor = _factor("factor", factor)
    if twice := sorted(set(up) & set(down)):
        raise InputError(f"rebalance: expected different leaves to go up and down, got {', '.join(twice)} twice")
    _require_leaves(start.params, up=up, down=down)
    for params, outputs in list_trials(apply, start.params, inputs):
        for by in (4.0, 0.25, power_of_two(factor)):
            moved = _times(params, dict.fromkeys(up, by) | dict.fromkeys(down, 1 / by))
            if differ(outputs_of(apply, moved, inputs), outputs):
                raise InputError(
                    "rebalance: expected layers around a positively homogeneous function, so that one makes up for the"
                    f" other, got {', '.join(up) or 'none'} up, {', '.join(down) or 'none'} down, which do not"
                )
    return _moved(start, dict.fromkeys(up, factor) | dict.fromkeys(down, 1 / factor), optimizer, decay)


def _moved(start: Start, factors: Mapping[str, float], optimizer: Optimizer, decay: Decay | None) -> Start:
    """Multiply leaves of the start by these factors, and change the numbers by which they move accordingly."""
    if optimizer not in get_args(Optimizer):
        raise InputError(f"expected one of {', '.join(get_args(Optimizer))}, got {optimizer!r}", field="optimizer")
    if decay is None:
        decay = "coupled" if optimizer == "sgd" else "decoupled"
    if decay not in get_args(Decay):
        raise InputError(f"expected one of {', '.join(get_args(Decay))}, got {decay!r}", field="decay")
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
    """Raise InputError if a number times its factor becomes 0, or infinite, in float32; traced ones are not known."""
    leaves = named_leaves(tree)
    for name, factor in factors.items():
        if not isinstance(leaves[name], Tracer):
            sizes = factor * np.abs(np.asarray(leaves[name], np.float64))
            if not ((sizes == 0) | (sizes >= SMALLEST) & (sizes <= LARGEST)).all():
                raise InputError(f"expected numbers in the range of float32, got {sizes} for {name}", field=field)


def _require_leaves(params: Tree, **names: Sequence[str]) -> None:
    """Refuse a name that no leaf has; the keyword says which argument it came in."""
    leaves = named_leaves(params)
    for field, wanted in names.items():
        if unknown := [name for name in wanted if name not in leaves]:
            raise InputError(f"expected some of {', '.join(leaves)}, got {unknown[0]!r}", field=field)


def _times(tree: Tree, factors: Mapping[str, float]) -> Tree:
    """Multiply the leaves of these names."""
    leaves = named_leaves(tree)
    return with_leaves(tree, leaves | {name: _by(factor, leaves[name]) for name, factor in factors.items()})


def _by(factor: float, leaf: Any) -> Any:
    """Multiply a leaf, or inputs; a floating dtype stays as it is."""
    product = factor * leaf
    return product.astype(leaf.dtype) if hasattr(leaf, "dtype") and is_floating(leaf) else product


def _factor(name: str, value: float) -> float:
    if not SMALLEST <= value <= LARGEST:
        raise InputError(f"expected a finite number above 0, in the range of float32, got {value}", field=name)
    return float(value)
