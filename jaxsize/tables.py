"""Plain-text tables."""

from collections.abc import Sequence


def format_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, the first aligned left and the others right, as lines joined by line breaks."""
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
    """`statistics.describe` in short: median [low .. high], or "-" where there is no value."""
    if report["median"] is None:
        return "-"
    median, low, high = (format(report[key], form) for key in ("median", "low", "high"))
    return median if low == high == median else f"{median} [{low} .. {high}]"
