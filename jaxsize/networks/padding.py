"""More units, or gates, for the parameters of an `mlp`, which then computes and trains the same."""

from collections.abc import Sequence

import numpy as np

from jaxsize.errors import InputError
from jaxsize.trees import Tree


def with_gates(params: Tree) -> Tree:
    """Add relu gates at 1, which change no output, to the parameters of an ungated `mlp`.

    Args:
        params: of an `mlp` with gate=None, in NumPy.

    Returns:
        Parameters of the same `mlp` with gate="liveness".

    Example:
        >>> from jaxsize.networks import mlp, with_gates
        >>> params = with_gates(mlp((2, 3, 1), gate=None).init(0))
        >>> params["hidden"][0]["liveness"].tolist()
        [1.0, 1.0, 1.0]
    """
    gates = [np.ones_like(layer["kernel"][0]) for layer in params["hidden"]]
    return params | {
        "hidden": [layer | {"liveness": gate} for layer, gate in zip(params["hidden"], gates, strict=True)]
    }


def pad_mlp(params: Tree, widths: Sequence[int]) -> Tree:
    """Widen the hidden layers of an `mlp` by units whose weights are all 0.

    Such a unit has the output 0 (if the activation of 0 is 0) and the gradient 0. It stays as it is under any optimiser
    whose step is 0 for a weight of 0 with gradient 0. So the padded network trains exactly like the original, and
    networks of several widths can share a program. A `liveness` is padded with 0, which is a closed relu gate, and has
    the gradient 0 too. Signed gates are not supported: a signed gate at 0 would not stay inert.

    Args:
        params: of an `mlp` without gates or with relu gates, in NumPy.
        widths: the new width of every hidden layer, none below the present one.

    Returns:
        The padded parameters, in NumPy.

    Raises:
        InputError: when a layer has a `size`, or is wider than its new width, or when there are more or fewer widths
            than hidden layers.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> from jaxsize.networks import mlp, pad_mlp
        >>> network = mlp((2, 3, 1), gate=None)
        >>> params = network.init(0)
        >>> padded = pad_mlp(params, [5])
        >>> padded["hidden"][0]["kernel"].shape, padded["output"]["kernel"][3:].tolist()
        ((2, 5), [[0.0], [0.0]])
        >>> apply, inputs = jax.jit(network.apply), np.ones((4, 2), np.float32)
        >>> np.allclose(apply(padded, inputs), apply(params, inputs))
        True
    """
    layers = [*params["hidden"], params["output"]]
    if len(widths) != len(params["hidden"]):
        raise InputError(f"pad_mlp: expected {len(params['hidden'])} widths, one per hidden layer, got {list(widths)}")
    padding = [0]
    for layer, width in zip(params["hidden"], widths, strict=True):
        extra = width - layer["kernel"].shape[1]
        if extra < 0 or "size" in layer:
            raise InputError(
                f"pad_mlp: expected layers without a size, no wider than {list(widths)}, "
                f"got one {width - extra} wide with {', '.join(sorted(layer))}"
            )
        padding.append(extra)
    padded = [
        {
            name: np.pad(leaf, [(0, right)] if leaf.ndim == 1 else [(0, left), (0, right)])
            for name, leaf in layer.items()
        }
        for layer, left, right in zip(layers, padding, [*padding[1:], 0], strict=True)
    ]
    return {**params, "hidden": padded[:-1], "output": padded[-1]}
