"""Plain-text tables."""

import itertools
import textwrap
from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out rows of cells as columns of text, the first aligned left and the others right.

    Args:
        header: the names of the columns.
        rows: the cells of every row, as many as there are columns.

    Returns:
        The lines, joined by line breaks: the header, a line of dashes, and the rows.

    Example:
        >>> from jaxsize.text_tables import format_table
        >>> print(format_table(["penalty", "units"], [["0.1", "3"], ["0.01", "12"]]))
        penalty  units
        -------  -----
        0.1          3
        0.01        12
    """
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def fit_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int, keys: int = 1) -> str:
    """Lay out rows of cells as a table that is no wider than the page, where that can be done.

    Cells may hold line breaks. Long cells are wrapped, words of up to 16 letters left whole; columns that do not fit
    beside the others go into a second table below, with the first columns repeated.

    Args:
        header: the names of the columns.
        rows: the cells of every row, as many as there are columns.
        width: columns of text of the page.
        keys: how many of the first columns say what a row is; they are aligned left, and repeated.

    Example:
        >>> from jaxsize.text_tables import fit_table
        >>> print(fit_table(["data set", "size"], [["digits with long names", "9\\n8..10"]], width=24))
        data set          size
        ---------------  -----
        digits with          9
        long names       8..10
        >>> print(fit_table(["arm", "size", "loss"], [["a", "12", "0.25"]], width=12))
        arm  size
        ---  ----
        a      12
        <BLANKLINE>
        arm  loss
        ---  ----
        a    0.25
    """
    columns = list(zip(header, *rows, strict=True))
    needed = [max(len(line) for cell in column for line in cell.split("\n")) for column in columns]
    for index in range(keys):  # names of rows are wrapped before numbers are sent to another table
        others = sum(needed[keys:]) + 2 * len(needed)
        word = max((len(word) for cell in columns[index] for word in cell.split()), default=0)
        room = max(width - others - (sum(needed[:keys]) - needed[index]), width // (4 * keys), min(word, 16), 8)
        needed[index] = min(needed[index], room)
    blocks: list[list[int]] = [[]]
    for index in range(keys, len(columns)):
        taken = sum(needed[i] + 2 for i in [*range(keys), *blocks[-1]])
        if blocks[-1] and taken + needed[index] > width:
            blocks.append([])
        blocks[-1].append(index)
    return "\n\n".join(_laid_out([*range(keys), *block], columns, needed, keys) for block in blocks)


def _laid_out(chosen: list[int], columns: list[tuple[str, ...]], widths: list[int], keys: int) -> str:
    """The lines of some columns, each cell wrapped to the width of its column."""
    lines = []
    for number, row in enumerate(zip(*(columns[index] for index in chosen), strict=True)):
        cells = [
            [part for line in cell.split("\n") for part in (textwrap.wrap(line, widths[index]) or [""])]
            for index, cell in zip(chosen, row, strict=True)
        ]
        for parts in itertools.zip_longest(*cells, fillvalue=""):
            aligned = [
                part.ljust(widths[index]) if index < keys else part.rjust(widths[index])
                for index, part in zip(chosen, parts, strict=True)
            ]
            lines.append("  ".join(aligned).rstrip())
        if number == 0:
            lines.append("  ".join("-" * widths[index] for index in chosen))
    return "\n".join(lines)
