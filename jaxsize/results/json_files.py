"""Values as plain JSON, and files that are replaced in one step.

The new content is written aside (under a hidden name in the same folder), synced and renamed. Whoever reads the file
then, even after the writing program was killed, finds the old or the new content and never half of it.
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

from jaxsize.errors import InputError


def to_plain(value: Any) -> Any:
    """Convert a value to JSON's types only: dict with str keys, list, str, bool, int, finite float, None.

    NumPy and JAX scalars and arrays become numbers and nested lists; tuples become lists; dataclasses and named tuples
    become dicts; paths become strings; NaN and the infinities become None.

    Raises:
        TypeError: when the value contains anything else (complex numbers, bytes, sets, ...), or a mapping whose keys
            are not strings or whole numbers, all different as strings.

    Example:
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from jaxsize.results.json_files import to_plain
        >>> to_plain({"widths": (3, 2), "losses": np.array([0.5, np.nan]), "out": Path("results")})
        {'widths': [3, 2], 'losses': [0.5, None], 'out': 'results'}
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


def differences(expected: Any, actual: Any, name: str = "") -> list[tuple[str, str, str]]:
    """List where two plain values differ, in dicts key by key and in lists of equal length entry by entry.

    1 and 1.0 are equal; true and 1 are not.

    Args:
        expected: a value of JSON's types, such as `to_plain` returns.
        actual: the value to compare with it.
        name: what the dotted names of the differences begin with.

    Returns:
        One (dotted name, expected, actual) per difference, the two values as short JSON text or "absent"; [] where the
        values are equal.

    Example:
        >>> from jaxsize.results.json_files import differences
        >>> differences({"model": {"width": 3}, "seeds": [0, 1]}, {"model": {"width": 2}, "seeds": [0, 1], "rate": 0.1})
        [('model.width', '3', '2'), ('rate', 'absent', '0.1')]
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        rows = []
        for key in dict.fromkeys([*expected, *actual]):
            rows += differences(expected.get(key, ...), actual.get(key, ...), f"{name}.{key}" if name else key)
        return rows
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        pairs = enumerate(zip(expected, actual, strict=True))
        return [row for i, (a, b) in pairs for row in differences(a, b, f"{name}[{i}]")]
    if isinstance(expected, bool) == isinstance(actual, bool) and expected == actual:
        return []
    return [(name, _shown(expected), _shown(actual))]


def _shown(value: Any) -> str:
    text = "absent" if value is ... else json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write `to_plain(value)` to `path` as indented ASCII JSON, in one step.

    If an error is raised, the old file is intact.

    Raises:
        TypeError: when the value has no JSON form.
        OSError: when the disk is full, or the folder is missing or not writable.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.results.json_files import write_json
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "summary.json")
        ...     write_json(path, {"widths": (3, 2)})
        ...     print("".join(path.read_text().split()))
        {"widths":[3,2]}
    """
    replace_file(Path(path), [json.dumps(to_plain(value), indent=2, allow_nan=False).encode() + b"\n"])


def read_json(path: str | os.PathLike) -> Any:
    """Read the value in a JSON file.

    Raises:
        OSError: when the file cannot be opened.
        InputError: when it is not JSON, with its path.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.results.json_files import read_json
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "summary.json")
        ...     _ = path.write_text('{"widths": [3, 2]}')
        ...     print(read_json(path))
        {'widths': [3, 2]}
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is one, too; the other: nested too deep
        raise InputError(f"{path} is not a JSON file: {error}") from None


def replace_file(path: Path, chunks: Iterable[bytes]) -> None:
    """Replace the content of a file, or create it, in one step; if that fails, all is as before.

    Args:
        path: the file; its folder must exist.
        chunks: the new content, piece by piece.

    Raises:
        OSError: when the disk is full, or the folder is missing or not writable. Whatever `chunks` raises is passed on.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.results.json_files import replace_file
        >>> def broken():
        ...     yield b"half of "
        ...     raise KeyboardInterrupt
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "notes.txt")
        ...     replace_file(path, [b"old ", b"content"])
        ...     try:
        ...         replace_file(path, broken())
        ...     except KeyboardInterrupt:
        ...         print(path.read_text(), [file.name for file in path.parent.iterdir()])
        old content ['notes.txt']
    """
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
    """Make new names inside the folder survive a power cut, where the system can sync a folder (Windows cannot).

    Where it cannot, nothing happens and nothing is raised.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.results.json_files import sync_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "old").write_text("content")
        ...     _ = Path(folder, "old").rename(Path(folder, "new"))
        ...     sync_folder(folder)
        ...     print([file.name for file in Path(folder).iterdir()])
        ['new']
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
