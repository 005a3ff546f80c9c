"""What every measure says of the hidden layer of every trained network, and what the networks are worth.

It is measured once, when all networks of a data set are trained, by one program per width, and kept in
measured/NAME.sizes.npz.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.layers import FREE, counts_of, enough_of, layer_of, w_of
from experiments.common.widths import measured
from experiments.size_prediction.teachers import TEACHER, WIDTHS, stacked, targets_of, task_for
from jaxsize.data import Dataset
from jaxsize.gates import relu
from jaxsize.measures import (
    activation_spread,
    dead_units,
    directions,
    exponential_normal_mixture,
    leave_one_out,
    likelihood_dimension,
    outputs_by_components,
    participation_ratio,
    principal_components,
    two_gamma_mixture,
)
from jaxsize.programs import Batch
from jaxsize.results import Folder, score_sign, write_arrays
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.trees import Tree

UNITS = {
    "live_units": "units that are not dead",
    "exponential_units": "useful units, exponential and normal",
    "gamma_units": "useful units, two gammas",
    "needed_units": "units whose removal costs 1e-4 or more",
    "components": "principal components for 99 % of the score",
    "columns": "the journal's columns for 99 % of the score",
    "effective_dimensions": "effective dimensions (participation ratio)",
    "intrinsic_dimension": "intrinsic dimension of outputs",
}
"""Measures that name a number of units, or of dimensions, by name: what it is."""
OTHERS = {
    "median_spread": "median spread of a unit",
    "total_spread": "total spread of the layer",
    "w": "W of Shapiro and Wilk of the spreads",
    "train_loss": "loss on training rows (looks at no layer)",
}
"""Measures that name no size. The last one is the control: what is known without looking at the layer."""
MEASURES = UNITS | OTHERS
NEIGHBOURS = 1000
"""Rows among which nearest neighbours are looked for."""
FEWEST = 3
"""Live units below which spreads have no distribution."""


def measure_networks(batch: Batch, rows: int) -> Callable[[Tree, jax.Array], dict[str, jax.Array]]:
    """Make the program that measures networks of one width, one after the other.

    Args:
        batch: the runs.
        rows: how many training rows are read, and how many test rows for scores with few components.

    Returns:
        A function of stacked parameters [R, ...] and of the columns of their targets, int [R] -> by measure [R]; of
        `spreads` [R, U], and of `components` and `columns` the scores for every number of directions, [R, K].
    """
    dataset, (width,) = batch.dataset, {label["width"] for label in batch.labels}
    task, layer, counts = task_for(dataset), layer_of(dataset, width), counts_of(width)
    apply = batch.learner.outputs
    inputs, test_inputs = (jnp.asarray(dataset.as_inputs(of.inputs[:rows])) for of in (dataset.train, dataset.test))
    targets, test_targets = (jnp.asarray(targets_of(of)[:rows]) for of in (dataset.train, dataset.test))
    name, score = next(iter(task.scores.items()))

    def of_network(network: tuple[Tree, jax.Array]) -> dict[str, jax.Array]:
        params, column = network
        own, test_own = targets[:, column], test_targets[:, column]
        values, test_values = layer.hidden(params, inputs), layer.hidden(params, test_inputs)
        moments = activation_spread(relu(values))
        live = (moments.spread > 0).astype(values.dtype)
        count = jnp.sum(live)

        def useful(share: jax.Array) -> jax.Array:
            return jnp.where(count >= FEWEST, (1 - share) * count, jnp.nan)

        components = principal_components(values)

        def scores_with(kind: Any) -> jax.Array:
            def rows_of(near: jax.Array) -> jax.Array:
                return score(layer.outputs(params, near), test_own)

            kept = directions(components, kind)
            means = jnp.mean(outputs_by_components(test_values, components, counts, rows_of, kept=kept), axis=1)
            return means if score_sign(name) > 0 else 1 - means / jnp.var(test_own)

        (growth,) = leave_one_out(apply, params, inputs, own, task.loss).growth.values()
        return {
            "spreads": moments.spread,
            "live_units": jnp.sum(~dead_units(moments).relative),
            "exponential_units": useful(exponential_normal_mixture(moments.spread, live).share),
            "gamma_units": useful(two_gamma_mixture(moments.spread, live).share),
            "needed_units": jnp.sum(growth >= FREE),
            "components": scores_with("rows"),
            "columns": scores_with("columns"),
            "effective_dimensions": participation_ratio(components.spectrum),
            "intrinsic_dimension": likelihood_dimension(relu(values)[:NEIGHBOURS]),
            "median_spread": jnp.median(moments.spread),
            "total_spread": jnp.sum(moments.spread),
        }

    return jax.jit(lambda params, columns: jax.lax.map(of_network, (params, columns)))


def worth(dataset: Dataset, row: dict[str, Any]) -> float:
    """Return the test score of a run at its end: the accuracy, or the share of the targets' variance explained."""
    (name,) = (f"test_{name}" for name in list(task_for(dataset).scores)[:1])
    if row[name] is None:  # it diverged
        return np.nan
    variance = targets_of(dataset.test)[:, row.get(TEACHER, 0)].var()
    return row[name] if score_sign(name) > 0 else 1 - row[name] / variance


def measure_sizes(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure all trained networks of a setup and write the numbers, for `read_sizes`."""
    flags, dataset = setup.flags, setup.dataset
    teachers = dataset.info.get(WIDTHS, [])
    shape = (max(1, len(teachers)), flags.num_seeds, len(flags.widths))
    numbers = {name: np.full(shape, np.nan) for name in (*MEASURES, "score")}
    numbers |= {"learned": np.full(shape[:2], np.nan), WIDTHS: np.array(teachers, float)}
    for batch, trained in learned.values():
        by_run = {row["run"]: row for row in trained.rows if row["epoch"] == flags.epochs}
        ends = [by_run[label["run"]] for label in batch.labels]
        places = [(label.get(TEACHER, 0), label["seed"]) for label in batch.labels]
        if batch.labels[0]["arm"] == "learned":
            for row, place in zip(ends, places, strict=True):
                numbers["learned"][place] = np.nan if row["train_loss"] is None else row["live_units"]
            continue
        width = batch.labels[0]["width"]
        params, columns = stacked(trained.networks)
        says = jax.tree.map(np.asarray, measure_networks(batch, flags.measured_rows)(params, jnp.asarray(columns)))
        spreads = says.pop("spreads")
        says["w"] = np.array([w_of(of) for of in spreads])
        for kind in ("components", "columns"):
            enough = [enough_of(scores, counts_of(width)) for scores in says[kind]]
            says[kind] = np.where(np.isfinite(says[kind]).all(1), enough, np.nan)
        says["train_loss"] = np.array([np.nan if row["train_loss"] is None else row["train_loss"] for row in ends])
        says["score"] = np.array([worth(dataset, row) for row in ends])
        diverged = ~np.isfinite(spreads).all(1)
        for name, values in says.items():
            for place, value, lost in zip(places, values, diverged, strict=True):
                numbers[name][(*place, flags.widths.index(width))] = np.nan if lost else value
    (folder.path / "measured").mkdir(exist_ok=True)
    write_arrays(folder.path / "measured" / f"{setup.name('sizes')}.npz", **numbers)
    return {}


def read_sizes(arm: ArmView) -> dict[str, np.ndarray]:
    """Read what was measured of a data set.

    Returns:
        `teacher_widths` [teachers], empty where there are none; `learned` [teachers, seeds], the units that the
        sparsifier kept; `score` and every measure [teachers, seeds, widths], in the place of teachers 1 where there are
        none.
    """
    return measured(arm, "sizes")
