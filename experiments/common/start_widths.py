"""The claim C30, which the sparsifier and start_size judge."""

from collections.abc import Iterator

import numpy as np

from jaxsize.statistics import Part, describe, equivalence_ratio
from jaxsize.studies import ArmView, Claim, between, equal, listed, still_open


def start_does_not_matter(small: ArmView, large: ArmView) -> Iterator[Part]:
    """Yield ratios of end sizes; open while units are still dying: more than 1 % of them in the last 10 epochs."""
    for penalty in small.values("penalty", skip=0.0):
        views = [view.at(penalty=penalty) for view in (small, large)]
        ends = [view.end("live_units") for view in views]
        curves = [view.curve("live_units") for view in views]
        before = [curve[:, -min(11, curve.shape[1])] for curve in curves]
        shares = [(was - is_now) / np.maximum(was, 1) for was, is_now in zip(before, ends, strict=True)]
        dying = describe(np.concatenate(shares))
        part = equal(equivalence_ratio(ends[1], ends[0]), penalty=penalty, share_dying_in_last_10_epochs=dying)
        if not np.any(ends):
            part = listed(part, "no unit is left from either start")
        elif (dying["median"] or 0) > 0.01:
            part = still_open(part, f"not converged: {dying['median']:.1%} of the units died in the last 10 epochs")
        yield part


START_DOES_NOT_MATTER = Claim(
    "the end size does not depend on the start size (ratio within 15 %)",
    between("learned", values="start_width"),
    start_does_not_matter,
    "needs several values of --start-widths",
)
