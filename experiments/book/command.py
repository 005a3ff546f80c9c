"""`python -m experiments.book`: flags, the page, and one line for what is wrong.

Exit status 0: the page is written. 2: the input was wrong. 1: the operating system failed. It has two flags and trains
nothing, so argparse serves it better than `studies.Command`.
"""

import argparse
import io
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import quote

from experiments.book.folders import Skipped, StudyFolder, read_folders
from experiments.book.states import NOT_RUN, SETTLED, TOPICS, sources_of, state_of, states_by_form
from jaxsize.errors import InputError
from jaxsize.studies import pages

PROGRAM = "python -m experiments.book"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(f"{message} (--help lists all flags)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and say how many claims are settled; return the exit status.

    Args:
        arguments: the words of the command line after the command. Default: those of this process.
    """
    parser = _Parser(PROGRAM, description="Put results folders together into one page with the state of every claim.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="searched for summary.json, also below")
    parser.add_argument("--out", type=Path, default=Path("book.html"), help="the page (default: book.html)")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        flags = parser.parse_args(arguments)
        if flags.out.suffix != ".html" or not flags.out.parent.is_dir() or flags.out.is_dir():
            raise InputError(f"--out: expected a file .html in a folder that exists, got {flags.out}")
        folders, skipped = read_folders(flags.folders)
        if not folders:
            reasons = "; ".join(f"{one.path}: {one.reason}" for one in skipped[:3])
            raise InputError(f"none of {len(skipped)} folders can be read: {reasons}")
        counts = _write(flags.out, folders, skipped)
    except InputError as error:
        return _fail(error, 2)
    except OSError as error:
        return _fail(error, 1)
    for one in skipped:
        print(f"skipped {one.path}: {one.reason}")
    print(f"{counts['settled']} claims settled, {counts['open']} open, {counts[NOT_RUN]} not run: {flags.out}")
    return 0


def _fail(error: Exception, status: int) -> int:
    print(f"{PROGRAM}: {' '.join(str(error).split())}", file=sys.stderr)
    return status


def _write(out: Path, folders: Sequence[StudyFolder], skipped: Sequence[Skipped]) -> Counter:
    """Write the page; return how many claims are settled, open and not run."""
    topics = [(topic["topic"], [_claim(claim, folders) for claim in topic["claims"]]) for topic in TOPICS]
    claims = [claim for _, members in topics for claim in members]
    verdicts = [claim["state"].verdict for claim in claims]
    counts = Counter("settled" if v in SETTLED else v if v == NOT_RUN else "open" for v in verdicts)

    def place(path: Path) -> str:
        """Where something is, seen from the page."""
        return Path(os.path.relpath(path.resolve(), out.parent.resolve())).as_posix()

    values = {
        "counts": counts,
        "outcomes": Counter(verdicts),
        "claims": claims,
        "topics": topics,
        "conflicts": [claim for claim in claims if claim["conflicts"]],
        "folders": folders,
        "skipped": skipped,
        "place": place,
        "link": lambda path: quote(place(path)),
    }
    pages.write_page(out, "book.html.jinja", values, [Path(__file__).parent])
    return counts


def _claim(claim: dict[str, str], folders: Sequence[StudyFolder]) -> dict[str, Any]:
    """What the page shows of a claim."""
    sources = sources_of(claim["mark"], folders)
    by_form = states_by_form(sources)
    conflicts = [f"{form} form: {state.note}" for form, state in by_form.items() if state.conflict]
    return {**claim, "state": state_of(sources), "by_form": by_form, "conflicts": conflicts, "sources": sources}
