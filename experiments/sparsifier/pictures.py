"""The pictures of the sparsifier study."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.sparsifier.ends import Finals
from jaxsize import plots
from jaxsize.data import Dataset
from jaxsize.gates import read_liveness
from jaxsize.results import Folder
from jaxsize.training import Trained


def draw(folder: Folder, data: Sequence[Dataset], learned: dict[str, Trained], settings: dict[str, Any]) -> None:
    """Write PNG files: curves, sizes, deaths and gates of every data set and start width, and a comparison of the sets.

    Args:
        folder: the results folder.
        data: the data sets.
        learned: the results of training by name of the batch.
        settings: the settings of the study.
    """
    rows = folder.rows.read()
    finals, signed = Finals(rows, settings), settings["gate"] == "signed"
    with plots.style():
        for dataset, width in itertools.product(data, finals.widths):
            name = f"{dataset.name}.learned.{width}"
            suffix = f"{dataset.name}_{width}.png"
            plots.save(_curves(finals, rows, dataset, width), folder.path / f"curves_{suffix}")
            plots.save(_sizes(finals, dataset, width), folder.path / f"sizes_{suffix}")
            plots.save(_deaths(finals, folder, name, learned[name]), folder.path / f"deaths_{suffix}")
            plots.save(
                _gates(finals, learned[name], dataset.name, signed),
                folder.path / f"gates_{suffix}",
            )
        if len(data) > 1:
            plots.save(_comparison(finals), folder.path / "comparison.png")


def _label(penalty: float) -> str:
    return f"{penalty:g}" if penalty else "0 (unpenalised)"


def _on_log(sizes: np.ndarray) -> np.ndarray:
    """Sizes for a log axis, where 0 is drawn at 0.5."""
    return np.maximum(sizes, 0.5)


def _curves(finals: Finals, rows: list[dict[str, Any]], dataset: Dataset, width: int):
    score = finals.score(dataset.name)[0].split("_")[1]
    splits = [split for split in ("train", "validation", "test") if getattr(dataset, split) is not None]
    names = [*(f"{split}_{score}" for split in splits), "live_units"]
    figure, panels = plots.subplots(1, len(names))
    shown = ("learned", dataset.name, width)
    rows = [row for row in rows if (row["arm"], row["dataset"], row["start_width"]) == shown]
    epochs = np.arange(1, finals.settings["epochs"] + 1)
    for color, penalty in zip(plots.colors(len(finals.penalties)), finals.penalties, strict=True):
        runs: dict[int, list[dict[str, Any]]] = {}
        for row in rows:
            if row["penalty"] == penalty and row["train_loss"] is not None:
                runs.setdefault(row["run"], []).append(row)
        for axes, name in zip(panels[0], names, strict=True):
            values = np.full((max(1, len(runs)), len(epochs)), np.nan)  # a run that diverged ends where it did
            for line, path in zip(values, runs.values(), strict=False):
                line[: len(path)] = [row[name] for row in path]
            plots.band(axes, epochs, values, color=color, label=_label(penalty))
    for axes, name in zip(panels[0], names, strict=True):
        axes.set(xlabel="epoch", title=name.replace("_", " "))
        plots.log_axis(axes, "x")
        if name.endswith("error"):
            plots.log_axis(axes, "y")
        if name.endswith("accuracy"):
            _zoom(axes, [row[name] for row in rows])
    if all(row["live_units"] for row in rows):
        plots.log_axis(panels[0, -1], "y")
    plots.legend(figure, panels[0, -1], "penalty")
    figure.suptitle(f"{dataset.name}, from {width} units, {finals.settings['num_seeds']} seeds: median and range")
    return figure


def _zoom(axes: Any, values: list[float | None]) -> None:
    """Show only the best 15 points of accuracy, so that a collapsed run does not flatten the other curves."""
    finite = np.array([value for value in values if value is not None])
    if finite.size and finite.min() < finite.max():
        low, high = max(finite.min(), finite.max() - 0.15), finite.max()
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _sizes(finals: Finals, dataset: Dataset, width: int):
    figure, panels = plots.subplots(1, 2, width=4)
    dark, light = plots.colors(2)
    score, _ = finals.score(dataset.name)
    for position, penalty in enumerate(finals.penalties):
        first = position == 0
        sizes = finals.column("live_units", dataset.name, width, penalty)
        plots.points(panels[0, 0], position, _on_log(sizes), color=dark)
        for arm, color, shift, marker, label in (
            ("learned", dark, -0.1, "o", "learned"),
            ("from_scratch", light, 0.1, "s", "found width, from scratch"),
        ):
            values = finals.column(score, dataset.name, width, penalty, arm)
            plots.points(
                panels[0, 1], position + shift, values, color=color, marker=marker, label=label if first else ""
            )
    plots.log_axis(panels[0, 0], "y")
    panels[0, 0].axhline(width, color="0.6", linestyle=":", label=f"start, {width}")
    if "teacher_width" in dataset.info:
        panels[0, 0].axhline(
            dataset.info["teacher_width"], color="C3", label=f"teacher, {dataset.info['teacher_width']}"
        )
    panels[0, 0].set(title="live units at the end")
    unpenalised = finals.column(score, dataset.name, width, 0.0)
    if np.isfinite(unpenalised).any():
        panels[0, 1].axhline(np.nanmedian(unpenalised), color="0.6", linestyle=":", label="unpenalised, median")
    panels[0, 1].set(title=f"{score.replace('_', ' ')} at the end")
    if score == "test_error":
        plots.log_axis(panels[0, 1], "y")
    for axes in panels[0]:
        axes.set_xticks(range(len(finals.penalties)), [f"{penalty:g}" for penalty in finals.penalties])
        axes.set(xlabel="penalty")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
    figure.suptitle(f"{dataset.name}, from {width} units: every seed and the median")
    return figure


def _deaths(finals: Finals, folder: Folder, name: str, trained: Trained):
    """Deaths per step and the loss of the batches, both averaged over steps in bins of equal length on a log axis."""
    observed = np.load(folder.path / "steps" / f"{name}.observed.npy")
    loss = np.load(folder.path / "steps" / f"{name}.loss.npy")
    num_steps = observed.shape[1]
    width = int(name.split(".")[-1])
    diverged = {row["run"] for row in trained.rows if row["train_loss"] is None}
    edges = np.unique(np.geomspace(min(20, num_steps), num_steps, 160).astype(int))
    edges = np.concatenate([[0], edges])
    steps, lengths = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    live = np.concatenate([np.full_like(observed[:, :1], width), observed[:, edges[1:] - 1]], axis=1)
    deaths = -np.diff(live, axis=1) / lengths
    smooth = np.add.reduceat(loss, edges[:-1], axis=1) / lengths
    figure, panels = plots.subplots(2, 1, width=6.5, height=2.3)
    first = trained.rows[0]["run"]
    for color, penalty in zip(plots.colors(len(finals.penalties)), finals.penalties, strict=True):
        drawn = {row["run"] for row in trained.rows if row["penalty"] == penalty} - diverged
        if not drawn:
            continue
        runs = sorted(run - first for run in drawn)
        plots.band(panels[0, 0], steps, deaths[runs], color=color, label=_label(penalty))
        plots.band(panels[1, 0], steps, smooth[runs], color=color, label=_label(penalty))
    for axes in panels[:, 0]:
        plots.log_axis(axes, "x")
    per_epoch = num_steps // finals.settings["epochs"]
    top = panels[0, 0].secondary_xaxis(
        "top", functions=(lambda step: step / per_epoch, lambda epoch: epoch * per_epoch)
    )
    top.set_xlabel("epoch")
    top.xaxis.set_major_formatter("{x:g}")
    panels[0, 0].set(ylabel="deaths per step")
    panels[0, 0].set_yscale("symlog", linthresh=0.01)
    panels[0, 0].set_ylim(bottom=0)
    panels[1, 0].set(ylabel="loss of the batches", xlabel="step")
    plots.log_axis(panels[1, 0], "y")
    plots.legend(figure, panels[0, 0], "penalty")
    figure.suptitle(f"{name.split('.')[0]}, from {width} units: deaths, and the loss meanwhile")
    return figure


def _gates(finals: Finals, trained: Trained, dataset: str, signed: bool):
    ends = [read_liveness(network.params)["hidden.0"] for network in trained.networks]
    gates = [np.abs(end) if signed else np.maximum(end, 0) for end in ends]
    figure, panels = plots.subplots(1, 1, width=4.5)
    axes = panels[0, 0]
    labels = {row["run"]: row["penalty"] for row in trained.rows}
    for color, penalty in zip(plots.colors(len(finals.penalties)), finals.penalties, strict=True):
        for index, run in enumerate(run for run in sorted(labels) if labels[run] == penalty):
            ordered = np.sort(gates[run - min(labels)])[::-1]
            axes.plot(
                np.arange(1, ordered.size + 1),
                ordered,
                color=color,
                alpha=0.7,
                label=None if index else _label(penalty),
            )
    axes.set(
        xlabel="units, by gate",
        ylabel="|liveness|" if signed else "relu(liveness)",
        xscale="log",
        title=f"{dataset}: gates at the end, every run",
    )
    axes.set_yscale("symlog", linthresh=1e-2)
    axes.set_ylim(bottom=0)
    plots.legend(figure, axes, "penalty")
    return figure


def _comparison(finals: Finals):
    """Size against penalty, and test score against size, of all data sets."""
    figure, panels = plots.subplots(1, 2, width=4)
    for color, dataset in zip(plots.colors(len(finals.datasets)), finals.datasets, strict=True):
        for width in finals.widths:
            for penalty in finals.penalties:
                sizes = finals.column("live_units", dataset, width, penalty)
                scores = finals.column(finals.score(dataset)[0], dataset, width, penalty)
                panels[0, 1].plot(_on_log(sizes), scores, "o", color=color, alpha=0.6, markersize=4)
            sizes = np.stack(
                [finals.column("live_units", dataset, width, penalty) for penalty in finals.penalties[1:]], 1
            )
            plots.band(
                panels[0, 0],
                finals.penalties[1:],
                _on_log(sizes),
                color=color,
                label=f"{dataset}, from {width}",
                marker="o",
            )
    panels[0, 0].set(xlabel="penalty", xscale="log", title="live units at the end: median and range")
    plots.log_axis(panels[0, 0], "y")
    plots.log_axis(panels[0, 1], "x")
    panels[0, 1].set(xlabel="live units", title="test score, every run")
    panels[0, 0].legend()
    return figure
