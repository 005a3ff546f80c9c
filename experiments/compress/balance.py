"""The scores, with every class counting alike, of the networks that a compress study has saved."""

from pathlib import Path

import numpy as np

from jaxsize.data import Dataset
from jaxsize.export import load_network

ROWS_AT_ONCE = 10_000


def balanced_accuracy(predicted: np.ndarray, targets: np.ndarray) -> float:
    """Return the share of a class's rows that is predicted right, averaged over the classes among the targets [N]."""
    from sklearn.metrics import recall_score

    return float(recall_score(targets, predicted, labels=np.unique(targets), average="macro"))


def balanced_accuracies(folder: Path, dataset: Dataset, runs: list[int]) -> np.ndarray:
    """Return the balanced accuracy on all test rows of the networks folder/run_N, [runs]; NaN where none is saved."""
    accuracies, test = np.full(len(runs), np.nan), dataset.test
    for index, run in enumerate(runs):
        if (folder / f"run_{run}").exists():
            network = load_network(folder / f"run_{run}")
            parts = range(0, len(test), ROWS_AT_ONCE)
            outputs = [np.asarray(network.outputs(test.inputs[at : at + ROWS_AT_ONCE])) for at in parts]
            accuracies[index] = balanced_accuracy(np.concatenate(outputs).argmax(-1), test.targets)
    return accuracies
