"""A batch of runs: what is trained together, and its compiled program."""

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsize.datasets import Dataset, Split
from jaxsize.memory import program_bytes
from jaxsize.runs import Device, RunAxis, stack, unstack
from jaxsize.shrinking import Shrinking
from jaxsize.training import (
    TASKS,
    Config,
    Data,
    Hparams,
    Rows,
    Trainer,
    TrainState,
    init_state,
    make_epoch,
    make_evaluate,
    row_order,
)

Tree = Any


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Runs of the same shapes, trained by one program: every combination of seed and swept values, or any other
    list."""

    name: str
    """Names the batch within its study; used as a file name."""
    labels: Sequence[dict[str, Any]]
    """One per run: the columns that identify it in every row; `run` (unique in the study), `seed`, swept values, ..."""
    init: Callable[[int], Tree]
    """Index of a run within the batch -> its initial parameters (NumPy)."""
    num_parameters: int
    """Parameters of one run, to judge its size before any is drawn."""
    hparams: Hparams
    """Arrays [R] of float32."""
    trainer: Trainer
    dataset: Dataset
    config: Config
    num_epochs: int
    columns: Callable[[np.ndarray, np.ndarray], dict[str, Any]]
    """The trainer's observations of a run before and after an epoch -> the columns they add to the run's row."""
    total: Callable[[np.ndarray], np.ndarray] = lambda observed: observed.sum(-1)
    """Observations [..., n] -> [...], the one number per step that is kept, such as all live units."""
    shrinking: Shrinking | None = dataclasses.field(default_factory=Shrinking)
    """When dead units are removed while training, and runs regrouped by size. None: never, they are only masked."""
    keep_history: bool = True
    """Keep the loss and the total of the observation of every step, in steps/NAME.loss.npy and
    steps/NAME.observed.npy."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def input_shape(self) -> jax.ShapeDtypeStruct:
        """Of one batch of rows, as the network reads them."""
        return jax.ShapeDtypeStruct((self.config.batch_size, self.dataset.num_inputs), np.dtype(np.float32))

    @property
    def steps_per_epoch(self) -> int:
        return self.config.steps_per_epoch(len(self.dataset.train))


class Program:
    """The compiled epoch of `num_runs` runs of a batch: one pass over the training rows, then evaluation on all
    splits."""

    def __init__(
        self,
        batch: Batch,
        num_runs: int,
        devices: Sequence[Device] = (),
        *,
        params: Tree | None = None,
        data: Tree | None = None,
    ):
        """params: shapes of one run's parameters after units have been removed; such a program goes on with runs and
        starts none. data: of `place_data`, or `shared` of another program of the batch, used without a copy."""
        self.batch, self.axis = batch, RunAxis(num_runs, tuple(devices))
        self.shared = place_data(batch, self.axis) if data is None else self.axis.replicate(data)
        starts = params is None
        params = batch.init(0) if params is None else params
        run = (params, np.uint32(0), unstack(batch.hparams, 0))
        start, epoch = self._functions()
        self.state_shape = jax.eval_shape(start, run[:2], run[2], ())
        settings = self.axis.shapes(run[2])
        jobs = [
            self.axis.map(epoch, donate=True).lower(self.axis.shapes(self.state_shape), settings, self._shared(0)),
        ]
        if starts:
            jobs.append(self.axis.map(start).lower(self.axis.shapes(run[:2]), settings, ()))
        with ThreadPoolExecutor() as pool:  # XLA compiles outside the interpreter's lock
            self._epoch, *self._start = pool.map(lambda lowered: lowered.compile(), jobs)

    @property
    def num_bytes(self) -> int:
        return program_bytes(self._epoch)

    def start(self, runs: Sequence[int]) -> TrainState:
        """The state before training of `runs` (indices into the batch), on the devices."""
        (compiled,) = self._start
        params = stack([self.batch.init(index) for index in runs])
        seeds = np.array([self.batch.labels[index]["seed"] for index in runs], np.uint32)
        return compiled(self.axis.put((params, seeds)), self.axis.put(self._hparams(runs)), ())

    def epoch(self, runs: Sequence[int], state: TrainState, epoch: int) -> tuple[TrainState, Tree, Tree]:
        """Trains `runs` for epoch number `epoch` (from 1 on): (state, history, scores). The state given is consumed."""
        return self._epoch(state, self.axis.put(self._hparams(runs)), self._shared(epoch - 1))

    def _hparams(self, runs: Sequence[int]) -> Hparams:
        return jax.tree.map(lambda values: values[np.array(runs)], self.batch.hparams)

    def _shared(self, epoch: int) -> dict[str, Any]:
        """What every run reads in an epoch: the data and, if it is shared, the order of the rows."""
        if self.batch.config.shuffle == "per_run":
            return self.shared
        order = jax.jit(row_order, static_argnums=2)(np.uint32(0), np.int32(epoch), len(self.batch.dataset.train))
        return self.shared | {"order": self.axis.replicate(order)}

    def _functions(self) -> tuple[Callable, Callable]:
        batch = self.batch
        epoch_of_run = make_epoch(batch.trainer, batch.config)
        evaluate = make_evaluate(batch.trainer, TASKS[batch.dataset.task], batch.config)

        def start(run, hparams, shared):
            params, seed = run
            return init_state(batch.trainer, params, seed, hparams)

        def epoch(state, hparams, shared):
            data = shared["data"]
            state, history = epoch_of_run(state, hparams, data, shared.get("order"))
            splits = {"train": data.train} | shared["splits"]
            return state, history, {name: evaluate(state.params, rows, data) for name, rows in splits.items()}

        return start, epoch


def place_data(batch: Batch, axis: RunAxis) -> dict[str, Any]:
    """The rows of the batch's data set on the devices of an axis, as its programs read them."""
    return axis.replicate(_rows_of(batch.dataset))


def _rows_of(dataset: Dataset) -> dict[str, Any]:
    def rows(split: Split) -> Rows:
        return Rows(split.inputs, split.targets)

    splits = {"test": rows(dataset.test)}
    if dataset.validation is not None:
        splits["validation"] = rows(dataset.validation)
    if dataset.test.clean_targets is not None:
        splits["test_noiseless"] = Rows(dataset.test.inputs, dataset.test.clean_targets)
    return {"data": Data(rows(dataset.train), dataset.input_scale, dataset.input_shift), "splits": splits}
