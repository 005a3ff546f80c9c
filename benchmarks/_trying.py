"""How `benchmarks.wrong_inputs` tries a case: in this process, with a limit of time."""

import contextlib
import importlib
import io
import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks._file_edits import EDITS, content_of
from benchmarks._studies import REPOSITORY, SMALL

LONGEST = 60
STOPPED = {
    "sparsifier": "--num-seeds 2 --penalties 0.3 --start-widths 12 --batch-size 256 --epochs 4",
    "random_slope": SMALL["random_slope"],
}
"""Flags of the studies that are stopped in the middle, by study; a layer is widened in the second one."""
DATASETS = {"mnist": "mnist", "airfoil": "airfoil", "poker": "poker", "adult": "census"}
"""Data sets whose files are edited, by the name of their folder."""

Case = tuple[str, ...]
"""(kind, study, flag, value) of kind flags or trained; (kind, file, edit) of kind results, network or data,
where a file's first folder is the study or the data set."""


class Accepted(BaseException):
    """Raised in the place of training."""


def call(study: str, arguments: list[str]) -> tuple[int, str]:
    """Run a study's command here; return its exit status and what it wrote to standard error."""
    error = io.StringIO()
    with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
        try:
            status = importlib.import_module(f"experiments.{study}").COMMAND.main(arguments)
        except Accepted:
            return 0, ""
    return status, error.getvalue()


def try_case(places: dict[str, str], case: Case) -> tuple[Case, str]:
    """Try a case; return it, and how it ended: refused, accepted, or what is wrong."""
    scratch = Path(tempfile.mkdtemp(dir=places["scratch"]))
    os.chdir(scratch)
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(LONGEST)
    try:
        kinds = {"flags": _flags, "trained": _flags, "results": _results, "network": _network, "data": _data}
        return case, kinds[case[0]](case, scratch, places)
    except TimeoutError:
        return case, f"took more than {LONGEST} s"
    except BaseException:
        return case, traceback.format_exc(limit=-2)
    finally:
        signal.alarm(0)
        os.chdir(REPOSITORY)
        shutil.rmtree(scratch, ignore_errors=True)


def _too_long(*_: Any) -> None:
    raise TimeoutError


def _judge(status: int, error: str) -> str:
    lines = error.splitlines()
    if status in (1, 2) and len(lines) != 1:
        return f"exit status {status} with {len(lines)} lines: {error[:300]}"
    return {0: "accepted", 1: "refused", 2: "refused"}.get(status, f"exit status {status}")


def _flags(case: Case, scratch: Path, places: dict[str, str]) -> str:
    kind, study, flag, value = case
    patch = mock.patch.object(importlib.import_module("jaxsize.studies.study"), "open_results", side_effect=Accepted)
    with patch if kind == "flags" else contextlib.nullcontext():
        return _judge(*call(study, ["--smoke", flag, *(value.split(" ") if value else [""])]))


def _edited(case: Case, scratch: Path, source: str) -> tuple[str, Path]:
    """Copy the folder that the case's file is in, and edit the copy; return the folder's name and the copy."""
    owner = Path(case[1]).parts[0]
    shutil.copytree(Path(source, owner), scratch / "copy" / owner)
    EDITS[case[2]](scratch / "copy" / case[1])
    return owner, scratch / "copy"


def _results(case: Case, scratch: Path, places: dict[str, str]) -> str:
    study, copy = _edited(case, scratch, places["results"])
    before = content_of(copy)
    status, error = call(study, [*STOPPED[study].split(), "--out", str(copy / study), "--resume"])
    outcome = _judge(status, error)
    if outcome == "refused" and status == 2 and content_of(copy) != before:
        return f"refused, but the folder was changed: {error}"
    return outcome


def _network(case: Case, scratch: Path, places: dict[str, str]) -> str:
    from jaxsize import load_network

    name, copy = _edited(case, scratch, places["network"])
    return _loaded(lambda: load_network(copy / name))


def _data(case: Case, scratch: Path, places: dict[str, str]) -> str:
    from jaxsize.data import load

    name, copy = _edited(case, scratch, places["data"])
    return _loaded(lambda: load(DATASETS[name], data_dir=copy))


def _loaded(load: Callable[[], object]) -> str:
    try:
        load()
    except ValueError as error:
        return "refused" if "\n" not in str(error) else f"not one line: {error}"
    return "accepted"
