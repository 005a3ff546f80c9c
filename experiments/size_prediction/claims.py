"""What is claimed of measures on teachers of known width: that some tell them apart, and which bias they have."""

from collections.abc import Iterator

import numpy as np

from experiments.common.widths import widths_of
from experiments.size_prediction.agreement import agrees, middle, truths_of
from experiments.size_prediction.layers import MEASURES, OTHERS, UNITS, read_sizes
from experiments.size_prediction.teachers import WIDTHS
from jaxsize.statistics import Part, median_interval
from jaxsize.studies import Arms, ArmView, Claim, above, any_part, below, each, listed
from jaxsize.studies.choosing import Choice

CONTROL = list(OTHERS)[-1]


def of_teachers(arms: Arms) -> Iterator[Choice]:
    """Choose the students of teachers."""
    for label, (arm,) in each("static")(arms):
        if read_sizes(arm)[WIDTHS].size:
            yield label, (arm,)


def tells_teachers_apart(arm: ArmView) -> Iterator[Part]:
    """Yield how every measure that names a size puts the teachers into order, at the widest student."""
    numbers, widths = read_sizes(arm), widths_of(arm)
    for measure in UNITS:
        agreement = agrees(numbers, widths, measure)["teacher"]
        yield above(agreement, over="teachers", measure=MEASURES[measure])
    control = agrees(numbers, widths, CONTROL)["teacher"]
    yield listed(above(control, over="teachers", measure=MEASURES[CONTROL]), "the control")


def found_otherwise(arm: ArmView) -> Iterator[Part]:
    """Yield how the sizes that are found by training many networks, or a sparsifier, put the teachers into order."""
    numbers, widths = read_sizes(arm), widths_of(arm)
    for truth in ("curve", "learned"):
        yield above(agrees(numbers, widths, truth)["teacher"], over="teachers", found_by=truth)


def under_estimate(arm: ArmView) -> Iterator[Part]:
    """Yield by how many doublings the useful units by both mixtures lie below the width of the teacher."""
    numbers, widths = read_sizes(arm), widths_of(arm)
    teacher = truths_of(numbers, widths)["teacher"]
    for measure in ("exponential_units", "gamma_units"):
        with np.errstate(divide="ignore", invalid="ignore"):
            doublings = np.log2(middle(numbers[measure])[:, -1] / teacher)
        yield below(median_interval(doublings, what="teachers"), over="teachers", measure=MEASURES[measure])


WITHOUT = "needs the data set teacher"
CLAIMS = {
    "Measures": Claim(
        "at one width of the students, some measure of the layer names more units for wider teachers",
        of_teachers,
        tells_teachers_apart,
        WITHOUT,
        decide=any_part,
        seeds=1,
    ),
    "Other ways": Claim(
        "the accuracy curve over widths, and the size that a sparsifier learns, are larger for wider teachers",
        of_teachers,
        found_otherwise,
        WITHOUT,
        seeds=1,
    ),
    "C7, teachers": Claim(
        "useful units by mixtures of spreads are fewer than are needed", of_teachers, under_estimate, WITHOUT, seeds=1
    ),
}
