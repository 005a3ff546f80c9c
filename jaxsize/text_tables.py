"""Plain-text tables."""

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


def spread(report: dict, form: str = ".3g") -> str:
    """Shorten a report of `statistics.describe` to "median [low .. high]", or "-" where there is no value.

    The interval is left out where it reads like the median.

    Args:
        report: has "median", "low" and "high"; `describe` says what they are.
        form: how to format each number, as in `format`.

    Example:
        >>> from jaxsize.text_tables import spread
        >>> spread({"median": 0.5, "low": 0.25, "high": 1.0}, ".0%")
        '50% [25% .. 100%]'
        >>> spread({"median": 7, "low": 6.9, "high": 7.1}, ".0f")
        '7'
    """
    if report["median"] is None:
        return "-"
    median, low, high = (format(report[key], form) for key in ("median", "low", "high"))
    return median if low == high == median else f"{median} [{low} .. {high}]"
