"""Checkpoints that survive a kill and refuse to be restored into something else.

`directory/step_00000012/` holds `arrays/` (Orbax, one entry per leaf) and `manifest.json`: path, shape, dtype and
checksum of every leaf, checksums of the files, and what the caller adds, such as the config. The folder is made under a
hidden name, synced and renamed. Only then are earlier steps removed, so that the last complete checkpoint can be
restored at any moment. The manifest is there because Orbax restores a tree of another shape or structure silently.
"""

import json
import math
import os
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsize.errors import InputError
from jaxsize.results._arrays import damaged, read_arrays, sha256_of, sync_files, write_arrays
from jaxsize.results._leaves import crc32_of, flatten_tree, key_impl, kind_of, to_host
from jaxsize.results.json_files import differences, read_json, sync_folder, to_plain, write_json

FORMAT = 1
_STEP = re.compile(r"step_(\d{8,})")
_ASIDE = ".aside_"


def save(directory: str | os.PathLike, tree: Any, *, step: int, manifest: Any) -> None:
    """Save a pytree of arrays as the checkpoint of a step and then remove all earlier checkpoints.

    Returns when all is on the disk. If an error is raised, the last checkpoint is as it was.

    Args:
        directory: the folder of all checkpoints; it is created where it is missing.
        tree: JAX arrays (on any number of devices, all of this process), NumPy arrays and scalars, typed random keys.
        step: the step, at least 0 and later than the last one saved.
        manifest: anything `to_plain` can convert; `restore` must be given the same.

    Raises:
        InputError: when a leaf is no such array, or the step is not later than the last one.
        TypeError: when the manifest has no JSON form.
        OSError: when the disk is full or not writable.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.results import checkpoints
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoints.save(folder, {"kernel": np.arange(3)}, step=10, manifest={"rate": 0.1})
        ...     try:
        ...         checkpoints.save(folder, {"kernel": np.arange(3)}, step=9, manifest={"rate": 0.1})
        ...     except ValueError as error:
        ...         print(str(error).removeprefix(f"{folder}: "))
        cannot save step 9, it must be later than 10
    """
    directory, step = Path(directory), int(step)
    last = latest(directory)
    if step < 0 or (last is not None and step <= last):
        raise InputError(f"{directory}: cannot save step {step}, it must be later than {-1 if last is None else last}")
    names, leaves, containers = flatten_tree(tree)
    arrays = [to_host(name, leaf) for name, leaf in zip(names, leaves, strict=True)]
    rows = [
        {"path": name, "shape": leaf.shape, "dtype": leaf.dtype.name, "crc32": crc32_of(array), **key_impl(leaf)}
        for name, leaf, array in zip(names, leaves, arrays, strict=True)
    ]
    record = {"format": FORMAT, "step": step, "manifest": to_plain(manifest), "containers": containers, "leaves": rows}

    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(f"{_ASIDE}*"):
        shutil.rmtree(leftover)
    final = directory / _name_of(step)
    aside = directory / f"{_ASIDE}{final.name}"
    try:
        aside.mkdir()
        stored = {str(i): array for i, array in enumerate(arrays) if array.size}  # Orbax stores nothing of size 0
        if stored:
            write_arrays(aside / "arrays", stored)
        record["files"] = sync_files(aside)
        write_json(aside / "manifest.json", {**record, "crc32": _crc32_of_record(record)})
        os.replace(aside, final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(directory)
    for earlier in _steps(directory)[:-1]:  # renamed first: a folder named step_* is complete
        doomed = directory / f"{_ASIDE}{_name_of(earlier)}"
        os.replace(directory / _name_of(earlier), doomed)
        shutil.rmtree(doomed)


def latest(directory: str | os.PathLike) -> int | None:
    """Find the last step that was saved completely; None if there is none (or no such directory).

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.results import checkpoints
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     before = checkpoints.latest(folder)
        ...     checkpoints.save(folder, {"kernel": np.arange(3)}, step=10, manifest={})
        ...     print(before, checkpoints.latest(folder))
        None 10
    """
    steps = _steps(Path(directory))
    return steps[-1] if steps else None


def shapes(directory: str | os.PathLike, *, step: int | None = None) -> dict[str, tuple[int, ...]]:
    """Read the shape of every leaf of a checkpoint, by path: for a template whose shapes have changed.

    Args:
        directory: the folder of all checkpoints.
        step: the step of the checkpoint; by default the latest.

    Raises:
        InputError: in one line, when there is no such checkpoint or its record is damaged.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.results import checkpoints
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoints.save(folder, {"kernel": np.ones((3, 2)), "bias": np.ones(2)}, step=10, manifest={})
        ...     print(checkpoints.shapes(folder))
        {"['bias']": (2,), "['kernel']": (3, 2)}
    """
    rows = _read_record(_folder_of(Path(directory), step))["leaves"]
    return {row["path"]: tuple(row["shape"]) for row in rows}


def restore(directory: str | os.PathLike, template: Any, *, manifest: Any, step: int | None = None) -> Any:
    """Restore the tree of a checkpoint.

    Args:
        directory: the folder of all checkpoints.
        template: a tree like the saved one, of arrays or of `jax.ShapeDtypeStruct`; its values are not read.
        manifest: the one that was saved.
        step: the step of the checkpoint; by default the latest.

    Returns:
        The tree, with the structure of `template`. Its leaves are NumPy arrays in host memory, bit for bit as saved
        (typed random keys: JAX keys); the caller places them on devices.

    Raises:
        InputError: in one line, when there is no such checkpoint; when the manifest, the path, shape or dtype of a
            leaf, or a container differs (the message names the first, as expected and as found); or when the checkpoint
            is damaged (the message names its folder).

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.results import checkpoints
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checkpoints.save(folder, {"kernel": np.arange(3)}, step=10, manifest={"rate": 0.1})
        ...     print(checkpoints.restore(folder, {"kernel": np.zeros(3, int)}, manifest={"rate": 0.1}))
        ...     try:
        ...         checkpoints.restore(folder, {"kernel": np.zeros(4, int)}, manifest={"rate": 0.1})
        ...     except ValueError as error:
        ...         print(str(error).removeprefix(f"{folder}/"))
        {'kernel': array([0, 1, 2])}
        step_00000010 does not fit: leaf ['kernel']: expected "int64[4]", found "int64[3]"
    """
    folder = _folder_of(Path(directory), step)
    names, leaves, containers = flatten_tree(template)
    wanted = {name: kind_of(leaf.shape, leaf.dtype.name) for name, leaf in zip(names, leaves, strict=True)}
    record = _read_record(folder)
    saved = {row["path"]: kind_of(row["shape"], row["dtype"]) for row in record["leaves"]}
    parts = (
        ("manifest", to_plain(manifest), record["manifest"]),
        ("leaf", wanted, saved),
        ("container", containers, record["containers"]),
    )
    for part, expected, on_disk in parts:
        if rows := differences(expected, on_disk):
            name, first, second = rows[0]
            more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
            raise InputError(f"{folder} does not fit: {part} {name}: expected {first}, found {second}{more}")
    for name, checksum in record["files"].items():  # first: a damaged file makes TensorStore print tracebacks
        if not (folder / name).is_file() or sha256_of(folder / name) != checksum:
            raise damaged(folder, f"{name} is not what was saved")
    arrays = read_arrays(folder / "arrays") if record["files"] else {}
    restored = []
    stored = {row["path"]: (str(i), row["crc32"], row.get("key_impl")) for i, row in enumerate(record["leaves"])}
    for name, leaf in zip(names, leaves, strict=True):
        index, checksum, impl = stored[name]
        data = jax.eval_shape(jax.random.key_data, leaf) if impl else leaf
        array = arrays.get(index) if math.prod(data.shape) else np.zeros(data.shape, data.dtype)
        if array is None or crc32_of(array) != checksum:
            raise damaged(folder, f"leaf {name} is not what was saved")
        restored.append(jax.random.wrap_key_data(jax.numpy.asarray(array), impl=impl) if impl else array)
    return jax.tree.unflatten(jax.tree.structure(template), restored)


def _name_of(step: int) -> str:
    return f"step_{step:08d}"


def _folder_of(directory: Path, step: int | None) -> Path:
    chosen = latest(directory) if step is None else int(step)
    if chosen not in _steps(directory):
        raise InputError(f"{directory} holds no checkpoint" + ("" if step is None else f" of step {step}"))
    return directory / _name_of(chosen)


def _steps(directory: Path) -> list[int]:
    """List the steps that were saved, ascending."""
    try:
        entries = list(directory.iterdir())
    except FileNotFoundError:  # but not NotADirectoryError: a file in its place is no place to begin anew
        return []
    matches = [_STEP.fullmatch(folder.name) for folder in entries if folder.is_dir()]
    return sorted(int(match[1]) for match in matches if match)


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = read_json(folder / "manifest.json")
        checksum = record.pop("crc32")
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
        raise damaged(folder, error) from error
    if _crc32_of_record(record) != checksum:
        raise damaged(folder, "manifest.json is not what was saved")
    if record["format"] != FORMAT:
        raise InputError(f"{folder} has checkpoint format {record['format']}, expected {FORMAT}")
    if folder.name != _name_of(record["step"]):
        raise InputError(f"{folder} was renamed: it holds step {record['step']}")
    return record


def _crc32_of_record(record: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(to_plain(record)).encode())
