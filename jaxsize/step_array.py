"""A number per run and step in a .npy file that is written in blocks while a study runs."""

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from jaxsize.json_files import replace_file


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
            replace_file(self.path, (header.getvalue() if i < 0 else row for i in range(-1, shape[0])))
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
