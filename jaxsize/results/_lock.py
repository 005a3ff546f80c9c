"""One process a folder: a lock that dies with its process."""

from pathlib import Path
from typing import Any

from jaxsize.errors import InputError

_HELD: dict[Path, Any] = {}  # by folder; the operating system releases them when the process ends, however it ends


def lock(folder: Path) -> None:
    """Reserve a folder for this process until it ends. A folder that this process has reserved stays reserved.

    Raises:
        InputError: when another process has reserved it.
        OSError: when the folder cannot be written or locked.
    """
    from filelock import FileLock, Timeout

    path = folder.resolve() / ".lock"
    if path in _HELD and path.exists():
        return
    held = FileLock(path, fallback_to_soft=False)  # a soft lock, a file that is there, would outlive its process
    try:
        held.acquire(timeout=0)
    except Timeout:
        raise InputError(f"{folder} is in use by another process; wait for its end, or choose another --out") from None
    except NotImplementedError as error:  # a file system without locks
        raise OSError(f"{folder} is on a file system that cannot lock files") from error
    _HELD[path] = held
