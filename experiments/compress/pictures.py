"""The pictures of the compress study: compressed networks in green, static ones (same widths, from scratch) in red."""

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from experiments.compress.budgets import Finals
from experiments.compress.prices import read_prices
from jaxsize import plots
from jaxsize.data import Dataset
from jaxsize.results import Folder
from jaxsize.statistics import front

Rows = list[dict[str, Any]]
FILLED = {"linestyle": "", "markeredgewidth": 0, "markersize": 5, "alpha": 0.75}
HOLLOW = {"linestyle": "", "fillstyle": "none", "markersize": 5}
LOOKS: dict[str, dict[str, Any]] = {
    "group_lasso": {"label": "group lasso", "color": "#a1d99b", "marker": "*", **FILLED},
    "pruned": {"label": "pruned, fine-tuned", "color": "#d4b996", "marker": "X", **FILLED},
    "double_widths": {"label": "twice the widths", "color": "#bcbddc", "marker": ">", **FILLED},
    "half_widths": {"label": "half the widths", "color": "#bcbddc", "marker": "<", **FILLED},
    "random_widths": {"label": "random widths", "color": "#9ecae1", "marker": "P", **FILLED},
    "from_found": {"label": "on from the weights found", "color": "#fdae6b", "marker": "v", **FILLED},
    "from_scratch": {"label": "static, equal steps", "color": "#d62728", "marker": "o", **HOLLOW},
    "compress": {"label": "compressed", "color": "#238b45", "marker": "o", **FILLED},
}
UNPENALISED = {"label": "unpenalised", "color": "0.45", "marker": "o", **HOLLOW}
MARKERS, DASHES = dict(enumerate("os^D", 1)), ("-", "--", ":", "-.")  # by depth, by layer


def draw(folder: Folder, data: Sequence[Dataset], settings: dict[str, Any]) -> None:
    """Write PNG files: scores, sizes, the best run, widths and seconds of every data set."""
    ends = {dataset.name: (dataset.num_inputs, dataset.num_outputs) for dataset in data}
    finals = Finals(folder.rows.read(), settings, ends, read_prices(folder, settings["form"]))
    removed = [event for event in folder.events.read() if event["event"] == "compaction"]
    with plots.style():
        for name in ends:
            for kind, picture in (("scores", _scores), ("sizes", _sizes), ("best", _best), ("widths", _over_epochs)):
                plots.save(picture(finals, name), folder.path / f"{kind}_{name}.png")
            plots.save(_over_epochs(finals, name, removed), folder.path / f"epochs_{name}.png")


def _networks(finals: Finals, arm: str, dataset: str) -> Rows:
    """The chosen row of every run that has one, with a test score; static runs are given equal steps."""
    first = [path[0] for path in finals.paths.values() if (path[0]["arm"], path[0]["dataset"]) == (arm, dataset)]
    budget = "steps" if arm == "from_scratch" else ""
    rows = [finals.chosen(arm, dataset, row["depth"], row["penalty"], row["seed"], budget) for row in first]
    return [row for row in rows if row is not None and row[finals.score(dataset)[0]] is not None]


def _finish(figure: Any, axes: Any, finals: Finals, text: str, looks: Sequence[dict[str, Any]], marked: bool) -> Any:
    """Set a title, and beside all panels a legend: what is labelled in `axes`, these looks, and the marks of depths."""
    depths = finals.settings["depth"] if marked and len(finals.settings["depth"]) > 1 else ()
    marks = [{"label": f"hidden layers: {depth}", "marker": MARKERS[depth]} for depth in depths]
    for look in [*looks, *marks]:
        axes.plot([], [], **{"color": "0.3", "linestyle": "" if "marker" in look else "-"} | look)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right center")
    figure.suptitle(f"{text} (seeds: {finals.settings['num_seeds']})", x=0.01, horizontalalignment="left")
    return figure


def _log(axes: Any, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, and long enough for at least two numbers on it."""
    low, high = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
    if 0 < low <= high < 5 * low:
        axes.set(**{f"{which}lim": (np.sqrt(low * high) / 2.4, np.sqrt(low * high) * 2.4)})
    plots.log_axis(axes, which)


def _zoom(axes: Any, which: Literal["x", "y"], name: str, values: Sequence[float]) -> None:
    """Set limits from the best value to the worst that is no outlier.

    An outlier is worse than the worse quartile by more than three interquartile ranges. These count as at least 2 and
    at most 15 points of accuracy, or as a factor of at least 1.2 and at most 10 of an error.
    """
    is_error, known = name.endswith("error"), np.array(values)[np.isfinite(values)]
    axes.set(**{f"{which}label": name.replace("_", " ") + " (less is better)" * is_error})
    if known.size:
        to, back, near, far = (np.log, np.exp, 0.2, np.log(10)) if is_error else (np.negative, np.negative, 0.02, 0.15)
        losses = to(np.maximum(known, 1e-12))
        lower, upper = np.quantile(losses, (0.25, 0.75))
        shown = losses[losses <= upper + np.clip(3 * (upper - lower), near, far)]
        margin = max(0.07 * np.ptp(shown), 0.001)
        low, high = sorted(back([shown.min() - margin, shown.max() + margin]))
        axes.set(**{f"{which}lim": (low, high)})
        if is_error and high > 5 * low:
            plots.log_axis(axes, which)


def _tell_outside(axes: Any, xs: Sequence[float], ys: Sequence[float], text: str = "") -> None:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    outside = sum(not (left <= x <= right and bottom <= y <= top) for x, y in zip(xs, ys, strict=True))
    axes.set_title(text + f"{outside} outside the axes" * (outside > 0), loc="left", fontsize=9)


def _scores(finals: Finals, dataset: str) -> Any:
    """Validation against test score of the chosen networks, and the density of both."""
    figure, panels = plots.subplots(1, 1, width=6, height=4.2)
    axes, across, up = panels[0, 0], finals.score(dataset, "validation")[0], finals.score(dataset)[0]
    networks = {arm: _networks(finals, arm, dataset) for arm in ("from_scratch", "compress")}
    every = [row for rows in networks.values() for row in rows]
    for row in every:
        look = LOOKS[row["arm"]] if row["penalty"] else UNPENALISED
        axes.plot(row[across], row[up], **look | {"marker": MARKERS[row["depth"]], "label": "_"})
    _zoom(axes, "x", across, [row[across] for row in every])
    _zoom(axes, "y", up, [row[up] for row in every])
    axes.plot(*[np.linspace(*axes.get_xlim())] * 2, color="0.8", linestyle=":", zorder=0)  # whatever the scales
    _tell_outside(axes, [row[across] for row in every], [row[up] for row in every])
    above, beside = axes.inset_axes((0, 1.02, 1, 0.2), sharex=axes), axes.inset_axes((1.02, 0, 0.2, 1), sharey=axes)
    for arm, rows in networks.items():
        shade = {"facecolor": (LOOKS[arm]["color"], 0.25), "edgecolor": LOOKS[arm]["color"]}
        above.fill_between(*_density(rows, across, axes.get_xlim(), axes.get_xscale()), **shade)
        beside.fill_betweenx(*_density(rows, up, axes.get_ylim(), axes.get_yscale()), **shade)
    above.axis("off")
    beside.axis("off")
    looks = [LOOKS["compress"], LOOKS["from_scratch"], UNPENALISED]
    return _finish(figure, axes, finals, f"{dataset}: every run at its best validation epoch", looks, True)


def _density(rows: Rows, name: str, ends: tuple[float, float], scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Places between the ends, and the density of penalised networks there; NaN with fewer than 5 different scores."""
    from scipy.stats import gaussian_kde

    to, back = (np.log, np.exp) if scale == "log" else (np.array, np.array)
    values = to([row[name] for row in rows if row["penalty"] and ends[0] <= row[name] <= ends[1]])
    places, enough = np.linspace(to(ends[0]), to(ends[1]), 200), np.unique(np.round(values, 9)).size >= 5
    return back(places), gaussian_kde(values)(places) if enough else np.full(200, np.nan)


def _sizes(finals: Finals, dataset: str) -> Any:
    """Test score against parameters of every arm, and what compressing gains over static, against live units."""
    (name, sign), select = finals.score(dataset), finals.score(dataset, "validation")[0]
    networks = {arm: rows for arm in LOOKS if (rows := _networks(finals, arm, dataset))}
    figure, panels = plots.subplots(1, 2, width=4.8, height=3.6)
    (left, right), every = panels[0], [row for rows in networks.values() for row in rows]
    for arm, rows in networks.items():
        left.plot([row["parameters"] for row in rows], [row[name] for row in rows], **LOOKS[arm])
    for arm, text, dash in (("compress", "compressed", "-"), ("from_scratch", "static", "--")):
        by_pair = {(row["parameters"], sign * row[select]): row[name] for row in networks.get(arm, [])[::-1]}
        if by_pair:
            sizes, levels = front(*zip(*by_pair, strict=True))
            scores = [by_pair[pair] for pair in zip(sizes, levels, strict=True)]
            ends = [*sizes, max(by_pair)[0]], [*scores, scores[-1]]  # on to the right, where nothing larger is better
            look = {"color": LOOKS[arm]["color"], "linestyle": dash, "drawstyle": "steps-post"}
            left.plot(*ends, **look, label=f"{text}, best by\nvalidation up to a size")
    left.set(xlabel="parameters")
    _log(left, "x")
    _zoom(left, "y", name, [row[name] for row in every])
    _tell_outside(left, [row["parameters"] for row in every], [row[name] for row in every])
    compressed, text = {row["run"]: row for row in networks.get("compress", [])}, ""
    static = [row for row in networks.get("from_scratch", []) if row["partner"] in compressed]
    pairs = [(compressed[row["partner"]], row) for row in static]
    sizes, gains = [row["live_units"] for row, _ in pairs], [sign * (row[name] - other[name]) for row, other in pairs]
    for (row, _), gain in zip(pairs, gains, strict=True):
        right.plot(row["live_units"], gain, **LOOKS["compress"] | {"marker": MARKERS[row["depth"]]})
    right.axhline(0, color="0.3", linewidth=1)
    if pairs:
        lower, middle, upper = np.quantile(gains, (0.25, 0.5, 0.75))
        right.axhline(middle, color=LOOKS["compress"]["color"], linestyle="--")
        text = f"median {middle:+.2g} (dashed)   "
        reach = 3 * (upper - lower) or np.ptp(gains) or 0.01
        shown = [0, *(gain for gain in gains if lower - reach <= gain <= upper + reach)]
        right.set_ylim(min(shown) - 0.07 * reach, max(shown) + 0.07 * reach)
    _log(right, "x")
    order = "compressed - static" if sign > 0 else "static - compressed"
    right.set(xlabel="live units of the compressed network", ylabel=f"{name.replace('_', ' ')} gained: {order}")
    _tell_outside(right, sizes, gains, text)
    return _finish(figure, left, finals, f"{dataset}: every run at its best validation epoch", [], True)


def _best(finals: Finals, dataset: str) -> Any:
    """The penalised run with the best validation score of every depth, and its static partner."""
    (name, sign), scores, priced = finals.score(dataset, "validation"), [], "time" in finals.budgets(dataset)
    figure, panels = plots.subplots(1, 2, width=4.4, height=3.2)
    shades = dict(zip(finals.settings["depth"], plots.colors(len(finals.settings["depth"])), strict=True))
    compressed = [row for row in _networks(finals, "compress", dataset) if row["penalty"]]
    best = {row["depth"]: row for row in sorted(compressed, key=lambda row: sign * row[name])}
    for (depth, run), (arm, dash) in itertools.product(best.items(), (("compress", "-"), ("from_scratch", "--"))):
        path = finals.path(arm, dataset, depth, run["penalty"], run["seed"])
        if (chosen := finals.best(path)) is None:
            continue
        known = np.array([np.nan if row[name] is None else sign * row[name] for row in path])
        known[np.cumsum([min(row["live_units_per_layer"]) == 0 for row in path]) > 0] = np.nan
        so_far = sign * np.fmax.accumulate(known)
        seconds = np.cumsum(finals.spent("time", path) if priced else [row["run_seconds"] for row in path])
        look = {"color": shades[depth], "linestyle": dash, "marker": "o", "markersize": 4}
        for axes, values in zip(panels[0], (so_far, [max(row["live_units"], 0.5) for row in path]), strict=True):
            axes.plot(seconds, values, markevery=[path.index(chosen)], **look)
        scores += so_far.tolist()
    _zoom(panels[0, 0], "y", name, scores)
    _log(panels[0, 1], "y")
    for axes, label in zip(panels[0], (f"{name.replace('_', ' ')}, best so far", "live units"), strict=True):
        axes.set(xlabel=f"seconds of the run, {'priced alike' if priced else 'its share of the batch'}", ylabel=label)
        _log(axes, "x")
    looks = [{"label": f"hidden layers: {depth}", "color": color} for depth, color in shades.items()]
    looks += [{"label": "compressed"}, {"label": "static", "linestyle": "--"}, {"label": "chosen epoch", "marker": "o"}]
    return _finish(figure, panels[0, 0], finals, f"{dataset}: best penalised run by validation", looks, False)


def _over_epochs(finals: Finals, dataset: str, removed: Rows | None = None) -> Any:
    """Live units of every layer against epoch; or, given events, seconds of an epoch, and when units were removed.

    A diverged run ends where it diverged.
    """
    depths, epochs = finals.settings["depth"], np.arange(1, finals.settings["epochs"] + 1)
    figure, panels = plots.subplots(1, len(depths), width=3.6 if len(depths) > 1 else 5.2, height=3.3)
    shades = dict(zip(finals.penalties, plots.colors(len(finals.penalties)), strict=True))
    for axes, depth in zip(panels[0], depths, strict=True):
        runs = set()
        for penalty, color in shades.items():
            values = np.full((depth if removed is None else 1, finals.settings["num_seeds"], len(epochs)), np.nan)
            for seed in range(values.shape[1]):
                for row in finals.path("compress", dataset, depth, penalty, seed):
                    runs.add(row["run"])
                    if row["train_loss"] is not None:
                        live = np.maximum(row["live_units_per_layer"], 0.5)
                        values[:, seed, row["epoch"] - 1] = live if removed is None else row["run_seconds"]
            for line, dash in zip(values, DASHES, strict=False):
                label = f"penalty {penalty:g}" if penalty else "unpenalised"
                plots.band(axes, epochs, line, color=color, label=label if dash == "-" else "_", linestyle=dash)
        at = sorted({event["epoch"] for event in removed or () if runs.intersection(event["runs"])})
        axes.plot(at, [0.02] * len(at), "|", color="0.3", transform=axes.get_xaxis_transform())
        axes.set(xlabel="epoch", title=f"hidden layers: {depth}")
        _log(axes, "y")
    layers = [{"label": f"layer {n}", "linestyle": dash} for n, dash in enumerate(DASHES[: max(depths)], 1)]
    looks = layers[max(depths) == 1 :] if removed is None else [{"label": "units removed after", "marker": "|"}]
    panels[0, 0].set(ylabel="live units per layer (0 drawn at 0.5)" if removed is None else "seconds per run and epoch")
    return _finish(figure, panels[0, 0], finals, f"{dataset}: compressed runs, median and range", looks, False)
