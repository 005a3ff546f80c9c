"""Arrays of a checkpoint on the disk, by Orbax, and the checksums of their files."""

import contextlib
import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.results.json_files import sync_folder


def damaged(folder: Path, why: Any) -> InputError:
    """Make the error, for the caller to raise, that says in one line why a checkpoint is damaged.

    Args:
        folder: the folder of the checkpoint, which the message names.
        why: a text, or an exception, which the message names with its type; 200 characters of it at most are quoted.
    """
    text = " ".join(f"{type(why).__name__}: {why}".split() if isinstance(why, Exception) else str(why).split())
    return InputError(f"{folder} is damaged: {text:.200}")


def write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays by name to the folder `path`, which must not exist yet, by Orbax.

    Raises:
        OSError: when the arrays cannot be written, whatever Orbax itself raised.
    """
    import orbax.checkpoint as ocp

    try:
        with _quiet(), ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), arrays)
    except OSError:
        raise
    except Exception as error:  # TensorStore and Orbax raise what they like
        raise OSError(f"{path.parent} could not be written: {error!r:.200}") from error


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays by name that `write_arrays` wrote to the folder `path`.

    Raises:
        InputError: when they cannot be read, naming the checkpoint (the folder above `path`) as damaged.
    """
    import orbax.checkpoint as ocp

    try:
        with _quiet(), ocp.PyTreeCheckpointer() as checkpointer:
            return checkpointer.restore(path.absolute())
    except Exception as error:  # damaged files make TensorStore raise anything: reported as damage, with the cause
        raise damaged(path.parent, error) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence absl's log, through which Orbax reports, and warnings, none of which matters here.

    Errors still arrive as exceptions.
    """
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def sync_files(folder: Path) -> dict[str, str]:
    """Make all files below a folder survive a power cut.

    Returns:
        The sha256 of every file, by its path relative to the folder.
    """
    checksums = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            checksums[path.relative_to(folder).as_posix()] = sha256_of(path)
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        sync_folder(parent)
    return checksums


def sha256_of(path: Path) -> str:
    """Compute the sha256 of a file, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
