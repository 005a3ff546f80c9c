"""The pictures of the study: excess against latent size and width, the path of the search, sizes that were learned."""

from typing import Any

import numpy as np

from experiments.common.pixels import EXCESS
from experiments.model_dimension.views import by_structure, num_parameters, relus, search_path
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per


def _logarithmic(axes: Any, x: str, y: str = "excess in nats per image") -> None:
    for which in ("x", "y"):
        plots.log_axis(axes, which)
    axes.set(xlabel=x, ylabel=y)


@per("dataset")
def latents(arms: Arms) -> Any:
    """Excess at the end against latent units, one line per structure: on all rows, on few, with a ReLU in the middle.

    Lines are medians over seeds, in the range.
    """
    swept = arms["sweep"]
    whole = max(swept.values("rows"))
    (first,) = arms["latent ReLU"].values("hidden")
    few = {f"{rows} rows": one for rows, one in swept.at(hidden=first).by("rows").items()}
    panels_of = {
        "all rows, by hidden widths": by_structure(swept.at(rows=whole)),
        "the first structure on few rows": {name: one for name, one in few.items() if one.count},
        "a ReLU after the latent units": {
            name: arms[arm].at(rows=whole, hidden=first) for name, arm in (("linear", "sweep"), ("ReLU", "latent ReLU"))
        },
    }
    figure, panels = plots.subplots(1, len(panels_of), width=4.4, height=3.4)
    for axes, (title, views) in zip(panels[0], panels_of.items(), strict=True):
        excesses = {name: (one.values("latent"), one.matrix(EXCESS, over="latent")) for name, one in views.items()}
        plots.bands(axes, excesses, markevery=1)
        _logarithmic(axes, "latent units")
        axes.set_title(title)
        plots.legend_beside(axes)
    figure.suptitle(f"{arms.title}: median and range")
    return figure


@per("dataset")
def widths(arms: Arms) -> Any:
    """Excess at the end against the width n of one hidden layer, with n and with 2n latent units, and with the most."""
    swept = arms["sweep"]
    swept = swept.at(rows=max(swept.values("rows")))
    layers = {relus(one): one for hidden, one in swept.by("hidden").items() if "-" not in hidden}
    if len(layers) < 2:
        return None
    kinds = {"latent = n": lambda n: n, "latent = 2n (the model dimension)": lambda n: 2 * n}
    most = max(swept.values("latent"))
    kinds[f"latent = {most}"] = lambda n: most
    figure, panels = plots.subplots(1, 1, width=5.4, height=3.4)
    for look, (name, latent) in zip(plots.looks(len(kinds)), kinds.items(), strict=True):
        label = name
        for n, one in layers.items():
            ends = one.at(latent=latent(n))
            if ends.count:
                plots.points(panels[0, 0], n, ends.end(EXCESS), **look.marks, label=label)
                label = ""
    _logarithmic(panels[0, 0], "ReLUs n of the hidden layer")
    plots.legend_beside(panels[0, 0])
    figure.suptitle(f"{arms.title}: every seed and the median")
    return figure


def search(arms: Arms) -> Any:
    """The path of the seed's search from a small start, and networks whose sizes were learned by prices.

    Left: units against steps of the search. Right: the excess against the parameters of the network.
    """
    found: ArmView = arms["search"]
    path = search_path(found)
    figure, (panels,) = plots.subplots(1, 2, width=4.8, height=3.4)
    for number, (look, what) in enumerate(zip(plots.looks(2), ("ReLUs", "latent units"), strict=True)):
        units = [step[number] for step in path]
        panels[0].step(np.arange(1, len(path) + 1), units, where="mid", **look.line, label=what)
    panels[0].set(xlabel="step of the search", ylabel="units")
    panels[0].locator_params(axis="x", integer=True)
    plots.log_axis(panels[0], "y")
    plots.legend_beside(panels[0])
    priced = arms["learned"].by("penalty")
    first, *others = plots.looks(1 + len(priced))
    label = "a step of the search"
    for hidden, latent, one in path:
        size = num_parameters(found.data.num_inputs, hidden, latent)
        plots.points(panels[1], size, one.end(EXCESS), **first.marks, label=label)
        label = ""
    for look, (penalty, one) in zip(others, priced.items(), strict=True):
        sizes, ends = one.end("parameters"), one.end(EXCESS)
        kept = np.isfinite(sizes) & np.isfinite(ends)
        marks = look.marks | {"linestyle": "", "markersize": 5, "alpha": 0.8}
        panels[1].plot(sizes[kept], ends[kept], **marks, label=f"learned, {penalty:g}")
    _logarithmic(panels[1], "parameters")
    plots.legend_beside(panels[1], "nats per unit")
    figure.suptitle(arms.title)
    return figure


PICTURES = {"latents": latents, "widths": widths, "search": search}
