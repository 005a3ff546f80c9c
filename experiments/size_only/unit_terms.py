"""What every unit adds to the gradient of a trained layer's size, and a check that frozen weights did not move."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.gates import hand_in, read_sizes, size_gates, units_beside
from jaxsize.learners import Task, task_of
from jaxsize.programs import Batch
from jaxsize.results import Folder, write_arrays
from jaxsize.studies import ArmView, Setup
from jaxsize.training import Trained
from jaxsize.trees import Tree, named_leaves

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
        before, after = (named_leaves(params) for params in (batch.init(index), network.params))
        frozen = [name for name in before if name.rpartition(".")[2] not in ("size", "slope")]
        # a layer that was widened has more units behind those that it had
        pairs = [(before[name], after[name][tuple(map(slice, np.shape(before[name])))]) for name in frozen]
        if not all(np.isfinite(leaf).all() for leaf, _ in pairs):  # diverged before it was frozen
            continue
        count += 1
        same = all(np.array_equal(*pair) for pair in pairs)
        assert same, f"run {label['run']}: weights that were frozen have moved"
    return count


def unit_terms(apply: Callable, params: Tree, inputs: jax.Array, targets: jax.Array, task: Task) -> jax.Array:
    """Return what each unit of a network with one trained size adds to -dL/dsize, [U].

    The sum over units is the gradient that training uses. The term of unit i is -dL/ds_i k s_i (1 - s_i), with its gate
    s_i and the slope k (D1).
    """
    ((name, size),) = read_sizes(params).items()
    slope = read_sizes(params, "slope")[name]

    def loss(gates: jax.Array) -> jax.Array:
        return jnp.mean(task.loss(apply(hand_in(params, {name: gates}), inputs), targets))

    gates = size_gates(size, slope, units_beside(params, name))
    level = slope * (size - jnp.arange(len(gates), dtype=gates.dtype))
    return -jax.grad(loss)(gates) * slope * jax.nn.sigmoid(level) * jax.nn.sigmoid(-level)


def write_terms(folder: Folder, setup: Setup, batch: Batch, trained: Trained) -> None:
    """Write terms_DATASET_FORM.npz: the terms of every unit under random and under trained weights.

    It holds `slope` and `seed`, [R] each, and the terms before training (`random`) and after it (`trained`), [R, width]
    each. They are means over the first `ROWS` training rows.
    """
    dataset, rows = setup.dataset, setup.dataset.train
    inputs = np.asarray(rows.inputs[:ROWS], np.float32) * dataset.input_scale + dataset.input_shift
    terms = jax.jit(functools.partial(unit_terms, batch.learner.outputs), static_argnums=3)
    arrays: dict[str, list[Any]] = {name: [] for name in ("slope", "seed", "random", "trained")}
    for index, (label, network) in enumerate(zip(batch.labels, trained.networks, strict=True)):
        arrays["slope"].append(label["slope"])
        arrays["seed"].append(label["seed"])
        for name, params in (("random", batch.init(index)), ("trained", network.params)):
            arrays[name].append(np.asarray(terms(params, inputs, rows.targets[:ROWS], task_of(dataset))))
    path = folder.path / f"terms_{dataset.name}_{setup.form}.npz"
    write_arrays(path, **{name: np.array(values) for name, values in arrays.items()})


def read_terms(arm: ArmView) -> tuple[np.ndarray, np.ndarray]:
    """Read what each unit adds to -dL/dsize before the size moves, of runs at one slope.

    Returns:
        The terms [num_seeds, width], NaN unless weights are frozen; and how far units lie beyond the edge, [width]. The
        edge is the unit whose position is the size.
    """
    weights = arm.name.removeprefix("frozen ")
    with np.load(arm.runs.folder.path / f"terms_{arm.dataset}_{arm.form}.npz") as file:
        terms = np.full((arm.runs.num_seeds, file["trained"].shape[1]), np.nan)
        if weights in file:
            chosen = file["slope"] == arm.where["slope"]
            terms[file["seed"][chosen]] = file[weights][chosen]
    return terms, np.arange(terms.shape[1]) - arm.values("start_size")[0]
