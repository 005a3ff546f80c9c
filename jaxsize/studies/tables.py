"""The table of a study: a row per arm and setting, a column per number, each described over seeds."""

from collections.abc import Callable, Container, Sequence
from typing import Any

import numpy as np

from jaxsize.statistics import Estimate, describe
from jaxsize.studies.arms import Arms
from jaxsize.studies.views import ArmView

Table = Callable[[Arms], list[dict[str, Any]]]
"""The arms of one data set in one form -> the rows of its table."""


def columns(
    *names: str, arms: Sequence[str] = ("*",), by: Sequence[str] = (), **computed: Callable[[ArmView], Any]
) -> Table:
    """Make a table with a row per arm.

    Args:
        *names: columns of the rows of runs, at their ends; "test_score" and the like are the data set's scores, as they
            are (an error is not negated). One that none of these runs has is left out, such as the score of validation
            rows where there are none.
        arms: names of the arms, in which * stands for any text.
        by: settings; an arm has a row for every combination of their values.
        **computed: further columns: functions of an arm that return an array [num_seeds], an `Estimate`, or a value
            with a JSON form.

    Returns:
        A function of the arms of one data set in one form, for `Study.table`. Its rows hold `dataset`, `form`, `arm`,
        the settings, and what `statistics.describe` says of every column.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import Arms, columns
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "form", "arm", "seed", "size")
        ...     lines = [("a", seed, "digits", "original", "fixed", seed, 3 + seed) for seed in (0, 1)]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     (row,) = columns("size", runs=lambda arm: arm.count)(Arms.of(Runs(folder, {"num_seeds": 2})))
        >>> row["arm"], row["size"]["median"], row["runs"]
        ('fixed', 3.5, 2)
    """

    def rows(chosen: Arms) -> list[dict[str, Any]]:
        found, views = [], chosen.like(*arms)
        known = set().union(*(view.columns for view in views))
        for view in views:
            for part in view.by(*by).values() if by else [view]:
                row = {name: part.where.get(name) for name in ("dataset", "form", "arm", *by)}
                row |= {name: _described(part, values) for name, values in _ends(part, names, known).items()}
                found.append(row | {name: _described(part, of(part)) for name, of in computed.items()})
        return found

    return rows


def _ends(view: ArmView, names: Sequence[str], known: Container[str]) -> dict[str, np.ndarray]:
    plain = [view.score(name.removesuffix("_score"))[0] if name.endswith("_score") else name for name in names]
    return {name: view.end(name) for name in plain if name in known}


def _described(view: ArmView, value: Any) -> Any:
    """Describe an array; what a run that ended well does not have is missing, and not lost."""
    if isinstance(value, np.ndarray):
        ended = np.isfinite(view.end("train_loss")) & np.isnan(value)
        return describe(value, missing=ended | ~view.exists)
    return value.as_dict() if isinstance(value, Estimate) else value
