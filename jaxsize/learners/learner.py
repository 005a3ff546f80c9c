"""What a way of learning is: a `Learner`, pure functions of one run, with the run's settings in `Hparams`."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax

from jaxsize.trees import Array, Tree


class Hparams(NamedTuple):
    """The settings that differ from run to run without changing a shape: arrays [], or [R] for a batch of runs.

    They are traced. Where a learner says so, a field is a tree of such arrays, with a number per layer.

    Example:
        >>> from jaxsize.learners import Hparams
        >>> hparams = Hparams(learning_rate=0.1)
        >>> print(hparams.learning_rate, hparams.penalty_weight, hparams.weight_decay)
        0.1 0.0 0.0
    """

    learning_rate: Any = 1e-3
    penalty_weight: Any = 0.0
    """The factor lambda of the penalty in the objective."""
    weight_decay: Any = 0.0
    gate_learning_rate: Any = 1e-3
    """The learning rate of gates, or of trained sizes."""
    penalty_decay: Any = 1.0
    """The penalty weight of epoch e, counted from 0, is penalty_weight / penalty_decay**e."""
    key: Any = None
    """The random key of the step and of the run, for learners that draw; `make_epoch` and `init_state` put it here."""


class Learner(NamedTuple):
    """One way of learning: pure functions, which take the settings of one run as `hparams`.

    Example:
        >>> import numpy as np, optax
        >>> from jaxsize.learners import Hparams, Learner
        >>> def objective(params, inputs, targets, weights, hparams):
        ...     loss = ((inputs @ params["slope"] - targets) ** 2 * weights).sum() / weights.sum()
        ...     return loss + hparams.penalty_weight * (params["slope"] ** 2).sum(), {"loss": loss}
        >>> learner = Learner(
        ...     objective=objective,
        ...     outputs=lambda params, inputs: inputs @ params["slope"],
        ...     optimizer=lambda hparams: optax.sgd(hparams.learning_rate),
        ...     after_step=lambda params, bookkeeping, hparams: (params, bookkeeping),
        ...     init_bookkeeping=lambda params: {},
        ...     observe=lambda bookkeeping: np.zeros(()),
        ... )
        >>> batch = np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), np.ones(2)
        >>> value, recorded = learner.objective({"slope": np.ones(1)}, *batch, Hparams(penalty_weight=0.5))
        >>> float(value), float(recorded["loss"])
        (3.0, 2.5)
    """

    objective: Callable[[Tree, jax.Array, jax.Array, jax.Array, Hparams], tuple[jax.Array, dict[str, jax.Array]]]
    """(params, inputs [B, D], targets [B], row weights [B], hparams) -> (the value that is minimised [], the values
    that are recorded of the batch, [] each: "loss", which leaves the penalty out, ...)."""
    outputs: Callable[[Tree, jax.Array], jax.Array]
    """(params, inputs [B, D]) -> outputs [B, O]."""
    optimizer: Callable[[Hparams], optax.GradientTransformation]
    """hparams -> the optimiser of the run."""
    after_step: Callable[[Tree, Tree, Hparams], tuple[Tree, Tree]]
    """(params, bookkeeping, hparams) -> params and bookkeeping after projections and deaths."""
    init_bookkeeping: Callable[[Tree], Tree]
    """params -> the bookkeeping before training."""
    observe: Callable[[Tree], Tree]
    """bookkeeping -> what is recorded at every step, such as the number of live units per layer."""
    live: Callable[[Tree], dict[str, Any]] = lambda bookkeeping: {}
    """bookkeeping -> which units live, bool [U] per gate; an empty dict for a learner without gates."""
    of_gradient: Callable[[Tree], dict[str, jax.Array]] = lambda gradient: {}
    """The gradient of a step, a tree like params -> what is recorded of it beside what the objective records."""
    after_epoch: Callable[[Tree, Tree, Tree, Array, Array, Hparams], tuple[Tree, Tree, Tree]] | None = None
    """(params, opt_state, bookkeeping, inputs, targets, hparams) -> params, opt_state and bookkeeping, after the last
    step of an epoch; the rows are the first `evaluation_batch_size` ones of the epoch. None: nothing is done."""
