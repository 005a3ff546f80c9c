"""A batch of runs: what is trained together, and its compiled program."""

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsize.datasets import Dataset
from jaxsize.memory import program_bytes
from jaxsize.runs import Device, RunAxis, stack, unstack
from jaxsize.shrinking import Shrinking
from jaxsize.training import (
    TASKS,
    Config,
    Data,
    Hparams,
    Rows,
    Task,
    Learner,
    TrainState,
    init_state,
    make_epoch,
    make_evaluate,
    regression,
    row_order,
)
from jaxsize.widening import Widening

Tree = Any


HISTORIES = {"loss": lambda history: history["loss"], "observed": lambda history: history["observed"].sum(-1)}


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
    """Numbers, or arrays [R] of float32."""
    learner: Learner
    dataset: Dataset
    config: Config
    num_epochs: int
    """Of the runs that are trained longest."""
    columns: Callable[[np.ndarray, np.ndarray], dict[str, Any]]
    """The learner's observations of a run before and after an epoch -> the columns they add to the run's row."""
    histories: Mapping[str, Callable[[Tree], np.ndarray]] = dataclasses.field(default_factory=lambda: HISTORIES)
    """What is kept of every step, in steps/NAME.KEY.npy, by KEY: the history of an epoch of a run -> [steps]."""
    shrinking: Shrinking | None = dataclasses.field(default_factory=Shrinking)
    """When dead units are removed while training, and runs regrouped by size. None: never, they are only masked."""
    widening: Widening | None = None
    """How layers with a trained size get more units while training. None: they keep their widths. Not with
    `shrinking`."""
    epochs_of: Sequence[int] | None = None
    """Epochs of every run; one that has had its own leaves the others. None: all have `num_epochs`."""
    select: str | None = None
    """The score by which the network of every run is chosen, such as "validation_accuracy": that of its best epoch
    before a collapse. None: the last one."""
    time_limit: float = math.inf
    """No epoch starts after so many seconds of training."""
    stop_on_collapse: bool = False
    """No epoch starts after every run that still trains has a layer without a live unit."""

    def __post_init__(self) -> None:
        if not self.time_limit > 0:
            raise ValueError(f"time_limit: expected seconds above 0, got {self.time_limit}")
        if self.epochs_of is not None:
            whole = len(self.epochs_of) == len(self) and all(n >= 1 and int(n) == n for n in self.epochs_of)
            if not whole or max(self.epochs_of) != self.num_epochs:
                told = f"{len(self)} whole numbers from 1 to {self.num_epochs}, the largest among them"
                raise ValueError(f"epochs_of: expected {told}, got {list(self.epochs_of)}")
        if self.widening is not None and self.shrinking is not None:
            raise ValueError("widening: expected shrinking=None with it, got both")
        if self.config.shuffle == "batches" and len(self.dataset.train) % self.config.batch_size:
            raise ValueError(f"shuffle: batches need whole ones, but {len(self.dataset.train)} rows do not divide")
        hparams = jax.tree.map(
            lambda value: np.array(np.broadcast_to(np.asarray(value, np.float32), len(self))), self.hparams
        )
        object.__setattr__(self, "hparams", hparams)

    def __len__(self) -> int:
        return len(self.labels)

    def epochs(self, index: int) -> int:
        """Of a run of the batch."""
        return self.num_epochs if self.epochs_of is None else self.epochs_of[index]

    @property
    def input_shape(self) -> jax.ShapeDtypeStruct:
        """Of one batch of rows, as the network reads them."""
        return jax.ShapeDtypeStruct((self.config.batch_size, self.dataset.num_inputs), np.dtype(np.float32))

    @property
    def task(self) -> Task:
        return task_of(self.dataset)

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
        data: Data | None = None,
    ):
        """params: shapes of one run's parameters after units have been removed; such a program goes on with runs and
        starts none. data: of `place_data` or of another program of the batch, used without a copy."""
        self.batch, self.axis = batch, RunAxis(num_runs, tuple(devices))
        self.data = place_data(batch, self.axis) if data is None else self.axis.replicate(data)
        starts = params is None
        params = batch.init(0) if params is None else params
        run = (params, np.uint32(0), unstack(batch.hparams, 0))
        start, epoch = self._functions()
        self.state_shape = jax.eval_shape(start, run[:2], run[2], ())
        settings, order = self.axis.shapes(run[2]), jax.ShapeDtypeStruct((len(batch.dataset.train),), np.int32)
        order = self.axis.shapes(order) if self._own_order else order
        read = self._read(settings, order)
        jobs = [self.axis.map(epoch, donate=True).lower(self.axis.shapes(self.state_shape), *read)]
        if starts:
            jobs.append(self.axis.map(start).lower(self.axis.shapes(run[:2]), settings, ()))
        with ThreadPoolExecutor() as pool:  # XLA compiles outside the interpreter's lock
            self._epoch, *self._start = pool.map(lambda lowered: lowered.compile(), jobs)
        if self._own_order:  # compiled now, not in the first epoch
            self._orders(self.axis.put(np.zeros(num_runs, np.uint32)), self.axis.put(np.zeros(num_runs, np.int32)))

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
        return self._epoch(state, *self._read(self.axis.put(self._hparams(runs)), self._order(state, epoch - 1)))

    @property
    def _own_order(self) -> bool:
        return self.batch.config.shuffle != "shared"

    def _read(self, hparams: Hparams, order: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """What an epoch reads: of each run, and the same for all of them."""
        own, shared = {"hparams": hparams}, {"data": self.data}
        return (own | {"order": order}, shared) if self._own_order else (own, shared | {"order": order})

    def _hparams(self, runs: Sequence[int]) -> Hparams:
        return jax.tree.map(lambda values: values[np.array(runs)], self.batch.hparams)

    def _order(self, state: TrainState, epoch: int) -> jax.Array:
        """Of the training rows in an epoch: per run [R, N], or [N] if it is shared."""
        rows = len(self.batch.dataset.train)
        if self._own_order:
            return self._orders(state.seed, state.epoch)
        return self.axis.replicate(jax.jit(row_order, static_argnums=2)(np.uint32(0), np.int32(epoch), rows))

    def _orders(self, seeds: jax.Array, epochs: jax.Array) -> jax.Array:
        config, rows = self.batch.config, len(self.batch.dataset.train)
        together = config.batch_size if config.shuffle == "batches" else 1
        return _make_orders(self.axis, rows, together)((seeds, epochs), (), ())

    def _functions(self) -> tuple[Callable, Callable]:
        batch = self.batch
        epoch_of_run = make_epoch(batch.learner, batch.config)
        evaluate = make_evaluate(batch.learner, batch.task, batch.config)
        splits = _splits(batch.dataset)
        ends = dict(zip(splits, np.cumsum([len(rows.targets) for rows in splits.values()]).tolist(), strict=True))

        def start(run, hparams, shared):
            params, seed = run
            return init_state(batch.learner, params, seed, hparams)

        def epoch(state, own, shared):
            read = own | shared
            state, history = epoch_of_run(state, **read)
            return state, history, evaluate(state.params, read["data"], ends)

        return start, epoch


@functools.cache
def _make_orders(axis: RunAxis, num_rows: int, together: int) -> Callable:
    """Orders of rows, of which so many stay together. Compiled apart from the epochs: no width matters to it, and a
    sort compiles slowly."""

    def order(named, settings, shared):
        seed, epoch = named
        firsts = together * row_order(seed, epoch, num_rows // together)
        return (firsts[:, None] + np.arange(together, dtype=np.int32)[None, :]).reshape(-1)

    return axis.map(order)


def task_of(dataset: Dataset) -> Task:
    """What is learned of a data set; targets of regression are standardised in the loss if its `info` says how."""
    if dataset.task != "regression":
        return TASKS[dataset.task]
    return regression(dataset.info.get("target_mean", 0.0), dataset.info.get("target_std", 1.0))


def place_data(batch: Batch, axis: RunAxis) -> Data:
    """The rows of the batch's data set on the devices of an axis, as its programs read them."""
    dataset, splits = batch.dataset, _splits(batch.dataset).values()
    inputs, targets = (np.concatenate(leaves) for leaves in zip(*splits, strict=True))
    return axis.replicate(Data(Rows(inputs, targets), dataset.input_scale, dataset.input_shift))


def _splits(dataset: Dataset) -> dict[str, Rows]:
    """The training rows first."""
    train, validation, test = dataset.train, dataset.validation, dataset.test
    splits = {"train": train, "test": test} | ({} if validation is None else {"validation": validation})
    rows = {name: Rows(split.inputs, split.targets) for name, split in splits.items()}
    if test.clean_targets is not None:
        rows["test_noiseless"] = Rows(test.inputs, test.clean_targets)
    return rows
