"""The pictures of the study `input_scaling`."""

from typing import Any

import numpy as np

from experiments.input_scaling.recipes import RECIPES, UNSCALED
from experiments.input_scaling.table import FIRST_STEPS, SWEPT, accuracy, gaps, longer, recipe_runs, steps
from jaxsize import plots
from jaxsize.data import Form
from jaxsize.results import Runs

SHOWN = 1e-6
"""Relative gradients below this are not drawn."""


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw curves and first steps per recipe; in the original form also accuracy against scale, and R8 against R0."""
    form: Form = "original" if "original" in runs.settings["form"] else "corrected"
    figures = {"curves": _curves(runs, dataset, form), "first_steps": _first_steps(runs, dataset, form)}
    if form == "original":
        figures |= {"scales": _scales(runs, dataset), "twin": _twin(runs, dataset)}
    return figures


def _styles() -> dict[str, dict[str, Any]]:
    """The line of every recipe: R0's is broad, as others lie on it; another reading of a recipe is dashed."""
    names = [name for name in RECIPES if name not in (UNSCALED, "R8") and not name.endswith("b")]
    styles: dict[str, dict[str, Any]] = {UNSCALED: {"color": "0.7", "linewidth": 5.0}}
    styles |= {name: {"color": f"C{number}"} for number, name in enumerate(names)}
    styles |= {f"{name}b": styles[name] | {"linestyle": "--"} for name in names}
    styles["R8"] = {"color": "black", "linestyle": ":"}
    return {name: styles[name] | {"label": name} for name in RECIPES}


def _shown(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """By recipe, the columns that select its runs at the first scale."""
    scales = (1.0, runs.settings["scales"][0])
    return {name: which for (name, scale), which in recipe_runs(runs, dataset, form).items() if scale in scales}


def _title(runs: Runs, dataset: str, form: Form) -> str:
    scale = runs.settings["scales"][0]
    return f"{dataset}, {form}, inputs x {scale:g}, {runs.num_seeds} seeds: median and range"


def _curves(runs: Runs, dataset: str, form: Form) -> Any:
    """Test accuracy, training accuracy and training loss against epochs; and R2 and R0 trained for longer."""
    styles, shown = _styles(), _shown(runs, dataset, form)
    long, epochs = longer(runs, recipe_runs(runs, dataset, form)), runs.settings["epochs"]
    figure, panels = plots.subplots(1, 4 if long else 3, width=3.6, height=3.2)
    names = ("test_accuracy", "train_accuracy", "train_loss")
    for axes, name in zip(panels[0], names, strict=False):
        for recipe, which in shown.items():
            curve = runs.curve(name, **which)[:, :epochs]
            plots.band(axes, np.arange(1, curve.shape[1] + 1), curve, **styles[recipe])
        axes.set(xlabel="epoch", ylabel=name.replace("_", " "))
    panels[0, 2].set_ylim(0, 2 * np.log(runs.last("num_classes", **shown[UNSCALED])[0]))
    for (recipe, scale), which in long.items():
        if scale in (1.0, runs.settings["scales"][0]):
            curve = runs.curve("test_accuracy", **which)
            plots.band(panels[0, 3], np.arange(1, curve.shape[1] + 1), curve, **styles[recipe])
            panels[0, 3].set(xlabel="epoch", ylabel="test accuracy", title="for longer")
    plots.legend(figure, panels[0, 0], "recipe")
    figure.suptitle(_title(runs, dataset, form))
    return figure


def _first_steps(runs: Runs, dataset: str, form: Form) -> Any:
    """Loss, share of dead units, and the norm of each layer's gradient as a multiple of the first one, step by step.

    A gradient of 0 is not shown: all units are dead on the batch. Nor are gradients below `SHOWN`, where nearly all
    units are dead.
    """
    styles, panels_of = _styles(), {"loss": "loss", "dead_share_0": "share of dead units"}
    panels_of |= {f"gradient_norm_{layer}": f"gradient of layer {layer + 1} / its first" for layer in (0, 1)}
    figure, panels = plots.subplots(2, 2, width=4.6, height=3.0)
    for axes, (key, text) in zip(panels.ravel(), panels_of.items(), strict=True):
        for recipe, which in _shown(runs, dataset, form).items():
            values = steps(runs, key, which)[:, :FIRST_STEPS]
            if key.startswith("gradient"):
                values = values / values[:, :1]
                values = np.where(values > 0, values, np.nan)  # of a dead network it is exactly 0
            plots.band(axes, np.arange(1, values.shape[1] + 1), values, **styles[recipe])
        axes.set(
            xlabel="step",
            ylabel=text,
            title=f"none where it is 0 or below {SHOWN:g}" if key.startswith("gradient") else "",
        )
        if key != "dead_share_0":
            plots.log_axis(axes, "y")
        if key.startswith("gradient") and axes.get_ylim()[0] < SHOWN:
            axes.set_ylim(bottom=SHOWN)
    plots.legend(figure, panels[0, 0], "recipe")
    figure.suptitle(_title(runs, dataset, form))
    return figure


def _scales(runs: Runs, dataset: str) -> Any:
    """Final test accuracy against log2 of the scale."""
    figure, panels = plots.subplots(1, 1, width=6.4, height=3.2)
    recipes, axes = recipe_runs(runs, dataset, "original"), panels[0, 0]
    for recipe in SWEPT[1:]:
        cells = {scale: which for (name, scale), which in recipes.items() if name in (recipe, UNSCALED)}
        cells = dict(sorted(cells.items()))
        values = np.stack([accuracy(runs, which) for which in cells.values()], axis=1)
        plots.band(axes, np.log2(list(cells)), values, marker="o", markersize=3, **_styles()[recipe])
    title = f"{dataset}, original, {runs.num_seeds} seeds: median and range"
    axes.set(xlabel="log2 of the scale of the inputs", ylabel="test accuracy", title=title)
    plots.legend(figure, axes, "recipe")
    return figure


def _twin(runs: Runs, dataset: str) -> Any:
    """The largest difference so far between the losses of R8 and R0, step by step."""
    twins = gaps(runs, dataset)
    figure, panels = plots.subplots(1, 1, width=6.4, height=3.2)
    axes = panels[0, 0]
    for color, (scale, gap) in zip(plots.colors(len(twins)), twins.items(), strict=True):
        label = f"{scale:g}" if (gap > 0).any() else f"{scale:g}: 0 at all steps"
        steps = np.arange(1, gap.shape[1] + 1)
        plots.band(axes, steps, np.where(gap > 0, gap, np.nan), color=color, label=label)
    title = f"{dataset}, original, {runs.num_seeds} seeds: median and range"
    axes.set(xlabel="step", ylabel="largest |loss of R8 less loss of R0|", title=title)
    plots.log_axis(axes, "x")
    plots.log_axis(axes, "y")
    plots.legend(figure, axes, "scale")
    return figure
