"""Losses and scores of all splits as one program, for one run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.learners.learner import Learner
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data
from jaxsize.trees import Tree

TOTAL = "weights of rows"
"""Beside the scores, where rows have weights: their sum."""


def make_evaluate(learner: Learner, config: Config) -> Callable:
    """Make the pure function that evaluates the network of one run on all splits.

    Args:
        learner: gives the scores of a row.
        config: rows evaluated at a time, and how many of the training rows.

    Returns:
        evaluate(params, data, ends) -> {split: {score name: []}}, to be jitted, or mapped over runs. `ends` gives for
        each split, in the order of the rows of `data`, the number of the row after its last one (Python integers).
        Scores are means over all rows of a split, by their weights where they have some; of the first split, the
        training rows, over the last `config.evaluated_train_rows` if there are more. Where the loss is not finite, the
        other scores are NaN.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> import optax
        >>> from jaxsize.learners import TASKS, supervised
        >>> from jaxsize.programs import Config, Data, Rows, make_evaluate
        >>> learner = supervised(lambda params, inputs: inputs, TASKS["regression"], lambda hparams: optax.sgd(0.1))
        >>> evaluate = make_evaluate(learner, Config())
        >>> rows = Rows(np.array([[0], [0], [7], [7]], np.uint8), np.array([1, 3, 7, 9], np.float32))
        >>> data = Data(rows, np.float32(1), np.float32(0))
        >>> scores = jax.jit(lambda params, data: evaluate(params, data, {"train": 2, "test": 4}))({}, data)
        >>> {split: float(values["error"]) for split, values in scores.items()}
        {'test': 2.0, 'train': 5.0}
    """

    def evaluate(params: Tree, data: Data, ends: dict[str, int]) -> dict[str, dict[str, jax.Array]]:
        stops = np.array(list(ends.values()))
        first = max(0, int(stops[0]) - (config.evaluated_train_rows or int(stops[0])))
        starts = np.array([first, *stops[:-1]])
        num_rows = int(stops[-1]) - first
        batch_size = min(config.evaluation_batch_size, num_rows)
        batches = first + np.arange(-(-num_rows // batch_size) * batch_size).reshape(-1, batch_size)

        names: list[str] = []  # a program returns a dict in the order of its keys

        def sums(index):  # [splits] each
            inputs, targets = data.batch(index)
            inside = (starts[:, None] <= index[None, :]) & (index[None, :] < stops[:, None])
            scores, weights = learner.scores(params, inputs, targets), data.weights(index)
            names[:] = scores
            if weights is not None:
                scores = {name: rows * weights for name, rows in scores.items()} | {TOTAL: weights}
            return {name: jnp.sum(jnp.where(inside, rows[None, :], 0), axis=1) for name, rows in scores.items()}

        totals = {name: jnp.sum(of, axis=0) for name, of in jax.lax.map(sums, jnp.asarray(batches)).items()}
        count = totals.pop(TOTAL, stops - starts)
        means = {name: totals[name] / count for name in names}
        # A network that has diverged always names class 0: that would look like an accuracy.
        finite = jnp.isfinite(means["loss"])
        scores = {name: of if name == "loss" else jnp.where(finite, of, jnp.nan) for name, of in means.items()}
        return {split: {name: of[n] for name, of in scores.items()} for n, split in enumerate(ends)}

    return evaluate
