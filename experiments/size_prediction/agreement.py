"""What measures say beside the truth: the sizes that are known otherwise, and how well measures agree with them."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.widths import widths_of
from experiments.size_prediction.layers import MEASURES, UNITS, read_sizes
from experiments.size_prediction.teachers import WIDTHS
from jaxsize.statistics import Estimate, bootstrap_interval, describe, rank_agreement, trend
from jaxsize.studies import Arms, ArmView

ENOUGH = 0.99
"""The share of the best score from which on the accuracy curve calls a width sufficient."""
TRUTHS = {
    "teacher": "width of the teacher",
    "curve": "least width with 99 % of the best score",
    "learned": "units that the sparsifier kept",
    "ablation": "units whose removal costs 1e-4 or more",
}
"""The truths by name; `teacher` is there for teachers only."""
TOO_LARGE = 2**-0.5
"""A layer is called too large when a measure names fewer units than this share of it: half of them, give or take."""


def middle(values: np.ndarray) -> np.ndarray:
    """Return the medians over seeds of values [tasks, seeds, ...]; NaN where a seed has no number."""
    return np.median(values, axis=1)


def sufficient(numbers: dict[str, np.ndarray], widths: np.ndarray) -> np.ndarray:
    """Return the least width whose score, the median over seeds, is 99 % of the best one, [tasks]."""
    scores = middle(numbers["score"])
    enough = scores >= ENOUGH * scores.max(axis=1, keepdims=True)  # of none, where no score is above 0
    return np.where(np.isfinite(scores).all(1) & enough.any(1), widths[np.argmax(enough, axis=1)], np.nan)


def truths_of(numbers: dict[str, np.ndarray], widths: np.ndarray) -> dict[str, np.ndarray]:
    """Return the sizes that are needed by every truth, [tasks]: the teachers of a data set, or its one task.

    The ablation count is that of the widest student, like all measures that are compared with it.
    """
    known = {"teacher": numbers[WIDTHS]} if numbers[WIDTHS].size else {}
    learned, needed = middle(numbers["learned"]), middle(numbers["needed_units"])[:, -1]
    return known | {"curve": sufficient(numbers, widths), "learned": learned, "ablation": needed}


def agrees(numbers: dict[str, np.ndarray], widths: np.ndarray, measure: str) -> dict[str, Estimate]:
    """Estimate how a measure of the widest student puts the teachers into the order of every truth, by truth."""
    says, truths = _says(numbers, widths, measure), truths_of(numbers, widths)
    return {
        name: rank_agreement(says, truth)
        for name, truth in truths.items()
        if name != measure and (name, measure) != ("ablation", "needed_units")
    }


def _says(numbers: dict[str, np.ndarray], widths: np.ndarray, measure: str) -> np.ndarray:
    """Return what a measure says of the widest student, or what a truth says, [tasks]."""
    if measure in TRUTHS:
        return truths_of(numbers, widths)[measure]
    return middle(numbers[measure])[:, -1]


def follows_own_width(numbers: dict[str, np.ndarray], widths: np.ndarray, measure: str) -> Estimate:
    """Estimate how a measure follows the width of the students themselves: Kendall's tau of every task."""
    says = middle(numbers[measure]) if len(numbers[measure]) > 1 else numbers[measure][0]
    known = np.isfinite(says).any(0)  # W is of 3 units or more
    return trend(widths[known], says[:, known], direction="positive")


def over_seeds(values: np.ndarray) -> dict[str, Any]:
    """Describe the deviation over seeds of the same task, as a share of the mean: values [tasks, seeds]."""
    if values.shape[1] < 2:
        return describe(np.full(len(values), np.nan))
    return describe(_shares(values.std(axis=1, ddof=1), np.abs(values.mean(axis=1))))


def _shares(values: np.ndarray, of: np.ndarray) -> np.ndarray:
    """Divide values; NaN where nothing is what they are to be a share of."""
    return np.divide(values, of, out=np.full(np.broadcast_shapes(values.shape, of.shape), np.nan), where=of != 0)


def verdicts_right(numbers: dict[str, np.ndarray], widths: np.ndarray, measure: str) -> Estimate:
    """Estimate how often the verdict "too large" is right at one width of the students: 1 always, .5 for a guess.

    It is the mean of the shares of layers that are too large and called so, and of layers that are not and not called
    so, at every width at which there are both; then the mean over these widths. So nothing can be said by the width
    alone. Resampled are the teachers.
    """
    says, truth = middle(numbers[measure]), truths_of(numbers, widths)["teacher"]
    large = truth[:, None] <= TOO_LARGE * widths
    right = (says <= TOO_LARGE * widths) == large
    both = large.any(0) & ~large.all(0)

    def balanced(index: np.ndarray, axis: int = -1) -> np.ndarray:
        index = np.moveaxis(index, axis, -1).astype(int)
        called, of = right[index][..., both], large[index][..., both]
        with np.errstate(invalid="ignore"):
            shares = [(called & kind).sum(-2) / kind.sum(-2) for kind in (of, ~of)]
        return np.nanmean(np.mean(shares, axis=0), axis=-1)

    known = np.isfinite(says).all(1)
    return bootstrap_interval(np.where(known, np.arange(len(says)), np.nan), balanced, num_resamples=1999)


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table "do they predict?": a row per measure, and one per truth that has another one above it."""
    return [row for arm in arms.like("static") for row in _rows(arm)]


def _rows(arm: ArmView) -> Iterator[dict[str, Any]]:
    numbers, widths = read_sizes(arm), widths_of(arm)
    truths = truths_of(numbers, widths)
    teachers = "teacher" in truths
    measures = {**MEASURES, **{name: TRUTHS[name] for name in ("curve", "learned") if teachers}}
    for measure, words in measures.items():
        row: dict[str, Any] = {"dataset": arm.dataset, "form": arm.form, "measure": words}
        if teachers:
            row |= {f"order_of_{name}": one.as_dict() for name, one in agrees(numbers, widths, measure).items()}
        if measure in MEASURES:
            row |= {"own_width": follows_own_width(numbers, widths, measure).as_dict()}
        if teachers and (measure in UNITS or measure in TRUTHS):
            row |= {"over_teacher": describe(_says(numbers, widths, measure) / truths["teacher"])}
        if teachers and measure in UNITS:
            row |= {"too_large_right": verdicts_right(numbers, widths, measure).as_dict()}
        if not teachers and measure in UNITS:
            of_seeds = numbers[measure][0, :, -1]
            row |= {f"over_{name}": describe(_shares(of_seeds, truth)) for name, truth in truths.items()}
        if measure in MEASURES:
            row |= {"over_seeds": over_seeds(numbers[measure][:, :, -1])}
        elif measure == "learned":
            row |= {"over_seeds": over_seeds(numbers["learned"])}
        yield row


def says_table(arm: ArmView) -> list[dict[str, Any]]:
    """Make the table of what measures say: of the widest student by width of the teacher, or of every student."""
    numbers, widths = read_sizes(arm), widths_of(arm)
    teachers = numbers[WIDTHS]
    rows = []
    for measure, words in MEASURES.items():
        if teachers.size:
            says = middle(numbers[measure])[:, -1]
            cells = {f"teacher_of_{width:g}": describe(says[teachers == width]) for width in np.unique(teachers)}
        else:
            cells = {f"width_{width}": describe(of) for width, of in zip(widths, numbers[measure][0].T, strict=True)}
        rows.append({"measure": words, **cells})
    return rows
