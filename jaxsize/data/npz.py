"""`from_npz`: a data set of arrays that a user saved with `numpy.savez`."""

import dataclasses
import os
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.data._files.own_names import safe_name
from jaxsize.data.arrays import from_arrays
from jaxsize.data.dataset import Dataset, Task
from jaxsize.data.tables import SPLITS
from jaxsize.errors import InputError, require_path

_INPUTS, _TARGETS = ("inputs", "x", "X"), ("targets", "y")
_PARTS = {"train": ("train",), "validation": ("validation", "val", "valid"), "test": ("test",)}


def from_npz(
    path: str | os.PathLike[str],
    *,
    task: Task | None = None,
    validation: float | None = 0.15,
    test: float = 0.15,
    seed: int = 0,
    standardize: bool | None = None,
    tokens: bool = False,
    num_outputs: int | None = None,
    name: str | None = None,
) -> Dataset:
    """Make a data set of the arrays in a .npz file.

    The file holds `inputs` (or `x`, `X`) and `targets` (or `y`), and may hold `weights`, and `split`, which says train,
    validation or test for each row. Or it holds `x_train`, `y_train`, `x_test`, `y_test` and perhaps `x_validation`,
    `y_validation` (or `val`); with `inputs_` and `targets_` as well, and `weights_`. `info["unused_arrays"]` names
    what else there is.

    Args:
        path: the file.
        task: see `from_arrays`, as for all arguments below.
        validation: the share of the rows that validates; used where the file does not say.
        test: the share of the rows that tests; used where the file does not say.
        seed: draws these rows, and the order of the training rows.
        standardize: whether each feature or channel is standardised.
        tokens: whether integer inputs are tokens.
        num_outputs: of a custom task.
        name: names the data set in results and messages. Default: that of the file.

    Raises:
        InputError: when the file cannot be read or holds no such arrays, and as `from_arrays`.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.data import from_npz
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/waves.npz", x=np.eye(20), y=np.arange(20) % 2)
        ...     waves = from_npz(f"{folder}/waves.npz")
        >>> waves.name, waves.task, len(waves.train), len(waves.test)
        ('waves', 'classification', 14, 3)
    """
    require_path(path, "path")
    path = Path(path)
    arrays = _read(path)
    used: set[str] = set()

    def take(stems: Collection[str], suffixes: Collection[str] = ("",)) -> Any:
        names = [stem + suffix for stem in stems for suffix in suffixes if stem + suffix in arrays]
        if len(names) > 1:
            raise InputError(f"{path}: expected one of {', '.join(names)}, got {len(names)} of them")
        used.update(names)
        return arrays[names[0]] if names else None

    parts: dict[str, Any] = {"validation": validation, "test": test}
    blocks = {
        part: tuple(take(stems, [f"_{word}" for word in words]) for stems in (_INPUTS, _TARGETS, ("weights",)))
        for part, words in _PARTS.items()
    }
    inputs, targets, weights = blocks["train"]
    if inputs is None:
        inputs, targets, weights = take(_INPUTS), take(_TARGETS), take(("weights",))
        split = take(("split",))
        if split is not None and inputs is not None:
            parts |= _rows_of(path, split, len(np.atleast_1d(inputs)))
    if inputs is None:
        held = ", ".join(arrays) or "nothing"
        raise InputError(f"{path}: expected an array inputs, x or x_train, it holds {held}")
    for part in parts:
        if blocks[part][0] is not None:
            parts[part] = blocks[part]
    if targets is None and task is None:
        held = ", ".join(arrays)
        raise InputError(f"{path}: expected an array targets or y for these inputs, it holds {held}")
    dataset = from_arrays(
        inputs,
        targets,
        task=task,
        weights=weights,
        seed=seed,
        standardize=standardize,
        tokens=tokens,
        num_outputs=num_outputs,
        name=safe_name(path) if name is None else name,
        source=f"arrays of {path.name}",
        **parts,
    )
    unused = sorted(set(arrays) - used)
    return dataclasses.replace(dataset, info=dataset.info | ({"unused_arrays": unused} if unused else {}))


def _read(path: Path) -> dict[str, np.ndarray]:
    try:
        if path.is_file() and not zipfile.is_zipfile(path):
            raise InputError(f"{path}: is no .npz file, which is a zip archive of arrays")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except InputError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        reason = "arrays of Python objects are not read" if "pickle" in str(error) else str(error)
        raise InputError(f"{path}: cannot be read as .npz ({reason})") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _rows_of(path: Path, split: np.ndarray, num_rows: int) -> dict[str, np.ndarray]:
    words = [SPLITS.get(str(word).lower()) for word in np.ravel(split)]
    if split.shape != (num_rows,) or None in words:
        wrong = f", got {str(split[words.index(None)])!r}" if None in words else ""
        raise InputError(f"{path}: split must say train, validation or test for each of {num_rows} rows{wrong}")
    rows = {part: np.flatnonzero(np.array(words) == part) for part in ("validation", "test")}
    if not rows["test"].size:
        raise InputError(f"{path}: split names no test row")
    return {part: chosen for part, chosen in rows.items() if chosen.size}
