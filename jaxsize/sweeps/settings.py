"""Batches of runs of any network, in which every run has its own seed and its own swept settings."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.learner import Learner
from jaxsize.programs.batch import Batch
from jaxsize.sweeps._grid import column, numbered
from jaxsize.trees import Tree


def setting_sweep(
    dataset: Dataset,
    settings: Sequence[Mapping[str, Any]],
    *,
    init: Callable[[int], Tree],
    learner: Learner,
    name: str,
    label: Mapping[str, Any],
    first_run: int,
    **batch: Any,
) -> Batch:
    """Make one batch of runs, one per setting, of a network of any structure.

    Args:
        dataset: the data set to train on.
        settings: for every run its `seed`, any of `learner.defaults`, such as `learning_rate`, and any further columns
            of its rows, the same ones in every run.
        init: seed -> the initial parameters (NumPy arrays).
        learner: how the network is trained; `supervised` makes one of any function.
        name: name of the batch, used as a file name.
        label: columns that all rows share; `run` and the settings are added.
        first_run: number of the first run.
        batch: further fields of `Batch`.

    Raises:
        InputError: when there is no setting, or a setting lacks its seed or a field that others have.

    Example:
        >>> import numpy as np, optax
        >>> from jaxsize.data import load
        >>> from jaxsize.learners import supervised, task_of
        >>> from jaxsize.programs import Config
        >>> from jaxsize.sweeps import setting_sweep
        >>> dataset = load("teacher", seed=0, num_rows=20, num_inputs=3, width=2, num_classes=3)
        >>> learner = supervised(
        ...     lambda params, inputs: inputs @ params,
        ...     task_of(dataset),
        ...     lambda hparams: optax.sgd(hparams.learning_rate),
        ... )
        >>> settings = [{"seed": seed, "learning_rate": rate} for rate in (0.5, 0.25) for seed in (0, 1)]
        >>> fields = {"name": "linear", "label": {}, "first_run": 0, "config": Config(), "num_epochs": 1}
        >>> init = lambda seed: np.random.default_rng(seed).normal(size=(3, 3)).astype(np.float32)
        >>> batch = setting_sweep(dataset, settings, init=init, learner=learner, **fields)
        >>> len(batch), batch.hparams.learning_rate.tolist(), batch.num_parameters
        (4, [0.5, 0.5, 0.25, 0.25], 9)
    """
    if not settings:
        raise InputError("expected one setting or more, got none", field="settings")
    swept = [field for field in learner.defaults if any(field in setting for setting in settings)]
    for setting in settings:
        if missing := [field for field in ("seed", *swept) if field not in setting]:
            raise InputError(f"expected {missing[0]} in every setting, got {dict(setting)}", field="settings")
    drawn = functools.cache(init)  # settings share the networks of their seeds
    defaults = {"histories": {"loss": lambda history: history["loss"]}, "columns": lambda before, after: {}}
    more: dict[str, Any] = {**defaults, "shrinking": None, **batch}
    return Batch(
        name=name,
        labels=numbered(label, settings, first_run),
        init=lambda index: drawn(settings[index]["seed"]),
        num_parameters=sum(np.size(leaf) for leaf in jax.tree.leaves(drawn(settings[0]["seed"]))),
        hparams={field: column(settings, field) for field in swept},
        learner=learner,
        dataset=dataset,
        **more,
    )
