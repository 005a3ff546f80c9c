"""The runs of a study of flexible sizes, by their settings: columns and curves over seeds, ready to be paired."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.json_files import replace_file
from jaxsize.records import Folder
from jaxsize.statistics import Estimate, describe, paired_difference


class Runs:
    """where: columns of the rows and their values, such as dataset="mnist", form="corrected", penalty=1e-5; together
    they must leave one run per seed."""

    def __init__(self, folder: Folder, settings: dict[str, Any]):
        self.folder, self.settings = folder, settings
        self.num_seeds: int = settings["num_seeds"]
        self._paths: dict[int, list[dict[str, Any]]] = {}
        for row in folder.rows.read():
            self._paths.setdefault(row["run"], []).append(row)
        self._firsts: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        for run, path in self._paths.items():
            batch = path[0]["batch"]
            self._firsts[batch] = min(run, self._firsts.get(batch, run))
            self._epochs[batch] = max(len(path), self._epochs.get(batch, 0))

    def values(self, name: str, **where: Any) -> list[Any]:
        """The different values of a column among the runs that fit, in order."""
        return sorted({path[0][name] for path in self._fitting(where) if name in path[0]})

    def score(self, dataset: str, split: str = "test") -> tuple[str, int]:
        """The column of a split's score, and 1 if more of it is better, -1 if less."""
        is_error = any("test_error" in path[0] for path in self._fitting({"dataset": dataset}))
        return (f"{split}_error", -1) if is_error else (f"{split}_accuracy", 1)

    def last(self, name: str, **where: Any) -> np.ndarray:
        """[num_seeds]: the column at the end of every run, NaN where there is no run or no finite number."""
        return self._by_seed({seed: _number(path[-1].get(name)) for seed, path in self._seeds(where).items()})

    def curve(self, name: str, **where: Any) -> np.ndarray:
        """[num_seeds, epochs], likewise."""
        paths = self._seeds(where)
        found = np.full((self.num_seeds, max((len(path) for path in paths.values()), default=0)), np.nan)
        for seed, path in paths.items():
            found[seed, : len(path)] = [_number(row.get(name)) for row in path]
        return found

    def steps(self, key: str, **where: Any) -> np.ndarray:
        """[num_seeds, steps]: what was kept of every step, from steps/BATCH.KEY.npy."""
        lines = {seed: self._line(key, path) for seed, path in self._seeds(where).items()}
        found = np.full((self.num_seeds, max((line.size for line in lines.values()), default=0)), np.nan)
        for seed, line in lines.items():
            found[seed, : line.size] = line
        return found

    def all_steps(self, key: str) -> list[tuple[list[dict[str, Any]], np.ndarray]]:
        """Of every run its rows, and what was kept of every step [steps]."""
        return [(path, self._line(key, path)) for path in self._paths.values()]

    def _line(self, key: str, path: list[dict[str, Any]]) -> np.ndarray:
        batch = path[0]["batch"]
        file = np.load(self.folder.path / "steps" / f"{batch}.{key}.npy", mmap_mode="r")
        steps = file.shape[1] // self._epochs[batch] * len(path)  # some run of a batch has its last epoch, not all
        return np.array(file[path[0]["run"] - self._firsts[batch], :steps])

    def per_epoch(self, key: str, **where: Any) -> np.ndarray:
        """[num_seeds, epochs, steps of an epoch]: `steps`, cut into epochs."""
        epochs = self.curve("epoch", **where).shape[1]
        steps = self.steps(key, **where)
        return steps.reshape(self.num_seeds, epochs, -1) if epochs else np.full((self.num_seeds, 0, 0), np.nan)

    def difference(self, name: str, one: dict[str, Any], other: dict[str, Any], **where: Any) -> Estimate:
        """Paired over seeds: `name` at the end of the runs `one`, less that of the runs `other`."""
        mine, theirs = (self.last(name, **where, **which) for which in (one, other))
        digits = 6 if name.endswith("accuracy") else 12  # scores that are equal but for the order of a sum are ties
        return paired_difference(np.round(mine - theirs, digits), np.zeros(self.num_seeds))

    def described(self, names: Sequence[str], **where: Any) -> dict[str, Any]:
        """The settings and, of every column, median, interval and n over seeds: a row of a table."""
        return where | {name: describe(self.last(name, **where)) for name in names}

    def _fitting(self, where: dict[str, Any]) -> list[list[dict[str, Any]]]:
        return [path for path in self._paths.values() if all(path[0].get(k) == value for k, value in where.items())]

    def _seeds(self, where: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
        paths = self._fitting(where)
        found = {path[0]["seed"]: path for path in paths}
        if len(found) < len(paths):
            raise ValueError(f"runs: expected settings that leave one run per seed, got {where} with {len(paths)} runs")
        return found

    def _by_seed(self, values: dict[int, float]) -> np.ndarray:
        return np.array([values.get(seed, np.nan) for seed in range(self.num_seeds)])


def write_arrays(path: Path, **arrays: Any) -> None:
    """Writes arrays by name to an .npz file, in one step."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    replace_file(path, [file.getvalue()])


def _number(value: Any) -> float:
    return np.nan if value is None else float(value)
