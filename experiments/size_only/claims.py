"""What the study `size_only` measures: which way a size is asked to move, by which units, and how far it goes."""

from collections.abc import Iterator

import numpy as np

from experiments.size_only.unit_terms import read_terms
from jaxsize.statistics import Part, median_interval, paired_difference
from jaxsize.studies import ArmView, Claim, above, columns, each, listed

MOVING = ("frozen trained", "frozen random", "training")
"""The arms in which the size moves, by what the weights are."""


def upward(arm: ArmView) -> np.ndarray:
    """Return the mean of -dL/dsize over the steps of the first epoch, [num_seeds]; above 0 the size grows."""
    return -arm.steps_by_epoch("size_gradient_0")[:, 0].mean(-1)


def growing(arm: ArmView) -> np.ndarray:
    """Return the share of all steps whose gradient makes the size grow, [num_seeds]; NaN of a diverged run."""
    gradient = arm.steps("size_gradient_0")
    return np.where(np.isfinite(gradient).all(-1), (gradient < 0).mean(-1), np.nan)


def change(arm: ArmView) -> np.ndarray:
    """Return the size at the end less the size before, [num_seeds]."""
    return arm.end("size") - arm.end("start_size")


def from_below(arm: ArmView) -> np.ndarray:
    """Return what units below the edge add to -dL/dsize before the size moves, [num_seeds]; see `read_terms`."""
    terms, distance = read_terms(arm)
    return np.where(distance < 0, terms, 0).sum(-1)


def from_beyond(arm: ArmView) -> np.ndarray:
    """Return what units beyond the edge add to -dL/dsize before the size moves, [num_seeds]."""
    terms, distance = read_terms(arm)
    return np.where(distance >= 0, terms, 0).sum(-1)


def shrinking_beyond(arm: ArmView) -> np.ndarray:
    """Return the share of units beyond the edge in all terms that make the size shrink, [num_seeds]; NaN of none."""
    terms, distance = read_terms(arm)
    shrink = np.maximum(-terms, 0)
    total = shrink.sum(-1)
    return np.where(distance >= 0, shrink, 0).sum(-1) / np.where(total > 0, total, np.nan)


def frozen_grows(arm: ArmView) -> Iterator[Part]:
    """Yield how far the size moves at each step size, and -dL/dsize before it has moved.

    Listed are the mean of -dL/dsize over the first epoch, in which a size settles; the same less that of weights that
    train on; and which side of the edge asks for growth.
    """
    is_tested = arm.name == "frozen trained"
    for rate, runs in arm.by("size_learning_rate").items():
        mean = above(median_interval(upward(runs)), size_rate=rate, of="mean of -dL/dsize")
        settles = "a size settles within the epoch, and the mean gradient with it"
        yield listed(mean, settles) if is_tested else mean
        yield above(median_interval(change(runs)), size_rate=rate, of="end size less start")
        if is_tested:
            less = paired_difference(upward(runs), upward(runs.at(arm="training")))
            yield listed(above(less, size_rate=rate, of="mean of -dL/dsize, frozen less training"), "a control")
    if is_tested:
        below, beyond = from_below(arm), from_beyond(arm)
        of = "-dL/dsize before the size moves, "
        yield above(median_interval(below + beyond), of=of + "all units")
        for side, values in {"units below the edge": below, "units beyond the edge": beyond}.items():
            yield listed(above(median_interval(values), of=of + side), "says where the gradient comes from")


CLAIMS = {
    "C25b": Claim(
        "the size shrinks only because units of the gray zone move: with frozen weights it grows",
        each(*MOVING, by=["slope"]),
        frozen_grows,
        controls=dict.fromkeys(("frozen random", "training"), "a control"),
    )
}


TABLE = columns(
    "train_loss",
    "test_loss",
    "test_score",
    arms=MOVING,
    by=["slope", "size_learning_rate"],
    upward_gradient=upward,
    growing_steps=growing,
    size_change=change,
    from_below=from_below,
    from_beyond=from_beyond,
    shrinking_beyond=shrinking_beyond,
)
