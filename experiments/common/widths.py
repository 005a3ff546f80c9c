"""Networks with one hidden layer of many widths, from which a right width might be read, and where accuracy levels off.

The source is seed `003_d2c286111c329776.txt`, whose experiments J1 to J6 train such networks.
"""

from collections.abc import Callable

import numpy as np
import optax

from experiments.common.networks import mlps
from jaxsize.learners import supervised, task_of
from jaxsize.programs import Batch
from jaxsize.studies import ArmView, Setup
from jaxsize.sweeps import setting_sweep

ENOUGH = 1e-3
"""A tenth of a point: how far below the best accuracy the plateau begins."""


def static_widths(setup: Setup) -> list[Batch]:
    """Make a batch per width, of all its seeds: exact widths share programs best (no unit is padded).

    Args:
        setup: its flags have `widths`, `num_seeds` and `learning_rate`, that of Adam.
    """
    flags, dataset, batches = setup.flags, setup.dataset, []
    for width in flags.widths:
        network = mlps(dataset, gate=None)((width,))
        learner = supervised(network.apply, task_of(dataset), lambda hparams: optax.adam(hparams.learning_rate))
        settings = [{"seed": seed, "learning_rate": flags.learning_rate} for seed in range(flags.num_seeds)]
        fields = setup.after(*batches).fields("static", width=width)
        batches.append(setting_sweep(dataset, settings, init=network.init, learner=learner, **fields))
    return batches


def widths_of(arm: ArmView) -> np.ndarray:
    """Return the widths of an arm in the order of its columns."""
    return np.array(arm.settings["widths"])


def plateau(arm: ArmView) -> np.ndarray:
    """Return the log2 of the first width whose test accuracy is within a tenth of a point of a seed's best, [seeds]."""
    scores = arm.matrix("test_score", over="width")
    lost = ~np.isfinite(scores).all(1)
    first = np.argmax(scores >= np.max(scores, axis=1, keepdims=True) - ENOUGH, axis=1)
    return np.where(lost, np.nan, np.log2(widths_of(arm)[first]))


def in_units(logarithms: np.ndarray) -> str:
    """Tell a width whose log2 is the median of some over seeds; "none" if none is known."""
    known = logarithms[np.isfinite(logarithms)]
    return f"{2 ** np.median(known):.0f}" if known.size else "none"


def measured(arm: ArmView, what: str) -> dict[str, np.ndarray]:
    """Read what a study measured of the trained layers of an arm and kept in measured/NAME.`what`.npz."""
    with np.load(arm.runs.folder.path / "measured" / f"{arm.dataset}.{arm.form}.{what}.npz") as file:
        return dict(file)


def at_width(what: str, name: str) -> Callable[[ArmView], np.ndarray]:
    """Make a function of the runs of one width that reads a measured number of every seed, for a table.

    Args:
        what: see `measured`.
        name: the number, kept as [seeds, widths].
    """

    def read(arm: ArmView) -> np.ndarray:
        return measured(arm, what)[name][:, list(arm.settings["widths"]).index(arm.where["width"])]

    return read
