"""A results folder that another program can read: config.json, metrics.jsonl, events.jsonl, summary.json."""

import dataclasses
import datetime
import errno
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from jaxsize.errors import InputError
from jaxsize.results.json_files import differences, read_json, to_plain, write_json
from jaxsize.results.rows import Rows

PACKAGES = ("jaxsize", "jax", "jaxlib", "numpy", "scipy", "optax", "flax", "orbax-checkpoint", "safetensors")
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
        ...     folder.rows.append([{"run": 0, "epoch": 1, "loss": 0.5}])
        ...     folder.write_summary({"best_loss": 0.5})
        ...     print(folder.status, folder.rows.read(), folder.read_summary())
        created [{'run': 0, 'epoch': 1, 'loss': 0.5}] {'best_loss': 0.5}
    """

    path: Path
    status: Status
    """"created", "resumed" (it held an unfinished run) or "finished" (it held a summary)."""

    @property
    def rows(self) -> "Rows":
        """The rows of metrics.jsonl, one per run and epoch."""
        return Rows(self.path / "metrics.jsonl")

    @property
    def events(self) -> "Rows":
        """The rows of events.jsonl: units removed, layers that lost all their units, programs compiled."""
        return Rows(self.path / "events.jsonl")

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

    config.json gets "config", "versions", "device" and "started" (UTC). Where a resumed run has other versions or
    another device than the run before it, config.json also gets them in a list "resumed".

    Args:
        path: the folder.
        config: every resolved setting, a dataclass or dict that `to_plain` can convert.
        resume: whether to open a folder that holds an unfinished run. A finished one is opened either way.
        device: what the run runs on.

    Raises:
        InputError: in one line and with nothing written, when the path is a file, cannot be written, or holds foreign
            files, a run with other settings or, without `resume`, an unfinished run of the same settings.

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
    path = Path(path)
    settings = json.loads(json.dumps(to_plain(config)))
    used = {"versions": versions(), "device": to_plain(device or {})}
    try:
        status, record = _examine(path, settings, resume)
        if status == "created":
            path.mkdir(parents=True, exist_ok=True)
            started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
            write_json(path / "config.json", {"config": settings, **used, "started": started})
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
    record = {}
    if names:
        if "config.json" not in names:
            raise InputError(f"{path} holds other files ({names[0]}) and no config.json; choose another --out")
        record = read_json(path / "config.json")
        if not isinstance(record, dict) or "config" not in record:
            raise InputError(f'{path / "config.json"} has no "config": not of a results folder; choose another --out')
        rows = differences(record["config"], settings)
        if rows:
            text = "; ".join(f"{name or 'config'}: {old} there, {new} here" for name, old, new in rows[:3])
            more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
            raise InputError(f"{path} holds a run with other settings ({text}{more}); choose another --out")
        if "summary.json" in names:
            return "finished", record
        if not resume:
            raise InputError(f"{path} holds an unfinished run of the same settings: --resume continues it")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{nearest} is not writable")
    return "resumed" if names else "created", record
