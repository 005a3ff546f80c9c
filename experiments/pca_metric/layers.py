"""What the principal components of every trained hidden layer say: spectrum, errors and accuracies with few of them.

It is measured once, when all networks of a data set in a form are trained, and kept in measured/NAME.components.npz.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.layers import Layer, counts_of, enough_of, layer_of
from experiments.common.widths import measured
from jaxsize.data import noise_like
from jaxsize.gates import relu
from jaxsize.measures import (
    PrincipalComponents,
    activation_spread,
    directions,
    error_curve,
    outputs_by_components,
    participation_ratio,
    principal_components,
)
from jaxsize.programs import Batch
from jaxsize.results import Folder, write_arrays
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.trees import Tree

KINDS = ("rows", "columns", "random")
"""The directions of `measures.directions`: the components, what the journal took for them, and the control."""
SAYS = ("participation", "area", "mean_spread")
"""What measures say of a layer on the data, and on noise."""
NUMBERS = (
    *(f"{name}_{kind}" for name in ("area", "enough") for kind in KINDS),
    *("break", *SAYS),
    *("noise_classes", "noise_accuracy", "noise_enough", *(f"noise_{name}" for name in SAYS)),
)
"""The numbers that are kept of every network."""
ROUNDING = 1e-15
"""The smallest variance that is told from 0, as a share of the largest: that of sums in float64."""


def covariance_of(inputs: Any) -> np.ndarray:
    """Compute the covariance of the inputs in float64, [D, D]."""
    inputs = np.asarray(inputs, np.float64)
    deviations = inputs - inputs.mean(0)
    return deviations.T @ deviations / len(inputs)


def exact_spectrum(layer: Layer, params: Tree, covariance: np.ndarray) -> np.ndarray:
    """Compute the variances of a layer's values along their principal components in float64, [U], from the largest on.

    Values before the activation are W^T x + b: their covariance is W^T C W, where C is that of the inputs. So variances
    are known down to 1e-15 of the largest; those of values in float32, only to 1e-7, as the journal's may have been.
    """
    size = len(covariance)
    ends = np.asarray(layer.hidden(params, np.eye(size, dtype=np.float32)), np.float64)
    weights = ends - np.asarray(layer.hidden(params, np.zeros((1, size), np.float32)), np.float64)
    return np.maximum(np.linalg.eigvalsh(weights.T @ covariance @ weights)[::-1], 0)


def break_of(spectrum: np.ndarray) -> int:
    """Return the number of variances before the largest fall of their logarithms, from one to the next.

    Example:
        >>> break_of(np.array([8.0, 4.0, 2.0, 1e-20, 0.0]))
        3
    """
    logarithms = np.log(np.maximum(spectrum, ROUNDING * spectrum[0]))
    return int(np.argmax(logarithms[:-1] - logarithms[1:])) + 1


def _scorer(layer: Layer, counts: Sequence[int], centred: bool) -> Callable[..., jax.Array]:
    """Make the compiled function that computes accuracies with the first of some directions, for every count."""

    @jax.jit
    def score(
        params: Tree, values: jax.Array, targets: jax.Array, components: PrincipalComponents, kept: jax.Array
    ) -> jax.Array:
        def hits(near: jax.Array) -> jax.Array:
            return jnp.argmax(layer.outputs(params, near), axis=-1) == targets

        options: dict[str, Any] = {"kept": kept, "centred": centred}
        return jnp.mean(outputs_by_components(values, components, counts, hits, **options), axis=1)

    return score


def _says(components: PrincipalComponents, values: jax.Array) -> dict[str, float]:
    """Tell what measures say of a layer that change with its inputs."""
    return {
        "participation": float(participation_ratio(components.spectrum)),
        "area": float(np.trapezoid(error_curve(components)) / values.shape[1]),
        "mean_spread": float(np.mean(activation_spread(relu(values)).spread)),
    }


def measure_components(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure the layers of all trained networks of a setup and write the numbers, for `read_components`."""
    flags, dataset, widest = setup.flags, setup.dataset, max(setup.flags.widths)
    noise = noise_like(dataset)
    inputs, noisy = (one.as_inputs(one.train.inputs) for one in (dataset, noise))
    covariance = covariance_of(inputs)
    all_counts = sorted({0, *(count for width in flags.widths for count in counts_of(width))})
    shape = (flags.num_seeds, len(flags.widths))
    numbers: dict[str, np.ndarray] = {name: np.full(shape, np.nan) for name in NUMBERS} | {
        "counts": np.array(all_counts),
        "input_rank": np.array(np.linalg.matrix_rank(covariance, hermitian=True)),
        "spectrum": np.full((*shape, widest), np.nan),
        "errors": np.full((*shape, len(KINDS), widest + 1), np.nan),
        "accuracies": np.full((*shape, len(KINDS), len(all_counts)), np.nan),
    }
    for batch, trained in learned.values():
        at, layer, counts, score = _of_batch(batch, setup)
        split = dataset.train if setup.form == "original" else dataset.test
        scored = split.rows(np.arange(min(flags.scored_rows, len(split))))
        for label, network in zip(batch.labels, trained.networks, strict=True):
            params, place = network.params, (label["seed"], at)
            values = layer.hidden(params, inputs)
            if not np.isfinite(values).all():  # it diverged
                continue
            components = principal_components(values)
            says: dict[str, float] = _says(components, values)
            numbers["spectrum"][place][: label["width"]] = exact_spectrum(layer, params, covariance)
            says["break"] = break_of(numbers["spectrum"][place][: label["width"]])
            key = jax.random.fold_in(jax.random.key(label["seed"]), label["width"])
            held = layer.hidden(params, dataset.as_inputs(scored.inputs)), jnp.asarray(scored.targets)
            for number, kind in enumerate(KINDS):
                kept = directions(components, kind, key if kind == "random" else None)
                errors = np.asarray(error_curve(components, kept))
                accuracies = np.asarray(score(params, *held, components, kept))
                numbers["errors"][place][number, : len(errors)] = errors
                numbers["accuracies"][place][number, np.isin(all_counts, counts)] = accuracies
                says[f"area_{kind}"] = float(np.trapezoid(errors) / label["width"])
                says[f"enough_{kind}"] = enough_of(accuracies, counts)
            values = layer.hidden(params, noisy)
            components = principal_components(values)
            says |= {f"noise_{name}": value for name, value in _says(components, values).items()}
            relabelled = values[: len(scored)]
            targets = jnp.argmax(layer.outputs(params, relabelled), axis=-1)
            accuracies = np.asarray(score(params, relabelled, targets, components, components.rows))
            says |= {"noise_accuracy": float(accuracies[-1]), "noise_enough": enough_of(accuracies, counts)}
            says["noise_classes"] = np.unique(targets).size
            for name, value in says.items():
                numbers[name][place] = value
    (folder.path / "measured").mkdir(exist_ok=True)
    write_arrays(folder.path / "measured" / f"{setup.name('components')}.npz", **numbers)
    return {}


def _of_batch(batch: Batch, setup: Setup) -> tuple[int, Layer, tuple[int, ...], Callable[..., jax.Array]]:
    width = batch.labels[0]["width"]
    layer, counts = layer_of(setup.dataset, width), counts_of(width)
    return setup.flags.widths.index(width), layer, counts, _scorer(layer, counts, setup.form == "corrected")


def read_components(arm: ArmView) -> dict[str, np.ndarray]:
    """Read what was measured of an arm.

    Returns:
        `counts` [counts], `input_rank` [], `spectrum` [seeds, widths, most units], `errors` and `accuracies` [seeds,
        widths, kinds, most units + 1 or counts], in the order of `KINDS`; all else [seeds, widths].
    """
    return measured(arm, "components")
