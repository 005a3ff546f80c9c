"""What is kept of every step of some runs: arrays in steps/, and checksums by which edited ones are recognised."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.programs.batch import Batch
from jaxsize.results.step_arrays import StepArray
from jaxsize.trees import Tree


class Histories:
    """The histories of the runs of a part, in files that the parts of a batch share.

    Args:
        directory: the folder of the files; its parent must exist.
        batch: the batch; its `histories` say what is kept.
        runs: indices into the batch of the part's runs.
    """

    def __init__(self, directory: Path, batch: Batch, runs: range):
        self.directory, self.batch, self.runs = directory, batch, runs
        self.crcs = {key: np.int64(0) for key in batch.histories}
        """A checksum of what was written, by key: it goes into a checkpoint."""
        self._arrays: dict[str, StepArray] = {}

    def write(self, epoch: int, steps: Mapping[int, Tree]) -> None:
        """Write an epoch.

        Args:
            epoch: its number, from 1 on.
            steps: what is known of every step, by index of the run, of the runs that were trained, ascending.
        """
        if self.crcs:
            self.directory.mkdir(exist_ok=True)
        start = (epoch - 1) * self.batch.steps_per_epoch
        for key, of in self.batch.histories.items():
            values = np.stack([of(history) for history in steps.values()])
            if key not in self._arrays:
                whole = {"dtype": np.int32, "fill": -1} if values.dtype.kind in "iu" else {}
                self._arrays[key] = StepArray(self._path(key), *self._shape, **whole)
            self._arrays[key].write(start, values, list(steps))
            self.crcs[key] = self._crc(key, epoch, list(steps), self.crcs[key])

    def flush(self) -> None:
        """Wait until all is on the disk."""
        for array in self._arrays.values():
            array.flush()

    def restore(self, done: int, crcs: Mapping[str, Any]) -> None:
        """Go on after so many epochs, of which the checkpoint has these checksums.

        Raises:
            InputError: when a file is missing, was edited, or is none of these runs.
        """
        for key, wanted in crcs.items():
            path, crc = self._path(key), np.int64(0)
            self._arrays[key] = StepArray.reopen(path, *self._shape)
            for epoch in range(1, done + 1):
                crc = self._crc(key, epoch, [run for run in self.runs if self.batch.epochs(run) >= epoch], crc)
            if crc != wanted:
                raise InputError(f"{path} is not what was saved: it was edited since")
            self.crcs[key] = crc

    @property
    def _shape(self) -> tuple[int, int]:
        return len(self.batch), self.batch.num_epochs * self.batch.steps_per_epoch

    def _path(self, key: str) -> Path:
        return self.directory / f"{self.batch.name}.{key}.npy"

    def _crc(self, key: str, epoch: int, runs: list[int], crc: np.int64) -> np.int64:
        end = epoch * self.batch.steps_per_epoch
        block = self._arrays[key].values[runs, end - self.batch.steps_per_epoch : end]
        return np.int64(zlib.crc32(block.tobytes(), int(crc)))
