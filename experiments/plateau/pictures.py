"""The pictures of the study `plateau`: gates and weights unit by unit, and sizes against weight decay and epochs."""

from typing import Any

import numpy as np

from experiments.plateau.claims import JOURNAL_DECAY
from experiments.plateau.weights import read_norms
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
    figure.suptitle(f"{arms.datasets[0]}, {arms[0].runs.num_seeds} seeds, no penalty: median and range of units")
    return figure


def _draw_units(axes: Any, arm: ArmView) -> dict[str, Any]:
    """Draw a panel of `units`, and return its lines by label; weights have an axis of their own on the right."""
    before, after = read_norms(arm)
    numbers = np.arange(after.shape[1])
    levels = arm.end("slope")[:, None] * (arm.end("size")[:, None] - numbers)
    weights = axes.twinx()
    plots.band(weights, numbers, before, color="0.6", label="outgoing, before training", linestyle="--", linewidth=0.8)
    plots.band(weights, numbers, after, color="C1", label="outgoing, after training", linewidth=0.8)
    plots.band(axes, numbers, 1 / (1 + np.exp(-np.clip(levels, -700, 700))), color="C0", label="gate")
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
    figure, panels = plots.subplots(2, len(arms), width=3.0)
    for (above, below), arm in zip(panels.T, arms, strict=True):
        decays, penalties = arm.by("weight_decay"), arm.by("penalty")
        for color, (penalty, runs) in zip(plots.colors(len(penalties)), penalties.items(), strict=True):
            ends = runs.matrix("size", over="weight_decay")
            plots.band(above, np.arange(len(decays)), ends, color=color, label=f"{penalty:g}", marker="o")
        above.set_xticks(np.arange(len(decays)), [f"{decay:g}" for decay in decays])
        above.set(xlabel="weight decay", ylabel="size at the end", title=f"{arm.form}: {arm.name}")
        above.legend(title="penalty", fontsize=6, title_fontsize=7)
        for color, (decay, runs) in zip(plots.colors(len(decays)), decays.items(), strict=True):
            curve = runs.at(penalty=0.0).curve("size")
            plots.band(below, np.arange(1, curve.shape[1] + 1), curve, color=color, label=f"{decay:g}")
        below.set(xlabel="epoch", ylabel="size at penalty 0")
        below.legend(title="weight decay", fontsize=6, title_fontsize=7)
        below.xaxis.get_major_locator().set_params(integer=True)
    for form in arms.forms:
        same = [axes for column, arm in zip(panels.T, arms, strict=True) if arm.form == form for axes in column]
        low, high = np.array([axes.get_ylim() for axes in same]).T
        for axes in same:
            axes.set_ylim(low.min(), high.max())
    figure.suptitle(f"{arms.datasets[0]}, {arms[0].runs.num_seeds} seeds: median and range")
    return figure
