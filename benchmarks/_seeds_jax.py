"""The problems of `benchmarks.seeds` and `benchmarks.flexible_seeds`, and the contenders that train them in JAX.

A contender is made from a `Problem` of S seeds. `epoch(first)` trains one epoch and waits for its end; the first epoch
has the orders of rows that the problem holds, later ones have orders that the contender draws. `result()` returns the
loss of every step of the last epoch, [S, steps], and the weights by name, [S, ...].
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.gates import with_sizes
from jaxsize.learners import TASKS, Hparams, Learner
from jaxsize.learners.flexible import FlexibleConfig
from jaxsize.learners.flexible import make_learner as make_flexible_learner
from jaxsize.learners.sparsifier import SparsifierConfig, make_learner
from jaxsize.networks import mlp
from jaxsize.programs import Config, Data, Device, Rows, RunAxis, init_state, make_epoch, row_order, stack, unstack

WIDTHS = (784, 500, 10)
LEARNING_RATE, PENALTY, WEIGHT_DECAY = 1e-3, 3e-3, 1.0  # so large that leaving one of them out would be seen
SIZE_LEARNING_RATE, SIZE_PENALTY = 1.0, 1e-4
SCALE, SHIFT = 1 / 128, -1.0  # exact in float32, so that all contenders see the same inputs

Arrays = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Problem:
    """What is trained: the rows, and for each of S seeds the initial weights and the order of rows in epoch 0."""

    seeds: np.ndarray  # [S] uint32
    params: Any  # jaxsize's tree, [S, ...]
    orders: np.ndarray  # [S, N] int32
    inputs: np.ndarray  # [N, inputs] uint8
    targets: np.ndarray  # [N] int32
    batch_size: int
    widths: tuple[int, int, int] = WIDTHS

    @property
    def flops(self) -> float:
        """Floating-point operations of the matrix products of an epoch of all seeds; inputs have no gradient."""
        inputs, units, outputs = self.widths
        return len(self.seeds) * len(self.targets) * units * (4.0 * inputs + 6.0 * outputs)

    def only(self, runs: Sequence[int]) -> "Problem":
        """Return the problem of these runs alone."""
        index = np.asarray(runs)
        seeds, params, orders = jax.tree.map(lambda leaf: leaf[index], (self.seeds, self.params, self.orders))
        return dataclasses.replace(self, seeds=seeds, params=params, orders=orders)


def make_problem(num_runs: int, num_steps: int, batch_size: int, widths: tuple[int, int, int] = WIDTHS) -> Problem:
    """Make the problem of the sparsifier: random rows, and initial weights and orders of rows for every seed."""
    rng = np.random.default_rng(0)
    num_rows = num_steps * batch_size
    seeds = np.arange(num_runs, dtype=np.uint32)
    order = jax.jit(row_order, static_argnums=2)
    network = mlp(widths, liveness="uniform")  # some gates close within the first epoch
    return Problem(
        seeds=seeds,
        params=stack([network.init(int(seed)) for seed in seeds]),
        orders=np.stack([order(seed, np.int32(0), num_rows) for seed in seeds]),
        inputs=rng.integers(0, 256, (num_rows, widths[0]), np.uint8),
        targets=rng.integers(0, widths[-1], num_rows, np.int32),
        batch_size=batch_size,
        widths=widths,
    )


def make_flexible_problem(
    num_seeds: int, slopes: Sequence[float], num_steps: int, batch_size: int, start_size: float
) -> Problem:
    """Make the problem of flexible networks: a run for every seed and slope.

    The runs of a seed share their weights and their order of rows.
    """
    problem = make_problem(num_seeds, num_steps, batch_size).only([seed for seed in range(num_seeds) for _ in slopes])
    network = mlp(WIDTHS, gate="size", size=start_size)
    runs = [
        with_sizes(network.init(seed), "slope", {"hidden.0": np.array(slope, np.float32)})
        for seed in range(num_seeds)
        for slope in slopes
    ]
    return dataclasses.replace(problem, params=stack(runs))


def flat(params: Any) -> Arrays:
    """Return the leaves of a network with one hidden layer by name."""
    (hidden,), output = params["hidden"], params["output"]
    named = {f"hidden.{name}": leaf for name, leaf in hidden.items()}
    return named | {f"output.{name}": leaf for name, leaf in output.items()}


def _sparsifier(widths: tuple[int, ...]) -> tuple[Learner, Hparams]:
    learner = make_learner(mlp(widths), TASKS["classification"], SparsifierConfig())
    rates = {"learning_rate": LEARNING_RATE, "gate_learning_rate": LEARNING_RATE}
    return learner, learner.hparams(penalty_weight=PENALTY, weight_decay=WEIGHT_DECAY, **rates)


def _flexible(widths: tuple[int, ...]) -> tuple[Learner, Hparams]:
    learner = make_flexible_learner(mlp(widths, gate="size"), TASKS["classification"], FlexibleConfig())
    rates = {"learning_rate": LEARNING_RATE, "size_learning_rate": SIZE_LEARNING_RATE}
    return learner, learner.hparams(penalty_weight=SIZE_PENALTY, **rates)


def _parts(problem: Problem, learned: tuple[Learner, Hparams]) -> tuple[Callable, Callable, Hparams, Data]:
    """The functions start(run, hparams, shared) and epoch(state, hparams, data) of one run, the settings [S], the rows.

    Args:
        problem: what is trained.
        learned: the learner, and the settings of every run.
    """
    learner, ones = learned[0], np.ones(len(problem.seeds), np.float32)
    hparams = jax.tree.map(lambda value: value * ones, learned[1])
    rows, (scale, shift) = Rows(problem.inputs, problem.targets), np.array([SCALE, SHIFT], np.float32)

    def start(run: Any, hparams: Hparams, shared: Any) -> Any:
        params, seed = run
        return init_state(learner, params, seed, hparams)

    return start, make_epoch(learner, Config(batch_size=problem.batch_size)), hparams, Data(rows, scale, shift)


class Jaxsize:
    """All seeds in one program of jaxsize, distributed over the devices (default: all)."""

    learned = staticmethod(_sparsifier)

    def __init__(self, problem: Problem, devices: Sequence[Device] = ()):
        start, epoch, hparams, data = _parts(problem, self.learned(problem.widths))
        self.axis = RunAxis(len(problem.seeds), tuple(devices))
        self.hparams, self.data = self.axis.put(hparams), self.axis.replicate(data)
        self.state = self.axis.map(start)(self.axis.put((problem.params, problem.seeds)), self.hparams, ())
        self.program = self.axis.map(epoch, donate=True)

    def epoch(self, first: bool) -> None:
        """Train one epoch."""
        # the orders of the problem are those that jaxsize draws in its first epoch
        self.state, history = self.program(self.state, self.hparams, self.data)
        self.losses = self.axis.fetch(history["loss"])
        jax.block_until_ready(self.state)

    def result(self) -> tuple[np.ndarray, Arrays]:
        """Return the losses of the last epoch and the weights."""
        return self.losses, flat(self.axis.fetch(self.state.params))


class FlexibleJaxsize(Jaxsize):
    """The same for networks with a trained size."""

    learned = staticmethod(_flexible)


class JaxLoop:
    """One compiled epoch, called for one seed after the other, on one device with all threads."""

    def __init__(self, problem: Problem):
        start, epoch, hparams, data = _parts(problem, _sparsifier(problem.widths))
        self.data = jax.device_put(data)
        self.hparams = [unstack(hparams, index) for index in range(len(problem.seeds))]
        runs = [unstack((problem.params, problem.seeds), index) for index in range(len(problem.seeds))]
        self.states = [jax.jit(start)(run, settings, ()) for run, settings in zip(runs, self.hparams, strict=True)]
        self.program = jax.jit(epoch, donate_argnums=0)

    def epoch(self, first: bool) -> None:
        """Train one epoch."""
        losses = []
        for index, hparams in enumerate(self.hparams):
            self.states[index], history = self.program(self.states[index], hparams, self.data)
            losses.append(np.asarray(history["loss"]))
            jax.block_until_ready(self.states[index])
        self.losses = np.stack(losses)

    def result(self) -> tuple[np.ndarray, Arrays]:
        """Return the losses of the last epoch and the weights."""
        return self.losses, flat(stack([jax.device_get(state.params) for state in self.states]))


class Products:
    """Large matrix products of float32 on all devices at once, one each: the rate that any program could reach here."""

    SIDE, TIMES = 1024, 4

    def __init__(self, problem: Problem):
        self.axis = RunAxis(len(jax.devices()))

        def products(matrix: jax.Array, settings: Any, shared: Any) -> jax.Array:
            return jax.lax.fori_loop(0, self.TIMES, lambda _, value: value @ value / self.SIDE, matrix)

        self.program = self.axis.map(products)
        matrices = np.random.default_rng(0).standard_normal((self.axis.num_runs, self.SIDE, self.SIDE), np.float32)
        self.matrices = self.axis.put(matrices)

    @classmethod
    def flops(cls, num_devices: int) -> float:
        """Floating-point operations of an `epoch`."""
        return num_devices * cls.TIMES * 2.0 * cls.SIDE**3

    def epoch(self, first: bool) -> None:
        """Multiply."""
        jax.block_until_ready(self.program(self.matrices, (), ()))
