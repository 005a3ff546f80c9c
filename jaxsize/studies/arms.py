"""The arms of a study after training, from which tables, claims and pictures are made."""

import fnmatch
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from jaxsize.results.runs import Runs
from jaxsize.studies.views import ArmView


class Arms(Sequence[ArmView]):
    """The arms of a study, to be selected by name and by columns.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import Arms
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "form", "arm", "seed")
        ...     lines = [("a", run, "digits", "original", arm, 0) for run, arm in enumerate(("fixed", "random"))]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     arms = Arms.of(Runs(folder, {"num_seeds": 1}))
        >>> [view.name for view in arms], arms["random"].dataset, [view.name for view in arms.like("f*")]
        (['fixed', 'random'], 'digits', ['fixed'])
    """

    def __init__(self, views: Sequence[ArmView]):
        self._views = tuple(views)

    @classmethod
    def of(cls, runs: Runs, **more: Any) -> "Arms":
        """Find the arms among runs: their data sets, forms and names, in the order of the runs.

        Args:
            runs: the runs of a study.
            **more: `data` and `networks` of `ArmView`.
        """
        keys = dict.fromkeys(
            tuple(path[0].get(name) for name in ("dataset", "form", "arm")) for path in runs.paths.values()
        )
        return cls([ArmView(runs, dict(zip(("dataset", "form", "arm"), key, strict=True)), **more) for key in keys])

    def __len__(self) -> int:
        return len(self._views)

    def __iter__(self) -> Iterator[ArmView]:
        return iter(self._views)

    def __contains__(self, name: object) -> bool:
        return any(view.name == name for view in self)

    def __getitem__(self, name: Any) -> Any:
        """Return the arm of a name; it must be on one data set in one form. A number or slice: as of a sequence."""
        if isinstance(name, slice):
            return Arms(self._views[name])
        if not isinstance(name, str):
            return self._views[name]
        found = [view for view in self if view.name == name]
        if len(found) != 1:
            raise KeyError(f"expected one arm {name!r}, got {len(found)} among {[view.where for view in self]}")
        return found[0]

    def like(self, *patterns: str) -> list[ArmView]:
        """List the arms whose name fits one of some patterns, such as "fixed*"."""
        return [view for view in self if any(fnmatch.fnmatchcase(view.name, pattern) for pattern in patterns)]

    def at(self, **where: Any) -> "Arms":
        """Select by data set, by form, or by values of settings; arms without such runs are left out."""
        return Arms([one for view in self if (one := self._at(view, where)) is not None])

    def until(self, epochs: int | None) -> "Arms":
        """Read all arms as they were after so many epochs; see `ArmView.until`."""
        return Arms([view.until(epochs) for view in self])

    @staticmethod
    def _at(view: ArmView, where: dict[str, Any]) -> ArmView | None:
        if any(name in view.where and view.where[name] != value for name, value in where.items()):
            return None
        more = {name: value for name, value in where.items() if name not in view.where}
        return view if not more else one if (one := view.at(**more)).count else None

    def by(self, *columns: str) -> dict[tuple[Any, ...], "Arms"]:
        """Split by every combination of the values of columns that any arm has, in order of first appearance.

        Arms whose rows lack one of the columns are left out.
        """
        keys: dict[tuple[Any, ...], None] = {}
        for view in self:
            own = [[view.where[name]] if name in view.where else view.values(name) for name in columns]
            keys |= dict.fromkeys(itertools.product(*own))
        return {key: self.at(**dict(zip(columns, key, strict=True))) for key in keys}

    def by_form(self, *patterns: str) -> dict[str, dict[str, ArmView]]:
        """Return arms of one data set by form and then by name: the rows and the lines of `plots.grid`.

        Args:
            *patterns: names of arms, in which * stands for any text. Default: all arms.
        """
        return {form: {arm.name: arm for arm in self.at(form=form).like(*patterns or "*")} for form in self.forms}

    @property
    def datasets(self) -> list[str]:
        """The names of the data sets, in their order."""
        return list(dict.fromkeys(view.dataset for view in self))

    @property
    def forms(self) -> list[str]:
        """The forms, in their order."""
        return list(dict.fromkeys(view.form for view in self))

    @property
    def title(self) -> str:
        """Whose runs they are, for the title of a picture: data sets, the form if it is one, the number of seeds."""
        form = [f"{self.forms[0]} form"] if len(self.forms) == 1 else []
        seeds = self.settings["num_seeds"]
        return ", ".join([*self.datasets, *form, f"{seeds} seed{'s' * (seeds != 1)}"])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the study; empty where there is no arm."""
        return self[0].settings if self._views else {}
