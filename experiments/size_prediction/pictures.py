"""The pictures of the study: what measures say of students of every width, and how they order the teachers."""

import math
from typing import Any

import numpy as np

from experiments.common.widths import widths_of
from experiments.size_prediction.agreement import TRUTHS, agrees, middle, truths_of
from experiments.size_prediction.layers import MEASURES, UNITS, read_sizes
from experiments.size_prediction.teachers import WIDTHS
from jaxsize import plots
from jaxsize.studies import Arms, per

SHORT = {
    "live_units": "live units",
    "exponential_units": "useful units (exp. + normal)",
    "gamma_units": "useful units (two gammas)",
    "needed_units": "units that cost 1e-4 or more",
    "components": "components for 99 %",
    "columns": "the journal's columns for 99 %",
    "effective_dimensions": "effective dimensions",
    "intrinsic_dimension": "intrinsic dimension",
    "median_spread": "median spread",
    "total_spread": "total spread",
    "w": "W of the spreads",
    "train_loss": "training loss (control)",
    "curve": "accuracy curve",
    "learned": "learned size",
}
COLUMNS = 4


@per("dataset")
def measures(arms: Arms) -> Any:
    """What every measure says of students, against their width: medians over teachers of a width, in the range.

    A measure that names the size that is needed is flat, at the height of the dotted line of its teacher's width, once
    the student is wide enough. One that only follows the width of the layer runs along the grey diagonal. On data sets
    without teachers lines are medians over seeds, and the dotted line is the width that suffices by the accuracy curve.
    """
    (arm,) = arms.like("static")
    numbers, widths = read_sizes(arm), widths_of(arm)
    teachers = numbers[WIDTHS]
    figure, panels = plots.subplots(math.ceil(len(MEASURES) / COLUMNS), COLUMNS, width=3.0, height=2.6)
    needed = np.unique(teachers) if teachers.size else truths_of(numbers, widths)["curve"]
    for axes, measure in zip(panels.flat, MEASURES, strict=False):
        says = middle(numbers[measure])
        lines = {f"{width:g}": (widths, says[teachers == width]) for width in np.unique(teachers)}
        plots.bands(axes, lines or {arm.dataset: (widths, numbers[measure][0])}, markevery=1)
        plots.log_axis(axes, "x")
        if measure in UNITS:
            axes.plot(widths, widths, color="0.7", linewidth=1)
            for look, width in zip(plots.looks(len(needed)), needed, strict=True):
                axes.axhline(width, color=look.color, linestyle=":", linewidth=1)
            plots.log_axis(axes, "y")
        axes.set(title=SHORT[measure])
    for axes in panels[-1]:
        axes.set_xlabel("hidden units of the student")
    plots.legend_beside(panels[0, -1], "units of the teacher" if teachers.size else "")
    figure.suptitle(f"{arm.dataset}: what measures of one layer say")
    return figure


@per()
def order(arms: Arms) -> Any:
    """How measures of the widest students put the teachers into the order of four truths: Kendall's tau.

    Marks are estimates with their 95 % bootstrap intervals over teachers; 1 is always right, 0 is a guess. Below the
    line are sizes that are found otherwise, by training students of all widths, or a sparsifier.
    """
    chosen = [arm for arm in arms.like("static") if read_sizes(arm)[WIDTHS].size]
    if not chosen:
        return None
    figure, panels = plots.subplots(1, len(chosen), width=6.6, height=5.0)
    names = [*MEASURES, "curve", "learned"]
    for axes, arm in zip(panels[0], chosen, strict=True):
        numbers, widths = read_sizes(arm), widths_of(arm)
        agreements = {measure: agrees(numbers, widths, measure) for measure in names}
        for number, (look, truth) in enumerate(zip(plots.looks(len(TRUTHS)), TRUTHS, strict=True)):
            axes.plot([], [], linestyle="", label=TRUTHS[truth], **look.marks)  # also where nothing has an order
            for place, measure in enumerate(names):
                one = agreements[measure].get(truth)
                if one is None or one.estimate is None:
                    continue
                height = place + 0.2 * (number - 1.5)
                if one.low is not None and one.high is not None:
                    axes.plot([one.low, one.high], [height, height], color=look.color, linewidth=1)
                axes.plot([one.estimate], [height], linestyle="", markersize=4, **look.marks)
        axes.axvline(0, color="0.3", linewidth=1)
        axes.axhline(len(MEASURES) - 0.5, color="0.3", linewidth=1)
        axes.set(
            xlim=(-1.05, 1.08),
            ylim=(len(names) - 0.4, -0.6),
            xlabel="Kendall's tau, of pairs whose truths differ",
            title=arm.dataset,
        )
        axes.set_yticks(range(len(names)), [SHORT[name] for name in names])
    plots.legend_beside(panels[0, -1], "order of")
    return figure


PICTURES = {"measures": measures, "order": order}
