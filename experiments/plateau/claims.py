"""What the study `plateau` measures: whether sizes come to rest, where, and what is left of unused weights."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.plateau.weights import beyond, left_beyond
from jaxsize.statistics import Part, equivalence_ratio, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, above, below, columns, each, equal, listed, trending, unclear, within

JOURNAL = "Adam + L2"
"""The journal's optimiser, which its claims are about (E7)."""
JOURNAL_DECAY = 1e-3
GROWTH = 0.05
"""The size is on a plateau if it changes by no more than this share of itself over the last third of the epochs."""
GONE = 0.1
"""Outgoing weights count as zero if less than this share of them is left."""
MARGIN = 0.15
"""Two sizes, or two norms, count as the same if their ratio is within a factor of 1 + this."""


def growth(arm: ArmView) -> np.ndarray:
    """Return the growth over the last third of the epochs as a share of the size, [num_seeds].

    NaN with fewer than 3 epochs, and where the size is not above 0.
    """
    sizes = arm.curve("size")
    third = sizes.shape[1] // 3
    if not third:
        return np.full(len(sizes), np.nan)
    return (sizes[:, -1] - sizes[:, -1 - third]) / np.where(sizes[:, -1] > 0, sizes[:, -1], np.nan)


def held_by_decay(arm: ArmView) -> Iterator[Part]:
    """Yield for an optimiser, without a penalty, whether sizes come to rest, and what weight decay does to them.

    Without decay and with the journal's: the growth at the end; the size against that at the smallest penalty and, in
    the original form, against the units allocated. Then the trend of size with decay; and of the journal's optimiser,
    how many times larger the size is without decay. Other optimisers are listed.
    """
    free = arm.at(penalty=0.0)
    sizes = {decay: one.end("size") for decay, one in free.by("weight_decay").items()}
    parts = [part for decay in (0.0, JOURNAL_DECAY) for part in _at_rest(arm, decay)]
    falls = trend(list(sizes), np.stack(list(sizes.values()), -1), direction="negative")
    parts.append(trending(falls, of="trend of size with decay"))
    if arm.name == JOURNAL:
        ratio = median_interval(ratio_of(sizes[0.0], sizes[JOURNAL_DECAY]))
        part = above(ratio, of=f"size without / with L2 {JOURNAL_DECAY:g}")
        parts.append(unclear(part, "how near to 2 is about twice"))
    yield from _counted(arm, parts)


def _at_rest(arm: ArmView, decay: float) -> Iterator[Part]:
    free = arm.at(weight_decay=decay, penalty=0.0)
    label: dict[str, Any] = {"weight_decay": decay}
    sizes = free.end("size")
    if free.curve("size").shape[1] >= 3:
        yield within(median_interval(growth(free)), -GROWTH, GROWTH, **label, of="growth, last third")
    if priced := arm.at(weight_decay=decay).values("penalty", skip=0.0):
        ends = free.at(penalty=priced[0]).end("size")
        yield equal(equivalence_ratio(sizes, ends, MARGIN), MARGIN, **label, of=f"size / size at penalty {priced[0]:g}")
    if arm.form == "original":
        allocated = np.full(len(sizes), float(arm.settings["width"]))
        yield below(paired_difference(sizes, allocated), **label, of="size less units allocated")


def _counted(arm: ArmView, parts: list[Part]) -> list[Part]:
    """List the parts of optimisers other than the journal's: they do not count."""
    return parts if arm.name == JOURNAL else [listed(part, "not the journal's optimiser") for part in parts]


def ratio_of(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the ratio of two sizes, NaN unless both are above 0."""
    fine = (one > 0) & (other > 0)
    return np.where(fine, one, np.nan) / np.where(fine, other, 1.0)


def unused_are_zero(arm: ArmView) -> Iterator[Part]:
    """Yield, without a penalty, what is left of the outgoing weights of units beyond the gray zone.

    With decay it should be less than `GONE`; without decay, as much as before training up to `MARGIN`. A seed without
    such a unit is left out; one that diverged is lost.
    """
    for decay, free in arm.at(penalty=0.0).by("weight_decay").items():
        expected, low, high = ("zero", 0.0, GONE) if decay else ("as at the start", 1 / (1 + MARGIN), 1 + MARGIN)
        none = np.isfinite(free.end("size")) & ~beyond(free).any(-1)
        left = median_interval(left_beyond(free), missing=none, what="seeds")
        yield from _counted(arm, [within(left, low, high, weight_decay=decay, expected=expected)])


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table. In the original form, in which the test rows train, no score is that of held-out rows."""
    scores = ("train_score",) if arms[0].form == "original" else ("test_loss", "test_score")
    names = ("size", "live_units", "train_loss", *scores)
    return columns(*names, by=["weight_decay", "penalty"], growth=growth, left=left_beyond)(arms)


CLAIMS = {
    "C19": Claim(
        "the plateau is there at penalty 0, is set by L2, and is about twice as high without L2",
        each("*"),
        held_by_decay,
        "needs at least 3 epochs",
    ),
    "C20": Claim(
        "outgoing weights of disabled units are zero with L2, and as at the start without", each("*"), unused_are_zero
    ),
}
