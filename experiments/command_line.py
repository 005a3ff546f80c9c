"""What every experiment's command line has in common: flags, presets, one-line errors and exit statuses.

Exit status 0: done. 2: wrong input, nothing written. 1: something gave out on the way (a full disk); what was done is
kept. 130: interrupted. After 1 and 130, and after a kill, --resume continues.
"""

import contextlib
import dataclasses
import io
import itertools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import jax
import platformdirs
import tyro

from jaxsize import datasets, records, runs

ConfigType = TypeVar("ConfigType", bound="Flags")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Flags:
    """Flags of every experiment."""

    dataset: tuple[str, ...] = ("digits",)
    """Data sets, one or several: digits, teacher, add10, mnist, fashion_mnist, cifar10, cifar_like, airfoil,
    airfoil_iid, poker, census."""
    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 3 unless the data set is digits."""
    data_dir: Path | None = None
    """Folder with the original files of real data sets. Default: $JAXSIZE_DATA_DIR, else a cache folder of the user."""
    out: Path | None = None
    """Results folder. Default: results/EXPERIMENT/DATASET."""
    teacher_width: int = 8
    """Hidden units of the network that makes the labels of the data set teacher: the right size."""
    teacher_task: Literal["classification", "regression"] = "classification"
    """Labels of the data set teacher: its largest output, or the output itself."""
    resume: bool = False
    """Continue an unfinished run of the same settings."""
    smoke: bool = False
    """The smallest run that does everything, in seconds. Other flags given with it override it."""
    full: bool = False
    """The study at its real scale, in hours. Other flags given with it override it."""

    def defaults(self) -> dict[str, Any]:
        """Defaults that depend on other flags. What the command line, --smoke or --full set, wins over them."""
        return {}

    def check(self) -> None:
        """Raises ValueError, naming the flag, for a value that makes no sense."""
        self.require_whole("num_seeds", "teacher_width")

    def require_whole(self, *names: str) -> None:
        """ValueError unless each of these flags holds a whole number from 1 on, or different ones."""
        for name in names:
            value = getattr(self, name)
            values = value if isinstance(value, tuple) else (value,)
            if not values or len(set(values)) < len(values) or min(values) < 1:
                raise ValueError(f"{flag(name)}: expected whole numbers from 1 on, got {told(values)}")

    def settings(self) -> dict[str, Any]:
        """What determines the results: every field but those that say where to read and write."""
        return {
            k: v for k, v in dataclasses.asdict(self).items() if k not in ("data_dir", "out", "resume", "smoke", "full")
        }

    def folder(self, experiment: str) -> Path:
        return self.out or Path("results", experiment, "+".join(self.dataset))


def main(
    config_type: type[ConfigType],
    presets: Mapping[str, Mapping[str, Any]],
    run: Callable[[ConfigType], Any],
    name: str,
    arguments: Sequence[str] | None = None,
) -> int:
    """Parses the command line of experiment `name` and calls run(config); returns the exit status.

    `presets` names fields that the flags --smoke and --full change. Sets up JAX first: every CPU core is a device, and
    compiled programs are kept between processes.
    """
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    program = f"python -m experiments.{name}"
    try:
        config = _parse(program, config_type, presets, arguments)
        config.check()
        runs.use_all_cores()
        keep_compiled_programs()
        _require_device()
        run(config)
    except (ValueError, MemoryError) as error:
        if not _is_ours(error):
            raise
        return _fail(program, error, 2)
    except OSError as error:
        return _fail(program, f"{error}; what was done is kept, --resume continues", 1)
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return _fail(program, f"out of memory on the device: {error}", 2)
    except KeyboardInterrupt:
        return _fail(program, "interrupted; --resume continues", 130)
    return 0


def _require_device() -> None:
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS names a platform that is not there
        raise ValueError(
            f"JAX finds no device (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): {error}"
        ) from error


def _is_ours(error: BaseException) -> bool:
    """Whether an error was raised by this project, for a user to read, and not by a library, as the sign of a bug."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    origin = trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""
    return isinstance(error, MemoryError) or origin.split(".")[0] in ("jaxsize", "experiments", "__main__")


def keep_compiled_programs() -> None:
    """Turns on JAX's persistent compilation cache, in a cache folder of the user unless JAX_COMPILATION_CACHE_DIR is
    set."""
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("jaxsize") + "/programs")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _parse(
    program: str, config_type: type[ConfigType], presets: Mapping[str, Mapping[str, Any]], arguments: Sequence[str]
) -> ConfigType:
    chosen = [name for name in presets if f"--{name}" in arguments]
    if len(chosen) > 1:
        raise ValueError(f"choose one of --{' and --'.join(chosen)}")
    preset = presets[chosen[0]] if chosen else {}
    first = _parse_once(program, config_type(**preset), arguments)
    return _parse_once(program, config_type(**{**first.defaults(), **preset}), arguments)


def _parse_once(program: str, default: ConfigType, arguments: Sequence[str]) -> ConfigType:
    said, markers = io.StringIO(), (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(type(default), prog=program, args=arguments, default=default, config=markers)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise ValueError(_one_line(said.getvalue())) from None


def _one_line(box: str) -> str:
    """The message in what tyro draws around an error: a title, the message, a rule and advice, framed or not."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines() if line.strip()][1:]
    message = itertools.dropwhile(_is_rule, lines)
    return " ".join(itertools.takewhile(lambda line: not _is_rule(line), message)) + " (--help lists all flags)"


def _is_rule(line: str) -> bool:
    return set(line) <= {"─", "-"}


def _fail(program: str, error: Any, status: int) -> int:
    print(f"{program}: {' '.join(str(error).split()) or type(error).__name__}", file=sys.stderr)
    return status


def flag(name: str) -> str:
    """How a field is called on the command line."""
    return "--" + name.replace("_", "-")


def told(values: Sequence[Any]) -> str:
    return " ".join(map(str, values)) or "none"


def load_datasets(flags: Flags, form: datasets.Form) -> list[datasets.Dataset]:
    """The data sets of a command, in the order given. ValueError if one is unknown, given twice, missing or damaged."""
    if len(set(flags.dataset)) < len(flags.dataset) or not flags.dataset:
        raise ValueError(f"--dataset: expected different names, got {told(flags.dataset)}")
    unknown = [name for name in flags.dataset if name not in datasets.NAMES]
    if unknown:
        raise ValueError(f"--dataset: expected some of {', '.join(datasets.NAMES)}, got {unknown[0]!r}")
    options = {"teacher": {"width": flags.teacher_width, "task": flags.teacher_task}}
    return [datasets.load(name, data_dir=flags.data_dir, form=form, **options.get(name, {})) for name in flags.dataset]


def open_results(
    flags: Flags,
    name: str,
    data: Sequence[datasets.Dataset] | Mapping[str, datasets.Dataset],
    as_text: Callable[[Any], str],
) -> records.Folder:
    """The results folder of an experiment, with every setting and the fingerprints of its data (by the names of data
    sets, or those given). If it holds the finished run, its summary is printed."""
    named = data if isinstance(data, Mapping) else {dataset.name: dataset for dataset in data}
    prints = {key: dataset.fingerprint() for key, dataset in named.items()}  # --resume must not go on with other rows
    settings = flags.settings() | {"data": prints}
    folder = records.open_folder(flags.folder(name), settings, resume=flags.resume, device=runs.describe_devices())
    if folder.status == "finished":
        print(f"{folder.path} holds the finished run; delete it to run again\n\n{as_text(folder.read_summary())}")
    return folder
