"""The flags that every study has, and their checks."""

import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from jaxsize.data import Form
from jaxsize.errors import InputError

MOST = 1_000_000
"""The largest whole number that a flag takes."""
MOST_RUNS = 100_000
MOST_ROWS = 10_000_000
"""A study of more runs, or of more rows (a run's epoch each), is taken for a slip of the keyboard and refused: it would
not end, or its rows would not fit into memory."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """The flags of every study, to be extended by its own.

    A field's docstring is the text that --help prints for it; line breaks within it are kept.

    Example:
        >>> from jaxsize.studies import Flags
        >>> flags = Flags(num_seeds=0)
        >>> print(flags.folder("waves").as_posix())
        results/waves
        >>> flags.check()
        Traceback (most recent call last):
        jaxsize.errors.InputError: num_seeds: expected whole numbers from 1 on, got 0
    """

    group: ClassVar[str] = "runs_and_results"
    """The title of these flags in --help: a word, or several with underscores between them."""

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ..."""
    out: Path | None = None
    """Results folder. Default: results/STUDY, and in it the names of several data sets joined by +."""
    resume: bool = False
    """Continue an unfinished study with the same settings, from what its results folder holds."""
    smoke: bool = False
    """Run everything at the smallest scale, in seconds. Flags given beside it win over its settings."""
    full: bool = False
    """Run the study at its real scale, in hours. Flags given beside it win over its settings."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags, by field.

        Values that the command line, --smoke or --full set win over them.
        """
        return {}

    def check(self) -> None:
        """Refuse values that make no sense.

        Raises:
            InputError: when a value is out of its range; its `field` is the name of the flag's field.
        """
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            for number in value if isinstance(value, tuple) else (value,):
                if isinstance(number, int) and number > MOST:
                    raise InputError(f"expected at most {MOST}, got {number}", field=field.name)
        self.require_whole("num_seeds")
        self.require_runs()

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end: above `MOST_RUNS` runs, or `MOST_ROWS` epochs of runs.

        Args:
            settings: runs with each seed.

        Raises:
            InputError: when there are more.
        """
        num_runs = self.num_seeds * settings
        if num_runs > MOST_RUNS:
            raise InputError(
                f"these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible", field="num_seeds"
            )
        num_rows = num_runs * getattr(self, "epochs", 1)
        if num_rows > MOST_ROWS:
            raise InputError(
                f"these flags ask for {num_runs} runs of {num_rows // num_runs} epochs, at most {MOST_ROWS} epochs "
                "of runs are possible",
                field="epochs",
            )

    def require_whole(self, *names: str, low: int = 1) -> None:
        """Require that each of these fields holds a whole number from `low` on, or a tuple of different ones.

        Raises:
            InputError: when a number is below `low`, or a tuple is empty or holds a number twice.
        """
        for name in names:
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not values or len(set(values)) < len(values) or min(values) < low:
                raise InputError(f"expected whole numbers from {low} on, got {listing(values)}", field=name)

    def require_numbers(self, *names: str, low: float = 0.0, high: float = 1e30, above: bool = False) -> None:
        """Require that each of these fields holds a finite number from `low` to `high`, or a tuple of different ones.

        Args:
            *names: the fields; one that is None passes.
            low: the smallest number that is allowed.
            high: the largest number that is allowed.
            above: `low` itself is not allowed.

        Raises:
            InputError: when a number is out of range, or a tuple is empty or holds a number twice.

        Example:
            >>> import dataclasses
            >>> from jaxsize.studies import Flags
            >>> @dataclasses.dataclass(frozen=True, kw_only=True)
            ... class Waves(Flags):
            ...     heights: tuple[float, ...] = (1.0, 2.0)
            >>> Waves().require_numbers("heights", high=2)
            >>> Waves().require_numbers("heights", low=1, above=True)
            Traceback (most recent call last):
            jaxsize.errors.InputError: heights: expected different finite numbers above 1, got 1.0 2.0
        """
        for name in names:
            if (value := getattr(self, name)) is None:
                continue
            values = value if isinstance(value, tuple) else (value,)
            fine = all(math.isfinite(one) and low <= one <= high and not (above and one == low) for one in values)
            if not values or not fine or len(set(values)) < len(values):
                what = "different finite numbers" if isinstance(value, tuple) else "a finite number"
                bound = f"above {low:g}" if above else f"from {low:g} on"
                bound += f", up to {high:g}" if high < 1e30 else ""
                raise InputError(f"expected {what} {bound}, got {listing(values)}", field=name)

    def require_different(self, name: str) -> None:
        """Require that a field holds a tuple of different values, one or more.

        Raises:
            InputError: when it is empty, or holds a value twice.
        """
        values = getattr(self, name)
        if not values or len(set(values)) < len(values):
            raise InputError(f"expected different ones, got {listing(values)}", field=name)

    def settings(self) -> dict[str, Any]:
        """Return the fields that determine the results, by name.

        Left out are the fields that say where to read and write (`data_dir`, `out`), `resume`, and the presets, whose
        values are in the other fields.
        """
        return {
            k: v for k, v in dataclasses.asdict(self).items() if k not in ("data_dir", "out", "resume", "smoke", "full")
        }

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms in which the study is run: those of the field `form`, or the corrected one alone."""
        form: Any = getattr(self, "form", "corrected")
        return form if isinstance(form, tuple) else (form,)

    def command(self, program: str) -> str:
        """Return the command that gives the same results, with the flags that differ from their defaults.

        Args:
            program: how the study is started.

        Example:
            >>> from jaxsize.studies import DatasetFlags
            >>> DatasetFlags(dataset=("digits", "teacher"), num_seeds=3).command("python -m experiments.count")
            'python -m experiments.count --num-seeds 3 --dataset digits teacher'
        """
        plain = type(self)()
        default = self.defaults()
        words = shlex.split(program)
        for name, value in self.settings().items():
            if value == default.get(name, getattr(plain, name)) or value is None:
                continue
            if isinstance(value, bool):
                words.append(flag(name) if value else flag(f"no_{name}"))
                continue
            words += [flag(name), *map(str, value if isinstance(value, tuple) else (value,))]
        return shlex.join(words)

    def folder(self, experiment: str) -> Path:
        """Return the path of the results folder: `out`, else results/EXPERIMENT."""
        return self.out or Path("results", experiment)


def flag(name: str) -> str:
    """Return the flag of a field, as the command line has it.

    Example:
        >>> from jaxsize.studies import flag
        >>> flag("num_seeds")
        '--num-seeds'
    """
    return "--" + name.replace("_", "-")


def listing(values: Sequence[Any]) -> str:
    """Return values as they would stand on a command line, separated by spaces; "none" if there are none.

    Example:
        >>> from jaxsize.studies import listing
        >>> listing((0.1, 0.01)), listing(())
        ('0.1 0.01', 'none')
    """
    return " ".join(map(str, values)) or "none"
