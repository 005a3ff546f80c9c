"""The pictures of the sparsifier: four of every data set, form and start width, and one of all data sets."""

from typing import Any

import numpy as np

from experiments.common.networks import mlps
from jaxsize import plots
from jaxsize.gates import read_liveness
from jaxsize.studies import Arms, ArmView, per
from jaxsize.units import input_gates, unit_groups


def entitle(figure: Any, arms: Arms, text: str) -> None:
    """Say above a picture which runs it is of; on the left, as the legend is on the right."""
    start = arms["learned"].where["start_width"]
    figure.suptitle(f"{arms.title}, from {start} units: {text}", x=0.01, horizontalalignment="left")


@per("dataset", "form", "start_width")
def curves(arms: Arms) -> Any:
    """Scores and live units against epochs, a line per penalty: the median over seeds, and the range.

    Accuracies are shown from .15 below the best one on.
    """
    learned = arms["learned"]
    columns = [*learned.scores, "live_units"]
    figure, panels = plots.subplots(1, len(columns))
    log = ["epoch", *(column for column in columns if not column.endswith("accuracy"))]
    plots.curves(panels[0], learned.by("penalty"), columns, log=log, zoom=0.15)
    plots.legend(figure, panels[0, -1], "penalty")
    entitle(figure, arms, "median and range")
    return figure


@per("dataset", "form", "start_width")
def sizes(arms: Arms) -> Any:
    """Where every run ended, by penalty: live units, and the test score beside that of the width found from scratch.

    Faint marks are runs, large ones their medians; lines are the start, the teacher's width, and the unpenalised runs.
    """
    learned, (first, second) = arms["learned"], plots.looks(2)
    penalties, (score, _) = learned.by("penalty"), learned.score()
    figure, ((left, right),) = plots.subplots(1, 2, width=4.6)
    plots.ends(left, penalties, "live_units", **first.marks)
    start, teacher = learned.where["start_width"], learned.data.info.get("teacher_width")
    left.axhline(start, color="0.6", linestyle=":", label=f"start, {start}")
    if teacher is not None:
        left.axhline(teacher, color="C3", label=f"teacher, {teacher}")
    plots.log_axis(left, "y")
    controls = {penalty: one.at(arm="from_scratch") for penalty, one in penalties.items()}
    plots.ends(right, penalties, score, **first.marks, label="learned", shift=-0.1)
    plots.ends(right, controls, score, **second.marks, label="found width, from scratch", shift=0.1)
    unpenalised = penalties[0.0].end(score)
    if np.isfinite(unpenalised).any():
        right.axhline(np.nanmedian(unpenalised), color="0.6", linestyle=":", label="unpenalised, median")
    if score.endswith("error"):
        plots.log_axis(right, "y")
    for axes in (left, right):
        axes.set(xlabel="penalty")
        plots.legend_beside(axes)
    entitle(figure, arms, "every seed and the median")
    return figure


@per("dataset", "form", "start_width")
def deaths(arms: Arms) -> Any:
    """Deaths per step, and the loss of the batches meanwhile, averaged over bins of steps that are equal on a log axis.

    A line per penalty: the median over seeds, and the range.
    """
    penalties = arms["learned"].by("penalty")
    start, (_, epochs, per_epoch) = arms["learned"].where["start_width"], penalties[0.0].steps_by_epoch("loss").shape
    steps = epochs * per_epoch
    edges = np.unique([0, *np.geomspace(min(20, steps), steps, 160).astype(int)])
    middles, lengths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    rates, losses = {}, {}
    for penalty, one in penalties.items():
        known = np.where(np.isfinite(one.end("train_loss")), 1.0, np.nan)[:, None]
        live = np.pad(one.steps("observed"), ((0, 0), (1, 0)), constant_values=start)[:, edges]
        rates[penalty] = middles, known * -np.diff(live, axis=1) / lengths
        losses[penalty] = middles, known * np.add.reduceat(one.steps("loss"), edges[:-1], axis=1) / lengths
    figure, ((above,), (below,)) = plots.subplots(2, 1, width=6.5, height=2.3)
    plots.bands(above, rates)
    plots.bands(below, losses)
    for axes in (above, below):
        plots.log_axis(axes, "x")
    top = above.secondary_xaxis("top", functions=(lambda step: step / per_epoch, lambda epoch: epoch * per_epoch))
    top.set_xlabel("epoch")
    top.xaxis.set_major_formatter("{x:g}")
    if above.get_xscale() == "log":  # unless all runs diverged
        top.xaxis.get_major_locator().set_params(subs=(1, 2, 5))
    top.xaxis.set_minor_formatter("")
    above.set(ylabel="deaths per step")
    plots.log_axis(above, "y")
    above.set_ylim(bottom=0)
    below.set(ylabel="loss of the batches", xlabel="step")
    plots.log_axis(below, "y")
    plots.legend(figure, above, "penalty")
    entitle(figure, arms, "deaths and loss")
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
    """The gates of every run at the end, sorted, a line per run; colours and strokes are penalties."""
    learned, signed = arms["learned"], arms.settings["gate"] == "signed"
    figure, ((axes,),) = plots.subplots(1, 1, width=6.5)
    penalties, of_inputs = learned.by("penalty"), gates_of_inputs(learned)
    for look, (penalty, one) in zip(plots.looks(len(penalties)), penalties.items(), strict=True):
        for index, network in enumerate(one.networks):
            end = np.concatenate([gate for name, gate in read_liveness(network).items() if name not in of_inputs])
            ordered = np.sort(np.abs(end) if signed else np.maximum(end, 0))[::-1]
            label = "" if index else f"{penalty:g}"
            places = np.arange(1, ordered.size + 1)
            plots.band(axes, places, ordered[None], **look.line, alpha=0.7, label=label)
    axes.set(xlabel="units, by gate", ylabel="|liveness|" if signed else "relu(liveness)")
    plots.log_axis(axes, "x")
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylim(bottom=0)
    plots.legend(figure, axes, "penalty")
    entitle(figure, arms, "gates at the end")
    return figure


@per("form")
def comparison(arms: Arms) -> Any:
    """Live units at the end against the penalty (median and range), and every run's test score against its size."""
    if len(arms.datasets) < 2:
        return None
    figure, ((left, right),) = plots.subplots(1, 2, width=4)
    groups = {
        f"{one.dataset}, from {width}": one
        for view in arms.like("learned")
        for width, one in view.by("start_width").items()
    }
    for look, (name, one) in zip(plots.looks(len(groups)), groups.items(), strict=True):
        units = one.matrix("live_units", over="penalty", skip=0.0)
        plots.band(left, one.values("penalty", skip=0.0), units, label=name, **{**look.line, "markevery": 1})
        ends = [one.matrix(column, over="penalty").ravel() for column in ("live_units", one.score()[0])]
        right.plot(*ends, linestyle="", **look.marks, alpha=0.6, markersize=4)
    left.set(xlabel="penalty", title="live units at the end: median and range")
    right.set(xlabel="live units", title="test accuracy or error, every run")
    plots.log_axis(left, "x")
    plots.log_axis(left, "y")
    plots.log_axis(right, "x")
    plots.legend_beside(left)
    return figure


PICTURES = {"curves": curves, "sizes": sizes, "deaths": deaths, "gates": gates, "comparison": comparison}
