"""The summary of a study as text: tables, and answers in words."""

import itertools
from typing import Any

from jaxsize.text_tables import format_table, spread


def as_text(summary: dict[str, Any]) -> str:
    """Format the summary of a `Question`: its tables of results, its claims with their parts, and further tables.

    Args:
        summary: the content of summary.json.
    """
    blocks = []
    for key, rows in itertools.groupby(summary["results"], lambda row: (row["dataset"], row["form"])):
        blocks.append(_table(" ".join(key), list(rows), summary["settings"]["num_seeds"]))
    for form, claims in summary["claims"].items():
        for name, answer in claims.items():
            reason = f" ({answer['reason']})" if "reason" in answer else ""
            blocks.append(f"{name}, {form}: {answer['claim']}: {answer['verdict']}{reason}")
            if answer["parts"]:
                blocks[-1] += "\n" + _parts(answer["parts"])
    for title, rows in summary.get("tables", {}).items():
        blocks.append(f"{title}\n{_listed(rows)}")
    for row in summary["cuts"]:
        if row["largest"] is not None:
            blocks.append(
                "{dataset}, {form}: cut to ceil(size + gray zone), outputs move by at most {largest:.1e}".format(**row)
            )
    return "\n\n".join(blocks)


def _table(title: str, rows: list[dict[str, Any]], num_seeds: int) -> str:
    listed = _listed([{key: value for key, value in row.items() if key not in ("dataset", "form")} for row in rows])
    return f"{title}, {num_seeds} seeds: median [95 % interval, or range]\n{listed}"


def _listed(rows: list[dict[str, Any]]) -> str:
    """The rows as a table with all their columns; a row may lack columns that others have."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    return format_table([name.replace("_", " ") for name in names], cells)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return spread(value, ".4f" if "accuracy" in name else ".0f" if "units" in name else ".4g")
    return f"{value:g}" if isinstance(value, (int, float)) else "-" if value is None else str(value)


def _parts(parts: list[dict[str, Any]]) -> str:
    in_other_columns = (
        "estimate",
        "low",
        "high",
        "confidence",
        "n",
        "test",
        "p_value",
        "p_value_holm",
        "note",
        "lost",
        "is_range",
        "p_value_direction",
        "p_value_opposite",
        "verdict",
        "reason",
    )
    cells = []
    for part in parts:
        label = ", ".join(f"{key} {_cell(key, value)}" for key, value in part.items() if key not in in_other_columns)
        number = "-" if part["estimate"] is None else f"{part['estimate']:.4g}"
        interval = "-" if part["low"] is None else f"[{part['low']:.4g} .. {part['high']:.4g}]"
        p_value = "-" if part["p_value"] is None else f"{part['p_value']:.2g}"
        cells.append([label, number, interval, str(part["n"]), p_value, part["verdict"]])
    return format_table(["", "estimate", "95 % interval", "n", "p", "verdict"], cells)
