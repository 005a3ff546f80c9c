"""The learner of any network without gates: a function, a task and an optimiser."""

from collections.abc import Callable
from typing import Any

import jax
import optax
from flax.core import FrozenDict

from jaxsize.learners.hparams import Hparams
from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import Task
from jaxsize.trees import Tree


def supervised(
    apply: Callable[[Tree, jax.Array], jax.Array],
    task: Task,
    optimizer: Callable[[Hparams], optax.GradientTransformation],
    **defaults: Any,
) -> Learner:
    """Make the learner that minimises the mean loss of a task over the rows of a step; nothing dies and nothing grows.

    Args:
        apply: (params, inputs [B, ...]) -> outputs [B, ...], for parameters of any structure.
        task: loss and scores of a row; `task_of(dataset)` is that of a data set.
        optimizer: hparams -> the optimiser of a run, which reads what is swept, such as `hparams.learning_rate`.
        **defaults: settings that `optimizer` reads beside `learning_rate`, and their values where they are not swept.

    Example:
        >>> import numpy as np, optax
        >>> from jaxsize.learners import TASKS, supervised
        >>> learner = supervised(
        ...     lambda params, inputs: inputs @ params["slope"],
        ...     TASKS["regression"],
        ...     lambda hparams: optax.sgd(hparams.learning_rate, hparams.momentum),
        ...     momentum=0.9,
        ... )
        >>> rows = np.array([[1.0], [2.0]]), np.array([2.0, 4.0]), np.ones(2)
        >>> loss, recorded = learner.objective({"slope": np.ones((1, 1))}, *rows, learner.hparams())
        >>> float(loss), sorted(recorded), learner.hparams(momentum=0.5)
        (2.5, ['loss', 'score'], Hparams(learning_rate=0.001, momentum=0.5))
    """

    def objective(
        params: Tree, inputs: jax.Array, targets: jax.Array, weights: jax.Array, hparams: Hparams
    ) -> tuple[jax.Array, dict[str, jax.Array]]:
        recorded = task.of_batch(apply(params, inputs), targets, weights)
        return recorded["loss"], recorded

    return Learner(
        objective,
        optimizer,
        scores=lambda params, inputs, targets: task.of_rows(apply(params, inputs), targets),
        defaults=FrozenDict({"learning_rate": 1e-3, **defaults}),
        outputs=apply,
    )
