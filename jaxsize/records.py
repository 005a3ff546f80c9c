"""A results folder that another program can read: config.json, metrics.jsonl, events.jsonl, summary.json."""

import contextlib
import dataclasses
import datetime
import errno
import importlib.metadata
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from jaxsize.json_files import differences, read_json, replace_file, sync_folder, to_plain, write_json

PACKAGES = ("jaxsize", "jax", "jaxlib", "numpy", "scipy", "optax", "flax", "orbax-checkpoint", "safetensors")
Status = Literal["created", "resumed", "finished"]


def versions() -> dict[str, str | None]:
    """Version of Python and of each of `PACKAGES`; None for one that is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


@dataclasses.dataclass(frozen=True)
class Folder:
    """An open results folder. status: "created", "resumed" (found unfinished) or "finished" (found with a summary)."""

    path: Path
    status: Status

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
        """Where `checkpoint.save` may write; it makes the folder."""
        return self.path / "checkpoints"

    def write_summary(self, summary: Any) -> None:
        """Writes summary.json, which marks the folder as finished: the last thing to write. Errors as `write_json`."""
        write_json(self.path / "summary.json", summary)

    def read_summary(self) -> Any:
        """The value in summary.json. Errors as `read_json`."""
        return read_json(self.path / "summary.json")


def open_folder(
    path: str | os.PathLike, config: Any, *, resume: bool = False, device: Mapping[str, Any] | None = None
) -> Folder:
    """Creates the results folder, or opens it again if it holds a run of the same settings.

    config: every resolved setting, a dataclass or dict that `to_plain` can convert. device: what the run runs on.
    config.json gets "config", "versions", "device", "started" (UTC) and, where a resumed run found versions or a
    device other than the last ones, a list "resumed" of those.

    ValueError, in one line and with nothing written, if the path is a file, cannot be written, or holds foreign files,
    other settings, or an unfinished run of the same settings and not `resume`. A finished run is opened either way.
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
        raise ValueError(f"{path} cannot be used for results: {reason}; choose another --out") from error
    return Folder(path, status)


def _examine(path: Path, settings: Any, resume: bool) -> tuple[Status, dict[str, Any]]:
    """What the folder would be opened as, and its config.json. Writes nothing; ValueError or OSError if unusable."""
    nearest = next(folder for folder in (path, *path.absolute().parents) if os.path.lexists(folder))
    if not nearest.is_dir():
        raise ValueError(f"{path} cannot be a folder: {nearest} is a file; choose another --out")
    names = sorted(name for name in os.listdir(path) if not name.startswith(".")) if nearest == path else []
    record = {}
    if names:
        if "config.json" not in names:
            raise ValueError(f"{path} holds other files ({names[0]}) and no config.json; choose another --out")
        record = read_json(path / "config.json")
        if not isinstance(record, dict) or "config" not in record:
            raise ValueError(f'{path / "config.json"} has no "config": not of a results folder; choose another --out')
        rows = differences(record["config"], settings)
        if rows:
            text = "; ".join(f"{name or 'config'}: {old} there, {new} here" for name, old, new in rows[:3])
            more = f"; and {len(rows) - 3} more" if len(rows) > 3 else ""
            raise ValueError(f"{path} holds a run with other settings ({text}{more}); choose another --out")
        if "summary.json" in names:
            return "finished", record
        if not resume:
            raise ValueError(f"{path} holds an unfinished run of the same settings: --resume continues it")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, f"{nearest} is not writable")
    return "resumed" if names else "created", record


class Rows:
    """The rows of a JSON-lines file, one object per line. A row counts once its line break is on the disk."""

    def __init__(self, path: str | os.PathLike):
        self.path = Path(path)

    def append(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows and syncs them; a torn last line, left by a kill, is removed first.

        TypeError if a row has no JSON form, OSError if it cannot be written: then none of the rows is in the file.
        """
        lines = b"".join(json.dumps(to_plain(dict(row)), allow_nan=False).encode() + b"\n" for row in rows)
        new = not self.path.exists()
        with open(self.path, "a+b", buffering=0) as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if end and file.read(1) != b"\n":
                end = sum(map(len, self._lines()))
                file.truncate(end)
            try:
                written = 0
                while written < len(lines):
                    written += file.write(lines[written:])
                os.fsync(file.fileno())
            except OSError:
                file.truncate(end)
                raise
        if new:
            sync_folder(self.path.parent)

    def read(self) -> list[dict[str, Any]]:
        """All complete rows, [] if there is no file. ValueError, with the line number, if one is no JSON object."""
        return [self._parse(number, line) for number, line in enumerate(self._lines(), 1)]

    def truncate(self, keep: Callable[[dict[str, Any]], bool]) -> None:
        """Drops each row for which not `keep(row)`, and a torn last line; the file is replaced in one step."""
        if self.path.exists():
            lines = list(enumerate(self._lines(), 1))
            replace_file(self.path, [line for number, line in lines if keep(self._parse(number, line))])

    def _lines(self) -> list[bytes]:
        if not self.path.exists():
            return []
        return [line + b"\n" for line in self.path.read_bytes().split(b"\n")[:-1]]

    def _parse(self, number: int, line: bytes) -> dict[str, Any]:
        with contextlib.suppress(ValueError):
            row = json.loads(line)
            if isinstance(row, dict):
                return row
        raise ValueError(f"{self.path} line {number} is not a JSON object")
