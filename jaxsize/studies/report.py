"""The page report.html of a results folder: answer, table, claims, pictures, and how to run it again."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxsize.errors import InputError
from jaxsize.results.folder import versions
from jaxsize.results.json_files import read_json, to_plain
from jaxsize.studies._embedding import embed
from jaxsize.studies._verdicts import claim_views
from jaxsize.studies._words import plain, title_of
from jaxsize.studies.flags import flag
from jaxsize.studies.grids import grid_of_rows
from jaxsize.studies.pages import write_page
from jaxsize.studies.summary import FORMAT

ENTRIES = (
    *("study", "question", "command", "answer", "settings", "data"),
    *("results", "tables", "claims", "not_finite", "collapsed", "pictures"),
)


def write_report(folder: str | os.PathLike, summary: Mapping[str, Any]) -> Path:
    """Write report.html into a results folder: everything that a reader needs, in one file.

    The page holds no script and needs no other file. Versions and device are read from the folder's config.json;
    where there is none, the versions are those of this process.

    Args:
        folder: the results folder, with the pictures that the summary names.
        summary: the content of summary.json, of the form in `summary.schema.json`.

    Returns:
        The path of the page.

    Raises:
        InputError: when the summary is of another form or lacks an entry, a picture is missing or no PNG, config.json
            is damaged, or Jinja is not installed.
        OSError: when the page cannot be written.

    Example:
        >>> import tempfile
        >>> from jaxsize.studies import write_report
        >>> summary = {"format": 1, "study": "count", "question": "How far?", "command": "python count.py"}
        >>> summary |= {"answer": ["To 3 & no further."], "settings": {"last": 3}, "data": {}, "results": []}
        >>> summary |= {"tables": {}, "claims": {}, "not_finite": [], "collapsed": [], "pictures": []}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     page = write_report(folder, summary).read_text()
        >>> "<h1>How far?</h1>" in page, "To 3 &amp; no further." in page, "--last" in page
        (True, True, True)
    """
    folder, summary = Path(folder), to_plain(summary)
    if summary.get("format") != FORMAT:
        raise InputError(f"{folder}: expected a summary of format {FORMAT}, got {summary.get('format')!r}")
    if missing := [name for name in ENTRIES if name not in summary]:
        raise InputError(f"{folder}: expected a summary with {', '.join(ENTRIES)}, {', '.join(missing)} is missing")
    config = folder / "config.json"
    record = read_json(config) if config.exists() else {}
    values = {
        "summary": summary,
        "tables": _tables(summary),
        "claims": [(_anchor(i, view.name), view) for i, view in enumerate(claim_views(summary["claims"]))],
        "pictures": [{**picture, "image": embed(folder / picture["file"])} for picture in summary["pictures"]],
        "lost": grid_of_rows(summary["not_finite"]),
        "collapsed": plain(summary["collapsed"]),
        "settings": [(flag(name), plain(value)) for name, value in summary["settings"].items()],
        "data": {name: _facts(facts) for name, facts in summary["data"].items()},
        "versions": {name: plain(number) for name, number in (record.get("versions") or versions()).items() if number},
        "device": plain(record.get("device")),
        "started": str(record.get("started") or "").replace("T", " ").replace("+00:00", " UTC"),
    }
    return write_page(folder / "report.html", "report.html.jinja", values)


def _tables(summary: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Titles and grids: the results by data set and form, then the further tables."""
    units = summary.get("units") or {}
    blocks: dict[str, list[Mapping[str, Any]]] = {}
    for row in summary["results"]:
        names = [row.get("dataset"), row.get("form") and f"{row['form']} form"]
        title = ", ".join(str(name) for name in names if name) or "Results"
        rest = {name: value for name, value in row.items() if name not in ("dataset", "form")}
        blocks.setdefault(title, []).append(rest)
    tables = [*blocks.items(), *((title, rows) for title, rows in summary["tables"].items() if rows)]
    return [(title, grid_of_rows(rows, units)) for title, rows in tables]


def _facts(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(title_of(name), plain(value)) for name, value in facts.items()]


def _anchor(index: int, name: str) -> str:
    """An id that no other claim of the page has."""
    return f"claim-{index}-{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}"
