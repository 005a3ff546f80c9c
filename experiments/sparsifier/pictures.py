"""The pictures of the sparsifier: four of every data set, form and start width, and one of all data sets."""

from typing import Any

import numpy as np

from experiments.common.networks import mlps
from jaxsize import plots
from jaxsize.gates import read_liveness
from jaxsize.studies import Arms, ArmView, per
from jaxsize.units import input_gates, unit_groups


def by_penalty(arm: ArmView) -> dict[str, ArmView]:
    """Split an arm by penalty, as legends name them."""
    return {f"{penalty:g}" if penalty else "0": one for penalty, one in arm.by("penalty").items()}


def entitle(figure: Any, arm: ArmView, text: str) -> None:
    """Say above a picture which runs it is of; on the left, as the legend is on the right."""
    runs = f"{arm.dataset}, {arm.form} form, from {arm.where['start_width']} units, {arm.runs.num_seeds} seeds"
    figure.suptitle(f"{runs}: {text}", x=0.01, horizontalalignment="left")


@per("dataset", "form", "start_width")
def curves(arms: Arms) -> Any:
    """Scores and live units against epochs, a line per penalty: the median over seeds, and the range.

    Accuracies are shown from .15 below the best one on.
    """
    learned = arms["learned"]
    splits = [split for split in ("train", "validation", "test") if getattr(learned.data, split) is not None]
    columns = [*(learned.score(split)[0] for split in splits), "live_units"]
    figure, panels = plots.subplots(1, len(columns))
    log = ["epoch", *(column for column in columns if not column.endswith("accuracy"))]
    plots.curves(panels[0], by_penalty(learned), columns, log=log, zoom=0.15)
    plots.legend(figure, panels[0, -1], "penalty")
    entitle(figure, learned, "median and range")
    return figure


@per("dataset", "form", "start_width")
def sizes(arms: Arms) -> Any:
    """Where every run ended, by penalty: live units, and the test score beside that of the width found from scratch.

    Faint marks are runs, large ones their medians; lines are the start, the teacher's width, and the unpenalised runs.
    """
    learned, data = arms["learned"], arms["learned"].data
    figure, ((left, right),) = plots.subplots(1, 2, width=4)
    (dark, light), (score, _) = plots.colors(2), learned.score()
    plots.ends(left, by_penalty(learned), "live_units", color=dark)
    start = learned.where["start_width"]
    left.axhline(start, color="0.6", linestyle=":", label=f"start, {start}")
    if "teacher_width" in data.info:
        left.axhline(data.info["teacher_width"], color="C3", label=f"teacher, {data.info['teacher_width']}")
    plots.log_axis(left, "y")
    controls = {name: one.at(arm="from_scratch") for name, one in by_penalty(learned).items()}
    plots.ends(right, by_penalty(learned), score, color=dark, label="learned", shift=-0.1)
    plots.ends(right, controls, score, color=light, label="found width, from scratch", marker="s", shift=0.1)
    unpenalised = learned.at(penalty=0.0).end(score)
    if np.isfinite(unpenalised).any():
        right.axhline(np.nanmedian(unpenalised), color="0.6", linestyle=":", label="unpenalised, median")
    if score.endswith("error"):
        plots.log_axis(right, "y")
    for axes in (left, right):
        axes.set(xlabel="penalty")
        if axes.get_legend_handles_labels()[0]:  # not where all runs diverged
            axes.legend()
    entitle(figure, learned, "every seed and the median")
    return figure


@per("dataset", "form", "start_width")
def deaths(arms: Arms) -> Any:
    """Deaths per step, and the loss of the batches meanwhile, averaged over bins of steps that are equal on a log axis.

    A line per penalty: the median over seeds, and the range.
    """
    learned = arms["learned"]
    figure, ((above,), (below,)) = plots.subplots(2, 1, width=6.5, height=2.3)
    per_epoch = learned.at(penalty=0.0).steps_by_epoch("loss").shape[2]
    groups = by_penalty(learned)
    for color, (name, one) in zip(plots.colors(len(groups)), groups.items(), strict=True):
        live, loss = one.steps("observed"), one.steps("loss")
        lost = ~np.isfinite(one.end("train_loss"))
        num_steps = live.shape[1]
        edges = np.unique([0, *np.geomspace(min(20, num_steps), num_steps, 160).astype(int)])
        middles, lengths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
        live = np.pad(live, ((0, 0), (1, 0)), constant_values=learned.where["start_width"])[:, edges]
        for axes, values in (
            (above, -np.diff(live, axis=1) / lengths),
            (below, np.add.reduceat(loss, edges[:-1], axis=1) / lengths),
        ):
            plots.band(axes, middles, np.where(lost[:, None], np.nan, values), color=color, label=name)
    for axes in (above, below):
        plots.log_axis(axes, "x")
    top = above.secondary_xaxis("top", functions=(lambda step: step / per_epoch, lambda epoch: epoch * per_epoch))
    top.set_xlabel("epoch")
    top.xaxis.set_major_formatter("{x:g}")
    above.set(ylabel="deaths per step")
    above.set_yscale("symlog", linthresh=0.01)
    above.set_ylim(bottom=0)
    below.set(ylabel="loss of the batches", xlabel="step")
    plots.log_axis(below, "y")
    plots.legend(figure, above, "penalty")
    entitle(figure, learned, "deaths and loss")
    return figure


def gates_of_inputs(arm: ArmView) -> list[str]:
    """Name the gates that are those of inputs."""
    if not arm.settings["gate_inputs"]:
        return []
    network = mlps(arm.data, gate_inputs=True)([arm.where["start_width"]])
    groups = unit_groups(network.apply, network.shapes(), arm.data.network_inputs(1))
    return input_gates(groups, read_liveness(network.shapes()))


@per("dataset", "form", "start_width")
def gates(arms: Arms) -> Any:
    """The gates of every run at the end, sorted, a line per run; colours are penalties."""
    learned, signed = arms["learned"], arms.settings["gate"] == "signed"
    figure, ((axes,),) = plots.subplots(1, 1, width=6.5)
    groups, of_inputs = by_penalty(learned), gates_of_inputs(learned)
    for color, (price, one) in zip(plots.colors(len(groups)), groups.items(), strict=True):
        for index, network in enumerate(one.networks):
            end = np.concatenate([gate for name, gate in read_liveness(network).items() if name not in of_inputs])
            ordered = np.sort(np.abs(end) if signed else np.maximum(end, 0))[::-1]
            rank = np.arange(1, ordered.size + 1)
            axes.plot(rank, ordered, color=color, alpha=0.7, label=None if index else price)
    axes.set(xlabel="units, by gate", ylabel="|liveness|" if signed else "relu(liveness)", xscale="log")
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.set_ylim(bottom=0)
    plots.legend(figure, axes, "penalty")
    entitle(figure, learned, "gates at the end")
    return figure


@per("form")
def comparison(arms: Arms) -> Any:
    """Live units at the end against the penalty (median and range), and every run's test score against its size."""
    if len(arms.datasets) < 2:
        return None
    figure, ((left, right),) = plots.subplots(1, 2, width=4)
    groups = [(one, width) for view in arms.like("learned") for width, one in view.by("start_width").items()]
    for color, (one, width) in zip(plots.colors(len(groups)), groups, strict=True):
        units = one.matrix("live_units", over="penalty", skip=0.0)
        label = f"{one.dataset}, from {width}"
        plots.band(left, one.values("penalty", skip=0.0), units, color=color, label=label, marker="o")
        ends = [one.matrix(column, over="penalty").ravel() for column in ("live_units", one.score()[0])]
        right.plot(*ends, "o", color=color, alpha=0.6, markersize=4)
    left.set(xlabel="penalty", xscale="log", title="live units at the end: median and range")
    right.set(xlabel="live units", title="test accuracy or error, every run")
    plots.log_axis(left, "y")
    plots.log_axis(right, "x")
    left.legend()
    return figure


PICTURES = {"curves": curves, "sizes": sizes, "deaths": deaths, "gates": gates, "comparison": comparison}
