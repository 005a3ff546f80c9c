"""The compiled program of a batch of runs."""

import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np

from jaxsize.learners.hparams import Hparams
from jaxsize.programs._memory import program_bytes
from jaxsize.programs._placing import place_data, splits_of
from jaxsize.programs.batch import Batch
from jaxsize.programs.device_data import Data
from jaxsize.programs.epoch import TrainState, init_state, make_epoch, row_order
from jaxsize.programs.evaluation import make_evaluate
from jaxsize.programs.run_axis import Device, RunAxis, stack, unstack
from jaxsize.trees import Tree


class Program:
    """The compiled epoch of some runs of a batch: one pass over the training rows, then evaluation on all splits.

    Args:
        batch: the runs' batch: learner, settings and data set.
        num_runs: how many runs of the batch it trains at a time.
        devices: JAX devices to run on; by default as many of `jax.devices()` as there are runs.
        params: shapes and dtypes of one run's parameters, for a network whose units have changed since the start. Such
            a program goes on with runs and starts none.
        data: as `place_data` returns it, or another program of the batch holds it; used without a copy.
    """

    def __init__(
        self,
        batch: Batch,
        num_runs: int,
        devices: Sequence[Device] = (),
        *,
        params: Tree | None = None,
        data: Data | None = None,
    ):
        self.batch, self.axis = batch, RunAxis(num_runs, tuple(devices))
        self.score_names: tuple[str, ...] = ()
        """The names of scores in the order in which the learner gives them; what a program returns is in another."""
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
        """Bytes that an epoch needs on one device; 0 where the program does not say."""
        return program_bytes(self._epoch)

    def start(self, runs: Sequence[int]) -> TrainState:
        """Make the state of some runs before training, on the devices.

        Args:
            runs: as many indices into the batch as the program has runs.
        """
        (compiled,) = self._start
        params = stack([self.batch.init(index) for index in runs])
        seeds = np.array([self.batch.labels[index]["seed"] for index in runs], np.uint32)
        return compiled(self.axis.put((params, seeds)), self.axis.put(self._hparams(runs)), ())

    def epoch(self, runs: Sequence[int], state: TrainState, epoch: int) -> tuple[TrainState, Tree, Tree]:
        """Train some runs for one epoch.

        Args:
            runs: as many indices into the batch as the program has runs.
            state: their state on the devices; it is consumed: its memory is reused.
            epoch: number of the epoch, from 1 on.

        Returns:
            The new state; the history, as `make_epoch` says; the scores, as `make_evaluate` says. All three are on the
            devices, with a leading axis of runs (padded, see `RunAxis`).
        """
        return self._epoch(state, *self._read(self.axis.put(self._hparams(runs)), self._order(state, epoch - 1)))

    @property
    def _own_order(self) -> bool:
        return self.batch.config.shuffle != "shared"

    def _read(self, hparams: Hparams, order: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The two trees that an epoch reads beside the state: one with an entry per run, and one for all runs."""
        own, shared = {"hparams": hparams}, {"data": self.data}
        return (own | {"order": order}, shared) if self._own_order else (own, shared | {"order": order})

    def _hparams(self, runs: Sequence[int]) -> Hparams:
        return jax.tree.map(lambda values: values[np.array(runs)], self.batch.hparams)

    def _order(self, state: TrainState, epoch: int) -> jax.Array:
        """The order of the training rows in an epoch: [R, N], one per run, or [N] if the runs share it."""
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
        evaluate = make_evaluate(batch.learner, batch.config)
        splits = splits_of(batch.dataset)
        ends = dict(zip(splits, np.cumsum([rows.num_rows for rows in splits.values()]).tolist(), strict=True))

        def start(run, hparams, shared):
            params, seed = run
            return init_state(batch.learner, params, seed, hparams)

        def epoch(state, own, shared):
            read = own | shared
            state, history = epoch_of_run(state, **read)
            scores = evaluate(state.params, read["data"], ends)
            self.score_names = tuple(scores["train"])
            return state, history, scores

        return start, epoch


@functools.cache
def _make_orders(axis: RunAxis, num_rows: int, together: int) -> Callable:
    """The program that draws an order of rows for every run; `together` neighbouring rows stay side by side.

    It is compiled apart from the epochs: no width matters to it, and a sort compiles slowly.
    """

    def order(named, settings, shared):
        seed, epoch = named
        firsts = together * row_order(seed, epoch, num_rows // together)
        return (firsts[:, None] + np.arange(together, dtype=np.int32)[None, :]).reshape(-1)

    return axis.map(order)
