"""The two files of a saved network: written as a folder that is complete or not there, read within bounds of memory."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsize.errors import InputError, require_path
from jaxsize.export._description import as_text
from jaxsize.results.json_files import read_json, replace_file, sync_folder, to_plain

WEIGHTS, DESCRIPTION = "weights.safetensors", "network.json"
"""The names of the two files in the folder of a network."""
MOST_BYTES = 2**34
"""The largest file of weights that is read without being asked for."""
_MOST_TEXT = 2**26  # bytes of network.json
_DTYPES = {
    **{f"F{bits}": np.dtype(f"float{bits}") for bits in (16, 32, 64)},
    **{f"I{bits}": np.dtype(f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"U{bits}": np.dtype(f"uint{bits}") for bits in (8, 16, 32, 64)},
    **{f"C{bits}": np.dtype(f"complex{bits}") for bits in (64,)},
    "BOOL": np.dtype(bool),
    "BF16": np.dtype(jnp.bfloat16),
    "F8_E4M3": np.dtype(jnp.float8_e4m3fn),
    "F8_E5M2": np.dtype(jnp.float8_e5m2),
}
"""The types of numbers that safetensors knows, as NumPy and JAX call them."""
DTYPES = frozenset(_DTYPES.values())


def require_new(folder: str | os.PathLike) -> Path:
    """Return the path of a folder that is not there yet.

    Raises:
        InputError: when it is no path.
        FileExistsError: when the folder exists.
    """
    require_path(folder, "folder")
    folder = Path(folder)
    if os.path.lexists(folder):
        raise FileExistsError(f"{folder} exists: a network is saved as a new folder")
    return folder


def write_folder(folder: Path, arrays: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> None:
    """Write arrays and their description as a new folder; whatever is raised, there is none.

    Args:
        folder: the new folder; missing parents are made.
        arrays: by name of the leaf, in dtypes of `DTYPES`.
        description: the content of network.json, but for the checksum of the weights, which is added before `extra`.

    Raises:
        TypeError: when the description has no JSON form.
        OSError: when the disk is full or not writable.
    """
    from safetensors.numpy import save

    weights = save({name: np.array(one, one.dtype.newbyteorder("="), order="C") for name, one in arrays.items()})
    checksum = {"weights_sha256": hashlib.sha256(weights).hexdigest()}
    last = {"extra": description["extra"]}
    text = as_text(to_plain({key: value for key, value in description.items() if key != "extra"} | checksum | last))

    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = folder.with_name(f".{folder.name}.aside")
    if aside.exists():  # left behind by a save that was killed
        shutil.rmtree(aside)
    try:
        aside.mkdir()
        replace_file(aside / WEIGHTS, [weights])
        replace_file(aside / DESCRIPTION, [text.encode() + b"\n"])
        os.replace(aside, folder)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(folder.parent)


def read_record(folder: str | os.PathLike) -> tuple[Path, Any]:
    """Read network.json.

    Returns:
        Its path, and its content as plain values.

    Raises:
        InputError: when it cannot be read, or is too long for a description.
    """
    require_path(folder, "folder")
    path = Path(folder, DESCRIPTION)

    def read(path: Path) -> Any:
        _require_at_most(path, _MOST_TEXT)
        return read_json(path)

    return path, _read(path, read)


def read_arrays(
    folder: str | os.PathLike, expected_bytes: int, num_leaves: int, most_bytes: int = MOST_BYTES
) -> tuple[Path, dict[str, np.ndarray], str]:
    """Read the weights, if there are not more of them than expected.

    Args:
        folder: the folder of the network.
        expected_bytes: of all arrays together.
        num_leaves: how many arrays there are, which bounds the header of the file.
        most_bytes: how much is read at most, whatever is expected.

    Returns:
        The path of the file, its arrays by name, and its SHA-256 in hexadecimal.

    Raises:
        InputError: when it cannot be read, or is longer.
    """
    path = Path(folder, WEIGHTS)

    def read(path: Path) -> bytes:
        _require_at_most(path, min(most_bytes, expected_bytes + 2**16 + 2**11 * num_leaves))
        return path.read_bytes()

    weights = _read(path, read)
    return path, _read(path, lambda _: _parsed(weights)), hashlib.sha256(weights).hexdigest()


@contextlib.contextmanager
def named(path: Path) -> Iterator[None]:
    """Begin the messages of the errors for wrong input that are raised within by the path of a file."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def require_checksum(checksum: str, record: Mapping[str, Any]) -> None:
    """Check the SHA-256 of the weights that were read against network.json.

    Raises:
        InputError: when it differs.
    """
    if checksum != record["weights_sha256"]:
        raise InputError(f"{DESCRIPTION} was written for other values (sha256 differs)")


def _require_at_most(path: Path, most: int) -> None:
    if (length := path.stat().st_size) > most:
        raise InputError(f"expected at most {most} bytes, got {length}")


def _parsed(weights: bytes) -> dict[str, np.ndarray]:
    from safetensors import deserialize

    arrays = {}
    for name, leaf in deserialize(weights):
        if leaf["dtype"] not in _DTYPES:
            raise InputError(f"{name}: expected one of {', '.join(_DTYPES)}, got {leaf['dtype']}")
        arrays[name] = np.frombuffer(leaf["data"], _DTYPES[leaf["dtype"]]).reshape(leaf["shape"])
    return arrays


def _read(path: Path, read: Callable[[Path], Any]) -> Any:
    try:
        return read(path)
    except Exception as error:  # besides OSError and ValueError: what safetensors raises, a JSON nested too deep
        reason = " ".join(str(error).split()).removeprefix(f"{path} ")
        raise InputError(f"{path} cannot be read: {reason:.200}") from None
