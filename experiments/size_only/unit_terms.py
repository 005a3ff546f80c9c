"""What every unit adds to the gradient of a trained layer's size, and a check that frozen weights did not move."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.gates import hand_in, read_sizes, size_gates, units_beside
from jaxsize.learners import Task, task_of
from jaxsize.programs import Batch
from jaxsize.studies import ArmView
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


def measure_terms(batch: Batch) -> Callable[[Tree], jax.Array]:
    """Make a function of parameters that returns the terms of every unit, [width], means over the first `ROWS` rows."""
    dataset, rows = batch.dataset, batch.dataset.train
    terms = jax.jit(functools.partial(unit_terms, batch.learner.outputs, task=task_of(dataset)))
    return functools.partial(terms, inputs=dataset.as_inputs(rows.inputs[:ROWS]), targets=rows.targets[:ROWS])


def read_terms(arm: ArmView) -> tuple[np.ndarray, np.ndarray]:
    """Read what each unit adds to -dL/dsize before the size moves, of runs at one slope.

    Returns:
        The terms [num_seeds, width], NaN unless weights are frozen; and how far units lie beyond the edge, [width]. The
        edge is the unit whose position is the size.
    """
    fixed = arm.at(arm="fixed size", size_learning_rate=0.0)
    random, trained = fixed.before_and_after("terms")
    terms = {"frozen random": random, "frozen trained": trained}.get(arm.name, np.full_like(random, np.nan))
    return terms, np.arange(terms.shape[1]) - arm.values("start_size")[0]
