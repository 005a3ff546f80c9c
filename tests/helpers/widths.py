"""Results of a study of layers of several widths, made by hand."""

import numpy as np

from jaxsize.data import load
from jaxsize.results import Runs, open_folder
from jaxsize.studies import Arms


def arms_of(path, scores, *, widths, num_seeds, measured, form="corrected", **numbers):
    """Arms of static networks in one form, by data set.

    Args:
        path: where the results folder is made.
        scores: by data set, a function of a seed and the position of a width -> the test accuracy.
        widths: of the networks.
        num_seeds: of every width.
        measured: the name of the files of what was measured.
        form: of all of them.
        **numbers: what was measured, alike for all data sets.
    """
    folder = open_folder(path / "r", {})
    (folder.path / "measured").mkdir()
    run = 0
    for dataset, of in scores.items():
        rows = []
        for at, width in enumerate(widths):
            for seed in range(num_seeds):
                label = {"batch": dataset, "run": run, "dataset": dataset, "form": form, "arm": "static"}
                row = {"seed": seed, "width": width, "epoch": 1, "train_loss": 0.1, "test_accuracy": of(seed, at)}
                rows.append(label | row)
                run += 1
        folder.rows.of(dataset).append(rows)
        np.savez(folder.path / "measured" / f"{dataset}.{form}.{measured}.npz", **numbers)
    runs = Runs(folder, {"num_seeds": num_seeds, "epochs": 1, "widths": list(widths)})
    digits = load("digits")
    return Arms.of(runs, data={(name, form): digits for name in scores})
