"""Teams as a checkpoint holds them: which cohorts it says there were, and the template to restore them with."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import numpy as np
from jax.tree_util import DictKey

from jaxsize.errors import InputError
from jaxsize.programs._program import Program
from jaxsize.resizing._regrouping import Cohort
from jaxsize.trees import Tree


def saved_cohorts(directory: Path, shapes: Mapping[str, tuple[int, ...]], names: Sequence[str]) -> list[Cohort]:
    """Read off the shapes of a checkpoint how many runs trained together, at which widths.

    Args:
        directory: where the checkpoint lies, for the error.
        shapes: shape of every leaf that was saved, by its path, as `checkpoints.shapes` returns them.
        names: the unit groups that can lose units, or get more.

    Returns:
        A cohort per team. Which runs it has is in the values, which are not read here: every run is called 0.

    Raises:
        InputError: when the checkpoint holds no units of one of the groups.
    """

    def shape_of(*keys: str) -> tuple[int, ...] | None:
        return shapes.get(jax.tree_util.keystr(tuple(map(DictKey, keys))))

    cohorts: list[Cohort] = []
    while runs := shape_of(number := str(len(cohorts)), "runs"):
        widths = [shape_of(number, "survivors", name) for name in names]
        if None in widths:
            raise InputError(f"{directory} does not fit: expected units of {', '.join(names)}")
        cohorts.append(Cohort((0,) * runs[0], tuple(shape[-1] for shape in widths if shape)))
    return cohorts


def team_template(cohort: Cohort, program: Program, names: Sequence[str]) -> dict[str, Tree]:
    """Make a tree of the structure, shapes and dtypes of `Team.on_host()`, for `checkpoints.restore`."""
    num_runs = len(cohort.runs)

    def stacked(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((num_runs, *leaf.shape), leaf.dtype)

    widths = dict(zip(names, cohort.widths, strict=True))
    return {
        "runs": np.zeros(num_runs, int),
        "survivors": {name: np.zeros((num_runs, width), int) for name, width in widths.items()},
        "counts": np.zeros((num_runs, len(names)), int),
        "state": jax.tree.map(stacked, program.state_shape),
    }
