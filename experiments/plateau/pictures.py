"""The pictures of the study `plateau`: gates and weights unit by unit, and sizes against weight decay and epochs."""

from typing import Any

import numpy as np

from experiments.plateau.claims import JOURNAL_DECAY
from jaxsize import plots
from jaxsize.studies import Arms, ArmView


def units(arms: Arms) -> Any:
    """Draw the gate of every unit, and the sum of its |outgoing weights| before and after training, without a penalty.

    Medians over seeds, and the range. A row of panels per form and optimiser; columns: no weight decay, the journal's,
    and the largest.
    """
    shown = sorted({0.0, JOURNAL_DECAY, max(decay for arm in arms for decay in arm.values("weight_decay"))})
    figure, panels = plots.subplots(len(arms), len(shown), width=3.6, height=2.3)
    lines: dict[str, Any] = {}
    for row, arm in zip(panels, arms, strict=True):
        for axes, decay in zip(row, shown, strict=True):
            free = arm.at(penalty=0.0, weight_decay=decay)
            if np.isfinite(free.end("size")).any():
                axes.set_title(f"{arm.form}: {arm.name}, decay {decay:g}")
                lines |= _draw_units(axes, free)
            else:
                axes.set_axis_off()
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3)
    figure.suptitle(f"{arms.title}, no penalty: median and range of units")
    return figure


def _draw_units(axes: Any, arm: ArmView) -> dict[str, Any]:
    """Draw a panel of `units`, and return its lines by label; weights have an axis of their own on the right."""
    from scipy.special import expit

    before, after = arm.before_and_after("outgoing")
    numbers, weights = np.arange(after.shape[1]), axes.twinx()
    gates = expit(arm.end("slope")[:, None] * (arm.end("size")[:, None] - numbers))
    plots.band(weights, numbers, before, color="0.6", label="outgoing, before training", linestyle="--", linewidth=0.8)
    plots.band(weights, numbers, after, color="C1", label="outgoing, after training", linewidth=0.8)
    plots.band(axes, numbers, gates, color="black", label="gate", linewidth=2)
    weights.set_ylim(bottom=0)
    weights.set_ylabel("sum of |outgoing weights|", fontsize=7)
    weights.grid(False)
    weights.spines["right"].set_visible(True)
    axes.set(xlabel="unit", ylabel="gate", ylim=(0, 1.05))
    axes.set_zorder(weights.get_zorder() + 1)
    axes.patch.set_visible(False)
    return {line.get_label(): line for line in (*axes.lines, *weights.lines)}


def sizes(arms: Arms) -> Any:
    """Draw the size at the end against weight decay, and the size without a penalty against epochs.

    Medians over seeds, and the range. A column of panels per form and optimiser: above, a line per penalty; below, a
    line per weight decay. Panels of a form have one scale.
    """
    figure, panels = plots.subplots(2, len(arms), width=3.5)
    scale: dict[str, Any] = {}
    for (above, below), arm in zip(panels.T, arms, strict=True):
        for axes in (above, below):
            axes.sharey(scale.setdefault(arm.form, above))
        decays, penalties = arm.by("weight_decay"), arm.by("penalty")
        places = np.arange(len(decays))
        ends = {penalty: (places, one.matrix("size", over="weight_decay")) for penalty, one in penalties.items()}
        plots.bands(above, ends, markevery=1)
        above.set_xticks(places, [f"{decay:g}" for decay in decays])
        above.set(xlabel="weight decay", ylabel="size at the end", title=f"{arm.form}: {arm.name}")
        plots.bands(below, {decay: one.at(penalty=0.0).curve("size") for decay, one in decays.items()})
        below.set(xlabel="epoch", ylabel="size at penalty 0")
        for axes, title in ((above, "penalty"), (below, "weight decay")):
            plots.legend_beside(axes, title)
    figure.suptitle(f"{arms.title}: median and range")
    return figure
