"""What a way of learning is: a `Learner`, pure functions of one run, with the run's settings in `Hparams`."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax.core import FrozenDict

from jaxsize.errors import InputError
from jaxsize.learners.hparams import Hparams
from jaxsize.trees import Array, Tree


class Learner(NamedTuple):
    """One way of learning: pure functions, which take the settings of one run as `hparams`.

    The first three are needed: what is minimised, the optimiser, the scores. The others are for gates, for trained
    sizes and for records, and do nothing if they are not given.

    Example:
        >>> import numpy as np, optax
        >>> from jaxsize.learners import Learner
        >>> def objective(params, inputs, targets, weights, hparams):
        ...     loss = ((inputs @ params - targets) ** 2 * weights).sum() / weights.sum()
        ...     return loss + hparams.ridge * (params**2).sum(), {"loss": loss}
        >>> learner = Learner(
        ...     objective,
        ...     optimizer=lambda hparams: optax.sgd(hparams.learning_rate),
        ...     scores=lambda params, inputs, targets: {"loss": (inputs @ params - targets) ** 2},
        ...     defaults={"learning_rate": 0.1, "ridge": 0.0},
        ... )
        >>> batch = np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), np.ones(2)
        >>> value, recorded = learner.objective(np.ones(1), *batch, learner.hparams(ridge=0.5))
        >>> float(value), float(recorded["loss"])
        (3.0, 2.5)
    """

    objective: Callable[[Tree, jax.Array, jax.Array, jax.Array, Hparams], tuple[jax.Array, dict[str, jax.Array]]]
    """(params, inputs [B, ...], targets [B, ...], row weights [B], hparams) -> (the value that is minimised [], the
    values that are recorded of the batch, [] each: "loss", which leaves the penalty out, ...). Weights are multiples of
    the average one, 0 for rows that pad a step; `mean_over_rows` is the mean that heeds them."""
    optimizer: Callable[[Hparams], optax.GradientTransformation]
    """hparams -> the optimiser of the run."""
    scores: Callable[[Tree, jax.Array, jax.Array], dict[str, jax.Array]]
    """(params, inputs [B, ...], targets [B, ...]) -> by name what is reported of every row, [B] each, whose means over
    all rows are columns of the results: "loss", and any others, such as "accuracy"; see `Task.scores` for names."""
    defaults: Mapping[str, Any] = FrozenDict(learning_rate=1e-3)
    """The settings that a run of this learner has, by name, with the values of those that are not given."""
    outputs: Any = None
    """(params, inputs [B, ...]) -> outputs: the function that must not change when units are removed or added, from
    which the unit groups are read. None for a learner whose units stay. Where the objective draws a random number for
    every unit, as dropout does, a run whose dead units are removed goes on by the same law, with other numbers."""
    after_step: Callable[[Tree, Tree, Hparams], tuple[Tree, Tree]] = lambda params, bookkeeping, hparams: (
        params,
        bookkeeping,
    )
    """(params, bookkeeping, hparams) -> params and bookkeeping after projections and deaths."""
    init_bookkeeping: Callable[[Tree], Tree] = lambda params: {}
    """params -> the bookkeeping before training."""
    observe: Callable[[Tree], Tree] = lambda bookkeeping: jnp.zeros(())
    """bookkeeping -> what is recorded at every step, such as the number of live units per layer."""
    live: Callable[[Tree], dict[str, Any]] = lambda bookkeeping: {}
    """bookkeeping -> which units live, bool [U] per gate; an empty dict for a learner without gates."""
    of_gradient: Callable[[Tree], dict[str, jax.Array]] = lambda gradient: {}
    """The gradient of a step, a tree like params -> what is recorded of it beside what the objective records."""
    of_epoch: Callable[[Tree, Hparams, Array], dict[str, jax.Array]] = lambda params, hparams, epoch: {}
    """(params, hparams, epochs done []) -> what is measured of the network after an epoch, by the columns of its rows:
    numbers [], or several of them [n]. `hparams.key` is a random key of this epoch and run; see `with_curvature`."""
    after_epoch: Callable[..., tuple[Tree, Tree, Tree]] | None = None
    """(params, opt_state, bookkeeping, inputs, targets, row weights [B] or None where all count alike, hparams) ->
    params, opt_state and bookkeeping, after the last step of an epoch; the rows are the first `evaluation_batch_size`
    ones of the epoch. None: nothing is done."""
    update_args: Callable[[jax.Array, jax.Array, jax.Array, Hparams], dict[str, Any]] = lambda *_: {}
    """(inputs, targets, row weights, hparams) -> further arguments of the optimiser's update in this step, by name: the
    functions of `curvature.hessian_free`, or the value that a line search of optax starts from."""
    schedule: Callable[[Hparams, Array], Hparams] = lambda hparams, epoch: hparams
    """(hparams, number of the epoch [], counted from 0) -> the settings in this epoch."""

    def hparams(self, **settings: Any) -> Hparams:
        """Return the settings of a run: these, and the defaults of the others.

        Raises:
            InputError: when the learner has no setting of a name, or declares one under a name that is taken.
        """
        for name in self.defaults:
            if name == "key" or hasattr(Hparams, name):
                raise InputError(f"expected another name than {name}, which hparams has for itself", field="defaults")
        for name in settings:
            if name not in self.defaults:
                known = ", ".join(self.defaults) or "none"
                raise InputError(f"expected settings of the learner ({known}), got {name!r}", field="hparams")
        return Hparams(**{**self.defaults, **settings})
