"""What every unit adds to the gradient of a trained layer's size, and a check that frozen weights did not move."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.data import Dataset
from jaxsize.gates import relu, size_gates
from jaxsize.learners import Task, task_of
from jaxsize.networks import dense
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs, write_arrays
from jaxsize.training import Trained

ROWS = 10_000
"""The most training rows that the terms are means over."""


def require_frozen(batch: Batch, trained: Trained) -> int:
    """Check that no frozen weight moved, and count the networks with frozen weights that are finite.

    Raises:
        AssertionError: when a weight is not exactly what it was before the size moved.
    """
    count = 0
    for index, (label, network) in enumerate(zip(batch.labels, trained.networks, strict=True)):
        if label["learning_rate"]:
            continue
        before, after = batch.init(index), network.params
        (layer,), (moved,) = before["hidden"], after["hidden"]
        width = len(layer["bias"])
        pairs = (
            (layer["kernel"], moved["kernel"][:, :width]),
            (layer["bias"], moved["bias"][:width]),
            (before["output"]["kernel"], after["output"]["kernel"][:width]),
            (before["output"]["bias"], after["output"]["bias"]),
        )
        if not all(np.isfinite(leaf).all() for leaf, _ in pairs):  # diverged before it was frozen
            continue
        count += 1
        same = all(np.array_equal(*pair) for pair in pairs)
        assert same, f"run {label['run']}: weights that were frozen have moved"
    return count


def unit_terms(params: Any, inputs: jax.Array, targets: jax.Array, task: Task) -> jax.Array:
    """Return what each unit of a one-layer network adds to -dL/dsize, [U].

    The sum over units is the gradient that training uses. The term of unit i is -dL/ds_i k s_i (1 - s_i), with its gate
    s_i and the slope k (D1).
    """
    (layer,) = params["hidden"]
    activations = relu(dense(layer, inputs))
    width = activations.shape[-1]

    def loss(gates: jax.Array) -> jax.Array:
        return jnp.mean(task.loss(dense(params["output"], activations, gates), targets))

    gates = size_gates(layer["size"], layer["slope"], width)
    level = layer["slope"] * (layer["size"] - jnp.arange(width, dtype=gates.dtype))
    return -jax.grad(loss)(gates) * layer["slope"] * jax.nn.sigmoid(level) * jax.nn.sigmoid(-level)


def write_terms(folder: Folder, dataset: str, form: str, batch: Batch, trained: Trained) -> None:
    """Write terms_DATASET_FORM.npz: the terms of every unit under random and under trained weights.

    It holds `slope` and `seed`, [R] each, and the terms before training (`random`) and after it (`trained`), [R, width]
    each.
    """
    inputs, targets = _rows(batch.dataset)
    terms = jax.jit(unit_terms, static_argnums=3)
    arrays: dict[str, list[Any]] = {name: [] for name in ("slope", "seed", "random", "trained")}
    for index, (label, network) in enumerate(zip(batch.labels, trained.networks, strict=True)):
        arrays["slope"].append(label["slope"])
        arrays["seed"].append(label["seed"])
        for name, params in (("random", batch.init(index)), ("trained", network.params)):
            arrays[name].append(np.asarray(terms(params, inputs, targets, task_of(batch.dataset))))
    write_arrays(_path(folder, dataset, form), **{name: np.array(values) for name, values in arrays.items()})


def _rows(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    inputs = np.asarray(dataset.train.inputs[:ROWS], np.float32) * dataset.input_scale + dataset.input_shift
    return inputs, dataset.train.targets[:ROWS]


def _path(folder: Folder, dataset: str, form: str) -> Path:
    return folder.path / f"terms_{dataset}_{form}.npz"


def read_terms(runs: Runs, dataset: str, form: str, slope: float, weights: str) -> np.ndarray:
    """Read the terms of -dL/dsize, [num_seeds, width]; NaN where there is no run.

    Args:
        runs: the runs of the study.
        dataset: name of the data set.
        form: "original" or "corrected".
        slope: the slope of the gates.
        weights: "random" (before training) or "trained".
    """
    with np.load(_path(runs.folder, dataset, form)) as file:
        chosen, seeds, terms = file["slope"] == slope, file["seed"], file[weights]
    by_seed = np.full((runs.num_seeds, terms.shape[1]), np.nan)
    by_seed[seeds[chosen]] = terms[chosen]
    return by_seed
