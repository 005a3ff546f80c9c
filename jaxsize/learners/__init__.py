"""Ways of learning: what is minimised, by which optimiser, and what happens after a step.

A `Learner` is a tuple of pure functions of one run. The modules `sparsifier`, `flexible` and `plain` make one each from
a static config: each module has its config class and its `make_learner`.
"""

from jaxsize.learners import flexible, importance, leaf_rates, plain, sampled_gates, sparsifier
from jaxsize.learners.closing import cannot_close, steps_to_close
from jaxsize.learners.curvature import with_curvature
from jaxsize.learners.flips import flip_gates
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.input_scaling import Start, for_scaled_inputs, rebalance
from jaxsize.learners.learner import Learner
from jaxsize.learners.reconstruction import entropy_floor, reconstruction
from jaxsize.learners.supervised import supervised
from jaxsize.learners.tasks import TASKS, Task, mean_over_rows, regression, task_of

__all__ = [
    "TASKS",
    "Hparams",
    "Learner",
    "Start",
    "Task",
    "cannot_close",
    "entropy_floor",
    "flexible",
    "flip_gates",
    "for_scaled_inputs",
    "importance",
    "leaf_rates",
    "mean_over_rows",
    "plain",
    "rebalance",
    "reconstruction",
    "regression",
    "sampled_gates",
    "sparsifier",
    "steps_to_close",
    "supervised",
    "task_of",
    "with_curvature",
]
