"""What a study trains: arms, declared by name and settings, for one data set in one form at a time."""

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jaxsize.data import Dataset, Form
from jaxsize.programs.batch import Batch


@dataclasses.dataclass(frozen=True)
class Arm:
    """Runs that are compared as one: a name, the settings that its runs share, and how they are trained.

    An arm has one run per seed, or one per seed and setting where a study makes the batch itself.

    Example:
        >>> from jaxsize.studies import Arm
        >>> Arm("slow", {"learning_rate": 1e-4}, make=print).name
        'slow'
    """

    name: str
    """The name, in the column `arm` of every row. Arms of one name on a data set in a form are one arm, with several
    settings, to tables, claims and pictures: see `ArmView.by`."""
    settings: Mapping[str, Any]
    """Columns of every row of the arm, which `make` reads."""
    make: Callable[..., Batch]
    """(dataset, settings=[a dict with `seed` and the settings, per run], **fields) -> a batch of these runs; the fields
    are those of `Setup.fields`. `sweeps.size_sweep` is such a function, once its other arguments are given. Arms in a
    row with the same `make` object are trained together, by one program."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Setup:
    """One data set in one form, for which a study declares its arms.

    Example:
        >>> from jaxsize.data import load
        >>> from jaxsize.studies import FormsFlags, Setup
        >>> dataset = load("teacher", num_rows=20, num_inputs=3, width=2)
        >>> setup = Setup(flags=FormsFlags(), dataset=dataset, form="corrected")
        >>> setup.name("fixed, slope 1")
        'teacher.corrected.fixed_slope_1'
        >>> setup.name("learned", start_width=16)
        'teacher.corrected.learned.16'
    """

    flags: Any
    """The flags of the study; `num_seeds`, `epochs` and `config(dataset)` are read here."""
    dataset: Dataset
    form: Form
    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """One value each of the flags in `Study.split`, by column of the rows."""
    first_run: int = 0
    """The number of the next batch's first run; the runs of a study are numbered from 0 on without gaps."""

    @property
    def where(self) -> dict[str, Any]:
        """The columns that all rows of this setup share: `dataset`, `form` and those of `values`."""
        return {"dataset": self.dataset.name, "form": self.form, **self.values}

    def name(self, arm: str, **columns: float) -> str:
        """Name a batch: unique in the study, and fit for a file name; see `fields`."""
        numbers = [*self.values.values(), *columns.values()]
        parts = (self.dataset.name, self.form, arm, *(f"{value:g}" for value in numbers))
        return ".".join(re.sub(r"[^\w.+-]+", "_", part) for part in parts)

    def fields(self, arm: str, **columns: float) -> dict[str, Any]:
        """Return the fields of a `Batch` that are alike for all arms of a study.

        Args:
            arm: the name of the arm, or of the first of the arms that are trained together.
            **columns: numbers that tell this batch from others of the arm, which are in its name and in all its rows.

        Returns:
            `name`, `label` (the columns `dataset`, `form`, `arm`, `batch`, those of `values`, and `columns`),
            `first_run`, `config`, `num_epochs`.
        """
        name = self.name(arm, **columns)
        label = {"dataset": self.dataset.name, "form": self.form, "arm": arm, "batch": name}
        return {
            "name": name,
            "label": label | dict(self.values) | columns,
            "first_run": self.first_run,
            "config": self.flags.config(self.dataset),
            "num_epochs": self.flags.epochs,
        }

    def after(self, *batches: Batch) -> "Setup":
        """Return the same setup, with its runs numbered after those of these batches."""
        return dataclasses.replace(self, first_run=self.first_run + sum(map(len, batches)))

    def batches(self, arms: Iterable[Arm | Batch]) -> list[Batch]:
        """Make the batches of declared arms; arms in a row with the same `make` are trained together.

        Args:
            arms: arms, and batches that are made already, numbered from `first_run` on.
        """
        made: list[Batch] = []
        for _, together in itertools.groupby(arms, lambda arm: id(arm.make if isinstance(arm, Arm) else arm)):
            first, *others = together
            if isinstance(first, Batch):
                made.append(first)
                continue
            group = [first, *(arm for arm in others if isinstance(arm, Arm))]
            settings = [
                {"seed": seed, **arm.settings, "arm": arm.name} for arm in group for seed in range(self.flags.num_seeds)
            ]
            made.append(first.make(self.dataset, settings=settings, **self.after(*made).fields(first.name)))
        return made
