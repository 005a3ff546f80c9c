"""Networks of fixed widths to compare found ones with, trained in few batches.

A partner shares the seed of a found network, and as much of its start as its widths allow. Partners whose widths fall
into the same buckets share a program, padded by units that stay inert.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsize.batches import Batch, task_of
from jaxsize.buckets import bucket
from jaxsize.datasets import Dataset
from jaxsize.export import fold_gates
from jaxsize.networks import mlp, mlp_sizes, num_mlp_parameters, pad_mlp
from jaxsize.sparsifier import SparsifierConfig, make_learner
from jaxsize.training import Hparams

Tree = Any


class Partner(NamedTuple):
    """One network to train."""

    label: dict[str, Any]
    """Columns of its rows: `run`, `seed`, `arm`, `partner` (the run it is compared with), ..."""
    widths: tuple[int, ...]
    """Of the hidden layers."""
    init: Callable[[], Tree]
    """Its NumPy parameters before training."""
    epochs: int


def partner_batches(
    partners: Sequence[Partner],
    dataset: Dataset,
    sparsifier: SparsifierConfig,
    *,
    name: str,
    hparams: Mapping[str, float],
    factor: float = 1.5,
    gated: bool = False,
    **batch: Any,
) -> list[Batch]:
    """Batches that train all partners without a penalty: one per set of buckets and number of epochs.

    A program serves widths up to factor apart, so `run_seconds` are those of padded ones. gated: every unit gets a relu
    gate at 1, which is trained as a scale. batch: further fields of `Batch`.
    """
    together: dict[tuple[int, tuple[int, ...]], list[Partner]] = {}
    for partner in partners:
        padded = tuple(bucket(width, factor=factor) for width in partner.widths)
        together.setdefault((partner.epochs, padded), []).append(partner)

    def made(epochs: int, padded: tuple[int, ...], mine: list[Partner]) -> Batch:
        widths = (dataset.num_inputs, *padded, dataset.num_outputs)
        more: dict[str, Any] = {"histories": {}, "columns": lambda before, after: {}, **batch}
        return Batch(
            name=f"{name}.{'x'.join(map(str, padded))}" + (f".{epochs}" if len(lengths) > 1 else ""),
            labels=[partner.label | sizes_of(partner.widths, dataset) for partner in mine],
            init=lambda index: pad_mlp((with_gates if gated else dict)(mine[index].init()), padded),
            num_parameters=num_mlp_parameters(widths),
            hparams=Hparams(**hparams),
            learner=make_learner(mlp(widths, gate="liveness" if gated else None), task_of(dataset), sparsifier),
            dataset=dataset,
            num_epochs=epochs,
            shrinking=None,
            **more,
        )

    lengths = {epochs for epochs, _ in together}
    return [made(*key, together[key]) for key in sorted(together)]


def with_gates(params: Tree) -> Tree:
    """The parameters of an ungated `mlp` with relu gates at 1, which change nothing."""
    gates = [np.ones_like(layer["bias"]) for layer in params["hidden"]]
    return params | {
        "hidden": [layer | {"liveness": gate} for layer, gate in zip(params["hidden"], gates, strict=True)]
    }


def sizes_of(widths: Sequence[int], dataset: Dataset) -> dict[str, Any]:
    """Columns that tell how large a network of these hidden widths is."""
    layers = {f"hidden.{layer}": width for layer, width in enumerate(widths)}
    sizes = mlp_sizes(dataset.num_inputs, layers, dataset.num_outputs)
    return {"live_units": sum(widths), "live_units_per_layer": list(widths)} | sizes


def random_widths(total: int, num_layers: int, seed: int) -> tuple[int, ...]:
    """Widths of at least 1 with this sum, every such tuple equally likely. ValueError for total < num_layers."""
    if not 1 <= num_layers <= total:
        raise ValueError(f"random_widths: expected a total of at least {num_layers} >= 1 layers, got {total}")
    cuts = np.sort(np.random.default_rng(seed).choice(total - 1, num_layers - 1, replace=False)) + 1
    return tuple(int(width) for width in np.diff([0, *cuts, total]))


def prune_by_magnitude(params: Tree, widths: Sequence[int]) -> Tree:
    """The `mlp` with these hidden widths that is left of a wider one: without gates, which are folded into weights.

    Of every layer the units stay whose incoming weights (with the bias) times outgoing weights, by their norms, are
    largest: a scale that moves between the two changes nothing. NumPy parameters in and out. ValueError for a layer
    narrower than asked, or other numbers of layers.
    """
    folded = fold_gates(params)
    layers = [*folded["hidden"], folded["output"]]
    kept: list[np.ndarray] = []
    for layer, after, width in zip(layers[:-1], layers[1:], widths, strict=True):
        into = np.sqrt(np.sum(layer["kernel"].astype(float) ** 2, 0) + layer["bias"].astype(float) ** 2)
        out = np.linalg.norm(after["kernel"].astype(float), axis=1)
        if width > len(into):
            raise ValueError(f"prune_by_magnitude: expected at most {len(into)} units, got {width}")
        kept.append(np.sort(np.argsort(-into * out, kind="stable")[:width]))
    rows = [slice(None), *kept]
    columns = [*kept, slice(None)]
    cut = [
        {"kernel": layer["kernel"][these][:, those], "bias": layer["bias"][those]}
        for layer, these, those in zip(layers, rows, columns, strict=True)
    ]
    return folded | {"hidden": cut[:-1], "output": cut[-1]}
