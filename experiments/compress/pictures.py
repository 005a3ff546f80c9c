"""The pictures of the compress study: compressed networks in green, static ones (the same widths) in magenta."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from experiments.compress.budgets import Chosen, alive, budgets
from jaxsize import plots
from jaxsize.statistics import on_front
from jaxsize.studies import Arms, ArmView, gains, per

FILLED = {"linestyle": "", "markeredgewidth": 0, "markersize": 5, "alpha": 0.75}
HOLLOW = {"linestyle": "", "fillstyle": "none", "markersize": 5}
EDGED = {**FILLED, "markeredgewidth": 0.5, "markeredgecolor": "0.3"}
"""For light colours, which would be faint without an edge."""
LOOKS: dict[str, dict[str, Any]] = {
    "group_lasso": {"label": "group lasso", "color": "#a1d99b", "marker": "*", **EDGED},
    "pruned": {"label": "pruned, fine-tuned", "color": "#d4b996", "marker": "X", **EDGED},
    "double_widths": {"label": "twice the widths", "color": "#bcbddc", "marker": ">", **EDGED},
    "half_widths": {"label": "half the widths", "color": "#bcbddc", "marker": "<", **EDGED},
    "random_widths": {"label": "random widths", "color": "#9ecae1", "marker": "P", **EDGED},
    "from_found": {"label": "on from the weights found", "color": "#fdae6b", "marker": "v", **EDGED},
    "from_scratch": {"label": "static, equal steps", "color": "#c51b7d", "marker": "o", **HOLLOW},
    "compress": {"label": "compressed", "color": "#006d2c", "marker": "o", **FILLED},
}
UNPENALISED = {"label": "unpenalised", "color": "0.75", "marker": "o", **EDGED}
MARKERS = dict(enumerate("os^D", 1))
"""Marks by depth."""


def cells(arms: Arms, name: str, *, skip: float | None = None) -> dict[tuple[int, float], Chosen]:
    """Split an arm by depth and penalty, but for one penalty to skip; its partners are given equal steps."""
    return Chosen.of(arms[name]).by("depth", "penalty", skip=skip) if name in arms else {}


def ends(chosen: Iterable[Chosen], column: str) -> np.ndarray:
    """Read a column of all these runs, at their chosen epochs: [runs], NaN where there is none."""
    return np.concatenate([[], *(one.end(column) for one in chosen)])


def of_depth(look: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Make the marks of networks of a depth: their form and their label say which it is."""
    return {**look, "marker": MARKERS[depth], "label": look["label"] + f", {depth} hidden layers" * (depth > 1)}


def show(axes: Any, which: Literal["x", "y"], name: str) -> None:
    """Name an axis after a score; show accuracies from .15 below the best one on, and errors in logarithms."""
    is_error = name.endswith("error")
    axes.set(**{f"{which}label": name.replace("_", " ") + " (less is better)" * is_error})
    if is_error:
        plots.log_axis(axes, which)
    else:
        plots.zoom_axis(axes, 0.15, which)


def entitle(figure: Any, arms: Arms, text: str) -> Any:
    """Say above a picture which runs it is of, and draw the legend beside it."""
    figure.suptitle(f"{arms.title}:\n{text}", x=0.01, horizontalalignment="left")
    entries = [axes.get_legend_handles_labels() for axes in figure.axes]
    by_label = {label: handle for handles, labels in entries for handle, label in zip(handles, labels, strict=True)}
    figure.legend(by_label.values(), by_label.keys(), loc="outside right center")
    return figure


@per("dataset", "form")
def scores(arms: Arms) -> Any:
    """Validation against test score of compressed and static networks, and the density of both (dashed: static).

    Every run is a mark, at its best validation epoch. Accuracies are shown from .15 below the best one on.
    """
    figure, ((axes,),) = plots.subplots(1, 1, width=6.5, height=4.2)
    across, up = arms[0].score("validation")[0], arms[0].score()[0]
    for arm in ("from_scratch", "compress"):
        for (depth, penalty), one in cells(arms, arm).items():
            axes.plot(one.end(across), one.end(up), **of_depth(LOOKS[arm] if penalty else UNPENALISED, depth))
    show(axes, "x", across)
    show(axes, "y", up)
    axes.plot(*[np.linspace(*axes.get_xlim())] * 2, color="0.8", linestyle=":", zorder=0)  # whatever the scales
    above, beside = axes.inset_axes((0, 1.02, 1, 0.2), sharex=axes), axes.inset_axes((1.02, 0, 0.2, 1), sharey=axes)
    for arm in ("from_scratch", "compress"):
        penalised = cells(arms, arm, skip=0.0).values()
        color, stroke = LOOKS[arm]["color"], "-" if arm == "compress" else "--"
        shade = {"facecolor": (color, 0.25), "edgecolor": color, "linestyle": stroke}
        above.fill_between(*density(ends(penalised, across), axes.xaxis), **shade)
        beside.fill_betweenx(*density(ends(penalised, up), axes.yaxis), **shade)
    above.axis("off")
    beside.axis("off")
    return entitle(figure, arms, "every run at its best validation epoch")


def density(values: np.ndarray, axis: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return places along an axis, and the density of the values that it shows; NaN for fewer than 5 different ones."""
    from scipy.stats import gaussian_kde

    to, back = (np.log, np.exp) if axis.get_scale() == "log" else (np.array, np.array)
    low, high = axis.get_view_interval()
    shown, places = to(values[(values >= low) & (values <= high)]), np.linspace(to(low), to(high), 200)
    enough = np.unique(np.round(shown, 9)).size >= 5
    return back(places), gaussian_kde(shown)(places) if enough else np.full(200, np.nan)


@per("dataset", "form")
def sizes(arms: Arms) -> Any:
    """Test score against parameters of every arm, and what compressing gains over static networks, against live units.

    Every run is a mark, at its best validation epoch. The lines are the networks that one would pick by validation
    score up to a size. Accuracies are shown from .15 below the best one on. The dashed gain is the median.
    """
    name, sign = arms[0].score()
    figure, ((left, right),) = plots.subplots(1, 2, width=4.8, height=4.0)
    for arm, look in LOOKS.items():
        chosen = cells(arms, arm).values()
        parameters, scores = ends(chosen, "parameters"), ends(chosen, name)
        if chosen:
            left.plot(parameters, scores, **look)
        picked = on_front(parameters, ends(chosen, "validation_score")) if arm in ("compress", "from_scratch") else []
        if len(picked):
            label = f"{look['label']}, best by\nvalidation up to a size"
            steps = {"color": look["color"], "linestyle": "-" if arm == "compress" else "--", "label": label}
            last = np.nanmax(parameters), scores[picked[-1]]  # on to the right, where nothing larger is better
            left.step([*parameters[picked], last[0]], [*scores[picked], last[1]], where="post", **steps)
    show(left, "y", name)
    left.set(xlabel="parameters")
    plots.log_axis(left, "x")
    static, gained, look = cells(arms, "from_scratch"), [], LOOKS["compress"]
    for (depth, penalty), one in cells(arms, "compress").items():
        if (depth, penalty) in static:
            gained.append(gains(one, static[depth, penalty]))
            right.plot(one.end("live_units"), gained[-1], **of_depth({**look, "label": "gain"}, depth))
    right.axhline(0, color="0.3", linewidth=1)
    if np.isfinite(gained).any():
        lower, middle, upper = np.nanquantile(gained, (0.25, 0.5, 0.75))
        right.axhline(middle, color=look["color"], linestyle="--", label=f"median gain, {middle:+.2g}")
        reach = 3 * (upper - lower) or np.ptp(right.dataLim.intervaly) or 0.01
        low, high = np.clip(right.dataLim.intervaly, lower - reach, upper + reach)
        right.set_ylim(min(low, 0) - 0.07 * reach, max(high, 0) + 0.07 * reach)
    order = "compressed - static" if sign > 0 else "static - compressed"
    right.set(xlabel="live units of the compressed network", ylabel=f"{name.replace('_', ' ')} gained: {order}")
    plots.log_axis(right, "x")
    return entitle(figure, arms, "every run at its best validation epoch")


@per("dataset", "form")
def best(arms: Arms) -> Any:
    """Validation score and live units over time, of the best penalised run of every depth and of its static partner.

    A mark is the epoch that counts; lines end where a layer lost all its units. Thin lines are the partners.
    """
    within, (name, sign) = budgets(arms["compress"]), arms[0].score("validation")
    view, priced = within.get("time", within["steps"]), "time" in within
    figure, ((left, right),) = plots.subplots(1, 2, width=4.4, height=3.2)
    by_depth = Chosen.of(arms["compress"]).by("depth")
    for look, (depth, chosen) in zip(plots.looks(len(by_depth)), by_depth.items(), strict=True):
        scores = chosen.matrix("validation_score", over="penalty", skip=0.0)
        if not np.isfinite(scores).any():
            continue
        seed, number = np.unravel_index(np.nanargmax(scores), scores.shape)
        penalty = chosen.values("penalty", skip=0.0)[number]
        for arm, text, width in (("compress", "compressed", 2.0), ("from_scratch", "static", 0.9)):
            cell = view.at(arm=arm, depth=depth, penalty=penalty)
            path = alive(cell.paths.get(int(seed), []))
            if (row := cell.best(path)) is None:
                continue
            so_far = sign * np.fmax.accumulate(sign * np.array([row[name] for row in path], float))
            seconds = np.cumsum(cell.spent(path) if priced else [row["run_seconds"] for row in path])
            drawn = look.line | {"linewidth": width, "markevery": [path.index(row)]}
            drawn |= {"markerfacecolor": look.color} if arm == "compress" else {}
            for axes, values in ((left, so_far), (right, [row["live_units"] for row in path])):
                axes.plot(seconds, values, **drawn)
            left.lines[-1].set_label(f"{text}, {depth} hidden layer{'s' * (depth > 1)}")
    show(left, "y", name)
    left.set(ylabel=f"{name.replace('_', ' ')}, best so far")
    right.set(ylabel="live units")
    plots.log_axis(right, "y")
    for axes in (left, right):
        axes.set(xlabel=f"seconds of the run, {'priced alike' if priced else 'its share of the batch'}")
        plots.log_axis(axes, "x")
    return entitle(figure, arms, "best penalised run by validation")


@per("dataset", "form")
def widths(arms: Arms) -> Any:
    """Live units of every layer of the compressed networks against epochs: median over seeds and range.

    A diverged run ends where it diverged.
    """
    by_depth = arms["compress"].by("depth")
    figure, panels = plots.subplots(len(by_depth), max(by_depth), width=3.3)
    for row, (depth, view) in zip(panels, by_depth.items(), strict=True):
        columns = [f"live_units_per_layer[{layer}]" for layer in range(depth)]
        plots.curves(row[:depth], by_penalty(view), columns, log=columns)
        for number, axes in enumerate(row, 1):
            axes.set_title(f"live units of layer {number} of {depth}")
            axes.set_visible(number <= depth)
    return entitle(figure, arms, "compressed runs, median and range")


@per("dataset", "form")
def epochs(arms: Arms) -> Any:
    """Seconds of a compressed run's epoch against epochs: median over seeds and range.

    Strokes at the bottom are epochs after which units were removed.
    """
    by_depth = arms["compress"].by("depth")
    figure, panels = plots.subplots(1, len(by_depth), width=3.6)
    events = [event for event in arms[0].runs.folder.events.read() if event["event"] == "compaction"]
    for axes, (depth, view) in zip(panels[0], by_depth.items(), strict=True):
        plots.curves([axes], by_penalty(view), ["run_seconds"], log=["run_seconds"])
        axes.set_title(f"hidden layers: {depth}")
        at = sorted({event["epoch"] for event in events if set(view.values("run")).intersection(event["runs"])})
        axes.plot(at, [0.02] * len(at), "|", color="0.3", transform=axes.get_xaxis_transform())
    panels[0, 0].set(ylabel="seconds per run and epoch")
    return entitle(figure, arms, "compressed runs, median and range")


def by_penalty(view: ArmView) -> dict[str, ArmView]:
    """Split an arm by penalty, as legends name them."""
    return {f"penalty {penalty:g}" if penalty else "unpenalised": one for penalty, one in view.by("penalty").items()}


PICTURES = {"scores": scores, "sizes": sizes, "best": best, "widths": widths, "epochs": epochs}
