"""Training a batch of runs to the end, on the host: epochs, rows, histories, checkpoints, progress, resuming.

Everything goes to a results folder: rows to metrics.jsonl, the history of every step to steps/, the newest state to
checkpoints/. What is written after an epoch is ordered so that a kill at any moment loses at most that epoch, and a
resumed batch ends with the same numbers.
"""

import dataclasses
import logging
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from jaxsize import checkpoint
from jaxsize.batches import Batch, Program
from jaxsize.json_files import read_json, write_json
from jaxsize.memory import available_bytes, gib
from jaxsize.records import Folder
from jaxsize.runs import Device, RunAxis, unstack
from jaxsize.step_array import StepArray
from jaxsize.training import TrainState

Tree = Any
logger = logging.getLogger(__name__)
STATE_COPIES = 9  # weights and their two moments: before an epoch, after it, and on the host


@dataclasses.dataclass(frozen=True)
class Trained:
    """Where a batch ended: the rows of all its epochs; parameters and bookkeeping of all its runs, NumPy [R, ...]."""

    rows: list[dict[str, Any]]
    params: Tree
    bookkeeping: Tree


class Progress:
    """A progress bar over epochs, with the numbers that matter; silent where standard error is no terminal."""

    def __init__(self, total_epochs: int):
        self._bar = tqdm(total=total_epochs, unit="epoch", disable=not sys.stderr.isatty(), leave=False)

    def expect(self, num_epochs: int) -> None:
        """That many epochs more than were known before."""
        self._bar.total += num_epochs
        self._bar.refresh()

    def advance(self, name: str, num_epochs: int, rows: Sequence[dict[str, Any]] = ()) -> None:
        self._bar.set_description(name)
        if rows and not self._bar.disable:
            shown = [key for key in rows[0] if key in ("train_loss", "test_accuracy", "test_error", "live_units")]
            self._bar.set_postfix({key: f"{np.mean([row[key] for row in rows]):.3g}" for key in shown})
        self._bar.update(num_epochs)

    def close(self) -> None:
        self._bar.close()


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
    parts = []
    for start, end in zip([0, *ends], ends, strict=False):
        if program is None or program.axis.num_runs != end - start:
            program = Program(batch, end - start, devices)
        parts.append(_train_part(program, range(start, end), folder, progress))
    state = jax.tree.map(lambda *leaves: np.concatenate(leaves), *parts)
    mine = {label["run"] for label in batch.labels}
    return Trained([row for row in folder.rows.read() if row["run"] in mine], state.params, state.bookkeeping)


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
    return 8 * len(batch) * batch.num_epochs * batch.steps_per_epoch if batch.keep_history else 0


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


def _train_part(program: Program, runs: range, folder: Folder, progress: Progress) -> TrainState:
    """Trains `runs` (indices into the batch) to the last epoch; their final state on the host, [len(runs), ...]."""
    batch, axis = program.batch, program.axis
    labels = [batch.labels[index] for index in runs]
    names = {label["run"] for label in labels}
    directory = folder.checkpoints / batch.name / f"runs_{runs.start}"
    manifest = {"batch": batch.name, "labels": labels, "config": batch.config, "num_epochs": batch.num_epochs}
    done, before = checkpoint.latest(directory) or 0, 0.0
    if done:
        template = jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct((len(runs), *leaf.shape), leaf.dtype), program.state_shape
        )
        host = checkpoint.restore(directory, template, manifest=manifest)
        rows = [row for row in folder.rows.read() if row.get("run") in names and row["epoch"] <= done]
        if len(rows) != done * len(runs):
            expected = f"{done * len(runs)} rows of {len(runs)} runs and {done} epochs"
            raise ValueError(f"{folder.rows.path} does not fit {directory}: expected {expected}, found {len(rows)}")
        before = max(row["seconds"] for row in rows)
        state = axis.put(host)
    else:
        state = program.start(runs)
        host = axis.fetch(state)
    folder.rows.truncate(lambda row: row.get("run") not in names or row["epoch"] <= done)
    histories = _open_histories(batch, folder)
    progress.advance(batch.name, done)
    clock = time.perf_counter()
    for epoch in range(done + 1, batch.num_epochs + 1):
        state, history, scores = program.epoch(runs, state, epoch)
        history, scores, host = axis.fetch((history, scores, state))
        seconds = before + time.perf_counter() - clock
        rows = [
            label
            | {"epoch": epoch, "seconds": round(seconds, 3)}
            | _scores(unstack(scores, index))
            | batch.columns(history["observed_before"][index], history["observed"][index, -1])
            for index, label in enumerate(labels)
        ]
        for name, array in histories.items():
            steps = history[name] if name == "loss" else batch.total(history[name])
            array.write((epoch - 1) * batch.steps_per_epoch, steps, slice(runs.start, runs.stop))
            array.flush()
        folder.rows.append(rows)
        checkpoint.save(directory, host, step=epoch, manifest=manifest)
        progress.advance(batch.name, 1, rows)
    return host


def _scores(scores: dict[str, dict[str, np.ndarray]]) -> dict[str, float]:
    return {f"{split}_{name}": float(value) for split, values in scores.items() for name, value in values.items()}


def _open_histories(batch: Batch, folder: Folder) -> dict[str, StepArray]:
    if not batch.keep_history:
        return {}
    (folder.path / "steps").mkdir(exist_ok=True)
    shape = (len(batch), batch.num_epochs * batch.steps_per_epoch)
    settings = {"loss": {}, "observed": {"dtype": np.int32, "fill": -1}}
    return {
        name: StepArray(folder.path / "steps" / f"{batch.name}.{name}.npy", *shape, **kind)
        for name, kind in settings.items()
    }
