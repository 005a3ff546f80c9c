"""A batch of runs trained to the end: in one part, or in parts that fit the memory, one after the other (`parts`)."""

import dataclasses
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.programs._memory import available_bytes, gib
from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.run_axis import Device, RunAxis
from jaxsize.results.folder import Folder
from jaxsize.results.json_files import read_json, write_json
from jaxsize.training._loop import TrainingLoop
from jaxsize.training._team import FinalNetwork
from jaxsize.training.progress import Progress

logger = logging.getLogger(__name__)
STATE_COPIES = 9  # weights and their two moments: before an epoch, after it, and on the host


@dataclasses.dataclass(frozen=True)
class Trained:
    """A trained batch: the rows of all its epochs, and the network of every run.

    Example:
        >>> import numpy as np
        >>> from jaxsize.training import FinalNetwork, Trained
        >>> rows = [{"run": 0, "epoch": epoch, "test_loss": 1 / epoch} for epoch in (1, 2)]
        >>> trained = Trained(rows, [FinalNetwork({"kernel": np.ones((3, 2))}, survivors={}, epoch=2)])
        >>> [row["test_loss"] for row in trained.rows if row["epoch"] == trained.networks[0].epoch]
        [0.5]
    """

    rows: list[dict[str, Any]]
    """The rows of the batch: one per run and epoch, in the order in which they were written."""
    networks: list[FinalNetwork]
    """One per run, in the order of the batch."""


def train(batch: Batch, folder: Folder, progress: Progress, *, devices: Sequence[Device] = ()) -> Trained:
    """Train every run of a batch for its epochs, on from its checkpoint if the results folder holds one.

    A batch that is too large for the memory at hand is split into parts that are trained one after the other; a warning
    is logged then. An interrupted training, started again, ends with the same numbers as an uninterrupted one.

    Args:
        batch: the runs and their settings.
        folder: an open results folder; it gets rows, events, histories and checkpoints.
        progress: is told of every epoch.
        devices: JAX devices to train on; by default all.

    Raises:
        InputError: when a checkpoint is of other shapes or settings, or `batch.select` is no column of the rows.
        MemoryError: when not even one run fits.
        OSError: when a disk is full.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import jax
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.plain import PlainConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.results import open_folder
        >>> from jaxsize.sweeps import layer_rate_sweep
        >>> from jaxsize.training import Progress, train
        >>> batch = layer_rate_sweep(  # one run of a network 3-2-1
        ...     load("teacher", task="regression", num_rows=40, num_inputs=3, width=2),
        ...     mlp((3, 2, 1), gate=None),
        ...     plain=PlainConfig(),
        ...     settings=[{"seed": 0, "learning_rates": 0.01}],
        ...     name="teacher",
        ...     label={},
        ...     first_run=0,
        ...     config=Config(batch_size=8),
        ...     num_epochs=3,
        ... )
        >>> with tempfile.TemporaryDirectory() as path:
        ...     folder = open_folder(Path(path) / "results", {"learning_rate": 0.01})
        ...     trained = train(batch, folder, Progress(batch.num_epochs), devices=jax.devices()[:1])
        >>> [(row["run"], row["epoch"]) for row in trained.rows]
        [(0, 1), (0, 2), (0, 3)]
        >>> trained.rows[0]["train_loss"] > trained.rows[2]["train_loss"]
        True
        >>> trained.networks[0].epoch
        3
    """
    sizes, program = _plan(batch, folder, devices)
    if len(sizes) > 1:
        logger.warning(
            "%s: %d runs are too many for the memory; training %d at a time", batch.name, len(batch), sizes[0]
        )
        progress.expect(batch.num_epochs * (len(sizes) - 1))
    ends = np.cumsum(sizes).tolist()
    rows: list[dict[str, Any]] = []
    final: list[FinalNetwork] = []
    for start, end in zip([0, *ends], ends, strict=False):
        if program is not None and program.axis.num_runs != end - start:
            program = None
        part = TrainingLoop(batch, range(start, end), folder, devices, program)
        final += part.train(progress)
        rows += part.rows.read()
    return Trained(rows, final)


def require_room(batch: Batch, path: Path, devices: Sequence[Device] = ()) -> None:
    """Refuse a batch of which not one run fits into memory, or whose histories do not fit on the disk.

    It counts and estimates only, for a check before anything is drawn, compiled or written.

    Args:
        batch: the runs and their settings.
        path: the results folder; it need not exist yet.
        devices: JAX devices to train on; by default all.

    Raises:
        MemoryError: in one line, when there is too little room: bytes needed and bytes free.
        InputError: when `path` cannot be used for results.

    Example:
        >>> import dataclasses
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize import mlp
        >>> from jaxsize.data import load
        >>> from jaxsize.learners.plain import PlainConfig
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import layer_rate_sweep
        >>> from jaxsize.training import require_room
        >>> batch = layer_rate_sweep(
        ...     load("teacher", num_rows=40, num_inputs=3, width=2),
        ...     mlp((3, 2, 3), gate=None),
        ...     plain=PlainConfig(),
        ...     settings=[{"seed": 0}],
        ...     name="teacher",
        ...     label={},
        ...     first_run=0,
        ...     config=Config(batch_size=8),
        ...     num_epochs=3,
        ... )
        >>> path = Path(tempfile.gettempdir()) / "results"
        >>> require_room(batch, path)  # nothing happens: it fits
        >>> try:
        ...     require_room(dataclasses.replace(batch, num_epochs=10**15), path)
        ... except MemoryError as error:
        ...     print(str(error).split(" needs ")[0])
        teacher: the history of all steps
    """
    try:
        existing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        free, history = shutil.disk_usage(existing).free, _history_bytes(batch)
    except OSError as error:
        raise InputError(f"{path} cannot be used for results: {error.strerror}") from error
    if history > free:
        raise MemoryError(
            f"{batch.name}: the history of all steps needs {gib(history)} on the disk, {gib(free)} are free"
        )
    available, needed = available_bytes(RunAxis(1, tuple(devices)).devices), _state_bytes(batch)
    if needed > available:
        raise MemoryError(f"{batch.name}: one run needs about {gib(needed)} of memory, {gib(available)} can be used")


def _history_bytes(batch: Batch) -> int:
    """Bytes on the disk of the histories of all steps of all runs."""
    return 4 * len(batch.histories) * len(batch) * batch.num_epochs * batch.steps_per_epoch


def _state_bytes(batch: Batch) -> int:
    """Bytes of memory that one run needs at least, estimated from its parameters."""
    return STATE_COPIES * 4 * batch.num_parameters


def _plan(batch: Batch, folder: Folder, devices: Sequence[Device]) -> tuple[list[int], Program | None]:
    """How many runs each part has, and the program of a first part if it was compiled to find out.

    This is decided once per batch and written down, so that a resumed study finds its checkpoints whatever memory is
    free then.
    """
    path = folder.checkpoints / batch.name / "parts.json"
    if path.exists():
        sizes = read_json(path)
        whole = isinstance(sizes, list) and all(type(size) is int and size > 0 for size in sizes)
        if not whole or sum(sizes) != len(batch):
            raise InputError(
                f"{path} is damaged: expected numbers of runs that add up to {len(batch)}, got {sizes!r:.80}"
            )
        return sizes, None
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
