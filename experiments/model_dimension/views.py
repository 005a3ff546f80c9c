"""What is read off the runs of the study: excesses by latent size, convergence, the path of the search."""

import jax
import numpy as np

from experiments.common.pixels import EXCESS, floor
from experiments.common.structures import gated_layers, widths_of
from jaxsize.networks import autoencoder
from jaxsize.resizing import converged_epoch
from jaxsize.resizing.convergence import Reading
from jaxsize.statistics import Break, fit_break
from jaxsize.studies import ArmView

LAYERS = gated_layers(1, 1)
"""The gated layers in the order of the column `live_units_per_layer`."""


def converged(view: ArmView, reading: Reading) -> np.ndarray:
    """Return the epoch after which the average excess of an epoch had converged, [num_seeds]; NaN where it had not."""
    averages = view.steps_by_epoch("loss").mean(axis=2) - floor(view)[:, None]
    epochs = [converged_epoch(one, reading=reading) for one in averages]
    return np.array([np.nan if epoch is None else epoch for epoch in epochs], float)


def by_structure(view: ArmView) -> dict[str, ArmView]:
    """Split an arm by its hidden widths, narrow ones first; their names would be sorted as texts."""
    return dict(sorted(view.by("hidden").items(), key=lambda item: widths_of(item[0])))


def relus(view: ArmView) -> int:
    """Return n, the ReLUs of a structure with one hidden layer, or the sum over its layers."""
    (hidden,) = view.values("hidden")
    return sum(map(int, hidden.split("-")))


def _fits(view: ArmView) -> list[Break]:
    latents = np.log2(view.values("latent"))
    return [fit_break(latents, ends) for ends in view.matrix(EXCESS, over="latent")]


def breaks(view: ArmView) -> np.ndarray:
    """Return the latent size at which the excess of each seed stops falling, [num_seeds].

    Two lines are fitted to the excess against the logarithm of the latent size. NaN where the second one does not fall
    more slowly than the first: the place where a fall begins, or quickens, is no end of it.
    """
    return np.array([2**one.place if one.before < min(one.after, 0) else np.nan for one in _fits(view)])


def still_falling(view: ArmView) -> np.ndarray:
    """Return how steeply the excess of each seed falls beyond its break, as a share of the fall before it, [num_seeds].

    NaN where there is no break.
    """
    return np.array([one.after / one.before if one.before < min(one.after, 0) else np.nan for one in _fits(view)])


def search_path(view: ArmView) -> list[tuple[int, int, ArmView]]:
    """List the steps of the search in their order: ReLUs, latent units, the runs."""
    steps = [(relus(one), latent, one) for (_, latent), one in view.by("hidden", "latent").items()]
    return sorted(steps, key=lambda step: step[:2])


def live(view: ArmView, layer: str) -> np.ndarray:
    """Return the units of one of `LAYERS` that live at the end, [num_seeds]."""
    return view.end(f"live_units_per_layer[{LAYERS.index(layer)}]")


def num_parameters(num_inputs: int, hidden: int, latent: int) -> int:
    """Count the parameters of the network of a step of the search."""
    shapes = autoencoder((num_inputs, hidden), latent).shapes()
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def first_as_good(learned: ArmView, search: ArmView) -> tuple[np.ndarray, np.ndarray]:
    """Find the first step of the search whose excess is at most that of the learned network, seed by seed.

    Returns:
        Its parameters, and the epochs trained until its end, that of all steps before it included, [num_seeds] each;
        NaN where the search never came so far.
    """
    parameters, epochs = np.full((2, learned.runs.num_seeds), np.nan)
    wanted, spent, inputs = learned.end(EXCESS), 0, learned.data.num_inputs
    for hidden, latent, one in search_path(search):
        spent += learned.settings["epochs"]
        new = np.isnan(parameters) & (one.end(EXCESS) <= wanted)
        parameters[new], epochs[new] = num_parameters(inputs, hidden, latent), spent
    return parameters, epochs
