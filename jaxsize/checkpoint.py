"""Checkpoints that survive a kill and refuse to be restored into something else.

`directory/step_00000012/` holds `arrays/` (Orbax, one entry per leaf) and `manifest.json`: path, shape, dtype and
checksum of every leaf, checksums of the files, and what the caller adds, such as the config. It is made under a hidden
name, synced and renamed; only then are earlier steps removed, so that the last complete checkpoint can be restored at
any moment. Orbax restores a tree of another shape or structure without a word, hence the manifest.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import shutil
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsize.json_files import differences, read_json, sync_folder, to_plain, write_json

FORMAT = 1
_STEP = re.compile(r"step_(\d{8,})")
_ASIDE = ".aside_"


def save(directory: str | os.PathLike, tree: Any, *, step: int, manifest: Any) -> None:
    """Saves a pytree of arrays as the checkpoint of `step` and then removes all earlier ones.

    tree: JAX arrays (on any number of devices, all of this process), NumPy arrays and scalars, typed random keys.
    manifest: anything `to_plain` can convert; `restore` must be given the same. Returns when all is on the disk.
    Raises, and leaves the last checkpoint as it is: ValueError for a leaf that is no such array or a step that is not
    later than the last one; TypeError for a manifest without a JSON form; OSError if the disk is full or not writable.
    """
    directory, step = Path(directory), int(step)
    last = latest(directory)
    if step < 0 or (last is not None and step <= last):
        raise ValueError(f"{directory}: cannot save step {step}, it must be later than {-1 if last is None else last}")
    names, leaves, containers = _flatten(tree)
    arrays = [_to_host(name, leaf) for name, leaf in zip(names, leaves, strict=True)]
    rows = [
        {"path": name, "shape": leaf.shape, "dtype": leaf.dtype.name, "crc32": _crc32(array), **_key_impl(leaf)}
        for name, leaf, array in zip(names, leaves, arrays, strict=True)
    ]
    record = {"format": FORMAT, "step": step, "manifest": to_plain(manifest), "containers": containers, "leaves": rows}

    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(f"{_ASIDE}*"):
        shutil.rmtree(leftover)
    final = directory / f"step_{step:08d}"
    aside = directory / f"{_ASIDE}{final.name}"
    try:
        aside.mkdir()
        stored = {str(i): array for i, array in enumerate(arrays) if array.size}  # Orbax stores nothing of size 0
        if stored:
            _write_arrays(aside / "arrays", stored)
        record["files"] = _sync(aside)
        write_json(aside / "manifest.json", {**record, "crc32": _crc32_of_record(record)})
        os.replace(aside, final)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(directory)
    for earlier in _steps(directory)[:-1]:  # renamed first: a folder named step_* is complete
        doomed = directory / f"{_ASIDE}step_{earlier:08d}"
        os.replace(directory / f"step_{earlier:08d}", doomed)
        shutil.rmtree(doomed)


def latest(directory: str | os.PathLike) -> int | None:
    """The last step saved completely, None if there is none (or no such directory)."""
    steps = _steps(Path(directory))
    return steps[-1] if steps else None


def shapes(directory: str | os.PathLike, *, step: int | None = None) -> dict[str, tuple[int, ...]]:
    """Shape of every leaf saved at `step` (by default the latest), by path: for a template whose shapes have changed.

    ValueError, in one line, if there is no such checkpoint or its record is damaged.
    """
    rows = _read_record(_folder_of(Path(directory), step))["leaves"]
    return {row["path"]: tuple(row["shape"]) for row in rows}


def restore(directory: str | os.PathLike, template: Any, *, manifest: Any, step: int | None = None) -> Any:
    """The tree saved at `step` (by default the latest), with the structure of `template`.

    template: a tree like the saved one, of arrays or of `jax.ShapeDtypeStruct`; its values are not read. manifest: the
    one that was saved. Leaves are NumPy arrays in host memory, bit for bit as saved (typed random keys: JAX keys); the
    caller places them on devices.
    ValueError, in one line, if there is no such checkpoint, if manifest, path, shape or dtype of a leaf or a container
    differs (naming the first, expected and found), or if the checkpoint is damaged (naming its folder).
    """
    folder = _folder_of(Path(directory), step)
    names, leaves, containers = _flatten(template)
    wanted = {name: _kind(leaf.shape, leaf.dtype.name) for name, leaf in zip(names, leaves, strict=True)}
    record = _read_record(folder)
    saved = {row["path"]: _kind(row["shape"], row["dtype"]) for row in record["leaves"]}
    parts = (
        ("manifest", to_plain(manifest), record["manifest"]),
        ("leaf", wanted, saved),
        ("container", containers, record["containers"]),
    )
    for part, expected, found in parts:
        if rows := differences(expected, found):
            name, first, second = rows[0]
            more = f" (and {len(rows) - 1} more)" if len(rows) > 1 else ""
            raise ValueError(f"{folder} does not fit: {part} {name}: expected {first}, found {second}{more}")
    for name, checksum in record["files"].items():  # first: a damaged file makes TensorStore print tracebacks
        if not (folder / name).is_file() or _sha256(folder / name) != checksum:
            raise _damaged(folder, f"{name} is not what was saved")
    arrays = _read_arrays(folder / "arrays") if record["files"] else {}
    restored = []
    stored = {row["path"]: (str(i), row["crc32"], row.get("key_impl")) for i, row in enumerate(record["leaves"])}
    for name, leaf in zip(names, leaves, strict=True):
        index, checksum, impl = stored[name]
        data = jax.eval_shape(jax.random.key_data, leaf) if impl else leaf
        array = arrays.get(index) if math.prod(data.shape) else np.zeros(data.shape, data.dtype)
        if array is None or _crc32(array) != checksum:
            raise _damaged(folder, f"leaf {name} is not what was saved")
        restored.append(jax.random.wrap_key_data(jax.numpy.asarray(array), impl=impl) if impl else array)
    return jax.tree.unflatten(jax.tree.structure(template), restored)


def _folder_of(directory: Path, step: int | None) -> Path:
    chosen = latest(directory) if step is None else int(step)
    if chosen not in _steps(directory):
        raise ValueError(f"{directory} holds no checkpoint" + ("" if step is None else f" of step {step}"))
    return directory / f"step_{chosen:08d}"


def _steps(directory: Path) -> list[int]:
    """Steps saved completely, ascending."""
    if not directory.is_dir():
        return []
    matches = [_STEP.fullmatch(folder.name) for folder in directory.iterdir() if (folder / "manifest.json").is_file()]
    return sorted(int(match[1]) for match in matches if match)


def _read_record(folder: Path) -> dict[str, Any]:
    try:
        record = read_json(folder / "manifest.json")
        checksum = record.pop("crc32")
    except (OSError, ValueError, AttributeError, KeyError) as error:
        raise _damaged(folder, error) from error
    if _crc32_of_record(record) != checksum:
        raise _damaged(folder, "manifest.json is not what was saved")
    if record["format"] != FORMAT:
        raise ValueError(f"{folder} has checkpoint format {record['format']}, expected {FORMAT}")
    return record


def _flatten(tree: Any) -> tuple[list[str], list[Any], dict[str, str]]:
    """Path and value of every leaf, and the type of the container at every path. ValueError if a leaf is no array."""
    pairs, _ = jax.tree_util.tree_flatten_with_path(tree)
    names = [jax.tree_util.keystr(path) for path, _ in pairs]
    for name, (_, leaf) in zip(names, pairs, strict=True):
        if not (hasattr(leaf, "shape") and hasattr(leaf, "dtype")):
            raise ValueError(f"leaf {name} must be an array, got {leaf!r:.80} of type {type(leaf).__name__}")
    return names, [leaf for _, leaf in pairs], _containers(tree, "")


def _containers(tree: Any, path: str) -> dict[str, str]:
    if jax.tree_util.all_leaves([tree]):
        return {}
    found = {path: type(tree).__name__}
    children, _ = jax.tree_util.tree_flatten_with_path(tree, is_leaf=lambda node: node is not tree)
    for key, child in children:
        found |= _containers(child, path + jax.tree_util.keystr(key))
    return found


def _kind(shape: Any, dtype: str) -> str:
    return f"{dtype}{list(shape)}"


def _key_impl(leaf: Any) -> dict[str, str]:
    """Of typed random keys, what turns their data into keys again."""
    if jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return {"key_impl": str(jax.random.key_impl(leaf))}
    return {}


def _to_host(name: str, leaf: Any) -> np.ndarray:
    """The leaf as a NumPy array in C order and native byte order; a typed random key as its uint32 data."""
    if isinstance(leaf, jax.Array):
        if not leaf.is_fully_addressable:
            raise ValueError(f"leaf {name} is spread over several processes: gather it before saving")
        leaf = jax.random.key_data(leaf) if _key_impl(leaf) else leaf
    array = np.asarray(leaf, order="C")
    if array.dtype.kind in "OSUMm" or array.dtype.name.startswith("void"):
        raise ValueError(f"leaf {name} must hold numbers, got dtype {array.dtype}")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _crc32(array: np.ndarray) -> int:
    """Of shape, dtype and bytes."""
    seed = zlib.crc32(_kind(array.shape, array.dtype.name).encode())
    return zlib.crc32(array.reshape(-1).view(np.uint8).data, seed) if array.size else seed


def _crc32_of_record(record: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(to_plain(record)).encode())


def _damaged(folder: Path, why: Any) -> ValueError:
    text = " ".join(f"{type(why).__name__}: {why}".split() if isinstance(why, Exception) else str(why).split())
    return ValueError(f"{folder} is damaged: {text:.200}")


def _write_arrays(path: Path, arrays: dict[str, np.ndarray]) -> None:
    import orbax.checkpoint as ocp

    try:
        with _quiet(), ocp.PyTreeCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), arrays)
    except OSError:
        raise
    except Exception as error:  # TensorStore and Orbax raise what they like
        raise OSError(f"{path.parent} could not be written: {error!r:.200}") from error


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    import orbax.checkpoint as ocp

    try:
        with _quiet(), ocp.PyTreeCheckpointer() as checkpointer:
            return checkpointer.restore(path.absolute())
    except Exception as error:  # damaged files make them raise anything; told as damage, with the cause
        raise _damaged(path.parent, error) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Orbax logs through absl and warns of what does not matter here; errors still arrive as exceptions."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _sync(folder: Path) -> dict[str, str]:
    """Makes all files below a folder survive a power cut; returns their checksums by path relative to it."""
    checksums = {}
    for parent, _, names in os.walk(folder):
        for name in names:
            path = Path(parent, name)
            checksums[path.relative_to(folder).as_posix()] = _sha256(path)
            with open(path, "rb") as file:
                os.fsync(file.fileno())
        sync_folder(parent)
    return checksums


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
