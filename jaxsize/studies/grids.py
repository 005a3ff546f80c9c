"""Rows of a summary as grids of text, ready for a page: medians with their intervals, and the parts of claims."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from jaxsize.statistics.estimates import smallest_sample
from jaxsize.studies._words import NOTHING, OF_PARTS, interval, number, p_value, plain, title_of, unit_of

OF_EVERY_PART = ("verdict", "estimate", "interval", "n", "p", "p, Holm", "why", "test")
SMALL = smallest_sample()
LONG = 28
"""Letters of the longest text that is not broken into lines."""


class Cell(NamedTuple):
    """One cell of a grid."""

    text: str
    interval: str = ""
    note: str = ""
    """Said in small print below: the number of values, where it differs, and how many were lost."""
    is_number: bool = False


class Grid(NamedTuple):
    """A table of text."""

    caption: str
    """What its numbers are."""
    headings: list[tuple[str, str]]
    """Name and unit ("" where there is none) of every column."""
    rows: list[list[Cell]]

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers, apart from cells with nothing."""
        columns = zip(*self.rows, strict=True)
        return [{cell.is_number for cell in column if cell.text != NOTHING} == {True} for column in columns]

    @property
    def wide(self) -> list[bool]:
        """Which columns hold text that is broken into lines, and need room to be read."""
        return [any(len(cell.text) > LONG for cell in column) for column in zip(*self.rows, strict=True)]


def grid_of_rows(rows: Sequence[Mapping[str, Any]], units: Mapping[str, str] | None = None) -> Grid:
    """Make the grid of a table of a summary: a median with its interval where a cell describes values over runs.

    Args:
        rows: of the table; a row may lack columns that others have. A cell is a scalar, a list, what
            `statistics.describe` returns, or `Estimate.as_dict()`.
        units: of columns by name, where they are other than usual.

    Returns:
        The grid; its caption says what its numbers are and over how many runs.

    Example:
        >>> from jaxsize.statistics import describe
        >>> from jaxsize.studies.grids import grid_of_rows
        >>> grid = grid_of_rows([{"penalty": 0.1, "live_units": describe([2, 4, 3])}])
        >>> grid.headings, [cell.text + " " + cell.interval for cell in grid.rows[0]]
        ([('penalty', ''), ('live units', 'units')], ['0.1 ', '3 [2 to 4]'])
        >>> grid.caption
        'Median over 3 runs [smallest to largest].'
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [row.get(name) for row in rows for name in names]
    described = [cell for cell in cells if isinstance(cell, Mapping) and "median" in cell]
    estimates = [cell for cell in cells if isinstance(cell, Mapping) and "estimate" in cell]
    counts = {cell.get("n") for cell in described + estimates if cell.get("n")}
    kinds = {cell.get("interval") for cell in described if cell.get("n")}
    common = len(counts) == 1 and len(kinds) <= 1
    table = [[_cell(name, row.get(name), common) for name in names] for row in rows]
    shown = [(title_of(name), (units or {}).get(name, unit_of(name))) for name in names]
    return Grid(_caption(counts, kinds, bool(estimates)), shown, table)


def grid_of_parts(parts: Sequence[Mapping[str, Any]]) -> Grid:
    """Make the grid of a claim's parts: labels, verdict, estimate, interval, n, p values, and why.

    Columns that hold nothing are left out.

    Args:
        parts: as `statistics.claim` makes them.

    Example:
        >>> from jaxsize.statistics import Estimate, claim, verdict
        >>> from jaxsize.studies.grids import grid_of_parts
        >>> estimate = Estimate(2.0, 1.0, 3.0, 0.95, 8, "Wilcoxon", 0.01)
        >>> answer = claim("Sizes grow.", [({"dataset": "digits"}, estimate, verdict(estimate, "positive"))])
        >>> grid = grid_of_parts(answer["parts"])
        >>> [cell.text for cell in grid.rows[0]][:4]
        ['digits', 'holds', '2', '1 to 3']
    """
    labels = list(dict.fromkeys(name for part in parts for name in part if name not in (*OF_PARTS, "uninformative")))
    headings = [(title_of(name), unit_of(name)) for name in labels] + [(name, "") for name in OF_EVERY_PART]
    rows = [[_cell(name, part.get(name), common=False) for name in labels] + _numbers(part) for part in parts]
    used = [any(row[i] != Cell(NOTHING, is_number=row[i].is_number) for row in rows) for i in range(len(headings))]
    kept = [[cell for cell, keep in zip(row, used, strict=True) if keep] for row in rows]
    caption = "Intervals are 95 % intervals, unless a cell says otherwise."
    return Grid(caption, [heading for heading, keep in zip(headings, used, strict=True) if keep], kept)


def _numbers(part: Mapping[str, Any]) -> list[Cell]:
    """The cells of a part that stand under `OF_EVERY_PART`."""
    confidence, n, low, high = part.get("confidence") or 0.95, part.get("n"), part.get("low"), part.get("high")
    few = isinstance(n, int) and low is not None and n < smallest_sample(confidence)
    percent = f"{confidence * 100:.4g} %"
    note = f"n too small for {percent}" if few else percent if confidence != 0.95 else ""
    between = NOTHING if low is None or high is None else f"{number(low)} to {number(high)}"
    aside = f"does not count: {plain(part['uninformative'])}" if part.get("uninformative") else ""
    notes = "; ".join(text for text in (aside, part.get("note")) if text)
    return [
        Cell(plain(part.get("verdict")), note="does not count" if aside else ""),
        Cell(plain(part.get("estimate")), is_number=True),
        Cell(between, note=note if low is not None else "", is_number=True),
        *(Cell(text, is_number=True) for text in (plain(n), p_value(part.get("p_value")))),
        Cell(p_value(part.get("p_value_holm")), is_number=True),
        Cell(plain(part.get("reason")), note=notes),
        Cell(plain(part.get("test"))),
    ]


def _cell(name: str, value: Any, common: bool) -> Cell:
    if not isinstance(value, Mapping) or not {"median", "estimate"} & set(value):
        return Cell(plain(value, name), is_number=isinstance(value, (int, float)) and not isinstance(value, bool))
    notes = [] if common or not value.get("n") else [f"n = {value['n']}"]
    if value.get("is_range") or (not common and value.get("interval") == "range" and value.get("n", 0) >= 2):
        notes.append("range")
    if value.get("dropped"):
        notes.append(f"{value['dropped']} lost")
    middle = plain(value.get("median", value.get("estimate")), name)
    return Cell(middle, interval(value, name), ", ".join(notes), is_number=True)


def _caption(counts: set[Any], kinds: set[Any], estimates: bool) -> str:
    if not counts:
        return ""
    over = f"{next(iter(counts))} runs" if len(counts) == 1 else "the number of runs n that each cell names"
    ends = {
        frozenset({"range"}): " [smallest to largest]",
        frozenset({"95 % of the median"}): " [95 % interval of the median]",
        frozenset(): " [interval]",
    }.get(frozenset(kinds), f" [95 % interval of the median or, below {SMALL} runs, smallest to largest: range]")
    both = " Differences are estimates [95 % interval, or range where it says so]." if estimates and kinds else ""
    return f"Median over {over}{ends}.{both}".replace("over 1 runs", "of 1 run")
