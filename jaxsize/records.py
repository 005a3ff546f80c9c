"""A results folder that another program can read: config.json, metrics.jsonl, summary.json, per-step .npy histories.

Whatever is replaced is written aside (under a hidden name in the same folder), synced and renamed, so that a reader
or a killed program finds the old or the new content, never half of it.
"""

import contextlib
import dataclasses
import datetime
import errno
import importlib.metadata
import io
import json
import math
import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

PACKAGES = ("jaxsize", "jax", "jaxlib", "numpy", "scipy", "optax", "flax", "orbax-checkpoint")
Status = Literal["created", "resumed", "finished"]


def to_plain(value: Any) -> Any:
    """`value` with JSON's types only: dict with str keys, list, str, bool, int, finite float, None.

    NumPy and JAX scalars and arrays become numbers and nested lists, tuples lists, dataclasses and named tuples dicts,
    paths strings, NaN and the infinities None. TypeError for anything else (complex, bytes, sets, ...).
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        plain = {str(key): to_plain(entry) for key, entry in value.items()}
        if len(plain) < len(value) or not all(isinstance(key, (str, int)) for key in value):
            raise TypeError(f"keys of a record must be different strings, got {list(value)[:5]}")
        return plain
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        as_dict = getattr(value, "_asdict", None)  # of a named tuple
        return to_plain(as_dict()) if as_dict else [to_plain(entry) for entry in value]
    if isinstance(value, os.PathLike):
        return str(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return to_plain(np.asarray(value).tolist())
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON: {value!r:.80}")


def differences(expected: Any, found: Any, name: str = "") -> list[tuple[str, str, str]]:
    """Where two plain values differ: (dotted name, expected, found), both as short JSON text or "absent"; [] if equal.

    1 and 1.0 are equal, true and 1 are not. Lists of one length are compared entry by entry.
    """
    if isinstance(expected, dict) and isinstance(found, dict):
        rows = []
        for key in dict.fromkeys([*expected, *found]):
            rows += differences(expected.get(key, ...), found.get(key, ...), f"{name}.{key}" if name else key)
        return rows
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        pairs = enumerate(zip(expected, found, strict=True))
        return [row for i, (a, b) in pairs for row in differences(a, b, f"{name}[{i}]")]
    if isinstance(expected, bool) == isinstance(found, bool) and expected == found:
        return []
    return [(name, _shown(expected), _shown(found))]


def _shown(value: Any) -> str:
    text = "absent" if value is ... else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Writes `to_plain(value)` to `path` as indented ASCII JSON.

    TypeError if the value has no JSON form, OSError if the disk is full or the folder missing or not writable: the old
    file is then intact.
    """
    _replace(Path(path), [json.dumps(to_plain(value), indent=2, allow_nan=False).encode() + b"\n"])


def read_json(path: str | os.PathLike) -> Any:
    """The value in a JSON file. OSError if it cannot be opened, ValueError with the path if it is not JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise ValueError(f"{path} is not a JSON file: {error}") from None


def _replace(path: Path, chunks: Iterable[bytes]) -> None:
    aside = path.with_name(f".{path.name}.aside")
    try:
        with open(aside, "wb") as file:
            file.writelines(chunks)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(path: str | os.PathLike) -> None:
    """Makes new names inside the folder survive a power cut, where the system can sync a folder (Windows cannot)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
            _replace(self.path, [line for number, line in lines if keep(self._parse(number, line))])

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


class StepArray:
    """A number per run and step in a .npy file: `values` [num_runs, num_steps], a memory map that `numpy.load` reads.

    The file is created, every entry `fill`, or reopened if it exists. dtype: NumPy's bool, integer or floating.
    ValueError, with what was expected and found, if the file holds another shape or dtype or is damaged. OSError if it
    cannot be written; all of it is allocated when it is created, so that a disk which fills later stops no write.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        num_runs: int,
        num_steps: int,
        *,
        dtype: DTypeLike = np.float32,
        fill: float = np.nan,
    ):
        self.path, shape, dtype = Path(path), (int(num_runs), int(num_steps)), np.dtype(dtype)
        if min(shape) < 1 or dtype.kind not in "biuf":
            raise ValueError(f"a step array needs a run, a step and a NumPy number dtype, got {dtype}{list(shape)}")
        if not self.path.exists():
            if dtype.kind != "f" and not (math.isfinite(fill) and np.array(fill).astype(dtype) == fill):
                raise ValueError(f"a step array of {dtype} cannot be filled with {fill}")
            header = io.BytesIO()
            layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, layout)
            row = np.full(shape[1], fill, dtype).tobytes()
            _replace(self.path, (header.getvalue() if i < 0 else row for i in range(-1, shape[0])))
        try:
            found = np.lib.format.open_memmap(self.path, mode="r")  # "r+" would lengthen a file that was cut short
        except ValueError as error:
            raise ValueError(f"{self.path} is damaged or no .npy file: {error}") from None
        if (found.shape, found.dtype, found.flags.c_contiguous) != (shape, dtype, True):
            wanted, got = f"{dtype}{list(shape)}", f"{found.dtype}{list(found.shape)}"
            raise ValueError(f"{self.path} holds another array: expected {wanted} in C order, found {got}")
        self.values: np.memmap = np.lib.format.open_memmap(self.path, mode="r+")

    def write(self, start: int, block: ArrayLike, runs: slice | Sequence[int] = slice(None)) -> None:
        """Writes `block` [len(runs), width] at steps start .. start + width - 1. ValueError if it does not fit."""
        block = np.asarray(block)
        if block.ndim != 2 or not 0 <= start <= start + block.shape[1] <= self.values.shape[1]:
            raise ValueError(f"a block {list(block.shape)} at step {start} is not in {list(self.values.shape)}")
        steps = slice(start, start + block.shape[1])
        if self.values[runs, steps].shape != block.shape:
            raise ValueError(f"a block {list(block.shape)} does not fit {list(self.values[runs, steps].shape)}")
        if not np.can_cast(block.dtype, self.values.dtype, "same_kind"):
            raise ValueError(f"a block of {block.dtype} cannot be stored as {self.values.dtype}")
        self.values[runs, steps] = block

    def flush(self) -> None:
        """Returns when all that was written is on the disk. OSError if that failed."""
        self.values.flush()
