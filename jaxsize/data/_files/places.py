"""Where the files of a data set may lie: the directory a user names, or the cache of this program."""

import os
from pathlib import Path

from jaxsize.errors import InputError

DATA_DIR_VARIABLE = "JAXSIZE_DATA_DIR"


def data_directory(data_dir: str | os.PathLike[str] | None) -> Path:
    """Choose the directory of all data sets.

    Args:
        data_dir: an existing directory, or None.

    Returns:
        `data_dir` if there is one, else the directory named by the environment variable JAXSIZE_DATA_DIR, else the
        program's folder in the user's cache directory. Only the last may be a directory that does not exist yet.

    Raises:
        InputError: when the argument or the variable names something that is no directory.
    """
    if data_dir is not None:
        return _existing("data_dir", data_dir)
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return _existing(DATA_DIR_VARIABLE, named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("jaxsize"), "datasets")


def folders_of(name: str, directory: Path) -> list[Path]:
    """List the folders that may hold the files of a data set.

    Args:
        name: the name of the data set.
        directory: the directory of all data sets, or that of this one.

    Returns:
        `directory`/`name` and, where `directory` itself is called `name`, `directory`.
    """
    return [directory / name, *([directory] if directory.absolute().name == name else [])]


def _existing(origin: str, value: str | os.PathLike[str]) -> Path:
    directory = Path(value).expanduser()
    if not directory.is_dir():
        problem = "is not a directory" if directory.exists() else "does not exist"
        raise InputError(f"{origin}: {str(directory)!r} {problem}")
    return directory
