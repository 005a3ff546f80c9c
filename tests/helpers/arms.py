"""Arms of made-up runs, to try claims and tables on."""

from pathlib import Path

import numpy as np

from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms


def made_arms(path, rows, *, steps=None, **settings):
    """Return arms of runs with one row each; `steps` are lines of a step file by its key, in the order of the rows."""
    folder = open_folder(path, {})
    folder.rows.of("made").append([{"batch": "made", "run": run, "epoch": 1, **row} for run, row in enumerate(rows)])
    for key, lines in (steps or {}).items():
        Path(path, "steps").mkdir(exist_ok=True)
        np.save(Path(path, "steps", f"made.{key}.npy"), np.array(lines, np.float32))
    return Arms.of(Runs(folder, settings))
