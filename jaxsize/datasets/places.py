"""Where the files of a data set may lie: the directory a user names, or the cache of this program."""

import os
from pathlib import Path

DATA_DIR_VARIABLE = "JAXSIZE_DATA_DIR"


def data_directory(data_dir: str | os.PathLike[str] | None) -> Path:
    """`data_dir`, else what JAXSIZE_DATA_DIR says, else the user's cache directory; only the last may not exist yet.

    Raises ValueError where the argument or the variable names something that is no directory.
    """
    if data_dir is not None:
        return _existing("data_dir", data_dir)
    if named := os.environ.get(DATA_DIR_VARIABLE):
        return _existing(DATA_DIR_VARIABLE, named)
    import platformdirs

    return Path(platformdirs.user_cache_dir("jaxsize"), "datasets")


def folders_of(name: str, directory: Path) -> list[Path]:
    """Folders that may hold the files of a set: `directory`/`name`, and `directory` itself if that is its name."""
    return [directory / name, *([directory] if directory.absolute().name == name else [])]


def _existing(origin: str, value: str | os.PathLike[str]) -> Path:
    directory = Path(value).expanduser()
    if not directory.is_dir():
        problem = "is not a directory" if directory.exists() else "does not exist"
        raise ValueError(f"{origin}: {str(directory)!r} {problem}")
    return directory
