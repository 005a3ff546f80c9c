"""What the study `plateau` measures: whether sizes come to rest, where, and what is left of unused weights.

The claims are about the journal's optimiser (E7). Where the journal does not say how near is near ("plateau", "2x
bigger", "as noisy as they were at the beginning"), the estimate is given without a verdict.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.plateau.weights import beyond, left_beyond
from jaxsize.statistics import Part, equivalence_ratio, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, above, below, columns, each, trending, unclear, within

JOURNAL = "Adam + L2"
"""The journal's optimiser."""
JOURNAL_DECAY = 1e-3
ZERO = float(np.finfo(np.float32).eps)
"""The share up to which a weight is zero: added to what it was, it is rounded away."""


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

    The trend of size with decay is judged and, in the original form, that sizes stay below the units allocated.
    """
    decays = arm.at(penalty=0.0).by("weight_decay")
    for decay in (0.0, JOURNAL_DECAY):
        label, sizes = {"weight_decay": decay}, decays[decay].end("size")
        if decays[decay].curve("size").shape[1] >= 3:
            late = above(median_interval(growth(decays[decay])), **label, of="growth, last third")
            yield unclear(late, "how little a plateau still grows")
        if priced := arm.at(weight_decay=decay).values("penalty", skip=0.0):
            ratio = equivalence_ratio(sizes, decays[decay].at(penalty=priced[0]).end("size"), None)
            near = above(ratio, **label, of=f"size / size at penalty {priced[0]:g}")
            yield unclear(near, "how near sizes on one plateau are")
        if arm.form == "original":
            allocated = np.full(len(sizes), float(arm.settings["width"]))
            yield below(paired_difference(sizes, allocated), **label, of="size less units allocated")
    sizes = arm.at(penalty=0.0).matrix("size", over="weight_decay")
    yield trending(trend(list(decays), sizes, direction="negative"), of="trend of size with decay")
    if arm.name == JOURNAL:
        both = decays[0.0].end("size"), decays[JOURNAL_DECAY].end("size")
        fine = np.minimum(*both) > 0
        ratio = median_interval(np.divide(*both, out=np.full(len(fine), np.nan), where=fine))
        twice = above(ratio, of=f"size without / with L2 {JOURNAL_DECAY:g}")
        yield unclear(twice, "how near to 2 is about twice")


def unused_are_zero(arm: ArmView) -> Iterator[Part]:
    """Yield, without a penalty, what is left of the outgoing weights of units beyond the gray zone.

    With decay it should be less than without, and zero up to rounding; without, as much as before training. A seed
    without such a unit is left out; one that diverged is lost.
    """
    decays = arm.at(penalty=0.0).by("weight_decay")
    left = {decay: left_beyond(one) for decay, one in decays.items()}
    none = {decay: np.isfinite(one.end("size")) & ~beyond(one).any(-1) for decay, one in decays.items()}
    for decay, share in left.items():
        estimate = median_interval(share, missing=none[decay], what="seeds")
        if not decay:
            part = above(estimate, weight_decay=decay, expected="as at the start")
            yield unclear(part, 'how near 1 is "as noisy as at the beginning"')
            continue
        less = paired_difference(share, left[0.0], missing=none[decay] | none[0.0])
        yield below(less, weight_decay=decay, expected="less than without decay")
        part = within(estimate, 0.0, ZERO, weight_decay=decay, expected="zero")
        yield unclear(part, "how near to 0 is zero") if part[2].outcome == "refuted" else part


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table. In the original form, in which the test rows train, no score is that of held-out rows."""
    scores = ("train_score",) if arms[0].form == "original" else ("test_loss", "test_score")
    names = ("size", "live_units", "train_loss", *scores)
    return columns(*names, by=["weight_decay", "penalty"], growth=growth, left=left_beyond)(arms)


OTHERS = {"SGD + L2": "not the journal's optimiser", "AdamW": "not the journal's optimiser"}
CLAIMS = {
    "C19": Claim(
        "the plateau is there at penalty 0, is set by L2, and is about twice as high without L2",
        each("*"),
        held_by_decay,
        controls=OTHERS,
    ),
    "C20": Claim(
        "outgoing weights of disabled units are zero with L2, and as at the start without",
        each("*"),
        unused_are_zero,
        controls=OTHERS,
    ),
}
