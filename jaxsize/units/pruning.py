"""Magnitude pruning: the units with the smallest weights removed."""

from collections.abc import Sequence

import numpy as np

from jaxsize.errors import InputError
from jaxsize.export.folding import fold_gates
from jaxsize.trees import Tree


def prune_by_magnitude(params: Tree, widths: Sequence[int]) -> Tree:
    """Remove the units with the smallest weights from an `mlp`, and fold its gates into the weights.

    A unit counts by the norm of its incoming weights (with the bias) times the norm of its outgoing weights. A scale
    that moves between the two changes nothing. The units that stay keep their order.

    Args:
        params: parameters of an `mlp` with relu gates, a size gate or none, as NumPy arrays.
        widths: how many units every hidden layer keeps.

    Returns:
        The parameters, as NumPy arrays, of an `mlp` with these hidden widths and without gates.

    Raises:
        InputError: when the widths are not one per hidden layer, each from 1 to the units there are, or a leaf is not
            one of an `mlp` with biases.

    Example:
        >>> import jaxsize
        >>> from jaxsize.units import prune_by_magnitude
        >>> params = jaxsize.mlp((4, 3, 2), gate=None).init(0)
        >>> params["hidden"][0]["kernel"][:, 1] = 0
        >>> params["hidden"][0]["bias"][1] = 0
        >>> pruned = prune_by_magnitude(params, [2])
        >>> pruned["hidden"][0]["bias"].tolist() == params["hidden"][0]["bias"][[0, 2]].tolist()
        True
    """
    folded = fold_gates(params)
    layers = [*folded["hidden"], folded["output"]]
    present = [layer["kernel"].shape[1] for layer in folded["hidden"]]
    if len(widths) != len(present) or not all(1 <= w <= units for w, units in zip(widths, present, strict=False)):
        raise InputError(f"prune_by_magnitude: expected widths from 1 to {present}, one per layer, got {list(widths)}")
    if not all("bias" in layer for layer in layers):
        raise InputError("prune_by_magnitude: expected layers with biases, got some without")
    kept: list[np.ndarray] = []
    for layer, after, width in zip(layers[:-1], layers[1:], widths, strict=True):
        into = np.sqrt(np.sum(layer["kernel"].astype(float) ** 2, 0) + layer["bias"].astype(float) ** 2)
        out = np.linalg.norm(after["kernel"].astype(float), axis=1)
        kept.append(np.sort(np.argsort(-into * out, kind="stable")[:width]))
    rows_kept = [slice(None), *kept]
    columns_kept = [*kept, slice(None)]
    cut = [
        {"kernel": layer["kernel"][rows][:, columns], "bias": layer["bias"][columns]}
        for layer, rows, columns in zip(layers, rows_kept, columns_kept, strict=True)
    ]
    return folded | {"hidden": cut[:-1], "output": cut[-1]}
