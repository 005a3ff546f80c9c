"""The R-operator of a multilayer perceptron, written out by hand: an independent way to the same products."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import named_leaves

Layers = Sequence[Mapping[str, Any]]


class _Activation(NamedTuple):
    """An elementwise function with its first two derivatives, each a function of its argument u and its value z."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]
    bend: Callable[[np.ndarray, np.ndarray], np.ndarray]


def _flat(u: np.ndarray, z: np.ndarray) -> np.ndarray:
    return np.zeros_like(u)


def _logistic(u: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(u / 2)) / 2  # never overflows


LEAK = 0.01
_ACTIVATIONS = {
    "identity": _Activation(lambda u: u, lambda u, z: np.ones_like(u), _flat),
    "relu": _Activation(lambda u: np.maximum(u, 0), lambda u, z: (u > 0) * 1.0, _flat),
    "leaky_relu": _Activation(lambda u: np.where(u > 0, u, LEAK * u), lambda u, z: np.where(u > 0, 1, LEAK), _flat),
    "sigmoid": _Activation(_logistic, lambda u, z: z * (1 - z), lambda u, z: z * (1 - z) * (1 - 2 * z)),
    "tanh": _Activation(np.tanh, lambda u, z: 1 - z * z, lambda u, z: -2 * z * (1 - z * z)),
    "softplus": _Activation(
        lambda u: np.logaddexp(u, 0), lambda u, z: _logistic(u), lambda u, z: _logistic(u) * _logistic(-u)
    ),
}


class MlpProducts(NamedTuple):
    """What `mlp_r_operator` computes, each in the form of the layers, in float64.

    Example:
        >>> import numpy as np
        >>> from jaxsize.curvature import MlpProducts, mlp_r_operator
        >>> layers = [{"kernel": np.eye(1)}]
        >>> products = mlp_r_operator(layers, ["identity"], np.ones((1, 1)), np.zeros((1, 1)), layers)
        >>> isinstance(products, MlpProducts), products.gradient[0]["kernel"].tolist()
        (True, [[1.0]])
    """

    gradient: list[dict[str, np.ndarray]]
    """The gradient of the loss."""
    hessian: list[dict[str, np.ndarray]]
    """The product of its Hessian with the vector."""
    gauss_newton: list[dict[str, np.ndarray]]
    """The product of its Gauss-Newton matrix with the vector."""


def mlp_r_operator(
    layers: Layers, activations: Sequence[str], inputs: Any, targets: Any, vector: Layers
) -> MlpProducts:
    """Compute the gradient, the Hessian product and the Gauss-Newton product of half the squared error of an MLP.

    The loss is the mean over rows of |outputs - targets|^2 / 2. With R{x} for the derivative of x in the direction of
    the vector, one pass forward carries each layer's z and R{z}, and one pass backward its gradients and theirs; every
    line is derived by hand, in NumPy and float64, without automatic differentiation and without regard to speed. Use
    `hvp` and `ggn_vp` for everything else. The Gauss-Newton matrix splits at the outputs of the last activation, where
    the Hessian of this loss is the identity.
    Source: D12, D13; `002_2034385bae2412e3.txt` has the R-operator for autoencoders, whose last layer has no bias.

    Args:
        layers: `kernel` [D, U] and, where a layer has one, `bias` [U]. Those of an ungated `networks.mlp` are
            [*params["hidden"], params["output"]].
        activations: one per layer, of "identity", "relu", "leaky_relu" (slope .01), "sigmoid", "tanh", "softplus".
            Derivatives at a kink are those from below it.
        inputs: [B, D of the first layer].
        targets: [B, U of the last layer]; the inputs, for an autoencoder.
        vector: in the form of `layers`.

    Returns:
        All three.

    Raises:
        InputError: when an activation is unknown, there is not one per layer, or `vector` has another form than
            `layers`; the error names the leaf.

    Example:
        >>> import numpy as np
        >>> from jaxsize.curvature import mlp_r_operator
        >>> layers = [{"kernel": np.array([[2.0]])}, {"kernel": np.array([[3.0]])}]  # 6 x
        >>> vector = [{"kernel": np.array([[1.0]])}, {"kernel": np.array([[0.0]])}]
        >>> products = mlp_r_operator(layers, ["identity", "identity"], np.array([[1.0]]), np.array([[1.0]]), vector)
        >>> [layer["kernel"].item() for layer in products.hessian]  # 3^2, and 3 * 2 + (6 - 1)
        [9.0, 11.0]
        >>> [layer["kernel"].item() for layer in products.gauss_newton]  # without the residual of 5
        [9.0, 6.0]
    """
    functions = _functions(layers, activations)
    _require_alike(layers, vector)
    layers, vector = _wide(layers), _wide(vector)
    inputs, targets = np.asarray(inputs, np.float64), np.asarray(targets, np.float64)

    z, r_z = inputs, np.zeros_like(inputs)
    kept = []
    for layer, p, function in zip(layers, vector, functions, strict=True):
        u = z @ layer["kernel"] + layer.get("bias", 0)
        r_u = z @ p["kernel"] + r_z @ layer["kernel"] + p.get("bias", 0)
        below, r_below = z, r_z
        z = function.value(u)
        slope, bend = function.slope(u, z), function.bend(u, z)
        r_z = slope * r_u
        kept.append((below, r_below, r_u, slope, bend))

    by_z, r_by_z = (z - targets) / len(inputs), r_z / len(inputs)
    gn_z = r_by_z  # the Hessian of the loss by the outputs, here the identity over B, times R{z}
    products = MlpProducts([], [], [])
    for layer, p, (below, r_below, r_u, slope, bend) in zip(layers[::-1], vector[::-1], kept[::-1], strict=True):
        by_u, gn_u = by_z * slope, gn_z * slope
        r_by_u = r_by_z * slope + by_z * bend * r_u
        products.gradient.insert(0, _leaves(layer, below.T @ by_u, by_u))
        products.hessian.insert(0, _leaves(layer, below.T @ r_by_u + r_below.T @ by_u, r_by_u))
        products.gauss_newton.insert(0, _leaves(layer, below.T @ gn_u, gn_u))
        by_z, gn_z = by_u @ layer["kernel"].T, gn_u @ layer["kernel"].T
        r_by_z = by_u @ p["kernel"].T + r_by_u @ layer["kernel"].T
    return products


def _leaves(layer: Mapping[str, Any], by_kernel: np.ndarray, by_rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"kernel": by_kernel} | ({"bias": by_rows.sum(0)} if "bias" in layer else {})


def _wide(layers: Layers) -> list[dict[str, np.ndarray]]:
    return [{name: np.asarray(leaf, np.float64) for name, leaf in layer.items()} for layer in layers]


def _functions(layers: Layers, activations: Sequence[str]) -> list[_Activation]:
    if len(layers) != len(activations) or not layers:
        raise InputError(
            f"expected one per layer, for one layer or more, got {len(activations)} for {len(layers)} layers",
            field="activations",
        )
    for name in activations:
        if name not in _ACTIVATIONS:
            raise InputError(f"expected each one of {', '.join(_ACTIVATIONS)}, got {name!r}", field="activations")
    return [_ACTIVATIONS[name] for name in activations]


def _require_alike(layers: Layers, vector: Layers) -> None:
    """Check by name and shape alone: whether a leaf is of NumPy or of JAX, and its precision, make no difference."""
    shapes, given = (
        {name: np.shape(leaf) for name, leaf in named_leaves([dict(layer) for layer in tree]).items()}
        for tree in (layers, vector)
    )
    for name in [*shapes, *given]:
        if name.split(".")[-1] not in ("kernel", "bias"):
            raise InputError(f"expected layers of `kernel` and `bias`, got a leaf {name!r}", field="layers")
        if shapes.get(name) != given.get(name):
            problem = f"expected {shapes.get(name, 'nothing')} at leaf {name!r}, as in layers, got"
            raise InputError(f"{problem} {given.get(name, 'nothing')}", field="vector")
