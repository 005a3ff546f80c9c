"""What is learned: the loss and the score of classification and regression."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxsize.data import Dataset
from jaxsize.errors import InputError


class Task(NamedTuple):
    """A learning task: the loss and the score of every row, from outputs [B, O] and targets [B].

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import TASKS
        >>> print(TASKS["classification"].score_name, TASKS["regression"].score_name)
        accuracy error
        >>> TASKS["regression"].score(np.array([[1.0], [2.0]]), np.array([1.0, 5.0])).tolist()
        [0.0, 9.0]
    """

    loss: Callable[[jax.Array, jax.Array], jax.Array]
    """(outputs [B, O], targets [B]) -> the loss of every row [B], whose mean is minimised."""
    score: Callable[[jax.Array, jax.Array], jax.Array]
    """(outputs [B, O], targets [B]) -> the score of every row [B], whose mean is reported."""
    score_name: str
    """The name of the mean score in the results, such as "accuracy"."""


def _squared_error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    if outputs.shape != (*targets.shape, 1):  # (B,) against (B, 1) would broadcast to (B, B) without an error
        raise InputError(f"regression: expected outputs {(*targets.shape, 1)}, got {outputs.shape}")
    return (outputs[:, 0] - targets) ** 2


def regression(target_mean: float = 0.0, target_std: float = 1.0) -> Task:
    """Make the task of predicting one number per row, with squared errors.

    Args:
        target_mean: mean by which the targets are standardised.
        target_std: standard deviation by which the targets are standardised, in the targets' own unit.

    Returns:
        A task for outputs [B, 1], which stand for standardised targets. Its `loss` is the squared error of standardised
        targets, its `score` the squared error in the square of the targets' own unit. Both raise InputError for outputs
        of another shape.

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import regression
        >>> task, outputs, targets = regression(10.0, 2.0), np.array([[1.0]]), np.array([16.0])
        >>> task.loss(outputs, targets).tolist(), task.score(outputs, targets).tolist()
        ([4.0], [16.0])
    """

    def loss(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return _squared_error(outputs, (targets - target_mean) / target_std)

    return Task(loss, lambda outputs, targets: target_std**2 * loss(outputs, targets), "error")


TASKS = {
    "classification": Task(
        optax.softmax_cross_entropy_with_integer_labels,
        lambda outputs, targets: (jnp.argmax(outputs, axis=-1) == targets).astype(jnp.float32),
        "accuracy",
    ),
    "regression": regression(),
}


def mean_over_rows(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Average values over the rows whose weight is 1.

    Args:
        values: floating [B].
        weights: [B], 1 for rows that count and 0 for rows that pad a batch.

    Returns:
        The mean, [].

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.learners import mean_over_rows
        >>> float(mean_over_rows(jnp.array([1.0, 3.0, 100.0]), jnp.array([1.0, 1.0, 0.0])))
        2.0
    """
    return jnp.sum(values * weights) / jnp.sum(weights)


def task_of(dataset: Dataset) -> Task:
    """Return the task of a data set; the loss of regression standardises targets if the data set's `info` says how.

    The keys of `info` are `target_mean` and `target_std`.

    Example:
        >>> import dataclasses
        >>> import numpy as np
        >>> from jaxsize.data import load
        >>> from jaxsize.learners import task_of
        >>> dataset = load("teacher", seed=0, num_rows=8, num_inputs=2, width=2, task="regression")
        >>> dataset = dataclasses.replace(dataset, info={"target_mean": 1.0, "target_std": 2.0})
        >>> task_of(dataset).loss(np.array([[0.0]]), np.array([5.0])).tolist()
        [4.0]
    """
    if dataset.task != "regression":
        return TASKS[dataset.task]
    return regression(dataset.info.get("target_mean", 0.0), dataset.info.get("target_std", 1.0))
