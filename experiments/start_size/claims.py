"""The results of the study `start_size`: claims, tables and a picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from experiments.sparsifier.ends import Finals
from jaxsize import plots
from jaxsize.results import Folder
from jaxsize.statistics import claim, describe, paired_difference, verdict
from jaxsize.text_tables import format_table, spread

TOLERANCE = 1e-5
"""Largest relative difference of outputs that is put down to float32 sums in another order."""


def result(
    finals: Finals, rows: Sequence[dict[str, Any]], folder: Folder, dataset: str, width: int, penalty: float
) -> dict[str, Any]:
    """Describe size, score and cost of one start width with one penalty, over seeds."""
    seconds = epoch_seconds(rows, dataset, width, penalty)
    runs = {
        row["run"] for row in rows if (row["dataset"], row["start_width"], row["arm"]) == (dataset, width, "learned")
    }
    removals = [
        event for event in folder.events.read() if event["event"] == "compaction" and runs >= set(event["runs"])
    ]
    spent = sum(row["run_seconds"] for row in rows if row["run"] in runs)
    name = finals.score(dataset)[0]
    return {
        "dataset": dataset,
        "start_width": width,
        "penalty": penalty,
        "live_units": describe(finals.column("live_units", dataset, width, penalty)),
        name: describe(finals.column(name, dataset, width, penalty)),
        "seconds_of_early_epochs": describe(early(seconds)),
        "seconds_of_late_epochs": describe(late(seconds)),
        "seconds": describe(seconds.sum(axis=1)),
        "removal_share": sum(event["seconds"] for event in removals) / spent,
        "compile_share": sum(event["compile_seconds"] for event in removals) / spent,
    }


def epoch_seconds(rows: Sequence[dict[str, Any]], dataset: str, width: int, penalty: float) -> np.ndarray:
    """Return the seconds that each run took for each epoch, [runs, epochs]."""
    paths: dict[int, list[float]] = {}
    for row in rows:
        if (row["arm"], row["dataset"], row["start_width"], row["penalty"]) == ("learned", dataset, width, penalty):
            paths.setdefault(row["run"], []).append(row["run_seconds"])
    return np.array(list(paths.values()))


def early(seconds: np.ndarray) -> np.ndarray:
    """Return the median seconds of epochs 2 to 4 of every run, [runs]; the first epoch also warms up caches."""
    return np.median(seconds[:, 1:4], axis=1)


def late(seconds: np.ndarray) -> np.ndarray:
    """Return the median seconds of the last three epochs of every run, [runs]."""
    return np.median(seconds[:, -3:], axis=1)


def removed_from(finals: Finals, dataset: str, width: int, penalty: float) -> bool:
    """Return whether any of these runs ended with fewer units in its arrays than it started with."""
    return bool(np.nanmin(finals.column("allocated_units", dataset, width, penalty), initial=width) < width)


def removal_is_cheap(finals: Finals, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Answer the part of C32 that needs no growth of layers: late epochs are faster than early ones.

    What removing units costs is in the results. Where no unit was removed, because that would not have paid, a part
    says nothing and is marked.
    """
    parts = []
    for dataset in finals.datasets:
        for width in finals.widths:
            for penalty in finals.penalties[1:]:
                seconds = epoch_seconds(rows, dataset, width, penalty)
                difference = paired_difference(np.log(late(seconds)), np.log(early(seconds)))
                label: dict[str, Any] = {"dataset": dataset, "start_width": width, "penalty": penalty}
                if not removed_from(finals, dataset, width, penalty):
                    label["uninformative"] = "no unit was removed: it would not have paid"
                parts.append((label, difference, verdict(difference, "negative")))
    return claim("epochs become faster while units die (log of late seconds over early ones)", parts)


def death_is_for_good(
    folder: Folder, finals: Finals, names: Sequence[str], differences: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Answer C37 on trained networks: dead units stay dead, and removing them changes no output.

    The tests show the same for networks made by hand, whenever their units die.

    Args:
        folder: the results folder.
        finals: the last rows of the runs.
        names: the batches whose histories of live units are searched for units that came back.
        differences: the results of `output_differences`.
    """
    rises = deaths = 0
    for name in names:
        live = np.load(folder.path / "steps" / f"{name}.observed.npy", mmap_mode="r")
        rises += int(np.sum(live[:, 1:] > live[:, :-1]))
        deaths += int(np.sum(live[:, 0] - live[:, -1]))
    kinds = ("removal", "folding", "training")
    worst = {kind: max((value for row in differences for value in row[kind]), default=np.nan) for kind in kinds}
    holds = rises == 0 and max(worst["removal"], worst["folding"]) <= TOLERANCE
    shown = deaths > 0 and any(row["removal"] for row in differences)
    cells = [(dataset, finals.widths[-1], penalty) for dataset in finals.datasets for penalty in finals.penalties[1:]]
    compared = sum(removed_from(finals, *cell) for cell in cells)
    reason = (
        f"{rises} steps with a unit more and {deaths} deaths; outputs of a masked network differ by "
        f"{worst['removal']:.1e} of the largest without its dead units, by {worst['folding']:.1e} with folded gates as "
        f"well, and by {worst['training']:.1e} from one that lost units while training "
        f"({compared} of {len(cells)} settings did)"
    )
    return {
        "claim": "dead units stay dead; removing them and folding gates leave the outputs as they are",
        "verdict": "open" if not shown else "holds" if holds else "refuted",
        "reason": reason,
        "parts": list(differences),
    }


def as_text(summary: dict[str, Any]) -> str:
    """Format the table of results and the answers in words."""
    name = next(key for key in summary["results"][0] if key.startswith("test_"))
    header = ["data set", "start", "penalty", "live units", name.replace("_", " "), "s early epochs", "s late epochs"]
    cells = [
        [row["dataset"], str(row["start_width"]), f"{row['penalty']:g}", spread(row["live_units"], ".0f")]
        + [spread(row[next(key for key in row if key.startswith("test_"))], ".4g")]
        + [spread(row[f"seconds_of_{which}_epochs"], ".2g") for which in ("early", "late")]
        + [f"{row['removal_share']:.1%}", f"{row['compile_share']:.1%}"]
        for row in summary["results"]
    ]
    blocks = [format_table([*header, "removal", "compile waits"], cells)]
    for key, answer in summary["claims"].items():
        counts = [part["verdict"] for part in answer["parts"] if "verdict" in part and "uninformative" not in part]
        detail = answer.get("reason") or ", ".join(f"{counts.count(o)} {o}" for o in dict.fromkeys(counts))
        blocks.append(f"{key} {answer['claim']}: {answer['verdict']} ({detail})")
    return "\n\n".join(blocks)


def draw(folder: Folder, finals: Finals, rows: Sequence[dict[str, Any]]) -> None:
    """Write a picture per data set: live units and seconds against epoch, from every start, a column per penalty."""
    with plots.style():
        for dataset in finals.datasets:
            figure, panels = plots.subplots(2, len(finals.penalties) - 1, width=4)
            for column, penalty in zip(panels.T, finals.penalties[1:], strict=True):
                for color, width in zip(plots.colors(len(finals.widths)), finals.widths, strict=True):
                    key = ("learned", dataset, width, penalty)
                    paths: dict[int, list[dict[str, Any]]] = {}
                    for row in rows:
                        if (row["arm"], row["dataset"], row["start_width"], row["penalty"]) == key:
                            paths.setdefault(row["run"], []).append(row)
                    epochs = np.arange(1, finals.settings["epochs"] + 1)
                    for axes, name in zip(column, ("live_units", "run_seconds"), strict=True):
                        values = np.array([[max(row[name], 1e-9) for row in path] for path in paths.values()])
                        plots.band(axes, epochs, values, color=color, label=str(width))
                for axes, title in zip(column, ("live units", "seconds per epoch and run"), strict=True):
                    axes.set(xlabel="epoch", title=f"{title}, penalty {penalty:g}")
                    plots.log_axis(axes, "y")
            plots.legend(figure, panels[0, -1], "start width")
            figure.suptitle(f"{dataset}, {finals.settings['num_seeds']} seeds: median and range")
            plots.save(figure, folder.path / f"starts_{dataset}.png")
