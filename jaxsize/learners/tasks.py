"""What is learned: a task, its loss and scores; those of classification and regression."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax.core import FrozenDict
from numpy.typing import ArrayLike

from jaxsize.data import Dataset
from jaxsize.errors import InputError


class Task(NamedTuple):
    """A learning task: the loss and any number of scores of every row, from outputs [B, ...] and targets [B, ...].

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import TASKS, Task
        >>> {name: list(task.scores) for name, task in TASKS.items()}
        {'classification': ['accuracy'], 'regression': ['error'], 'reconstruction': ['error']}
        >>> task = Task(
        ...     loss=lambda outputs, targets: abs(outputs - targets).sum(-1),
        ...     scores={"hits": lambda outputs, targets: (abs(outputs - targets) < 1).all(-1) * 1.0},
        ... )
        >>> rows = task.of_rows(np.eye(2), np.array([[1, 0], [3, 1]]))
        >>> rows["loss"].tolist(), rows["hits"].tolist()
        ([0.0, 3.0], [1.0, 0.0])
    """

    loss: Callable[[jax.Array, jax.Array], jax.Array]
    """(outputs [B, ...], targets [B, ...]) -> the loss of every row [B], whose mean is minimised."""
    scores: Mapping[str, Callable[[jax.Array, jax.Array], jax.Array]] = FrozenDict()
    """By name, functions like `loss` whose means are reported; studies compare networks by the first. Of a score whose
    name ends in "error" or "loss" less is better, of all others more is."""

    def of_rows(self, outputs: jax.Array, targets: jax.Array) -> dict[str, jax.Array]:
        """Compute the "loss" and the scores of every row, [B] each.

        Raises:
            InputError: when one of them is not a number per row, the loss is not floating, or a score is called "loss".
        """
        if "loss" in self.scores:
            raise InputError("expected another name than loss, which names the loss", field="scores")
        return {name: _per_row(name, of, outputs, targets) for name, of in {"loss": self.loss, **self.scores}.items()}

    def of_batch(self, outputs: jax.Array, targets: jax.Array, weights: jax.Array) -> dict[str, jax.Array]:
        """Compute what is recorded of the rows of a step, [] each: the mean "loss" and, as "score", that of the first.

        Args:
            outputs: [B, ...].
            targets: [B, ...].
            weights: of the rows, [B]; see `mean_over_rows`.

        Raises:
            InputError: see `of_rows`.
        """
        first = dict(list(self.scores.items())[:1])
        rows = Task(self.loss, first).of_rows(outputs, targets)
        return {name if name == "loss" else "score": mean_over_rows(of, weights) for name, of in rows.items()}


def _per_row(name: str, of: Callable, outputs: jax.Array, targets: jax.Array) -> jax.Array:
    values = of(outputs, targets)
    rows = np.shape(outputs)[:1]
    if np.shape(values) != rows:
        given = f"outputs {list(np.shape(outputs))} and targets {list(np.shape(targets))}"
        expected = f"expected a number for every row {list(rows)} from {given}"
        raise InputError(f"{expected}, got {list(np.shape(values))}", field=name)
    if name == "loss" and not jnp.issubdtype(values.dtype, jnp.floating):
        raise InputError(f"expected floating numbers, got {values.dtype}", field=name)
    return values


def _squared_errors(outputs: jax.Array, targets: jax.Array) -> jax.Array:
    """Square the differences of all numbers of all rows, [B, numbers], or [B] for targets [B]."""
    if targets.ndim == 1 and outputs.shape == (*targets.shape, 1):
        return (outputs[:, 0] - targets) ** 2
    if targets.ndim == 1 or outputs.shape != targets.shape:  # (B,) against (B, 1) would broadcast to (B, B)
        expected = (*targets.shape, 1) if targets.ndim == 1 else targets.shape
        raise InputError(f"regression: expected outputs {expected}, got {outputs.shape}")
    return ((outputs - targets) ** 2).reshape(len(targets), -1)


def _mean(squares: jax.Array) -> jax.Array:
    return squares if squares.ndim == 1 else jnp.mean(squares, axis=1)


def regression(target_mean: ArrayLike = 0.0, target_std: ArrayLike = 1.0) -> Task:
    """Make the task of predicting numbers, with squared errors, averaged over the numbers of a row.

    Args:
        target_mean: mean by which the targets are standardised, [], or of the shape of a row's targets.
        target_std: standard deviation by which the targets are standardised, in the targets' own unit, likewise.

    Returns:
        A task for outputs [B, 1] and targets [B], or both of the same shape [B, ...]; outputs stand for standardised
        targets. Its `loss` is the squared error of standardised
        targets, its score `error` the squared error in the square of the targets' own unit. Both raise InputError for
        outputs of another shape.

    Example:
        >>> import numpy as np
        >>> from jaxsize.learners import regression
        >>> task, outputs, targets = regression(10.0, 2.0), np.array([[1.0]]), np.array([16.0])
        >>> task.loss(outputs, targets).tolist(), task.scores["error"](outputs, targets).tolist()
        ([4.0], [16.0])
    """

    mean: Any = target_mean if np.ndim(target_mean) == 0 else np.asarray(target_mean)[None]
    std: Any = target_std if np.ndim(target_std) == 0 else np.asarray(target_std)[None]

    def squares(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        return _squared_errors(outputs, (targets - mean) / std)

    def error(outputs: jax.Array, targets: jax.Array) -> jax.Array:
        scale: Any = np.reshape(std, (1, -1)) ** 2 if np.ndim(std) else std**2
        return _mean(scale * squares(outputs, targets))

    return Task(lambda outputs, targets: _mean(squares(outputs, targets)), FrozenDict(error=error))


TASKS = {
    "classification": Task(
        optax.softmax_cross_entropy_with_integer_labels,
        FrozenDict(accuracy=lambda outputs, targets: (jnp.argmax(outputs, axis=-1) == targets).astype(jnp.float32)),
    ),
    "regression": regression(),
    "reconstruction": regression(),
}
"""The tasks that data sets name; the targets of a reconstruction are the inputs."""


def mean_over_rows(values: jax.Array, weights: jax.Array) -> jax.Array:
    """Average values of the rows of a step, each times its weight, over the rows that weigh anything.

    Weights are multiples of the average weight of all training rows (`Data.weights`). A row of weight 2 then counts
    twice, whichever rows it shares a step with, and the mean over steps is the weighted mean over all rows.

    Args:
        values: floating [B].
        weights: [B], 0 or more; 0 for rows that pad a batch.

    Returns:
        The sum of values times weights, divided by the number of weights above 0, []; 0 where all weights are 0, so
        that such a batch has no gradient.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxsize.learners import mean_over_rows
        >>> float(mean_over_rows(jnp.array([1.0, 3.0, 100.0]), jnp.array([1.0, 1.0, 0.0])))
        2.0
        >>> float(mean_over_rows(jnp.array([1.0, 3.0]), jnp.array([2.0, 2.0])))
        4.0
    """
    return jnp.sum(values * weights) / jnp.maximum(jnp.sum((weights > 0).astype(weights.dtype)), 1)


def task_of(dataset: Dataset) -> Task:
    """Return the task of a data set; the loss of regression standardises targets if the data set's `info` says how.

    The keys of `info` are `target_mean` and `target_std`.

    Raises:
        InputError: when the data set has a task of its own, whose loss only its owner knows.

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
    if dataset.task not in TASKS:
        raise InputError(f"expected a task with the loss of the data set {dataset.name}, got none", field="task")
    if dataset.task != "regression":
        return TASKS[dataset.task]
    return regression(dataset.info.get("target_mean", 0.0), dataset.info.get("target_std", 1.0))
