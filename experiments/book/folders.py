"""Finding results folders, and what their summaries say about claims."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxsize.errors import InputError
from jaxsize.results.json_files import read_json
from jaxsize.studies.grids import Grid, grid_of_parts
from jaxsize.studies.summary import FORMAT


class Entry(NamedTuple):
    """What one form of a study in one folder says about a claim."""

    mark: str
    """The claim, such as "C25"."""
    name: str
    """What exactly of it, such as "C25a, size"."""
    form: str
    text: str
    verdict: str
    reason: str
    settle: str
    """What would settle it."""
    datasets: tuple[str, ...]
    n: tuple[int, ...]
    """The different numbers of values that its parts rest on, ascending."""
    parts: Grid | None


class StudyFolder(NamedTuple):
    """A results folder with a summary that is understood."""

    path: Path
    study: str
    question: str
    command: str
    answer: list[str]
    entries: list[Entry]

    @property
    def report(self) -> Path | None:
        """Its report; None where there is none."""
        path = self.path / "report.html"
        return path if path.is_file() else None


class Skipped(NamedTuple):
    """A results folder that is left out."""

    path: Path
    reason: str


def read_folders(paths: Sequence[Path]) -> tuple[list[StudyFolder], list[Skipped]]:
    """Read every summary.json in some folders and below them.

    Args:
        paths: the folders; what is found twice is read once.

    Returns:
        The folders that are understood and those that are not, each ordered by path.

    Raises:
        InputError: when a path is no folder, or nothing is found at all.
    """
    for path in paths:
        if not path.is_dir():
            raise InputError(f"{path}: expected a folder with results, found {'a file' if path.exists() else 'none'}")
    files = {file.resolve(): file for path in paths for file in path.rglob("summary.json") if file.is_file()}
    if not files:
        raise InputError(f"no summary.json in or below {', '.join(map(str, paths))}")
    read = [_read(file) for file in sorted(files.values())]
    return [one for one in read if isinstance(one, StudyFolder)], [one for one in read if isinstance(one, Skipped)]


def _read(file: Path) -> StudyFolder | Skipped:
    try:
        summary = read_json(file)
        if not isinstance(summary, Mapping) or summary.get("format") != FORMAT:
            version = summary.get("format") if isinstance(summary, Mapping) else None
            what = "names no format: it is of an older version" if version is None else f"is of format {version!r:.40}"
            return Skipped(file.parent, f"summary.json {what}, format {FORMAT} is read")
        names = ("study", "question", "command")
        texts = {name: str(summary[name]) for name in names}
        return StudyFolder(file.parent, **texts, answer=list(map(str, summary["answer"])), entries=_entries(summary))
    except (InputError, OSError) as error:
        return Skipped(file.parent, str(error).removeprefix(f"{file} "))
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # it was edited
        return Skipped(file.parent, f"summary.json is damaged ({type(error).__name__}: {error})")


def _entries(summary: Mapping[str, Any]) -> list[Entry]:
    entries = []
    for form, claims in summary["claims"].items():
        for name, claim in claims.items():
            grid = grid_of_parts(claim["parts"]) if claim["parts"] else None
            mark = re.match(r"C\d+", name)
            trained_on = [summary["settings"].get("dataset")]
            datasets = _names(part.get("dataset") for part in claim["parts"]) or _names(trained_on)
            counts = {part["n"] for part in claim["parts"] if isinstance(part.get("n"), int)}
            texts = (str(claim["claim"]), str(claim["verdict"]), claim.get("reason") or "", claim.get("settle") or "")
            entries.append(Entry(mark[0] if mark else "", name, form, *texts, datasets, tuple(sorted(counts)), grid))
    return entries


def _names(values: Iterable[Any]) -> tuple[str, ...]:
    flat = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(str(name) for name in flat if name is not None))
