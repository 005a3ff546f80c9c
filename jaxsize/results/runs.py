"""The runs of a study, selected by their settings: columns and curves over seeds, ready to be paired."""

from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.results.folder import Folder
from jaxsize.results.scores import score_columns, score_sign


class Runs:
    """The runs of a study in a results folder, selected by their settings.

    Every row of the folder has at least the columns "run", "batch" and "seed"; the rows of a run are its epochs, in
    order. Methods take `where`: columns of the rows and their values, such as dataset="mnist", form="corrected",
    penalty=1e-5. A run fits if its first row has all of these values. Where a method returns something per seed, the
    runs that fit must be at most one per seed. A row whose "train_loss" is null, because it was not finite, has no
    number in any column: the accuracy of outputs that are NaN means nothing. Of a column that holds lists, one item is
    read by its position, as in "live_units_per_layer[0]".

    Args:
        folder: the results folder.
        settings: the settings of the study, of which "num_seeds" is read here: seeds are 0 .. num_seeds - 1.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     columns = ("batch", "run", "penalty", "seed", "size")
        ...     table = [("a", 0, 0.0, 0, 9), ("a", 1, 0.0, 1, 8), ("a", 2, 0.1, 0, 5), ("a", 3, 0.1, 1, 3)]
        ...     folder.rows.of("a").append([dict(zip(columns, row, strict=True)) for row in table])
        ...     runs = Runs(folder, {"num_seeds": 2})
        >>> runs.values("penalty")
        [0.0, 0.1]
        >>> runs.last("size", penalty=0.1).tolist()
        [5.0, 3.0]
    """

    def __init__(self, folder: Folder, settings: dict[str, Any]):
        self.folder, self.settings = folder, settings
        self.num_seeds: int = settings["num_seeds"]
        self.paths: dict[int, list[dict[str, Any]]] = {}
        for row in folder.rows.read():
            self.paths.setdefault(row["run"], []).append(row)
        self._firsts: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        for run, path in self.paths.items():
            batch = path[0]["batch"]
            self._firsts[batch] = min(run, self._firsts.get(batch, run))
            self._epochs[batch] = max(len(path), self._epochs.get(batch, 0))

    def values(self, name: str, **where: Any) -> list[Any]:
        """List the different values of a column among the runs that fit, ascending, without null."""
        return sorted({path[0][name] for path in self._fitting(where) if path[0].get(name) is not None})

    def score(self, dataset: str, split: str = "test", **where: Any) -> tuple[str, int]:
        """Name the column of a split's score on a data set, and say which way is better.

        Args:
            dataset: the name of the data set.
            split: "train", "validation", "test", or "held_out": validation rows, or test rows where there are none.
            **where: what else selects the runs, such as the form, as the original one has no validation rows.

        Returns:
            The column of the first score that the runs have, or of the loss where they have none; and 1 if more of it
            is better (an accuracy) or -1 if less is (an error).
        """
        names = dict.fromkeys(name for path in self._fitting({"dataset": dataset} | where) for name in path[0])
        if split == "held_out":
            split = "validation" if "validation_loss" in names else "test"
        column = next(iter(score_columns(names, split)), f"{split}_loss")
        return column, score_sign(column)

    def by_seed(self, **where: Any) -> dict[int, list[dict[str, Any]]]:
        """Select the rows of every run that fits, one row per epoch, by seed.

        Raises:
            InputError: when several runs of one seed fit.
        """
        return self._seeds(where)

    def last(self, name: str, **where: Any) -> np.ndarray:
        """Read a column at the end of every run that fits.

        Returns:
            float64 [num_seeds], NaN where there is no run or no number.

        Raises:
            InputError: when several runs of one seed fit.
        """
        return self._by_seed({seed: _number(path[-1], name) for seed, path in self._seeds(where).items()})

    def curve(self, name: str, **where: Any) -> np.ndarray:
        """Read a column at every epoch of every run that fits.

        Returns:
            float64 [num_seeds, epochs], NaN where there is no run, after the run has ended, and where there is no
            number.

        Raises:
            InputError: when several runs of one seed fit.
        """
        paths = self._seeds(where)
        values = np.full((self.num_seeds, max((len(path) for path in paths.values()), default=0)), np.nan)
        for seed, path in paths.items():
            values[seed, : len(path)] = [_number(row, name) for row in path]
        return values

    def steps(self, key: str, **where: Any) -> np.ndarray:
        """Read the values recorded at every step of every run that fits, from steps/BATCH.KEY.npy.

        Returns:
            float64 [num_seeds, steps], NaN where there is no run and after the run has ended.

        Raises:
            InputError: when several runs of one seed fit.
            OSError: when there is no such file.
        """
        lines = {seed: self._line(key, path) for seed, path in self._seeds(where).items()}
        values = np.full((self.num_seeds, max((line.size for line in lines.values()), default=0)), np.nan)
        for seed, line in lines.items():
            values[seed, : line.size] = line
        return values

    def all_steps(self, key: str) -> list[tuple[list[dict[str, Any]], np.ndarray]]:
        """Pair the rows of every run of the study with the values [steps] recorded at its steps."""
        return [(path, self._line(key, path)) for path in self.paths.values()]

    def _line(self, key: str, path: list[dict[str, Any]]) -> np.ndarray:
        batch = path[0]["batch"]
        file = np.load(self.folder.path / "steps" / f"{batch}.{key}.npy", mmap_mode="r")
        steps = file.shape[1] // self._epochs[batch] * len(path)  # a batch's file is as long as its longest run
        return np.array(file[path[0]["run"] - self._firsts[batch], :steps])

    def per_epoch(self, key: str, **where: Any) -> np.ndarray:
        """Read what `steps` reads, cut into epochs: [num_seeds, epochs, steps of an epoch]."""
        epochs = self.curve("epoch", **where).shape[1]
        steps = self.steps(key, **where)
        return steps.reshape(self.num_seeds, epochs, -1) if epochs else np.full((self.num_seeds, 0, 0), np.nan)

    def _fitting(self, where: dict[str, Any]) -> list[list[dict[str, Any]]]:
        return [path for path in self.paths.values() if all(path[0].get(k) == value for k, value in where.items())]

    def _seeds(self, where: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
        paths = self._fitting(where)
        by_seed = {path[0]["seed"]: path for path in paths}
        if len(by_seed) < len(paths):
            raise InputError(f"runs: expected settings that leave one run per seed, got {where}: {len(paths)} runs")
        return by_seed

    def _by_seed(self, values: dict[int, float]) -> np.ndarray:
        return np.array([values.get(seed, np.nan) for seed in range(self.num_seeds)])


def _number(row: dict[str, Any], name: str) -> float:
    column, _, position = name.removesuffix("]").partition("[")
    value = row.get(column)
    if value is None or row.get("train_loss", 0.0) is None:
        return np.nan
    return float(value[int(position)] if position else value)
