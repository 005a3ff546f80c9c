"""Flags that kinds of studies share: those of known data sets, of a common training, of two forms side by side."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.programs.config import Config
from jaxsize.studies.flags import Flags, listing


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetFlags(Flags):
    """The flags of a study of the data sets that `jaxsize.data` knows.

    Example:
        >>> from jaxsize.studies import DatasetFlags
        >>> print(DatasetFlags(dataset=("digits", "teacher")).folder("sparsifier").as_posix())
        results/sparsifier/digits+teacher
    """

    group: ClassVar[str] = "data"
    large: ClassVar[Mapping[str, Any]] = {}
    """Defaults for data sets larger than digits, in place of those of the fields; a class adds to those it inherits."""

    dataset: tuple[str, ...] = ("digits",)
    """One or several data sets, trained one after the other.
    They are digits, teacher, add10, mnist, fashion_mnist, cifar10, cifar_like, airfoil, airfoil_iid, poker, census."""
    data_dir: Path | None = None
    """Folder with the files of real data sets. Default: $JAXSIZE_DATA_DIR, else a cache folder of the user."""
    teacher_width: int = 8
    """Hidden units of the random network that labels the data set teacher: the size to be found."""
    teacher_task: Literal["classification", "regression"] = "classification"
    """Labels of the data set teacher: the number of that network's largest output, or the output itself."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        classes = reversed(type(self).__mro__) if self.dataset != ("digits",) else ()
        return super().defaults() | {
            name: value for one in classes for name, value in vars(one).get("large", {}).items()
        }

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("teacher_width")

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs with each seed, on each data set.
        """
        super().require_runs(settings * len(self.dataset))

    def folder(self, experiment: str) -> Path:
        """Return the path of the results folder: `out`, else results/EXPERIMENT/DATASET+DATASET+..."""
        return self.out or Path("results", experiment, "+".join(self.dataset))


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingFlags(Flags):
    """The flags of a study whose runs are all trained alike: for some epochs, in steps of some rows.

    Example:
        >>> from jaxsize.data import load
        >>> from jaxsize.studies import TrainingFlags
        >>> TrainingFlags(batch_size=64).config(load("digits")).batch_size
        64
    """

    group: ClassVar[str] = "training"

    epochs: int = 20
    """Passes over the training rows."""
    batch_size: int = 32
    """Rows per step."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("epochs", "batch_size")

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained.

        Raises:
            InputError: when the data set has fewer training rows than a batch.
        """
        if self.batch_size > len(dataset.train):
            raise InputError(
                f"{dataset.name} has {len(dataset.train)} train rows, got {self.batch_size}", field="batch_size"
            )
        return Config(batch_size=self.batch_size)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FormsFlags(DatasetFlags):
    """The flags of a study that runs in two forms side by side: as its source did it, and with the flaws mended.

    Example:
        >>> from jaxsize.studies import FormsFlags
        >>> FormsFlags().form
        ('original', 'corrected')
        >>> FormsFlags(form=("original", "original")).check()
        Traceback (most recent call last):
        jaxsize.errors.InputError: form: expected different forms, got original original
    """

    group: ClassVar[str] = "forms"

    form: tuple[Literal["original", "corrected"], ...] = ("original", "corrected")
    """original: as the source of the study did it, data preparation included.
    corrected: with the flaws mended. Both are run side by side by default."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`.

        Raises:
            InputError: also when `form` is empty or holds a form twice.
        """
        super().check()
        if not self.form or len(set(self.form)) < len(self.form):
            raise InputError(f"expected different forms, got {listing(self.form)}", field="form")

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs in each form, with each seed, on each data set.
        """
        super().require_runs(settings * len(self.form))
