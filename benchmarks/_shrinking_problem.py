"""The training that `benchmarks.shrinking` times: a network whose units die on a schedule."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsize.data import Dataset, Split
from jaxsize.gates import count_live, read_liveness, replace_liveness
from jaxsize.learners import TASKS, Hparams, Learner
from jaxsize.learners.sparsifier import FORMS, make_learner
from jaxsize.networks import mlp, num_mlp_parameters
from jaxsize.programs import Batch, Config
from jaxsize.resizing import Shrinking
from jaxsize.trees import Tree

BATCH_SIZE = 256


@dataclasses.dataclass(frozen=True)
class Flags:
    """The network, its schedule, and how long it trains."""

    runs: int = 1
    """Seeds trained at once."""
    steps: int = 234
    """Steps per epoch."""
    epochs: int = 30
    """Epochs of a training."""
    width: int = 2048
    """Units of both hidden layers before training."""
    final: int = 128
    """Live units at the end."""
    spread: bool = False
    """Let every second run keep all its units."""
    masked_epochs: int = 4
    """Epochs of the masked network that are timed."""
    smoke: bool = False
    """Tiny sizes, to show that everything works; nothing is written."""


def live_units(flags: Flags, epochs_done: int, final: int | None = None) -> int:
    """Return the live units of a layer after a number of epochs, by the schedule."""
    share = (final or flags.final) / flags.width
    return round(flags.width * share ** (epochs_done / (flags.epochs - 1)))


def scheduled_learner(flags: Flags, network: Any) -> Learner:
    """Make the sparsifier's learner, except that units die by the schedule, in the order of their gates at the start.

    The penalty weight of a run is the share of its units that lives at the end.
    """
    plain = make_learner(network, TASKS["classification"], FORMS["corrected"])

    def init_bookkeeping(params: Tree) -> Tree:
        gates = read_liveness(params)
        live = {name: gate > 0 for name, gate in gates.items()}
        return {"order": gates, "live": live, "step": jnp.int32(-1)}

    def after_step(params: Tree, bookkeeping: Tree, hparams: Hparams) -> tuple[Tree, Tree]:
        step = bookkeeping["step"] + 1  # the state before training is projected as well
        epochs_done = step // flags.steps
        share = hparams.penalty_weight ** (epochs_done / (flags.epochs - 1))
        live = {name: order < share for name, order in bookkeeping["order"].items()}
        gates = {k: jnp.where(live[k], jnp.maximum(gate, 0.01), 0) for k, gate in read_liveness(params).items()}
        return replace_liveness(params, gates), bookkeeping | {"live": live, "step": step}

    def objective(params, inputs, targets, weights, hparams):
        return plain.objective(params, inputs, targets, weights, hparams.replace(penalty_weight=0.0))

    return plain._replace(
        objective=objective,
        after_step=after_step,
        init_bookkeeping=init_bookkeeping,
        observe=lambda bookkeeping: count_live(bookkeeping["live"]),
        live=lambda bookkeeping: bookkeeping["live"],
    )


def make_batch(flags: Flags, width: int, shrinking: Shrinking | None) -> Batch:
    """Make the batch of all runs from `width` units, on random data of MNIST's shape and type."""
    widths = (784, width, width, 10)
    network = mlp(widths)
    rng = np.random.default_rng(0)

    def init(seed: int) -> Tree:
        params, order = network.init(seed), np.random.default_rng(seed)
        for layer in params["hidden"]:
            layer["liveness"] = ((order.permutation(width) + 0.5) / width).astype(np.float32)
        return params

    def split(rows: int) -> Split:
        return Split(rng.integers(0, 256, (rows, 784), np.uint8), rng.integers(0, 10, rows).astype(np.int32))

    dataset = Dataset(
        name="random",
        task="classification",
        num_outputs=10,
        train=split(flags.steps * BATCH_SIZE),
        validation=None,
        test=split(BATCH_SIZE),
        input_scale=np.float32(1 / 255) * np.ones((), np.float32),
        input_shift=np.zeros((), np.float32),
        input_shape=(28, 28, 1),
        source="random",
    )

    def constant(value: float) -> np.ndarray:
        return np.full(flags.runs, value, np.float32)

    shares = constant(flags.final / flags.width)
    if flags.spread:
        shares[::2] = 1
    return Batch(
        name="shrinking",
        labels=[{"run": run, "seed": run} for run in range(flags.runs)],
        init=init,
        num_parameters=num_mlp_parameters(widths),
        hparams={"penalty_weight": shares},
        learner=scheduled_learner(flags, network),
        dataset=dataset,
        config=Config(batch_size=BATCH_SIZE),
        num_epochs=flags.epochs,
        columns=lambda before, after: {},
        shrinking=shrinking,
    )
