"""What the command lines of all studies have in common: flags, presets, one-line errors and exit statuses.

Exit status 0: the study is done. 2: the input was wrong (also a file that turns out to be a folder), or memory ran out.
1: the operating system failed on the way (a full disk, for example); what was done until then is kept. 130: the user
interrupted the study. After 1 and 130, and after a kill, --resume continues. Wrong input is found before anything is
written.
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
from typing import Any

import jax
import platformdirs

from jaxsize.errors import InputError, require_package
from jaxsize.programs import run_axis
from jaxsize.studies._help import print_help
from jaxsize.studies.flags import Flags, flag


@dataclasses.dataclass(frozen=True)
class Command:
    """A study as a command: `python -m experiments.NAME`, or a file of the user's own, calls `main()`.

    Args:
        name: the study's name, in its command and in the path of its results folder.
        flags: a dataclass derived from `Flags`. Its docstring and those of its fields are the text of --help.
        presets: the values of fields that --smoke and --full set, by name of the preset and name of the field.
        run: the function that trains and answers; it gets the flags.

    Example:
        >>> import dataclasses, os, sys
        >>> from contextlib import redirect_stderr
        >>> from unittest.mock import patch
        >>> from jaxsize.studies import Command, Flags
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class CountFlags(Flags):
        ...     last: int = 3
        ...     def check(self):
        ...         super().check()
        ...         self.require_whole("last")
        >>> presets = {"smoke": {"last": 1}}
        >>> command = Command("count", CountFlags, presets, lambda flags: print(*range(1, flags.last + 1)))

        The variables keep this example from changing the devices and the cache of the process that it runs in.

        >>> with patch.dict(os.environ, JAX_NUM_CPU_DEVICES="1", JAX_COMPILATION_CACHE_DIR="unused"):
        ...     command.main(["--last", "4"])
        ...     command.main(["--smoke"])
        1 2 3 4
        0
        1
        0
        >>> with redirect_stderr(sys.stdout), patch.object(sys, "argv", ["count.py"]):
        ...     command.main(["--last", "0"])
        python count.py: --last: expected whole numbers from 1 on, got 0
        2
    """

    name: str
    flags: type[Flags]
    presets: Mapping[str, Mapping[str, Any]]
    run: Callable[[Any], Any]

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Parse the arguments, run the study, and return the exit status.

        JAX is set up before the study runs: every CPU core becomes a device (unless JAX_NUM_CPU_DEVICES or XLA_FLAGS
        says otherwise), and compiled programs are kept on the disk for later processes (in JAX_COMPILATION_CACHE_DIR,
        else in a cache folder of the user); an accelerator multiplies matrices in full float32. An error of the input,
        of memory or of the operating system is printed to standard error as one line; any other exception is a bug and
        is raised. --help prints the flags, with the defaults that go with the other arguments, and raises SystemExit.

        Args:
            arguments: the words of the command line after the command. Default: those of this process.

        Returns:
            0, 1, 2 or 130: see the docstring of this module.
        """
        logging.basicConfig(format="%(message)s", level=logging.WARNING)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # a path that the terminal's encoding lacks is no reason to stop
                stream.reconfigure(errors="backslashreplace")
        flags = None
        arguments = sys.argv[1:] if arguments is None else list(arguments)
        try:
            flags = self._parse(arguments)
            flags.check()
            run_axis.use_all_cores()
            _keep_compiled_programs()
            _require_device()
            _multiply_in_float32()
            self.run(flags)
        except InputError as error:
            return self._fail(self._as_flag(error), 2)
        except MemoryError as error:
            return self._fail(error, 2)
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            return self._fail(error, 2)
        except OSError as error:
            if flags is None:  # the pipe that --help went to was closed
                return self._fail(error, 1)
            folder = flags.folder(self.name)
            kept = (folder / "config.json").exists()
            outcome = "what was done is kept, --resume continues" if kept else f"nothing is kept in {folder}"
            return self._fail(f"{error}; {outcome}", 1)
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):  # XLA's status code, which has no type in Python
                raise
            return self._fail(f"out of memory on the device: {error}", 2)
        except KeyboardInterrupt:
            return self._fail("interrupted; --resume continues", 130)
        return 0

    @property
    def program(self) -> str:
        """How the command is started: as one of this project's experiments, or as the file that it is defined in."""
        if self.flags.__module__.startswith("experiments."):
            return f"python -m experiments.{self.name}"
        return f"python {Path(sys.argv[0]).name or self.name}"

    def _fail(self, error: Any, status: int) -> int:
        text = " ".join(str(error).split()) or type(error).__name__
        print(f"{self.program}: {text}", file=sys.stderr)
        return status

    def _as_flag(self, error: InputError) -> str:
        """The error's message, with the flag in place of the field if the study has such a flag."""
        is_flag = error.field in {field.name for field in dataclasses.fields(self.flags)}
        return f"{flag(error.field)}: {error.problem}" if is_flag else str(error)

    def _parse(self, arguments: Sequence[str]) -> Flags:
        """The flags: values from the arguments win over those of a preset, and these over the defaults.

        Defaults may depend on other flags (`Flags.defaults`), so the arguments are parsed twice.
        """
        chosen = [name for name in self.presets if f"--{name}" in arguments]
        if len(chosen) > 1:
            raise InputError(f"choose one of --{' and --'.join(chosen)}")
        preset = self.presets[chosen[0]] if chosen else {}
        wanted = [word for word in arguments if word not in ("-h", "--help")]
        first = self._parse_once(self.flags(**preset), wanted)
        for name in ("smoke", "full"):
            if getattr(first, name) and name not in self.presets:
                raise InputError("this study has no such preset", field=name)
        parsed = self._parse_once(self.flags(**{**first.defaults(), **preset}), wanted)
        return parsed if len(wanted) == len(arguments) else print_help(parsed, self.program)

    def _parse_once(self, default: Flags, arguments: Sequence[str]) -> Flags:
        require_package("tyro", "studies")
        import tyro

        printed, markers = io.StringIO(), (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes)
        try:
            with contextlib.redirect_stderr(printed):
                return tyro.cli(type(default), prog=self.program, args=arguments, default=default, config=markers)
        except SystemExit as stop:
            if not stop.code:
                raise
            raise InputError(_one_line(printed.getvalue())) from None


def _require_device() -> None:
    try:
        jax.devices()
    except (RuntimeError, AssertionError) as error:  # JAX_PLATFORMS names a platform that is not there
        raise InputError(
            f"JAX finds no device (JAX_PLATFORMS={os.environ.get('JAX_PLATFORMS', '')}): {error}"
        ) from error


def _multiply_in_float32() -> None:
    """Have an accelerator multiply matrices of float32 in float32, as a CPU does.

    JAX's default there is TF32 or bfloat16, which round factors to 10 or 7 bits: after 100 steps of the sparsifier, the
    weights on an NVIDIA H200 differed from a CPU's by 5 % of how far they had moved (.4 % in float32).
    """
    if jax.default_backend() != "cpu":
        jax.config.update("jax_default_matmul_precision", "float32")


def _keep_compiled_programs() -> None:
    """Turn on JAX's persistent compilation cache.

    It is in a cache folder of the user unless JAX_COMPILATION_CACHE_DIR is set.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        jax.config.update("jax_compilation_cache_dir", platformdirs.user_cache_dir("jaxsize") + "/programs")
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def _one_line(box: str) -> str:
    """The message of an error as tyro prints it: a title, the message, a rule and advice, with or without a frame."""
    lines = [line.strip("│╭╮╰╯ ") for line in box.splitlines() if line.strip()][1:]
    message = itertools.dropwhile(_is_rule, lines)
    return " ".join(itertools.takewhile(lambda line: not _is_rule(line), message)) + " (--help lists all flags)"


def _is_rule(line: str) -> bool:
    return set(line) <= {"─", "-"}
