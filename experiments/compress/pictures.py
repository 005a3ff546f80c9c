"""The pictures of the compress study: compressed networks in green, static ones (the same widths) in magenta."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.compress.budgets import Chosen, budgets
from experiments.compress.drawing import count_outside, density, log, zoom
from jaxsize import plots
from jaxsize.statistics import front
from jaxsize.studies import Arms, per

Rows = Sequence[Mapping[str, Any]]
FILLED = {"linestyle": "", "markeredgewidth": 0, "markersize": 5, "alpha": 0.75}
HOLLOW = {"linestyle": "", "fillstyle": "none", "markersize": 5}
LOOKS: dict[str, dict[str, Any]] = {
    "group_lasso": {"label": "group lasso", "color": "#a1d99b", "marker": "*", **FILLED},
    "pruned": {"label": "pruned, fine-tuned", "color": "#d4b996", "marker": "X", **FILLED},
    "double_widths": {"label": "twice the widths", "color": "#bcbddc", "marker": ">", **FILLED},
    "half_widths": {"label": "half the widths", "color": "#bcbddc", "marker": "<", **FILLED},
    "random_widths": {"label": "random widths", "color": "#9ecae1", "marker": "P", **FILLED},
    "from_found": {"label": "on from the weights found", "color": "#fdae6b", "marker": "v", **FILLED},
    "from_scratch": {"label": "static, equal steps", "color": "#c51b7d", "marker": "o", **HOLLOW},
    "compress": {"label": "compressed", "color": "#006d2c", "marker": "o", **FILLED},
}
UNPENALISED = {"label": "unpenalised", "color": "0.45", "marker": "o", **HOLLOW}
MARKERS, DASHES = dict(enumerate("os^D", 1)), ("-", "--", ":", "-.")  # by depth, by layer


@per("dataset", "form")
def scores(arms: Arms) -> Any:
    """Validation against test score of compressed and static networks, and the density of both along the axes.

    Every run is a mark, at its best validation epoch.
    """
    figure, panels = plots.subplots(1, 1, width=6, height=4.2)
    axes, across, up = panels[0, 0], arms[0].score("validation")[0], arms[0].score()[0]
    networks = {arm: _networks(arms, arm) for arm in ("from_scratch", "compress")}
    every = [row for rows in networks.values() for row in rows]
    for row in every:
        look = LOOKS[row["arm"]] if row["penalty"] else UNPENALISED
        axes.plot(row[across], row[up], **look | {"marker": MARKERS[row["depth"]], "label": "_"})
    zoom(axes, "x", across, [row[across] for row in every])
    zoom(axes, "y", up, [row[up] for row in every])
    axes.plot(*[np.linspace(*axes.get_xlim())] * 2, color="0.8", linestyle=":", zorder=0)  # whatever the scales
    count_outside(axes, [row[across] for row in every], [row[up] for row in every])
    above, beside = axes.inset_axes((0, 1.02, 1, 0.2), sharex=axes), axes.inset_axes((1.02, 0, 0.2, 1), sharey=axes)
    for arm, rows in networks.items():
        shade = {"facecolor": (LOOKS[arm]["color"], 0.25), "edgecolor": LOOKS[arm]["color"]}
        above.fill_between(*density(rows, across, axes.get_xlim(), axes.get_xscale()), **shade)
        beside.fill_betweenx(*density(rows, up, axes.get_ylim(), axes.get_yscale()), **shade)
    above.axis("off")
    beside.axis("off")
    looks = [LOOKS["compress"], LOOKS["from_scratch"], UNPENALISED]
    return _finish(figure, axes, arms, "every run at its best validation epoch", looks, marked=True)


@per("dataset", "form")
def sizes(arms: Arms) -> Any:
    """Test score against parameters of every arm, and what compressing gains over static networks, against live units.

    Every run is a mark, at its best validation epoch. The lines are the networks that one would pick by validation
    score up to a size.
    """
    (name, sign), select = arms[0].score(), arms[0].score("validation")[0]
    networks = {arm: rows for arm in LOOKS if (rows := _networks(arms, arm))}
    figure, panels = plots.subplots(1, 2, width=4.8, height=3.6)
    (left, right), every = panels[0], [row for rows in networks.values() for row in rows]
    for arm, rows in networks.items():
        left.plot([row["parameters"] for row in rows], [row[name] for row in rows], **LOOKS[arm])
    for arm, text, dash in (("compress", "compressed", "-"), ("from_scratch", "static", "--")):
        by_pair = {(row["parameters"], sign * row[select]): row[name] for row in networks.get(arm, [])[::-1]}
        if by_pair:
            picked = list(zip(*front(*zip(*by_pair, strict=True)), strict=True))
            picked.append((max(by_pair)[0], picked[-1][1]))  # on to the right, where nothing larger is better
            heights = [by_pair[pair] for pair in picked[:-1]]
            look = {"color": LOOKS[arm]["color"], "linestyle": dash, "drawstyle": "steps-post"}
            label = f"{text}, best by\nvalidation up to a size"
            left.plot([size for size, _ in picked], [*heights, heights[-1]], **look, label=label)
    left.set(xlabel="parameters")
    log(left, "x")
    zoom(left, "y", name, [row[name] for row in every])
    count_outside(left, [row["parameters"] for row in every], [row[name] for row in every])
    _draw_gains(right, networks, name, sign)
    return _finish(figure, left, arms, "every run at its best validation epoch", [], marked=True)


def _draw_gains(axes: Any, networks: Mapping[str, Rows], name: str, sign: int) -> None:
    compressed, text = {row["run"]: row for row in networks.get("compress", [])}, ""
    static = [row for row in networks.get("from_scratch", []) if row["partner"] in compressed]
    pairs = [(compressed[row["partner"]], row) for row in static]
    units, gains = [row["live_units"] for row, _ in pairs], [sign * (row[name] - other[name]) for row, other in pairs]
    for (row, _), gain in zip(pairs, gains, strict=True):
        axes.plot(row["live_units"], gain, **LOOKS["compress"] | {"marker": MARKERS[row["depth"]]})
    axes.axhline(0, color="0.3", linewidth=1)
    if pairs:
        lower, middle, upper = np.quantile(gains, (0.25, 0.5, 0.75))
        axes.axhline(middle, color=LOOKS["compress"]["color"], linestyle="--")
        text = f"median {middle:+.2g} (dashed)   "
        reach = 3 * (upper - lower) or np.ptp(gains) or 0.01
        shown = [0, *(gain for gain in gains if lower - reach <= gain <= upper + reach)]
        axes.set_ylim(min(shown) - 0.07 * reach, max(shown) + 0.07 * reach)
    log(axes, "x")
    order = "compressed - static" if sign > 0 else "static - compressed"
    axes.set(xlabel="live units of the compressed network", ylabel=f"{name.replace('_', ' ')} gained: {order}")
    count_outside(axes, units, gains, text)


@per("dataset", "form")
def best(arms: Arms) -> Any:
    """Validation score and live units over time, of the best penalised run of every depth and of its static partner."""
    compressed, (name, sign) = budgets(arms["compress"]), arms[0].score("validation")
    priced = compressed.get("time")
    figure, panels = plots.subplots(1, 2, width=4.4, height=3.2)
    depths = arms["compress"].values("depth")
    shades = dict(zip(depths, plots.colors(len(depths)), strict=True))
    penalised = [row for row in _networks(arms, "compress") if row["penalty"]]
    winners, drawn = {row["depth"]: row for row in sorted(penalised, key=lambda row: sign * row[name])}, []
    for (depth, run), (arm, dash) in itertools.product(winners.items(), (("compress", "-"), ("from_scratch", "--"))):
        cell = (priced or compressed["steps"]).at(arm=arm, depth=depth, penalty=run["penalty"])
        path = cell.paths.get(run["seed"], [])
        if (chosen := cell.best(path)) is None:
            continue
        known = np.array([np.nan if row[name] is None else sign * row[name] for row in path])
        known[np.cumsum([min(row["live_units_per_layer"]) == 0 for row in path]) > 0] = np.nan
        so_far = sign * np.fmax.accumulate(known)
        seconds = np.cumsum(cell.spent(path) if priced else [row["run_seconds"] for row in path])
        look = {"color": shades[depth], "linestyle": dash, "marker": "o", "markersize": 4}
        for axes, values in zip(panels[0], (so_far, [max(row["live_units"], 0.5) for row in path]), strict=True):
            axes.plot(seconds, values, markevery=[path.index(chosen)], **look)
        drawn += so_far.tolist()
    zoom(panels[0, 0], "y", name, drawn)
    log(panels[0, 1], "y")
    for axes, label in zip(panels[0], (f"{name.replace('_', ' ')}, best so far", "live units"), strict=True):
        axes.set(xlabel=f"seconds of the run, {'priced alike' if priced else 'its share of the batch'}", ylabel=label)
        log(axes, "x")
    looks = [{"label": f"hidden layers: {depth}", "color": color} for depth, color in shades.items()]
    looks += [{"label": "compressed"}, {"label": "static", "linestyle": "--"}, {"label": "chosen epoch", "marker": "o"}]
    return _finish(figure, panels[0, 0], arms, "best penalised run by validation", looks)


@per("dataset", "form")
def widths(arms: Arms) -> Any:
    """Live units of every layer of the compressed networks against epochs: median over seeds and range.

    A diverged run ends where it diverged.
    """
    depth, text = max(arms["compress"].values("depth")), "live units per layer (0 drawn at 0.5)"
    layers = [{"label": f"layer {n}", "linestyle": dash} for n, dash in enumerate(DASHES[:depth], 1)]
    looks = layers if depth > 1 else []
    return _over_epochs(arms, lambda row: np.maximum(row["live_units_per_layer"], 0.5), text, looks)


@per("dataset", "form")
def epochs(arms: Arms) -> Any:
    """Seconds of a compressed run's epoch against epochs: median over seeds and range, and when units were removed."""
    looks = [{"label": "units removed after", "marker": "|"}]
    figure = _over_epochs(arms, lambda row: [row["run_seconds"]], "seconds per run and epoch", looks)
    events = [event for event in arms[0].runs.folder.events.read() if event["event"] == "compaction"]
    for axes, depth in zip(figure.axes, arms["compress"].values("depth"), strict=True):
        runs = set(arms["compress"].at(depth=depth).values("run"))
        at = sorted({event["epoch"] for event in events if runs.intersection(event["runs"])})
        axes.plot(at, [0.02] * len(at), "|", color="0.3", transform=axes.get_xaxis_transform())
    return figure


PICTURES = {"scores": scores, "sizes": sizes, "best": best, "widths": widths, "epochs": epochs}


def _over_epochs(arms: Arms, read: Any, ylabel: str, looks: Sequence[dict[str, Any]]) -> Any:
    """Draw what is read of a row, one number per line, against epochs: a panel per depth, a colour per penalty."""
    by_depth, penalties = arms["compress"].by("depth"), arms["compress"].values("penalty")
    numbers = np.arange(1, arms.settings["epochs"] + 1)
    figure, panels = plots.subplots(1, len(by_depth), width=3.6 if len(by_depth) > 1 else 5.2, height=3.3)
    for axes, (depth, view) in zip(panels[0], by_depth.items(), strict=True):
        for (penalty, cell), color in zip(view.by("penalty").items(), plots.colors(len(penalties)), strict=True):
            lines = np.full((depth, arms.settings["num_seeds"], len(numbers)), np.nan)
            rows = [row for path in cell.paths.values() for row in path if row["train_loss"] is not None]
            for row in rows:
                values = read(row)
                lines[: len(values), row["seed"], row["epoch"] - 1] = values
            for line, dash in zip(lines[: len(read(rows[0]))] if rows else [], DASHES, strict=False):
                label = f"penalty {penalty:g}" if penalty else "unpenalised"
                plots.band(axes, numbers, line, color=color, label=label if dash == "-" else "_", linestyle=dash)
        axes.set(xlabel="epoch", title=f"hidden layers: {depth}")
        log(axes, "y")
    panels[0, 0].set(ylabel=ylabel)
    return _finish(figure, panels[0, 0], arms, "compressed runs, median and range", looks)


def _networks(arms: Arms, name: str) -> Rows:
    """The chosen row of every run of an arm that has one, with a test score; partners are given equal steps."""
    if name not in arms:
        return []
    view = Chosen.of(arms[name])
    rows = [row for cell in view.by("depth", "penalty").values() for row in cell.rows if row is not None]
    return [row for row in rows if row[view.score()[0]] is not None]


def _finish(
    figure: Any, axes: Any, arms: Arms, text: str, looks: Sequence[dict[str, Any]], *, marked: bool = False
) -> Any:
    """Set a title, and beside all panels a legend: what is labelled in `axes`, these looks, and the marks of depths."""
    depths = arms["compress"].values("depth") if marked else []
    marks = [{"label": f"hidden layers: {depth}", "marker": MARKERS[depth]} for depth in depths if len(depths) > 1]
    for look in [*looks, *marks]:
        axes.plot([], [], **{"color": "0.3", "linestyle": "" if "marker" in look else "-"} | look)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    title = f"{arms[0].dataset}, {arms[0].form} form, {arms.settings['num_seeds']} seeds:\n{text}"
    figure.suptitle(title, x=0.01, horizontalalignment="left")
    return figure
