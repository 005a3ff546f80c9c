"""The learner of any network without gates: a function, a task and an optimiser."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax

from jaxsize.learners.learner import Hparams, Learner
from jaxsize.learners.tasks import Task, mean_over_rows
from jaxsize.trees import Tree


def supervised(
    apply: Callable[[Tree, jax.Array], jax.Array],
    task: Task,
    optimizer: Callable[[Hparams], optax.GradientTransformation],
) -> Learner:
    """Make the learner that minimises the mean loss of a task over the rows of a step; nothing dies and nothing grows.

    Args:
        apply: (params, inputs [B, D]) -> outputs [B, O], for parameters of any structure.
        task: loss and score of a row; `task_of(dataset)` is that of a data set.
        optimizer: hparams -> the optimiser of a run, which reads what is swept, such as `hparams.learning_rate`.

    Example:
        >>> import numpy as np, optax
        >>> from jaxsize.learners import TASKS, Hparams, supervised
        >>> learner = supervised(
        ...     lambda params, inputs: inputs @ params["slope"],
        ...     TASKS["regression"],
        ...     lambda hparams: optax.sgd(hparams.learning_rate),
        ... )
        >>> rows = np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), np.ones(2)
        >>> loss, recorded = learner.objective({"slope": np.ones((1, 1))}, *rows, Hparams())
        >>> float(loss), sorted(recorded)
        (2.5, ['loss'])
    """

    def objective(
        params: Tree, inputs: jax.Array, targets: jax.Array, weights: jax.Array, hparams: Hparams
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        loss = mean_over_rows(task.loss(apply(params, inputs), targets), weights)
        return loss, {"loss": loss}

    return Learner(
        objective=objective,
        outputs=apply,
        optimizer=optimizer,
        after_step=lambda params, bookkeeping, hparams: (params, bookkeeping),
        init_bookkeeping=lambda params: {},
        observe=lambda bookkeeping: jnp.zeros(()),
    )
