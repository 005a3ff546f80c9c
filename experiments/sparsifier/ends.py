"""Where every run of the sparsifier ended, as columns over seeds that can be paired."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsize.statistics import Estimate, paired_difference


class Finals:
    """The last row of every run, from which columns over seeds are read, ready to be paired.

    Args:
        rows: the rows of the study.
        settings: the settings of the study.
    """

    def __init__(self, rows: Sequence[dict[str, Any]], settings: dict[str, Any]):
        self.settings = settings
        self.datasets: list[str] = list(settings["dataset"])
        self.widths: list[int] = sorted(settings["start_width"])
        self.penalties: list[float] = [0.0, *sorted(settings["penalties"])]
        self.rows = [row for row in rows if row["epoch"] == settings["epochs"]]
        self._by_key = {self._key(row): row for row in self.rows}

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple:
        return row["arm"], row["dataset"], row["start_width"], row["penalty"], row["seed"]

    def column(self, name: str, dataset: str, width: int, penalty: float, arm: str = "learned") -> np.ndarray:
        """Return a column over seeds [num_seeds]; NaN for a run that does not exist or whose loss is not finite."""
        rows = [
            self._by_key.get((arm, dataset, width, penalty, seed), {}) for seed in range(self.settings["num_seeds"])
        ]
        values = [None if row.get("train_loss") is None else row.get(name) for row in rows]
        return np.array([np.nan if value is None else value for value in values], float)

    def score(self, dataset: str) -> tuple[str, int]:
        """Return the name of the test score's column, and 1 if more of it is better, -1 if less."""
        is_error = any("test_error" in row for row in self.rows if row["dataset"] == dataset)
        return ("test_error", -1) if is_error else ("test_accuracy", 1)

    def gain(self, dataset: str, width: int, penalty: float, over: tuple[float, str]) -> Estimate:
        """Estimate how much better the learned network's test score is than that of the control with the same seed.

        Args:
            dataset: name of the data set.
            width: the start width.
            penalty: the penalty of the learned networks.
            over: penalty and arm of the controls.
        """
        name, sign = self.score(dataset)
        learned, control = (self.column(name, dataset, width, *arm) for arm in ((penalty, "learned"), over))
        return paired_difference(sign * rounded(learned, name), sign * rounded(control, name))


def rounded(scores: np.ndarray, name: str) -> np.ndarray:
    """Round accuracies, so that those which differ by the order of a sum only are ties in a test; keep errors."""
    return np.round(scores, 6) if name.endswith("accuracy") else scores
