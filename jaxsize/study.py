"""A batch of runs trained to the end: in one part, or in parts that fit the memory, one after the other (`parts`)."""

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.batches import Batch, Program
from jaxsize.json_files import read_json, write_json
from jaxsize.memory import available_bytes, gib
from jaxsize.parts import Part
from jaxsize.progress import Progress
from jaxsize.records import Folder
from jaxsize.runs import Device, RunAxis
from jaxsize.team import FinalNetwork

logger = logging.getLogger(__name__)
STATE_COPIES = 9  # weights and their two moments: before an epoch, after it, and on the host


@dataclasses.dataclass(frozen=True)
class Trained:
    """Where a batch ended: the rows of all its epochs, and the network of every run."""

    rows: list[dict[str, Any]]
    networks: list[FinalNetwork]


def train(batch: Batch, folder: Folder, progress: Progress, *, devices: Sequence[Device] = ()) -> Trained:
    """Trains every run of `batch` for its epochs, on from its checkpoint if `folder` holds one.

    A batch too large for the memory at hand is split into parts that are trained one after the other, and says so.
    Raises MemoryError if not even one run fits, ValueError if a checkpoint is of other shapes or settings, OSError if
    a disk is full.
    """
    sizes, program = _plan(batch, folder, devices)
    if len(sizes) > 1:
        logger.warning(
            "%s: %d runs are too many for the memory; training %d at a time", batch.name, len(batch), sizes[0]
        )
        progress.expect(batch.num_epochs * (len(sizes) - 1))
    ends = np.cumsum(sizes).tolist()
    final: list[FinalNetwork] = []
    for start, end in zip([0, *ends], ends, strict=False):
        if program is not None and program.axis.num_runs != end - start:
            program = None
        part = Part(batch, range(start, end), folder, devices, program)
        final += part.train(progress)
    mine = {label["run"] for label in batch.labels}
    return Trained([row for row in folder.rows.read() if row["run"] in mine], final)


def require_room(batch: Batch, path: Path, devices: Sequence[Device] = ()) -> None:
    """MemoryError, in one line, if one run of the batch cannot fit into memory or the histories of all not on the disk.

    For a check before anything is drawn, compiled or written. path: the results folder to be.
    """
    try:
        existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        free, history = shutil.disk_usage(existing).free, _history_bytes(batch)
    except OSError as error:
        raise ValueError(f"{path} cannot be used for results: {error.strerror}") from error
    if history > free:
        raise MemoryError(
            f"{batch.name}: the history of all steps needs {gib(history)} on the disk, {gib(free)} are free"
        )
    available, needed = available_bytes(RunAxis(1, tuple(devices)).devices), _state_bytes(batch)
    if needed > available:
        raise MemoryError(f"{batch.name}: one run needs about {gib(needed)} of memory, {gib(available)} can be used")


def _history_bytes(batch: Batch) -> int:
    return 4 * len(batch.histories) * len(batch) * batch.num_epochs * batch.steps_per_epoch


def _state_bytes(batch: Batch) -> int:
    return STATE_COPIES * 4 * batch.num_parameters


def _plan(batch: Batch, folder: Folder, devices: Sequence[Device]) -> tuple[list[int], Program | None]:
    """How many runs are trained at a time, and their program if it was needed to find out.

    Decided once per study and written down, so that a resumed study finds its checkpoints whatever memory is free then.
    """
    path = folder.checkpoints / batch.name / "parts.json"
    if path.exists():
        return read_json(path), None
    at_a_time = len(batch)
    while True:
        axis = RunAxis(at_a_time, tuple(devices))
        available = available_bytes(axis.devices)
        # By arithmetic first, so that nothing absurd is drawn or compiled; then by what the compiled program says.
        needed, program = _state_bytes(batch) * axis.runs_per_device, None
        if needed <= available:
            program = Program(batch, at_a_time, devices)
            needed = max(needed, program.num_bytes)
        if needed <= available:
            break
        if at_a_time == 1:
            raise MemoryError(
                f"{batch.name}: one run needs about {gib(needed)} of memory, {gib(available)} can be used"
            )
        # Fewer runs on every device first, then fewer devices.
        lowered = max(1, min(axis.runs_per_device - 1, int(axis.runs_per_device * available / needed)))
        at_a_time = lowered * len(axis.devices) if axis.runs_per_device > 1 else at_a_time - 1
    sizes = [min(at_a_time, len(batch) - start) for start in range(0, len(batch), at_a_time)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, sizes)
    return sizes, program
