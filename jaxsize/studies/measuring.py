"""Measures of networks before and after training, kept beside the rows."""

import fnmatch
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from jaxsize.programs.batch import Batch
from jaxsize.results.folder import Folder
from jaxsize.results.step_arrays import write_arrays
from jaxsize.studies.setup import Setup
from jaxsize.training._train import Trained
from jaxsize.trees import Tree


def before_and_after(
    name: str, measure: Callable[[Batch], Callable[[Tree], Any]], *, arms: str = "*"
) -> Callable[[Folder, Setup, Mapping[str, tuple[Batch, Trained]]], dict[str, list[dict[str, Any]]]]:
    """Make a check that measures every network before and after its training, for `ArmView.before_and_after`.

    Of every batch it writes measured/BATCH.NAME.npz: the numbers of the runs, `run` [R], and the measures `before` and
    `after`, float32 [R, ...] each.

    Args:
        name: the name of what is measured.
        measure: a batch -> a function of the parameters of one of its networks that returns an array, of one shape.
        arms: the arms that are measured, in which * stands for any text; of those trained together, the first counts.

    Returns:
        An entry of `Study.checks`.

    Example:
        >>> import jax, numpy as np
        >>> from jaxsize.studies import before_and_after
        >>> def largest(batch):
        ...     return lambda params: max(np.abs(leaf).max() for leaf in jax.tree.leaves(params))
        >>> checks = [before_and_after("largest", largest)]
    """

    def check(folder: Folder, setup: Setup, learned: Mapping[str, tuple[Batch, Trained]]) -> dict[str, Any]:
        (folder.path / "measured").mkdir(exist_ok=True)
        for batch, trained in learned.values():
            if not fnmatch.fnmatchcase(batch.labels[0]["arm"], arms):
                continue
            of = measure(batch)
            pairs = [(of(batch.init(index)), of(network.params)) for index, network in enumerate(trained.networks)]
            before, after = (np.array(values, np.float32) for values in zip(*pairs, strict=True))
            runs = [label["run"] for label in batch.labels]
            write_arrays(folder.path / "measured" / f"{batch.name}.{name}.npz", run=runs, before=before, after=after)
        return {}

    return check
