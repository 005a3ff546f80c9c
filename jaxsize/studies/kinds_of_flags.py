"""Flags that kinds of studies share: those of known data sets, of a common training, of two forms side by side."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from jaxsize.data import NAMES, Dataset
from jaxsize.data._files.own_names import count_rows, ending_of, is_own, safe_name
from jaxsize.errors import InputError
from jaxsize.programs.config import Config
from jaxsize.studies.flags import Flags, listing

_SMALL_ROWS = 5000
"""Own data of fewer rows are trained with the defaults of digits."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DatasetFlags(Flags):
    """The flags of a study of data sets: those that `jaxsize.data` knows, and the user's own.

    Example:
        >>> from jaxsize.studies import DatasetFlags
        >>> print(DatasetFlags(dataset=("digits", "teacher")).folder("sparsifier").as_posix())
        results/sparsifier/digits+teacher
        >>> DatasetFlags(dataset=("digits", "data/my houses.csv", "digits.csv"), target="price").names
        ('digits', 'my_houses', 'digits_2')
    """

    group: ClassVar[str] = "data"
    large: ClassVar[Mapping[str, Any]] = {}
    """Defaults for data sets larger than digits, in place of those of the fields; a class adds to those it inherits.
    Own data count as digits if they have fewer than 5000 rows."""

    dataset: tuple[str, ...] = ("digits",)
    """One or several data sets, trained one after the other.
    They are digits, teacher, add10, mnist, fashion_mnist, cifar10, cifar_like, airfoil, airfoil_iid, poker, census,
    and paths of your own: a table (.csv, .tsv), arrays (.npz) or a folder with a folder of images for each class.
    What is said of digits below holds for own data of fewer than 5000 rows, too."""
    target: str | None = None
    """The column of own tables to be predicted from the others. A column "split" may say train, validation or test."""
    task: Literal["classification", "regression"] | None = None
    """What own tables and arrays are for. Default: regression if the target has fractions, or whole numbers of more
    than 20 different values in a table; else classification."""
    categorical: tuple[str, ...] = ()
    """Columns of own tables that hold categories although they look like numbers."""
    drop: tuple[str, ...] = ()
    """Columns of own tables to leave out."""
    data_dir: Path | None = None
    """Folder with the files of real data sets. Default: $JAXSIZE_DATA_DIR, else a cache folder of the user."""
    teacher_width: int = 8
    """Hidden units of the random network that labels the data set teacher: the size to be found."""
    teacher_task: Literal["classification", "regression"] = "classification"
    """Labels of the data set teacher: the number of that network's largest output, or the output itself."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        classes = () if self._are_small() else reversed(type(self).__mro__)
        return super().defaults() | {
            name: value for one in classes for name, value in vars(one).get("large", {}).items()
        }

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("teacher_width")
        endings = {ending_of(Path(name)) for name in self.own} - {""}
        for field in ("target", "categorical", "drop", "task"):
            if getattr(self, field) and not endings - ({".npz"} if field != "task" else set()):
                wanted = "a table (.csv, .tsv)" + (" or arrays (.npz)" if field == "task" else "")
                problem = f"expected {wanted} of your own in --dataset with it, got {listing(self.dataset)}"
                raise InputError(problem, field=field)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the data sets, in file names, rows and tables: of own data that of the file, made unique."""
        names: list[str] = []
        for name in self.dataset:
            names.append(safe_name(Path(name), (*NAMES, *names)) if name in self.own else name)
        return tuple(names)

    @property
    def own(self) -> tuple[str, ...]:
        """The data sets that are the user's own: paths."""
        return tuple(name for name in self.dataset if name not in NAMES and is_own(name))

    def settings(self) -> dict[str, Any]:
        """Return the fields that determine the results; see `Flags.settings`.

        Of own data the file's name is there, without its folder: what it holds, its fingerprint says.
        """
        settings = super().settings()
        settings["dataset"] = tuple(Path(name).name if name in self.own else name for name in self.dataset)
        unused = [name for name in ("target", "task", "categorical", "drop") if not settings[name]]
        return {name: value for name, value in settings.items() if name not in unused}

    def _are_small(self) -> bool:
        known = [name for name in self.dataset if name not in self.own]
        return known in ([], ["digits"]) and all(count_rows(Path(name), _SMALL_ROWS) < _SMALL_ROWS for name in self.own)

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs with each seed, on each data set.
        """
        super().require_runs(settings * len(self.dataset))

    def folder(self, experiment: str) -> Path:
        """Return the path of the results folder: `out`, else results/EXPERIMENT/DATASET+DATASET+..."""
        return self.out or Path("results", experiment, "+".join(self.names))


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
    corrected: with the flaws mended. Both are run side by side by default; own data have the corrected form only."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"form": ("corrected",)} if self.own else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`.

        Raises:
            InputError: also when `form` is empty or holds a form twice.
        """
        super().check()
        if not self.form or len(set(self.form)) < len(self.form):
            raise InputError(f"expected different forms, got {listing(self.form)}", field="form")
        if self.own and "original" in self.form:
            problem = "own data have no original form, which is what others did with known data: expected corrected"
            raise InputError(f"{problem}, got {listing(self.form)}", field="form")

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs in each form, with each seed, on each data set.
        """
        super().require_runs(settings * len(self.form))
