"""Many random teachers in one data set: rows that all share, and a column of targets of each; a run learns one of them.

So students of all teachers train side by side in one program. A run carries the number of its teacher as a leaf of its
parameters that nothing moves.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.size_prediction.flags import SizePredictionFlags
from jaxsize.data import Dataset, Form, Split, load
from jaxsize.data.sets.teacher import make_teacher
from jaxsize.errors import InputError
from jaxsize.learners import TASKS, Learner, Task, task_of
from jaxsize.programs import Batch
from jaxsize.studies import listing
from jaxsize.studies.opening import load_datasets
from jaxsize.trees import Tree

TEACHER = "teacher"
"""The leaf with the number of a run's teacher, and the column of the rows."""
WIDTHS = "teacher_widths"
"""What a data set says of its teachers: the width of each."""


def datasets(flags: SizePredictionFlags, form: Form) -> list[Dataset]:
    """Load the data sets that the flags name, with one of all teachers for every task in the place of teacher."""
    if len(set(flags.dataset)) < len(flags.dataset) or not flags.dataset:
        raise InputError(f"expected different names, got {listing(flags.dataset)}", field="dataset")
    loaded: list[Dataset] = []
    for path, name in zip(flags.dataset, flags.names, strict=True):
        if path == "teacher":
            loaded += [of_teachers(flags, task, form) for task in flags.teacher_tasks]
            continue
        (dataset,) = load_datasets(dataclasses.replace(flags, dataset=(path,)), form)
        loaded.append(dataclasses.replace(dataset, name=name))
    return loaded


def of_teachers(flags: SizePredictionFlags, task: str, form: Form) -> Dataset:
    """Make a data set whose targets have a column per teacher, [N, teachers]; teachers of a width stand side by side.

    Each teacher has a seed of its own. The inputs are the same for all, standard normal.
    """
    numbers: dict[str, Any] = {"num_rows": flags.teacher_rows, "num_inputs": flags.teacher_inputs, "task": task}
    rows = load("teacher", seed=0, form=form, **numbers)
    widths = [width for width in flags.teacher_widths for _ in range(flags.teachers)]
    shape = {"num_inputs": flags.teacher_inputs, "num_outputs": rows.num_outputs}
    teachers = [make_teacher(seed=1 + number, width=width, **shape) for number, width in enumerate(widths)]

    def labelled(split: Split | None) -> Split | None:
        if split is None:
            return None
        outputs = [teacher(split.inputs) for teacher in teachers]
        if task == "classification":
            targets = np.stack([of.argmax(1) for of in outputs], axis=1).astype(np.int32)
        else:
            targets = np.concatenate(outputs, axis=1).astype(np.float32)
        return Split(split.inputs, targets)

    train, validation, test = (labelled(split) for split in (rows.train, rows.validation, rows.test))
    assert train is not None and test is not None
    return dataclasses.replace(
        rows,
        name=f"teachers_{task}",
        task="custom",
        train=train,
        validation=validation,
        test=test,
        source=f"{len(teachers)} random teacher networks on the same inputs",
        info={"task": task, WIDTHS: widths},
    )


def task_for(dataset: Dataset) -> Task:
    """Return the task of a run's own targets."""
    return TASKS[dataset.info["task"]] if WIDTHS in dataset.info else task_of(dataset)


def columns_of(dataset: Dataset) -> list[dict[str, int]]:
    """List what tells runs of one seed apart: their teacher and its width; of other data sets nothing does."""
    widths = dataset.info.get(WIDTHS)
    return [{TEACHER: at, "teacher_width": width} for at, width in enumerate(widths)] if widths else [{}]


def targets_of(split: Split) -> np.ndarray:
    """Return targets with a column per teacher; other data sets have one."""
    return split.targets if split.targets.ndim == 2 else split.targets[:, None]


def network_of(params: Tree) -> Tree:
    """Return the parameters of a run without the number of its teacher."""
    return {name: leaf for name, leaf in params.items() if name != TEACHER}


def for_own_teachers(learner: Learner) -> Learner:
    """Make a learner with targets [B] one of targets [B, teachers]: every run learns the column that it carries."""

    def own(params: Tree, targets: jax.Array) -> jax.Array:
        return jnp.take(targets, params[TEACHER].astype(int), axis=1)

    def stay(updates: Tree, params: Tree) -> Tree:
        return {**updates, TEACHER: jnp.zeros_like(params[TEACHER])}

    return learner._replace(
        objective=lambda params, inputs, targets, *rest: learner.objective(params, inputs, own(params, targets), *rest),
        scores=lambda params, inputs, targets: learner.scores(params, inputs, own(params, targets)),
        optimizer=lambda hparams: optax.chain(learner.optimizer(hparams), optax.stateless(stay)),
    )


def with_own_teachers(batch: Batch) -> Batch:
    """Give every run of a batch the number of its teacher."""

    def init(index: int) -> Tree:
        return {**batch.init(index), TEACHER: np.float32(batch.labels[index][TEACHER])}

    return dataclasses.replace(batch, init=init, learner=for_own_teachers(batch.learner))


def stacked(networks: Sequence[Any]) -> tuple[Tree, np.ndarray]:
    """Stack trained networks of one shape, and the columns of their targets: parameters [R, ...], columns int [R]."""
    params = [network.params for network in networks]
    columns = np.array([int(of.get(TEACHER, 0)) for of in params], np.int32)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *map(network_of, params)), columns
