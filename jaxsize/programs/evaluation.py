"""Losses and scores of all splits as one program, for one run."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from jaxsize.learners.learner import Learner
from jaxsize.learners.tasks import Task
from jaxsize.programs.config import Config
from jaxsize.programs.device_data import Data
from jaxsize.trees import Tree


def make_evaluate(learner: Learner, task: Task, config: Config) -> Callable:
    """Make the pure function that evaluates the network of one run on all splits.

    Args:
        learner: gives the network's outputs.
        task: the loss and the score of a row.
        config: rows evaluated at a time, and how many of the training rows.

    Returns:
        evaluate(params, data, ends) -> {split: {"loss": [], score name: []}}, to be jitted, or mapped over runs. `ends`
        gives for each split, in the order of the rows of `data`, the number of the row after its last one (Python
        integers). Losses and scores are means over all rows of a split; of the first split, the training rows, over
        the last `config.evaluated_train_rows` if there are more. Where the loss is not finite, the score is NaN.

    Example:
        >>> import jax
        >>> import numpy as np
        >>> from jaxsize.learners import TASKS
        >>> from jaxsize.learners.plain import PlainConfig, make_learner
        >>> from jaxsize.networks import Network
        >>> from jaxsize.programs import Config, Data, Rows, make_evaluate
        >>> task = TASKS["regression"]
        >>> network = Network(lambda seed: {}, lambda params, inputs: inputs)  # for brevity
        >>> learner = make_learner(network, task, PlainConfig())
        >>> evaluate = make_evaluate(learner, task, Config())
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

        def sums(index):  # [splits] each
            inputs, targets = data.batch(index)
            outputs = learner.outputs(params, inputs)
            inside = (starts[:, None] <= index[None, :]) & (index[None, :] < stops[:, None])
            return tuple(
                jnp.sum(jnp.where(inside, of(outputs, targets)[None, :], 0), axis=1) for of in (task.loss, task.score)
            )

        losses, scores = (jnp.sum(of, axis=0) / (stops - starts) for of in jax.lax.map(sums, jnp.asarray(batches)))
        # A network that has diverged always names class 0: that would look like an accuracy.
        scores = jnp.where(jnp.isfinite(losses), scores, jnp.nan)
        return {name: {"loss": losses[n], task.score_name: scores[n]} for n, name in enumerate(ends)}

    return evaluate
