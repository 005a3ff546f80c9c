"""Broken forms, kept as specimens to look at: the gate as the journal first wrote it, and the size as its own price.

Nothing else uses them. They are from seed `003_d2c286111c329776.txt`, "Implement a metric-less resizing" and "Improve
numerical stability" (J7). One is the gate "1 - 1 / (1 + exp(k (x0 - i)))" with k and x0 trained and the sum of all
gates as the price; it is compared with `size_gates` and `size_penalty`. The other is the price x0, which has no lower
bound; it is compared with the integral of the gates.
"""

import collections
import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.networks import mlps
from experiments.common.sizes import trained_sizes
from jaxsize.data import Dataset
from jaxsize.gates import hand_in, read_sizes, size_gates, size_penalty, units_beside
from jaxsize.learners import task_of
from jaxsize.learners.flexible import FORMS, FlexibleConfig, penalty
from jaxsize.programs import Batch
from jaxsize.studies import Arm, Setup
from jaxsize.trees import Tree

GATE_PENALTY = 1e-2
"""What a unit adds to the loss in the runs with the naive gate."""
PRICES = (1e-3, 1e-2, 1e-1, 1.0)
"""What a unit adds to the loss in the runs that compare the size with the integral as the price."""
START = 10.0
"""Units that are on before training in the runs that compare prices."""
STEPS = 50
"""Steps per epoch, at most: only the rows of so many batches are used."""
SLOPES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
SIZES = (*(-(10.0**power) for power in range(4, -1, -1)), 0.0, *(10.0**power for power in range(5)))
WIDTHS = (10, 100, 1000, 10_000)


def naive_gates(size: jax.Array, slope: jax.Array, width: int) -> jax.Array:
    """Return the naive gates 1 - 1 / (1 + exp(slope (size - i))) of units i = 0..width-1, [width].

    They equal `size_gates` until the exponential overflows.
    """
    return 1 - 1 / (1 + jnp.exp(slope * (size - jnp.arange(width, dtype=size.dtype))))


def naive_price(size: jax.Array, slope: jax.Array, width: int) -> jax.Array:
    """Return the sum of the naive gates of a layer, []."""
    return jnp.sum(naive_gates(size, slope, width))


def size_price(size: jax.Array, slope: jax.Array, width: int) -> jax.Array:
    """Return the size of a layer itself, []."""
    return size


def of_layers(function: Callable[..., jax.Array], params: Tree) -> dict[str, jax.Array]:
    """Compute a function of (size, slope, width) for every layer with a size, by name."""
    slopes = read_sizes(params, "slope")
    return {name: function(size, slopes[name], units_beside(params, name)) for name, size in read_sizes(params).items()}


def naive_outputs(apply: Callable, params: Tree, inputs: jax.Array) -> jax.Array:
    """Return the outputs [B, O] of a network with naive gates in place of its own."""
    gates = of_layers(naive_gates, params)
    rows = {name: jnp.broadcast_to(of_layer, (len(inputs), of_layer.size)) for name, of_layer in gates.items()}
    return apply(hand_in(params, rows), inputs)


def total(price: Callable[..., jax.Array], params: Tree) -> jax.Array:
    """Add up a price over all layers, []."""
    return sum(of_layers(price, params).values(), start=jnp.zeros(()))


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare naive and stable gates with trained slopes, from all units on and from 1; and both prices."""
    flags, form, dataset = setup.flags, setup.form, setup.dataset
    rows = np.arange(min(STEPS * flags.batch_size, len(dataset.train)))
    few, task = dataclasses.replace(dataset, train=dataset.train.rows(rows)), task_of(dataset)
    stable, trained = mlps(dataset, gate="size")([]).apply, dataclasses.replace(FORMS[form], slope="trained")

    def make_with(config: FlexibleConfig, outputs: Callable, price: Callable) -> Callable[..., Batch]:
        sizes = trained_sizes(setup, config, width=flags.width, widen=False, num_epochs=flags.specimen_epochs)

        def objective(params, inputs, targets, weights, hparams):
            recorded = task.of_batch(outputs(params, inputs), targets, weights)
            return recorded["loss"] + hparams.penalty_weight * price(params), recorded

        def make(_: Dataset, **settings: Any) -> Batch:
            batch = sizes(few, **settings)
            return dataclasses.replace(batch, learner=batch.learner._replace(objective=objective))

        return make

    shared = {"specimen": True, "weight_decay": flags.decays(form)[0], **flags.rates()}
    gates = [{"start_size": start, "slope": 1.0, "penalty": GATE_PENALTY} for start in (float(flags.width), 1.0)]
    prices = [{"start_size": START, "slope": flags.slopes[0], "penalty": price} for price in PRICES]
    naive = functools.partial(naive_outputs, stable), functools.partial(total, naive_price)
    for name, cells, make in (
        ("naive_gate", gates, make_with(trained, *naive)),
        ("stable_gate", gates, make_with(trained, stable, penalty)),
        ("size_price", prices, make_with(FORMS[form], stable, functools.partial(total, size_price))),
        ("integral_price", prices, make_with(FORMS[form], stable, penalty)),
    ):
        yield from (Arm(name, shared | cell, make) for cell in cells)


@functools.cache
def grid() -> dict[str, int]:
    """Evaluate both gates on a grid of widths, slopes and sizes, and count what goes wrong.

    Returns:
        `cells`, their number; in how many of them something is not finite (a gate, the price, or a derivative of either
        by size or slope) with `naive` and with `stable` gates; and in how many the integral is `outside` 0..width.
    """
    sizes, slopes = (np.array(of, np.float32).ravel() for of in np.meshgrid(SIZES, SLOPES))
    counts = collections.Counter(cells=len(WIDTHS) * sizes.size)
    for width in WIDTHS:
        naive, _ = _evaluated(naive_gates, naive_price, sizes, slopes, width)
        stable, prices = _evaluated(size_gates, size_penalty, sizes, slopes, width)
        outside = ~((prices >= 0) & (prices <= width))
        counts.update(naive=int(naive.sum()), stable=int(stable.sum()), outside=int(outside.sum()))
    return counts


def _evaluated(
    gates: Callable, price: Callable, sizes: np.ndarray, slopes: np.ndarray, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Tell in which cells something is not finite, bool [cells], and list the prices, [cells]."""

    def one(size: jax.Array, slope: jax.Array) -> tuple[jax.Array, jax.Array]:
        value, by_price = jax.value_and_grad(price, (0, 1))(size, slope, width)
        by_gates = jax.grad(lambda *at: jnp.sum(gates(*at, width)), (0, 1))(size, slope)
        seen = jnp.concatenate([gates(size, slope, width), jnp.stack([value, *by_price, *by_gates])])
        return ~jnp.isfinite(seen).all(), value

    bad, values = jax.jit(jax.vmap(one))(sizes, slopes)
    return np.asarray(bad), np.asarray(values)
