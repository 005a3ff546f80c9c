"""Arrays in files: a number per run and step in a .npy file that is written in blocks, and arrays by name."""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxsize.errors import InputError
from jaxsize.results.json_files import replace_file


class StepArray:
    """A number per run and step in a .npy file, which `numpy.load` reads.

    The attribute `values` [num_runs, num_steps] is a memory map of the file. A file that exists is reopened; one that
    does not is created and allocated as a whole, so that a disk which fills up later stops no write.

    Args:
        path: the .npy file.
        num_runs: number of rows, at least 1.
        num_steps: number of columns, at least 1.
        dtype: a bool, integer or floating dtype of NumPy's.
        fill: the value of every entry of a file that is created; `dtype` must be able to hold it.

    Raises:
        InputError: when an argument is out of its range, or when the file holds another shape or dtype (the message
            gives the expected and the one found) or is damaged.
        OSError: when the file cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from jaxsize.results import StepArray
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     losses = StepArray(f"{folder}/loss.npy", 2, 3)
        ...     losses.write(1, [[0.5], [0.25]])
        ...     losses.flush()
        ...     print(np.load(f"{folder}/loss.npy").tolist())
        [[nan, 0.5, nan], [nan, 0.25, nan]]
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
            raise InputError(f"a step array needs a run, a step and a NumPy number dtype, got {dtype}{list(shape)}")
        if not self.path.exists():
            if dtype.kind != "f" and not (math.isfinite(fill) and np.array(fill).astype(dtype) == fill):
                raise InputError(f"a step array of {dtype} cannot be filled with {fill}")
            header = io.BytesIO()
            layout = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(header, layout)
            row = np.full(shape[1], fill, dtype).tobytes()
            replace_file(self.path, (header.getvalue() if i < 0 else row for i in range(-1, shape[0])))
        try:
            stored = np.lib.format.open_memmap(self.path, mode="r")  # "r+" would lengthen a file that was cut short
        except ValueError as error:
            raise InputError(f"{self.path} is damaged or no .npy file: {error}") from None
        if (stored.shape, stored.dtype, stored.flags.c_contiguous) != (shape, dtype, True):
            wanted, got = f"{dtype}{list(shape)}", f"{stored.dtype}{list(stored.shape)}"
            raise InputError(f"{self.path} holds another array: expected {wanted} in C order, found {got}")
        self.values: np.memmap = np.lib.format.open_memmap(self.path, mode="r+")

    @classmethod
    def reopen(cls, path: str | os.PathLike, num_runs: int, num_steps: int) -> "StepArray":
        """Open a file that was made before, whatever its dtype.

        Raises:
            InputError: when there is no such file, or it is damaged or of another shape.
            OSError: when it cannot be opened.
        """
        if not os.path.exists(path):
            raise InputError(f"{path} is missing")
        try:
            dtype = np.lib.format.open_memmap(path, mode="r").dtype
        except ValueError as error:
            raise InputError(f"{path} is damaged or no .npy file: {error}") from None
        return cls(path, num_runs, num_steps, dtype=dtype)

    def write(self, start: int, block: ArrayLike, runs: slice | Sequence[int] = slice(None)) -> None:
        """Write a block of values at consecutive steps.

        Args:
            start: the first of the steps, counted from 0.
            block: values [len(runs), width], for steps start .. start + width - 1.
            runs: the rows to write to; by default all.

        Raises:
            InputError: when the block does not lie within the array, has another number of rows than `runs`, or is of
                a dtype that would lose its kind (floating values in an integer array).
        """
        block = np.asarray(block)
        if block.ndim != 2 or not 0 <= start <= start + block.shape[1] <= self.values.shape[1]:
            raise InputError(f"a block {list(block.shape)} at step {start} is not in {list(self.values.shape)}")
        steps = slice(start, start + block.shape[1])
        if self.values[runs, steps].shape != block.shape:
            raise InputError(f"a block {list(block.shape)} does not fit {list(self.values[runs, steps].shape)}")
        if not np.can_cast(block.dtype, self.values.dtype, "same_kind"):
            raise InputError(f"a block of {block.dtype} cannot be stored as {self.values.dtype}")
        self.values[runs, steps] = block

    def flush(self) -> None:
        """Wait until all that was written is on the disk.

        Raises:
            OSError: when the disk did not take it.
        """
        self.values.flush()


def write_arrays(path: Path, **arrays: Any) -> None:
    """Write arrays by name to a compressed .npz file, in one step: a reader finds the old file or the new one.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from jaxsize.results import write_arrays
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "curves.npz")
        ...     write_arrays(path, sizes=[3, 2], losses=[0.5, 0.25])
        ...     with np.load(path) as file:
        ...         print(file["sizes"].tolist(), file["losses"].tolist())
        [3, 2] [0.5, 0.25]
    """
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    replace_file(path, [file.getvalue()])
