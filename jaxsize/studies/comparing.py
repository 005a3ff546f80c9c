"""How much better one arm is than another, paired over seeds: the one place for signs and ties of scores."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from jaxsize.statistics import Estimate, Part, paired_difference
from jaxsize.studies.parts import above
from jaxsize.studies.views import ArmView

TIES = {"accuracy": 6, "error": 12}
"""Scores that are equal up to so many digits differ only by the order of a sum: they are ties."""


def gain(one: ArmView, other: ArmView, column: str = "test_score") -> Estimate:
    """Estimate how much better one arm's score is than another's at the end, paired over seeds.

    Differences are rounded to `TIES`. A run that diverged is lost, and counts as `paired_difference` says; a seed
    without a run in either arm is left out.

    Args:
        one: the arm.
        other: the arm whose scores are subtracted.
        column: a score (see `ArmView`), or any other column, of which more counts as better.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import ArmView, gain
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "arm", "seed", "test_error")
        ...     lines = [("a", 0, "add10", "new", 0, 3.0), ("a", 1, "add10", "old", 0, 4.0)]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     runs = Runs(folder, {"num_seeds": 1})
        >>> gain(ArmView(runs, {"dataset": "add10", "arm": "new"}), ArmView(runs, {"dataset": "add10", "arm": "old"}))
        Estimate(estimate=1.0, ...
    """
    return paired_difference(
        gains(one, other, column), np.zeros(one.runs.num_seeds), missing=~(one.exists & other.exists)
    )


def gain_over(**where: Any) -> Callable[[ArmView], Estimate | None]:
    """Make a column of a table that estimates how much better an arm's test score is than that of other runs.

    Args:
        **where: what selects the others, such as `penalty=0.0` or `arm="from_scratch"`.

    Returns:
        A function of an arm, for `columns`; of an arm that is the other one, or has no other, it returns None.

    Example:
        >>> from jaxsize.studies import columns, gain_over
        >>> table = columns("live_units", by=("penalty",), gain_over_unpenalised=gain_over(penalty=0.0))
    """

    def over(one: ArmView) -> Estimate | None:
        other = one.at(**where)
        return gain(one, other) if other.where != one.where and other.count else None

    return over


def better(one: ArmView, other: ArmView) -> Iterator[Part]:
    """Claim that one arm's test score is better than another's at the end: the measure of a `Claim` about `versus`.

    Example:
        >>> from jaxsize.studies import Claim, better, versus
        >>> Claim("the new arm is better", versus("new", "old"), better).text
        'the new arm is better'
    """
    yield above(gain(one, other))


def gains(one: ArmView, other: ArmView, column: str = "test_score") -> np.ndarray:
    """Subtract another arm's score at the end from one arm's, paired over seeds, rounded to `TIES`.

    Args:
        one: the arm.
        other: the arm whose scores are subtracted.
        column: see `gain`.

    Returns:
        [num_seeds]; NaN where a run is missing or diverged.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import Runs, open_folder
        >>> from jaxsize.studies import ArmView, gains
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {})
        ...     names = ("batch", "run", "dataset", "arm", "seed", "size")
        ...     lines = [("a", 0, "add10", "new", 0, 3), ("a", 1, "add10", "old", 0, 5)]
        ...     folder.rows.of("a").append([dict(zip(names, line, strict=True)) for line in lines])
        ...     runs = Runs(folder, {"num_seeds": 1})
        >>> new, old = (ArmView(runs, {"dataset": "add10", "arm": name}) for name in ("new", "old"))
        >>> gains(new, old, "size").tolist()
        [-2.0]
    """
    name = one.score(column.removesuffix("_score"))[0] if column.endswith("_score") else column
    return np.round(one.end(column) - other.end(column), TIES.get(name.rpartition("_")[2], 12))
