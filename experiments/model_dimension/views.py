"""What is read off the runs of the study: floors, excesses by latent size, when a loss had converged."""

import numpy as np

from jaxsize.resizing import converged_epoch
from jaxsize.resizing.convergence import Reading
from jaxsize.statistics import describe, fit_break
from jaxsize.studies import ArmView

EXCESS = "train_excess_loss"


def middle(values: np.ndarray) -> float:
    """Return the median over the seeds that have a number; NaN where none has."""
    median = describe(values)["median"]
    return np.nan if median is None else float(median)


def floor(view: ArmView) -> np.ndarray:
    """Return the least loss that the training images allow, [num_seeds]."""
    return view.end("train_loss") - view.end(EXCESS)


def converged(view: ArmView, reading: Reading) -> np.ndarray:
    """Return the epoch after which the average excess of an epoch had converged, [num_seeds]; NaN where it had not."""
    averages = view.steps_by_epoch("loss").mean(axis=2) - floor(view)[:, None]
    epochs = [converged_epoch(one, reading=reading) for one in averages]
    return np.array([np.nan if epoch is None else epoch for epoch in epochs], float)


def relus(view: ArmView) -> int:
    """Return n, the ReLUs of a structure with one hidden layer, or the sum over its layers."""
    (hidden,) = view.values("hidden")
    return sum(map(int, hidden.split("-")))


def breaks(view: ArmView) -> np.ndarray:
    """Return the latent size at which the excess of each seed stops falling, [num_seeds].

    Two lines are fitted to the excess against the logarithm of the latent size.
    """
    latents = view.values("latent")
    return np.array([2 ** fit_break(np.log2(latents), ends).place for ends in view.matrix(EXCESS, over="latent")])


def search_path(view: ArmView) -> list[tuple[int, int, ArmView]]:
    """List the steps of the search in their order: ReLUs, latent units, the runs."""
    steps = [(relus(one), latent, one) for (_, latent), one in view.by("hidden", "latent").items()]
    return sorted(steps, key=lambda step: step[:2])


def live(view: ArmView, layer: str) -> np.ndarray:
    """Return the units of a gated layer that live at the end, [num_seeds]; `layer` is decoder, encoder or latent."""
    index = ("decoder", "encoder", "latent").index(layer)  # the order of the column
    units = np.full(view.runs.num_seeds, np.nan)
    for seed, path in view.paths.items():
        units[seed] = path[-1]["live_units_per_layer"][index]
    return units


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
        parameters[new] = 2 * inputs * hidden + 2 * hidden * latent + 2 * hidden + latent + inputs
        epochs[new] = spent
    return parameters, epochs
