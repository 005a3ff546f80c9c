"""Whether wrong input ends in one line: of every flag of every study, and of every file that a study or a user reads.

    python -m benchmarks.wrong_inputs              about 2800 cases, an hour and more on two cores
    python -m benchmarks.wrong_inputs --data-dir DIR    with files of airfoil, poker and census beside MNIST's
    python -m benchmarks.wrong_inputs --smoke      a sample, a minute

Flags: every flag of every study gets every value of `VALUES`. Those that are accepted are not trained: this shows that
nothing but `InputError` comes before training (`--accepted` of them, drawn at random, are trained at --smoke's scale).
Results folders: a study that removes units, and one that widens a layer, are stopped in the middle of training; every
file of them is edited in every way of `EDITS`, and the study goes on with --resume. A refusal must leave the folder as
it was. Data files and saved networks: edited likewise, and loaded.

A case fails if it raises anything but what its command turns into a line, if its line is none, or if it takes more than
60 seconds.
"""

import dataclasses
import functools
import importlib
import multiprocessing
import os
import pkgutil
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks._file_edits import EDITS
from benchmarks._studies import REPOSITORY
from benchmarks._timing import Promise, device_name, machine, num_cores, report, run
from benchmarks._trying import DATASETS, STOPPED, Case, call, try_case
from jaxsize.text_tables import format_table

PATHS = ("", "a\nb", "x" * 300, "/dev/null", "/proc/none", "é")
VALUES = ("0", "-1", "nan", "inf", "1e400", "1e30", "1e-400", "99999999999999999999", "word", "", "0 0", "1 1 1")


@dataclasses.dataclass(frozen=True)
class Flags:
    """How much is tried."""

    accepted: int = 60
    """Cases of flags that are accepted and then trained."""
    sample: float = 1.0
    """Share of all cases that is tried."""
    kinds: tuple[str, ...] = ("flags", "results", "network", "data")
    """What is tried."""
    seed: int = 0
    """Names what is drawn."""
    data_dir: Path | None = None
    """Folder with the files of real data sets, of which copies are edited. Default: only files in MNIST's format."""
    smoke: bool = False
    """Few cases, to show that everything works; nothing is written."""


SMOKE = {"accepted": 0, "sample": 0.01}


# --- What is tried. A case is (kind, ...) in text, so that it can be sent to a process and written down.


def studies() -> list[str]:
    """Return the names of all studies."""
    return [
        module.name
        for module in pkgutil.iter_modules([str(REPOSITORY / "experiments")])
        if module.name not in ("book", "common", "flags")
    ]


def flag_cases() -> list[Case]:
    """Return (`flags`, study, flag, value) for every flag and value."""
    cases = []
    for study in studies():
        command = importlib.import_module(f"experiments.{study}").COMMAND
        for field in dataclasses.fields(command.flags):
            name = "--" + field.name.replace("_", "-")
            if field.type is bool or field.type == "bool":
                cases.append(("flags", study, name, "word"))
            elif field.name not in ("out", "data_dir"):
                cases += [("flags", study, name, value) for value in VALUES]
            else:
                cases += [
                    ("flags", study, name, value) for value in ("", "a\nb", "x" * 300, "/dev/null", "/proc/none", "é")
                ]
    return cases


def file_cases(folder: Path, kind: str) -> list[Case]:
    """Return (kind, file, edit) for every file and folder below a folder, and every edit."""
    paths = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name != ".lock")
    return [
        (kind, path, edit)
        for path in paths
        for edit in EDITS
        if (folder / path).is_file() or (os.sep in path and edit in ("delete", "rename", "file"))
    ]


# --- All of it.


def prepare(scratch: Path, data_dir: Path | None) -> dict[str, str]:
    """Make what is edited: two studies stopped in the middle, a saved network, and data files."""
    from benchmarks.start_up import write_mnist
    from jaxsize.export import save_network
    from jaxsize.networks import mlp
    from jaxsize.training import Progress, _loop

    _loop.SAVE_SECONDS = 0.0
    places = {name: str(scratch / name) for name in ("scratch", "results", "network", "data")}
    (scratch / "scratch").mkdir()
    write_mnist(scratch / "data" / "mnist")
    for name in DATASETS:
        if data_dir and name != "mnist":
            shutil.copytree(data_dir / name, scratch / "data" / name)
    save_network(scratch / "network" / "small", mlp((3, 4, 2)).init(0))
    advance, seen = Progress.advance, []

    def stop(self: Progress, name: str, num_epochs: int, rows: Any = ()) -> None:
        advance(self, name, num_epochs, rows)
        seen.append(name)
        if len(seen) > 3:
            raise KeyboardInterrupt

    Progress.advance = stop
    for study, flags in STOPPED.items():
        seen.clear()
        status, error = call(study, [*flags.split(), "--out", str(scratch / "results" / study)])
        if status != 130:
            raise SystemExit(f"{study}, to be edited, was not interrupted: {error}")
    Progress.advance = advance
    return places


def _end(pool: Any) -> None:
    """Let the processes of a pool end by themselves: one that is terminated leaves a warning on standard error."""
    pool.close()
    pool.join()


def main(flags: Flags) -> int:
    """Try everything, print and write the results; return the exit status."""
    began, chance = time.perf_counter(), random.Random(flags.seed)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        os.environ["JAX_NUM_CPU_DEVICES"] = "1"
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(scratch / "programs")
        context = multiprocessing.get_context("spawn")
        with context.Pool(1) as pool:
            places = pool.apply(prepare, (scratch, flags.data_dir))
            _end(pool)
        cases = flag_cases()
        cases += file_cases(Path(places["results"]), "results") + file_cases(Path(places["network"]), "network")
        cases += file_cases(Path(places["data"]), "data")
        cases = [case for case in cases if case[0] in flags.kinds]
        cases = chance.sample(cases, round(flags.sample * len(cases)))  # in any order: a part of them says something
        with context.Pool(num_cores(), maxtasksperchild=100) as pool:

            def try_all(cases: list[Case]) -> dict[Case, str]:
                ends, told = {}, time.perf_counter()
                for case, end in pool.imap_unordered(functools.partial(try_case, places), cases):
                    ends[case] = end
                    if end not in ("refused", "accepted"):
                        print(f"\n{' '.join(case)[:200]}\n{end}", flush=True)
                    if (now := time.perf_counter()) - told > 60:
                        told = now
                        print(f"{len(ends)} of {len(cases)} cases in {now - began:.0f} s", flush=True)
                return ends

            ends = try_all(cases)
            fine = [case for case, end in ends.items() if case[0] == "flags" and end == "accepted"]
            trained = [("trained", *case[1:]) for case in chance.sample(fine, min(flags.accepted, len(fine)))]
            ends |= try_all(trained)
            _end(pool)
    kinds = list(dict.fromkeys(case[0] for case in ends))
    count = Counter((case[0], end if end in ("refused", "accepted") else "failed") for case, end in ends.items())
    outcomes = ("refused", "accepted", "failed")
    print(format_table(["", *outcomes], [[kind, *(str(count[kind, end]) for end in outcomes)] for kind in kinds]))
    failed = {" ".join(case): end for case, end in ends.items() if end not in ("refused", "accepted")}
    settings = dataclasses.asdict(flags) | {"data_dir": None if flags.data_dir is None else "given"}
    row = machine() | {"device": device_name(), "settings": settings, "failed": failed}
    row |= {
        "cases": {kind: {end: count[kind, end] for end in outcomes} for kind in kinds},
        "seconds": time.perf_counter() - began,
    }
    promises = [Promise(f"cases that failed, of {len(ends)}", len(failed), at_most=0)]
    return int(bool(failed)) if flags.smoke else report("wrong_inputs", device_name(), row, promises)


if __name__ == "__main__":
    run(main, Flags, SMOKE)
