"""Values as plain JSON, and files that are replaced in one step.

Whatever is replaced is written aside (under a hidden name in the same folder), synced and renamed, so that a reader
or a killed program finds the old or the new content, never half of it.
"""

import contextlib
import dataclasses
import json
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


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
    replace_file(Path(path), [json.dumps(to_plain(value), indent=2, allow_nan=False).encode() + b"\n"])


def read_json(path: str | os.PathLike) -> Any:
    """The value in a JSON file. OSError if it cannot be opened, ValueError with the path if it is not JSON."""
    try:
        return json.loads(Path(path).read_bytes())
    except ValueError as error:  # a UnicodeDecodeError is one, too
        raise ValueError(f"{path} is not a JSON file: {error}") from None


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replaces a file by the chunks in one step; if that fails, the old file, or none, is there as before."""
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
