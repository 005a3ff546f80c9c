"""A results folder that another program can read: config.json, rows and events by batch, summary.json."""

import dataclasses
import datetime
import errno
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from jaxsize.errors import InputError, require_path
from jaxsize.results._lock import lock
from jaxsize.results.json_files import differences, read_json, to_plain, write_json
from jaxsize.results.rows import BatchRows

PACKAGES = ("jaxsize", "jax", "jaxlib", "numpy", "scipy", "optax", "flax", "orbax-checkpoint", "safetensors")
FORMAT = 2  # 1 had the rows of all batches in metrics.jsonl
Status = Literal["created", "resumed", "finished"]


def versions() -> dict[str, str | None]:
    """Collect the version of Python and of each of `PACKAGES`; None for a package that is not installed.

    Example:
        >>> import numpy as np
        >>> from jaxsize.results import versions
        >>> versions()["numpy"] == np.__version__
        True
    """
    installed: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            installed[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed[name] = None
    return installed


@dataclasses.dataclass(frozen=True)
class Folder:
    """An open results folder; `open_folder` makes it.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import open_folder
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(path, {"learning_rate": 0.1})
        ...     folder.rows.of("mnist").append([{"run": 0, "epoch": 1, "loss": 0.5}])
        ...     folder.write_summary({"best_loss": 0.5})
        ...     print(folder.status, folder.rows.read(), folder.read_summary())
        created [{'run': 0, 'epoch': 1, 'loss': 0.5}] {'best_loss': 0.5}
    """

    path: Path
    status: Status
    """"created", "resumed" (it held an unfinished run) or "finished" (it held a summary)."""

    @cached_property
    def rows(self) -> BatchRows:
        """The rows of rows/BATCH.jsonl, one per run and epoch."""
        return BatchRows(self.path / "rows")

    @cached_property
    def events(self) -> BatchRows:
        """The rows of events/BATCH.jsonl: units removed, layers that lost all their units, programs compiled."""
        return BatchRows(self.path / "events")

    @property
    def checkpoints(self) -> Path:
        """The folder for `checkpoints.save`, which creates it."""
        return self.path / "checkpoints"

    def write_summary(self, summary: Any) -> None:
        """Write summary.json, which marks the folder as finished: it must be the last thing written.

        Raises:
            TypeError: when the summary has no JSON form.
            OSError: when it cannot be written.
        """
        write_json(self.path / "summary.json", summary)

    def read_summary(self) -> Any:
        """Read the value in summary.json.

        Raises:
            OSError: when there is no summary or it cannot be opened.
            InputError: when it is not JSON.
        """
        return read_json(self.path / "summary.json")


def open_folder(
    path: str | os.PathLike, config: Any, *, resume: bool = False, device: Mapping[str, Any] | None = None
) -> Folder:
    """Create the results folder, or open it again if it holds a run of the same settings.

    config.json gets "format", "config", "versions", "device" and "started" (UTC). Where a resumed run has other
    versions or another device than the run before it, config.json also gets them in a list "resumed". A folder that is
    not finished is reserved for this process until it ends.

    Args:
        path: the folder.
        config: every resolved setting, a dataclass or dict that `to_plain` can convert.
        resume: whether to open a folder that holds an unfinished run. A finished one is opened either way.
        device: what the run runs on.

    Raises:
        InputError: in one line and with nothing written, when the path is a file, cannot be written, or holds foreign
            files, a run with other settings or of another version or, without `resume`, an unfinished run of the same
            settings; or when another process is using it.

    Example:
        >>> import tempfile
        >>> from jaxsize.results import open_folder
        >>> with tempfile.TemporaryDirectory() as path:
        ...     print(open_folder(path, {"learning_rate": 0.1}).status)
        ...     print(open_folder(path, {"learning_rate": 0.1}, resume=True).status)
        ...     try:
        ...         open_folder(path, {"learning_rate": 0.2}, resume=True)
        ...     except ValueError as error:
        ...         print(str(error).removeprefix(f"{path} "))
        created
        resumed
        holds a run with other settings (learning_rate: 0.1 there, 0.2 here); choose another --out
    """
    require_path(path, "out")
    path = Path(path)
    settings = json.loads(json.dumps(to_plain(config)))
    used = {"versions": versions(), "device": to_plain(device or {})}
    try:
        status, _ = _examine(path, settings, resume)
        if status == "finished":
            return Folder(path, status)
        path.mkdir(parents=True, exist_ok=True)
        lock(path)
        status, record = _examine(path, settings, resume)  # again: another process may have finished it
        if missing := [name for name in ("rows", "events") if status == "resumed" and not (path / name).is_dir()]:
            raise InputError(f"{path / missing[0]} is missing or no folder: what is there cannot be resumed")
        if status == "created":
            for name in ("rows", "events"):
                (path / name).mkdir(exist_ok=True)
            started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            write_json(path / "config.json", {"format": FORMAT, "config": settings, **used, "started": started})
        elif status == "resumed":
            earlier = record.get("resumed", [])
            last = earlier[-1] if earlier else {key: record.get(key) for key in used}
            if differences(last, used):
                write_json(path / "config.json", {**record, "resumed": [*earlier, used]})
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{path} cannot be used for results: {reason}; choose another --out") from error
    return Folder(path, status)


def _examine(path: Path, settings: Any, resume: bool) -> tuple[Status, dict[str, Any]]:
    """Find out as what the folder would be opened, and its config.json ({} for a new folder). Writes nothing.

    Raises InputError or OSError where the folder cannot be used.
    """
    nearest = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        raise InputError(f"{path} cannot be a folder: {nearest} is a file; choose another --out")
    names = sorted(name for name in os.listdir(path) if not name.startswith(".")) if nearest == path else []
    if set(names) <= {"rows", "events"} and not any(os.listdir(path / name) for name in names):
        names = []  # a program was killed before it wrote config.json
    record = {}
    if names:
        if "config.json" not in names:
            raise InputError(f"{path} holds other files ({names[0]}) and no config.json; choose another --out")
        record = read_json(path / "config.json")
        if not isinstance(record, dict) or "config" not in record or not _is_list_of_dicts(record.get("resumed", [])):
            raise InputError(f"{path / 'config.json'} is not that of a results folder; choose another --out")
        rows = differences(record["config"], settings)
        if rows:
            text = "; ".join(f"{name or 'config'}: {old} there, {new} here" for name, old, new in rows[:3])
            more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
            raise InputError(f"{path} holds a run with other settings ({text}{more}); choose another --out")
        if "summary.json" in names:
            return "finished", record
        if record.get("format", 1) != FORMAT:
            found = f"format {record.get('format', 1)}, here {FORMAT}"
            raise InputError(f"{path} holds an unfinished run of another version ({found}); choose another --out")
        if not resume:
            raise InputError(f"{path} holds an unfinished run of the same settings: --resume continues it")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{nearest} is not writable")
    return "resumed" if names else "created", record


def _is_list_of_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, dict) for entry in value)
