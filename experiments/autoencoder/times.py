"""What an epoch takes: measured alike for every structure, optimiser and batch size, after all is trained.

epoch_seconds.json in the results folder holds the device-seconds of an epoch of one run, training and evaluation.
"""

from typing import Any

import numpy as np

from experiments.autoencoder.contestants import batch_of, tried_settings
from jaxsize.errors import InputError
from jaxsize.results import Folder
from jaxsize.results.json_files import read_json, write_json
from jaxsize.studies import ArmView, Learned, Setup
from jaxsize.training.epoch_times import measure_epochs, runs_that_fill

FILE = "epoch_seconds.json"
GRID = "grid"
"""The arm of the joint grid."""


def measure_times(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Time an epoch of every kind of run, and return the table; nothing else should run meanwhile.

    What epoch_seconds.json holds of this data set already is not measured again.
    """
    known = read_json(folder.path / FILE) if (folder.path / FILE).exists() else []
    mine = [row for row in known if row["dataset"] == setup.dataset.name]
    if not mine:
        kinds = {
            (batch.labels[0]["structure"], batch.labels[0]["arm"], batch.config.batch_size)
            for batch, _ in learned.values()
            if batch.labels[0]["arm"] in (GRID, *setup.flags.optimizers)
        }
        kinds = sorted(kinds, key=lambda kind: (len(kind[0].split("-")), kind))
        fill = runs_that_fill(max((len(batch) for batch, _ in learned.values()), default=1))

        def timed(structure: str, arm: str, batch_size: int) -> Any:
            optimizer = "Adam" if arm == GRID else arm
            value = tried_settings(setup.flags, optimizer)[:1]
            return batch_of(setup, "timed", structure, optimizer, value, fill, batch_size=batch_size)

        seconds = measure_epochs([timed(*kind) for kind in kinds])
        names = ("structure", "arm", "batch_size")
        mine = [
            {"dataset": setup.dataset.name, **dict(zip(names, kind, strict=True)), "epoch_seconds": of_one}
            for kind, of_one in zip(kinds, seconds, strict=True)
        ]
        write_json(folder.path / FILE, [*known, *mine])
    return {"Seconds of an epoch of one run, on one device, training and evaluation": mine}


def epoch_seconds(view: ArmView) -> float:
    """Read off what an epoch of these runs takes, in device-seconds.

    Args:
        view: runs of one structure and one batch size.

    Raises:
        InputError: when the file was edited so that they have no time.
    """
    path = view.runs.folder.path / FILE
    wanted = {"dataset": view.dataset, "arm": view.name}
    wanted |= {name: view.values(name)[0] for name in ("structure", "batch_size")}
    for row in read_json(path):
        if all(row.get(name) == value for name, value in wanted.items()):
            return float(row["epoch_seconds"])
    raise InputError(f"{path} has no time of {wanted}; delete it, and --resume measures it anew")


def run_seconds(view: ArmView) -> np.ndarray:
    """Return the device-seconds of the whole training of every seed's run, [num_seeds]."""
    epochs = view.curve("epoch").shape[1]
    return np.where(view.exists, epoch_seconds(view) * epochs, np.nan)


def steps_of(view: ArmView) -> int:
    """Count the steps of an epoch of runs of one batch size, of which the last one may have fewer rows."""
    return -(-len(view.data.train) // view.values("batch_size")[0])
