"""An arm of a study after training: its runs, as columns over seeds."""

import copy
import itertools
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.results.runs import Runs
from jaxsize.trees import Tree


class ArmView:
    """The runs of one arm on one data set in one form, as columns over seeds that can be paired.

    A column named `SPLIT_score`, such as "test_score", is the split's score, of which more is always better: the
    accuracy, or an error with its sign turned. "held_out_score" is that of the validation rows, or of the test rows
    where there are none of the former.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import ArmView
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "arm", "penalty", "seed", "epoch", "test_error")
        ...     lines = [("a", 0, "add10", "learned", 0.1, 0, 1, 3.0), ("a", 1, "add10", "learned", 0.2, 0, 1, 2.0)]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     learned = ArmView(Runs(folder, {"num_seeds": 1}), {"dataset": "add10", "arm": "learned"})
        >>> learned.values("penalty"), learned.at(penalty=0.2).end("test_error").tolist()
        ([0.1, 0.2], [2.0])
        >>> learned.matrix("test_score", over="penalty").tolist()
        [[-3.0, -2.0]]
        >>> [row["epoch"] for row in learned.at(penalty=0.1).paths[0]]
        [1]
        >>> learned.at(penalty=0.1).until(1).end("test_error").tolist()
        [3.0]
    """

    _epochs: int | None = None  # see `until`

    def __init__(
        self,
        runs: Runs,
        where: Mapping[str, Any],
        *,
        data: Mapping[tuple[str, str], Dataset] | None = None,
        networks: Mapping[int, Tree] | None = None,
    ):
        """Select runs.

        Args:
            runs: all runs of the study.
            where: the columns that select the runs, at least `dataset` and `arm`.
            data: the data sets, by name and form.
            networks: parameters of trained networks, by number of the run.
        """
        self.runs, self.where = runs, dict(where)
        self._data, self._networks = data or {}, networks or {}

    @property
    def name(self) -> str:
        """The name of the arm."""
        return self.where["arm"]

    @property
    def dataset(self) -> str:
        """The name of the data set."""
        return self.where["dataset"]

    @property
    def form(self) -> str:
        """The form of the study."""
        return self.where["form"]

    @property
    def data(self) -> Dataset:
        """The data set as this form prepares it."""
        return self._data[self.dataset, self.form]

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the study: its flags by name."""
        return self.runs.settings

    @property
    def count(self) -> int:
        """How many runs there are."""
        return len(self.runs.values("run", **self.where))

    @property
    def exists(self) -> np.ndarray:
        """Which seeds have a run: bool [num_seeds].

        Raises:
            InputError: when several runs of one seed are selected.
        """
        return np.isin(np.arange(self.runs.num_seeds), list(self.paths))

    @property
    def paths(self) -> dict[int, list[dict[str, Any]]]:
        """The rows of every run, one row per epoch, by seed; see `Runs.by_seed`."""
        return self.runs.by_seed(**self.where)

    @property
    def networks(self) -> list[Tree]:
        """The parameters of the trained networks, in the order of the runs' numbers."""
        runs = self.runs.values("run", **self.where)
        if missing := [run for run in runs if run not in self._networks]:
            raise InputError(f"the network of run {missing[0]} was not kept: see Study.keep_networks")
        return [self._networks[run] for run in runs]

    def at(self, **where: Any) -> Self:
        """Select the runs with these values of settings as well; `arm`, `dataset` and `form` choose other runs.

        A view of a subclass keeps what the subclass adds.
        """
        view = copy.copy(self)
        view.where = self.where | where
        return view

    def until(self, epochs: int | None) -> Self:
        """Read the same runs as they were after so many epochs, where some went on for longer; None: to their ends.

        What `end`, `curve`, `matrix`, `steps` and `steps_by_epoch` read is cut there; a run that is shorter has no end.
        """
        view = copy.copy(self)
        view._epochs = epochs
        return view

    def values(self, setting: str, *, skip: Any = None) -> list[Any]:
        """List the different values of a setting, ascending, but for one to `skip`."""
        return [value for value in self.runs.values(setting, **self.where) if value != skip]

    def by(self, *settings: str, skip: Any = None) -> dict[Any, Self]:
        """Split by the values of a setting, or by every combination of values of several that has runs.

        Args:
            *settings: columns of the rows.
            skip: a value to leave out.

        Returns:
            By value, or by tuple of values, the runs that have it.
        """
        found = {}
        for values in itertools.product(*(self.values(setting, skip=skip) for setting in settings)):
            view = self.at(**dict(zip(settings, values, strict=True)))
            if view.count:
                found[values[0] if len(settings) == 1 else values] = view
        return found

    @property
    def columns(self) -> set[str]:
        """The columns that the rows of these runs have."""
        return {name for run in self.runs.values("run", **self.where) for name in self.runs.paths[run][0]}

    @property
    def scores(self) -> list[str]:
        """The columns of the scores on training, validation and test rows; without validation rows there are two."""
        splits = [split for split in ("train", "validation", "test") if getattr(self.data, split) is not None]
        return [self.score(split)[0] for split in splits]

    def score(self, split: str = "test") -> tuple[str, int]:
        """Name the column of a split's score, and say which way is better: 1 if more of it is, -1 if less."""
        forms = {name: value for name, value in self.where.items() if name == "form"}
        return self.runs.score(self.dataset, split, **forms)

    def end(self, column: str) -> np.ndarray:
        """Read a column at the end of every run: [num_seeds], NaN where there is no run or no number.

        Raises:
            InputError: when several runs of one seed are selected.
        """
        name, sign = self._column(column)
        if self._epochs is None:
            return sign * self.runs.last(name, **self.where)
        curve = self.runs.curve(name, **self.where)[:, self._epochs - 1 : self._epochs]
        return sign * np.pad(curve, ((0, 0), (0, 1)), constant_values=np.nan)[:, 0]

    def curve(self, column: str) -> np.ndarray:
        """Read a column at every epoch: [num_seeds, epochs], NaN where there is no number.

        Raises:
            InputError: when several runs of one seed are selected.
        """
        name, sign = self._column(column)
        return sign * self.runs.curve(name, **self.where)[:, : self._epochs]

    def matrix(self, column: str, *, over: str, skip: Any = None) -> np.ndarray:
        """Read a column at the end of every run, [num_seeds, values of the setting `over`]; see `values`."""
        ends = [view.end(column) for view in self.by(over, skip=skip).values()]
        return np.stack(ends, axis=1) if ends else np.full((self.runs.num_seeds, 0), np.nan)

    def steps(self, key: str) -> np.ndarray:
        """Read what was recorded at every step, [num_seeds, steps]; see `Runs.steps`."""
        if self._epochs is None:
            return self.runs.steps(key, **self.where)
        return self.steps_by_epoch(key).reshape(self.runs.num_seeds, -1)

    def steps_by_epoch(self, key: str) -> np.ndarray:
        """Read what was recorded at every step, [num_seeds, epochs, steps of an epoch]."""
        return self.runs.per_epoch(key, **self.where)[:, : self._epochs]

    def before_and_after(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Read what a check made by `studies.before_and_after` measured of every network.

        Args:
            name: the name that the check was given.

        Returns:
            The measures before training and after it, float64 [num_seeds, ...] each; NaN for a missing run.

        Raises:
            OSError: when these runs were not measured.
        """
        measured: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for batch in {path[0]["batch"] for path in self.paths.values()}:
            with np.load(self.runs.folder.path / "measured" / f"{batch}.{name}.npz") as file:
                pairs = zip(file["before"], file["after"], strict=True)
                measured |= dict(zip(file["run"].tolist(), pairs, strict=True))
        by_seed = {seed: measured[path[0]["run"]] for seed, path in self.paths.items()}
        shape = next((before.shape for before, _ in by_seed.values()), (0,))
        both = np.full((2, self.runs.num_seeds, *shape), np.nan)
        for seed, pair in by_seed.items():
            both[:, seed] = pair
        return both[0], both[1]

    def _column(self, column: str) -> tuple[str, int]:
        if not column.endswith("_score"):
            return column, 1
        return self.score(column.removesuffix("_score"))
