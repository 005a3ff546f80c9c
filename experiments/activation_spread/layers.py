"""What the hidden layer of every trained network says of its size: spreads, W, mixtures, and the worth of its units.

It is measured once, when all networks of a data set in a form are trained, and kept in measured/NAME.layers.npz.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import gaussian_kde

from experiments.common.layers import FREE, w_of
from experiments.common.widths import measured
from jaxsize.data import Form
from jaxsize.learners import task_of
from jaxsize.measures import (
    Moments,
    dead_units,
    exponential_normal_mixture,
    leave_one_out,
    streamed_spread,
    two_gamma_mixture,
)
from jaxsize.programs import Batch
from jaxsize.results import Folder, write_arrays
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.trees import Tree
from jaxsize.units import activations


def measure_layer(batch: Batch, rows: int) -> Callable[[Tree], tuple[Moments, jax.Array]]:
    """Make a function of parameters: moments of the hidden units on training rows, and the loss without each, [width].

    Args:
        batch: runs of one width; those of the original form are measured by the journal's pass (D3).
        rows: on how many rows the loss without each unit is measured.
    """
    dataset, outputs = batch.dataset, batch.learner.outputs
    inputs, targets = dataset.as_inputs(dataset.train.inputs), jnp.asarray(dataset.train.targets)
    loss = task_of(dataset).loss

    @jax.jit
    def measure(params: Tree) -> tuple[Moments, jax.Array]:
        units_of = functools.partial(activations, outputs, params)
        (moments,) = streamed_spread(units_of, inputs, form=batch.labels[0]["form"]).values()
        (growth,) = leave_one_out(outputs, params, inputs[:rows], targets[:rows], loss).growth.values()
        return moments, growth

    return measure


def density_at_0(spreads: np.ndarray) -> float:
    """Return the density of spreads at 0, smoothed as in the journal's pictures; NaN where all are equal."""
    return float(gaussian_kde(spreads)(0.0)[0]) if np.ptp(spreads) > 0 else np.nan


def measure_layers(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure the layers of all trained networks of a setup and write the numbers, for `read_layers`."""
    flags, corrected = setup.flags, setup.form == "corrected"
    widest, count = max(flags.widths), flags.num_seeds
    spreads = np.full((count, len(flags.widths), widest), np.nan)
    found = {name: np.full(spreads.shape[:2], np.nan) for name in ("dead", "constant", "unneeded")}
    for batch, trained in learned.values():
        at, measure = flags.widths.index(batch.labels[0]["width"]), measure_layer(batch, flags.ablated_rows)
        for label, network in zip(batch.labels, trained.networks, strict=True):
            moments, growth = measure(network.params)
            if not np.isfinite(moments.spread).all():  # it diverged
                continue
            dead = dead_units(moments)
            place = (label["seed"], at)
            spreads[place][: growth.size] = moments.spread
            found["dead"][place] = (dead.relative if corrected else dead.exact).sum()
            found["constant"][place] = dead.constant.sum()
            found["unneeded"][place] = np.mean(growth < FREE)
    found |= _of_spreads(spreads, setup.form)
    (folder.path / "measured").mkdir(exist_ok=True)
    write_arrays(folder.path / "measured" / f"{setup.name('layers')}.npz", spreads=spreads, **found)
    return {}


def _of_spreads(spreads: np.ndarray, form: Form) -> dict[str, np.ndarray]:
    """Compute what spreads [seeds, widths, units] say, by name [seeds, widths]; NaN units are none."""
    cells = [[row[np.isfinite(row)] for row in of_seed] for of_seed in spreads]

    def each(function: Callable[[np.ndarray], float]) -> np.ndarray:
        return np.array([[function(cell) if cell.size else np.nan for cell in of_seed] for of_seed in cells])

    numbers = {"median_spread": each(np.median), "mean_spread": each(np.mean), "total_spread": each(np.sum)}
    numbers |= {"density_at_0": each(density_at_0), "w": each(w_of)}
    pooled = [np.concatenate(of_width) for of_width in zip(*cells, strict=True)]
    numbers["pooled_w"] = np.broadcast_to([w_of(cell, sample_size=None) for cell in pooled], numbers["w"].shape)
    live = np.nan_to_num(spreads.reshape(-1, spreads.shape[-1]))
    weights = (live > 0) * 1.0
    gammas = jax.jit(jax.vmap(functools.partial(two_gamma_mixture, form=form)))(live, weights)
    normals = jax.jit(jax.vmap(exponential_normal_mixture))(live, weights)
    enough = weights.sum(1) >= 3
    fits = {"exponential_share": normals.share, "gamma_share": gammas.share, "switched": gammas.switched}
    fits["bic_difference"] = normals.bic - gammas.bic
    return numbers | {
        name: np.where(enough, np.asarray(values, float), np.nan).reshape(spreads.shape[:2])
        for name, values in fits.items()
    }


def read_layers(arm: ArmView) -> dict[str, np.ndarray]:
    """Read what was measured of an arm: `spreads` [seeds, widths, units], all else [seeds, widths]."""
    return measured(arm, "layers")
