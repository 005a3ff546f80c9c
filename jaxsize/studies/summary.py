"""The summary of a study: one form for all studies, and what a person is told of it."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from jaxsize.studies._words import OF_PARTS, number
from jaxsize.text_tables import fit_table

FORMAT = 1
"""The version of the form of summary.json."""
WIDTH = 100
"""Columns of text that a table may take."""


def as_text(summary: Mapping[str, Any]) -> str:
    """Tell a summary in words: the answer, the table, every claim, further tables, and the runs that failed.

    Args:
        summary: the content of a summary.json.

    Example:
        >>> from jaxsize.studies.summary import as_text
        >>> summary = {"answer": ["Sizes grew."], "settings": {"num_seeds": 2}, "results": [], "claims": {}}
        >>> print(as_text(summary | {"tables": {}, "not_finite": [], "collapsed": [3]}))
        Sizes grew.
        <BLANKLINE>
        A layer lost all its units: run 3.
    """
    blocks = ["\n".join(map(_wrapped, summary["answer"]))] if summary["answer"] else []
    for key, rows in itertools.groupby(summary["results"], lambda row: (row.get("dataset"), row.get("form"))):
        blocks.append(_results(key, list(rows), summary["settings"]["num_seeds"]))
    for form, claims in summary["claims"].items():
        blocks += [_claim(name, form, judged) for name, judged in claims.items()]
    blocks += [f"{title}\n{listing_of(rows)}" for title, rows in summary["tables"].items() if rows]
    for row in summary["not_finite"]:
        known = ", ".join(f"{key} {_short(value)}" for key, value in row.items())
        blocks.append(_wrapped(f"Loss not finite, left out: {known}."))
    if summary["collapsed"]:
        runs = summary["collapsed"]
        blocks.append(f"A layer lost all its units: run{'s' * (len(runs) > 1)} {', '.join(map(str, runs))}.")
    return "\n\n".join(blocks)


def listing_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lay out rows as a table with all their columns; a row may lack columns that others have.

    Example:
        >>> from jaxsize.studies.summary import listing_of
        >>> print(listing_of([{"rate": 0.1, "size": {"median": 12, "low": 9, "high": 15}}, {"rate": 1.0}]))
        rate   size
        ----  -----
        0.1      12
              9..15
        1         -
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    keys = sum(not any(isinstance(row.get(name), dict) for row in rows) for name in names[:4])
    return fit_table([name.replace("_", " ") for name in names], cells, width=WIDTH, keys=max(1, keys))


def _results(key: tuple[str | None, str | None], rows: list[dict[str, Any]], num_seeds: int) -> str:
    described = [value for row in rows for value in row.values() if isinstance(value, dict) and "interval" in value]
    kinds = {value["interval"] for value in described if value["n"]}
    below = "below it its 95 % interval"
    if "range" in kinds:
        below = "below it the smallest and the largest" if len(kinds) == 1 else f"{below}, or (r) a range"
    shown = [{name: value for name, value in row.items() if name not in ("dataset", "form")} for row in rows]
    for row in shown if len(kinds) > 1 else []:
        row |= {name: value | {"marked": True} for name, value in row.items() if _is_range(value)}
    where = [*([key[0]] if key[0] else []), *([f"{key[1]} form"] if key[1] else [])]
    title = f"{', '.join([*where, f'{num_seeds} seeds'])}: median over seeds, {below}"
    return f"{title}\n{listing_of(shown)}"


def _claim(name: str, form: str, judged: Mapping[str, Any]) -> str:
    counting = [part for part in judged["parts"] if "uninformative" not in part]
    tally = [part["verdict"] for part in counting]
    told = ", ".join(f"{tally.count(outcome)} {outcome}" for outcome in dict.fromkeys(tally))
    of_parts = counting[0]["reason"] if len(counting) == 1 else f"of {len(tally)} parts: {told}"
    why = judged.get("reason") or of_parts
    line = _wrapped(f"{name}, {form}: {judged['claim']}: {judged['verdict'].upper()} ({why})")
    if "settle" in judged:
        line += f"\n  What would settle it: {judged['settle']}"
    if not judged["parts"]:
        return line
    shown = counting or judged["parts"]
    ranges = [part.get("is_range", False) for part in shown if part["low"] is not None]
    interval = "smallest .. largest" if ranges and all(ranges) else "95 % interval"
    cells = [_part(part, all_ranges=bool(ranges) and all(ranges)) for part in shown]
    header = ["part", "estimate", interval, "n", "p", "verdict"]
    aside = len(judged["parts"]) - len(shown)
    verb = "parts do" if aside > 1 else "part does"
    more = f"\n  {aside} more {verb} not count: report.html has them, and why." * bool(aside)
    return f"{line}\n{fit_table(header, cells, width=WIDTH, keys=1)}{more}"


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def _part(part: Mapping[str, Any], *, all_ranges: bool) -> list[str]:
    label = ", ".join(_labelled(key, value) for key, value in part.items() if key not in OF_PARTS)
    number = "-" if part["estimate"] is None else f"{part['estimate']:.4g}"
    ends = ["-inf" if part["low"] is None else f"{part['low']:.4g}", f"{part['high'] or 0:.4g}"]
    if part["high"] is None:
        ends[1] = "inf"
    interval = "-" if part["low"] is None and part["high"] is None else f"{ends[0]} .. {ends[1]}"
    if part.get("is_range") and not all_ranges:
        interval += " (range)"
    p_value = "-" if part["p_value"] is None else f"{part['p_value']:.2g}"
    outcome = f"({part['verdict']})" if "uninformative" in part else part["verdict"]
    n = f"{part['n']} + {part['lost']} lost" if part.get("lost") else str(part["n"])
    return [label, number, interval, n, p_value, outcome]


def _labelled(key: str, value: Any) -> str:
    if key == "uninformative":
        return f"not counted: {value}"
    if key in ("of", "dataset"):
        return str(value)
    return f"{key.replace('_', ' ')} {_short(value)}"


def _short(value: Any) -> str:
    if isinstance(value, dict) and "median" in value:
        return _cell("", value).replace("\n", " ")
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_short(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return " ".join(map(_short, value))
    return _cell("", value)


def _cell(name: str, value: Any) -> str:
    """Format a value: a description as its median with its interval below, an estimate likewise."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        middle = value.get("median", value.get("estimate"))
        if middle is None:
            return f"-\n{value['dropped']} lost" if value.get("dropped") else "-"
        text = "+" * ("estimate" in value and middle >= 0) + number(middle, name)
        if value["low"] is None or value["high"] is None:
            return text
        low, high = number(value["low"], name), number(value["high"], name)
        aside = " (r)" if value.get("marked") else ""
        lost = f"\n{value['dropped']} lost" if value.get("dropped") else ""
        return (text if low == high == text else f"{text}\n{low}..{high}{aside}") + lost
    if isinstance(value, list):
        return " ".join(_cell(name, entry) for entry in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _is_range(value: Any) -> bool:
    return isinstance(value, dict) and value.get("interval") == "range" and bool(value["n"])
