"""The row that stands for each run of a compress study: its best validation epoch, within a budget if there is one."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from experiments.compress.prices import Prices, read_prices, work
from jaxsize.studies import ArmView

Budget = Literal["steps", "time", "multiply_adds"]
"""What two trainings can be given in equal amounts."""
Path = Sequence[Mapping[str, Any]]
"""The rows of a run, one per epoch."""


class Chosen(ArmView):
    """The runs of an arm as if each had ended at its best validation epoch.

    That of a partner is chosen among the epochs that fit into what its compressed run spent of a budget.
    """

    budget: Budget = "steps"
    prices: Prices = Prices({})

    @classmethod
    def of(cls, view: ArmView, budget: Budget = "steps", prices: Prices | None = None) -> "Chosen":
        """Choose an epoch for every run of an arm; without prices no epochs can be chosen within a time."""
        one = cls(view.runs, view.where, data=view._data, networks=view._networks)
        one.budget, one.prices = budget, prices or cls.prices
        return one

    def end(self, column: str) -> np.ndarray:
        """Read a column at the chosen epochs: [num_seeds], NaN where there is no run or no chosen epoch."""
        name, sign = self._column(column)
        return sign * np.array([(row or {}).get(name) for row in self.rows], float)

    @property
    def rows(self) -> list[Mapping[str, Any] | None]:
        """The row that stands for each seed's run, [num_seeds], or None."""
        paths = {seed: self.best(path[: self._fitting(path)]) for seed, path in self.paths.items()}
        return [paths.get(seed) for seed in range(self.runs.num_seeds)]

    def best(self, path: Path) -> Mapping[str, Any] | None:
        """Return the first row with the best validation score before a layer lost all its units, or None."""
        name, sign = self.score("validation")
        scored = [row for row in alive(path) if row[name] is not None]
        return max(scored, key=lambda row: sign * row[name], default=None)

    @property
    def short(self) -> int:
        """How many runs ended although another epoch would have fit into what the compressed run spent."""
        spent = [(self.spent(path), self._limit(path)) for path in self.paths.values()]
        return sum(sum(epochs) + epochs[-1] <= limit for epochs, limit in spent)

    def spent(self, path: Path) -> Sequence[float]:
        """Return what a run spent in each epoch, by the units that live when the epoch starts.

        Returns:
            Steps count as epochs; multiply-adds are those of one row of data; time is in device-seconds, by the price
            list.

        Raises:
            InputError: for time, when there are no prices.
        """
        if self.budget == "steps":
            return [1.0] * len(path)
        spent = work(self.data, path)
        return self.prices.spent(path, spent) if self.budget == "time" else spent

    def _limit(self, path: Path) -> float:
        """What the compressed run of a partner spent until a layer lost all its units, that epoch included."""
        compressed = self.runs.paths[path[0]["partner"]]
        return sum(self.spent(compressed[: len(alive(compressed)) + 1])) * (1 + 1e-6)

    def _fitting(self, path: Path) -> int:
        """How many epochs of a run count, at least 1; of a network that is no partner all do."""
        if "partner" not in path[0]:
            return len(path)
        return max(1, int(np.sum(np.cumsum(self.spent(path)) <= self._limit(path))))


def alive(path: Path) -> list[Mapping[str, Any]]:
    """Return the rows of a run before a layer lost all its units."""
    return list(itertools.takewhile(lambda row: min(row["live_units_per_layer"]) > 0, path))


def budgets(view: ArmView) -> dict[str, Chosen]:
    """Return an arm within every budget at which its depths can be compared; time needs prices of all their epochs."""
    prices = read_prices(view.runs.folder)
    priced = all(prices.has(view.dataset, view.form, depth) for depth in view.values("depth"))
    return {budget: Chosen.of(view, budget, prices) for budget in get_args(Budget) if priced or budget != "time"}
