"""The row that stands for each run of a compress study: its best validation epoch, within a budget if there is one."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.compress.prices import LEARNING, Prices
from jaxsize.errors import InputError
from jaxsize.networks import num_mlp_multiply_adds
from jaxsize.statistics import Estimate, Front, front, paired_difference

BUDGETS = ("steps", "time", "multiply_adds")
"""What two trainings can be given in equal amounts."""


class Finals:
    """The runs of a study, from which columns over seeds are read, ready to be paired."""

    def __init__(
        self,
        rows: Sequence[dict[str, Any]],
        settings: dict[str, Any],
        num_inputs: dict[str, tuple[int, int]],
        prices: Prices | None = None,
    ):
        """Sort the rows by run.

        Args:
            rows: the rows of the study.
            settings: the settings of the study.
            num_inputs: the numbers of inputs and of outputs, by data set.
            prices: the prices of epochs; without them no networks are compared at equal time.
        """
        self.settings, self._ends, self.prices = settings, num_inputs, prices
        self.penalties: list[float] = [0.0, *sorted(settings["penalties"])]
        self.pairs = list(itertools.product(settings["dataset"], settings["depth"]))
        self.paths: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            self.paths.setdefault(row["run"], []).append(row)
        self._runs = {self._key(path[0]): run for run, path in self.paths.items()}

    @staticmethod
    def _key(row: dict[str, Any]) -> tuple:
        return row["arm"], row["dataset"], row["depth"], row["penalty"], row["seed"]

    def budgets(self, dataset: str, depths: Sequence[int] = ()) -> tuple[str, ...]:
        """Return the budgets at which networks of these depths (default: of all) can be compared."""
        priced = self.prices and all(self.prices.has(dataset, depth) for depth in depths or self.settings["depth"])
        return tuple(budget for budget in BUDGETS if priced or budget != "time")

    def score(self, dataset: str, split: str = "test") -> tuple[str, int]:
        """Return the column of a split's score, and 1 if more of it is better, -1 if less."""
        is_error = any("test_error" in path[0] for path in self.paths.values() if path[0]["dataset"] == dataset)
        return (f"{split}_error", -1) if is_error else (f"{split}_accuracy", 1)

    def path(self, arm: str, dataset: str, depth: int, penalty: float, seed: int) -> list[dict[str, Any]]:
        """Return the rows of a run, one per epoch; none if there is no such run."""
        return self.paths.get(self._runs.get((arm, dataset, depth, penalty, seed), -1), [])

    def best(self, path: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
        """Return the first row with the best validation score before a layer lost all its units, or None."""
        alive = list(itertools.takewhile(lambda row: min(row["live_units_per_layer"]) > 0, path))
        if not alive:
            return None
        name, sign = self.score(alive[0]["dataset"], "validation")
        known = [row for row in alive if row[name] is not None]
        return max(known, key=lambda row: sign * row[name]) if known else None

    def chosen(
        self, arm: str, dataset: str, depth: int, penalty: float, seed: int, budget: str = ""
    ) -> dict[str, Any] | None:
        """Return the row that stands for a run, or None.

        That of a partner is chosen among the epochs that fit into what the compressed run spent of the budget (default:
        steps).
        """
        path = self.path(arm, dataset, depth, penalty, seed)
        if path and arm not in LEARNING:
            compressed = self.path("compress", dataset, depth, penalty, seed)
            path = path[: self.epochs_within(budget or "steps", path, compressed)]
        return self.best(path)

    def epochs_within(self, budget: str, path: Sequence[dict[str, Any]], compressed: Sequence[dict[str, Any]]) -> int:
        """Return how many epochs fit into what a compressed run spent until a layer lost all its units; at least 1.

        Args:
            budget: one of `BUDGETS`.
            path: the rows of the run whose epochs are counted.
            compressed: the rows of the compressed run.
        """
        compressed = self.until_collapse(compressed)
        if budget == "steps":
            return len(compressed)
        limit = sum(self.spent(budget, compressed)) * (1 + 1e-6)
        return max(1, int(np.sum(np.cumsum(self.spent(budget, path)) <= limit)))

    @staticmethod
    def until_collapse(path: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
        """Return the rows up to the epoch in which a layer lost all its units, that epoch included."""
        ends = [index for index, row in enumerate(path) if not min(row["live_units_per_layer"])]
        return path[: ends[0] + 1] if ends else path

    def short(self, arm: str, dataset: str, depth: int, penalty: float, budget: str) -> dict[str, int]:
        """Count the partners that ended although another epoch would have fit into what the compressed run spent."""
        if not budget:
            return {}
        seeds = range(self.settings["num_seeds"])
        pairs = [[self.path(which, dataset, depth, penalty, seed) for which in (arm, "compress")] for seed in seeds]
        pairs = [(path, self.until_collapse(other)) for path, other in pairs]
        if budget == "steps":
            return {"short": sum(len(path) < len(other) for path, other in pairs if path)}
        spent = [[self.spent(budget, path) for path in pair] for pair in pairs if pair[0]]
        fits = [sum(partner) + partner[-1] <= sum(compressed) * (1 + 1e-6) for partner, compressed in spent]
        return {"short": sum(fits)}

    def spent(self, budget: str, path: Sequence[dict[str, Any]]) -> list[float]:
        """Return what a run spent in each epoch, by the units that live when the epoch starts.

        Args:
            budget: "multiply_adds", of one row of data, or "time", in device-seconds by the price list.
            path: the rows of the run.

        Raises:
            InputError: for time, when there are no prices.
        """
        inputs, outputs = self._ends[path[0]["dataset"]]
        start = path[0]["start_width"] if path[0]["arm"] in LEARNING else None
        first = (inputs, *[start] * path[0]["depth"], outputs) if start else None
        before = num_mlp_multiply_adds(first) if first else path[0]["multiply_adds"]
        work = [before, *(row["multiply_adds"] for row in path[:-1])]
        if budget == "multiply_adds":
            return work
        if self.prices is None:
            raise InputError(f"{budget}: no epoch has a price")
        return self.prices.spent(path, work)

    def column(self, name: str, arm: str, dataset: str, depth: int, penalty: float, budget: str = "") -> np.ndarray:
        """Return a column of the chosen rows, [num_seeds]; NaN where there is no run or no chosen row."""
        rows = [self.chosen(arm, dataset, depth, penalty, seed, budget) for seed in range(self.settings["num_seeds"])]
        return np.array([np.nan if row is None or row.get(name) is None else row[name] for row in rows], float)

    def gains(
        self, arm: str, dataset: str, depth: int, penalty: float, budget: str = "", *, over: str = "compress"
    ) -> np.ndarray:
        """Return how much better the test score of `over` (default: compressed) is than that of `arm`, [num_seeds]."""
        name, sign = self.score(dataset)
        scores = self.column(name, over, dataset, depth, penalty)
        others = self.column(name, arm, dataset, depth, penalty, budget)
        return np.round(sign * (scores - others), 6 if name.endswith("accuracy") else 12)

    def gain(self, arm: str, dataset: str, depth: int, penalty: float, budget: str = "") -> Estimate:
        """Estimate the gain of the compressed networks over `arm`, over seeds."""
        gains = self.gains(arm, dataset, depth, penalty, budget)
        return paired_difference(gains, np.zeros(len(gains)))

    def mean_gain(self, arm: str, dataset: str, budget: str = "", *, over: str = "compress") -> Estimate:
        """Estimate the mean gain over depths and penalties, over seeds.

        The mean of a seed is over the depths and penalties for which both networks are there.
        """
        cells = [
            self.gains(arm, dataset, depth, penalty, budget, over=over)
            for depth, penalty in itertools.product(self.settings["depth"], self.penalties[1:])
        ]
        means = np.ma.filled(np.ma.masked_invalid(np.stack(cells)).mean(axis=0), np.nan)
        means = np.round(means, 12)  # a mean of ties is a tie
        return paired_difference(means, np.zeros(len(means)))

    def rows(self, arm: str, dataset: str, depth: int, penalty: float) -> list[dict[str, Any]]:
        """Return the chosen rows of all seeds that have one."""
        rows = [self.chosen(arm, dataset, depth, penalty, seed) for seed in range(self.settings["num_seeds"])]
        return [row for row in rows if row is not None]

    def front(self, arms: Sequence[str], dataset: str, depth: int, seed: int) -> Front:
        """Return the front of validation score against parameters of a seed's penalised networks of these arms.

        More of the score is better: errors are negated. Partners take as many steps as the compressed networks.
        """
        name, sign = self.score(dataset, "validation")
        rows = [
            self.chosen(arm, dataset, depth, penalty, seed)
            for arm, penalty in itertools.product(arms, self.penalties[1:])
        ]
        known = [row for row in rows if row is not None]
        return front([row["parameters"] for row in known], [sign * row[name] for row in known])

    def has(self, name: str, dataset: str) -> bool:
        """Return whether rows of the data set have a column of this name."""
        return any(name in path[0] for path in self.paths.values() if path[0]["dataset"] == dataset)
