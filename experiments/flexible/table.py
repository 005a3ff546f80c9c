"""The table of the study `flexible`, and what selects the runs of its cells."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import describe


def static_decay(form: Form, decay: float) -> float:
    """Return the weight decay of the static networks beside flexible ones: the same, but 0 in the original form."""
    return 0.0 if form == "original" else decay


def static_widths(sizes: Sequence[Sequence[float | None]]) -> tuple[int, ...]:
    """Return the widths of static networks: per layer int(median size over runs), at least 1.

    Only runs with finite sizes count; () if there are none.

    Args:
        sizes: the sizes of each run, one per layer; None where one is not finite.
    """
    lines = np.array(sizes, float)  # None, as rows have it, becomes NaN
    finite = lines[np.isfinite(lines).all(axis=1)]
    return tuple(max(1, int(size)) for size in np.median(finite, axis=0).tolist()) if len(finite) else ()


def convergence(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Return the columns that select the runs of all starts, for each slope and decay."""
    return _cells(runs, {"dataset": dataset, "form": form, "arm": "starts"}, "slope", "weight_decay")


def frontier(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Return the columns that select the runs of each decay and penalty, one per seed."""
    return _cells(runs, {"dataset": dataset, "form": form, "arm": "penalties"}, "weight_decay", "penalty")


def _cells(runs: Runs, where: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    grid = itertools.product(*(runs.values(name, **where) for name in names))
    cells = [where | dict(zip(names, values, strict=True)) for values in grid]
    return [cell for cell in cells if runs.values("seed", **cell)]


def over_starts(runs: Runs, name: str, cell: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the start sizes, and a column at the end of every run, [num_seeds, starts]."""
    starts = runs.values("start_size", **cell)
    return np.array(starts), np.stack([runs.last(name, **cell, start_size=start) for start in starts], axis=1)


def static_same(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that select the static networks of the end size of a cell of `frontier`."""
    return cell | {"arm": "static_same"}


def static_wide(cell: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that select the wide static networks beside the runs of a cell of `frontier`."""
    own = static_decay(cell["form"], cell["weight_decay"])
    return {name: cell[name] for name in ("dataset", "form")} | {"arm": "static_wide", "own_weight_decay": own}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table of sizes and scores at the end.

    It has a row per slope, decay and start; then a row per decay and penalty, with the scores of static networks beside
    it; then a row per wide static network.
    """
    kind, train = runs.score(dataset)[0], runs.score(dataset, "train")[0]
    where = {"dataset": dataset, "form": form}
    rows = []
    for cell in convergence(runs, dataset, form):
        for start in runs.values("start_size", **cell):
            ends = runs.described(["size", train, kind], **cell, start_size=start)
            rows.append({"arm": "starts", "start_size": start} | ends)
    for cell in frontier(runs, dataset, form):
        row = runs.described(["size", train, kind], **cell) | {"start_size": runs.values("start_size", **cell)[0]}
        row["static_units"] = next(iter(runs.values("live_units", **static_same(cell))), None)
        rows.append(row | {f"static_{kind}": describe(runs.last(kind, **static_same(cell)))})
    for decay in runs.values("own_weight_decay", arm="static_wide", **where):
        which = where | {"arm": "static_wide", "own_weight_decay": decay}
        rows.append(
            where
            | {"arm": "static_wide", "weight_decay": decay, "static_units": runs.values("live_units", **which)[0]}
            | {f"static_{kind}": describe(runs.last(kind, **which))}
        )
    return rows
