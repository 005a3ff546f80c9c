"""The pictures of the study `input_scaling`, one each per data set and form."""

from typing import Any

import numpy as np

from experiments.input_scaling.claims import FIRST_STEPS
from experiments.input_scaling.recipes import RECIPES, UNSCALED
from experiments.input_scaling.table import accuracy, gaps, steps
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per

SHOWN = 1e-6
"""Relative gradients below this are not drawn."""


def _styles() -> dict[str, dict[str, Any]]:
    """The line of every recipe: R0's is broad, as others lie on it; another reading of a recipe is dashed."""
    colors = {name: f"C{number}" for number, name in enumerate(f"R{number}" for number in range(1, 8))}
    styles: dict[str, dict[str, Any]] = {name: {"color": color} for name, color in colors.items()}
    styles |= {f"{name}b": {"color": color, "linestyle": "--"} for name, color in colors.items()}
    styles |= {UNSCALED: {"color": "0.7", "linewidth": 5.0}, "R8": {"color": "black", "linestyle": ":"}}
    return {name: styles[name] | {"label": f"{name}: {recipe.what}"} for name, recipe in RECIPES.items()}


def _at_first_scale(arms: Arms) -> dict[str, ArmView]:
    """By recipe, the runs at the first scale and the asker's rates."""
    shown = arms.at(rate_factor=1.0)
    return {arm.name: arm if arm.name == UNSCALED else arm.at(input_scale=arms.settings["scales"][0]) for arm in shown}


def _title(arms: Arms, scale: float | None = None) -> str:
    times = f", inputs x c = {scale:g}" if scale else ""
    return f"{arms[0].dataset}, {arms[0].form} form{times}, {arms.settings['num_seeds']} seeds: median and range"


@per("dataset", "form")
def curves(arms: Arms) -> Any:
    """Test accuracy, training accuracy and training loss against epochs, for every recipe at the first scale.

    Where R0 and R2 were trained for longer, their test accuracy is in the last panel. Lines are medians over seeds,
    bands reach from the smallest to the largest. R8 (dotted) lies on R0 (broad, grey).
    """
    styles, shown, epochs = _styles(), _at_first_scale(arms), arms.settings["epochs"]
    long = {name: arm for name, arm in shown.items() if arm.values("num_epochs") != [epochs]}
    figure, panels = plots.subplots(1, 4 if long else 3, width=3.6, height=3.2)
    for axes, column in zip(panels[0], ("test_accuracy", "train_accuracy", "train_loss"), strict=False):
        for name, arm in shown.items():
            plots.band(axes, np.arange(1, epochs + 1), arm.curve(column)[:, :epochs], **styles[name])
        axes.set(xlabel="epoch", ylabel=column.replace("_", " "))
    panels[0, 2].set_ylim(0, 2 * np.log(shown[UNSCALED].values("num_classes")[0]))
    for name, arm in long.items():
        curve = arm.curve("test_accuracy")
        plots.band(panels[0, 3], np.arange(1, curve.shape[1] + 1), curve, **styles[name])
        panels[0, 3].set(xlabel="epoch", ylabel="test accuracy", title="for longer")
    plots.legend(figure, panels[0, 0], "recipe")
    figure.suptitle(_title(arms, arms.settings["scales"][0]))
    return figure


@per("dataset", "form")
def first_steps(arms: Arms) -> Any:
    """Loss, share of dead units, and the norm of each layer's gradient as a multiple of its first, at the first steps.

    For every recipe at the first scale; lines are medians over seeds, bands reach from the smallest to the largest. A
    gradient of 0 is not drawn (all units are dead on the batch), nor one below a millionth of the first one.
    """
    styles, panels_of = _styles(), {"loss": "loss", "dead_share_0": "share of dead units"}
    panels_of |= {f"gradient_norm_{layer}": f"gradient of layer {layer + 1} / its first" for layer in (0, 1)}
    figure, panels = plots.subplots(2, 2, width=5.8, height=3.0)
    for axes, (key, text) in zip(panels.ravel(), panels_of.items(), strict=True):
        is_gradient = key.startswith("gradient")
        for name, arm in _at_first_scale(arms).items():
            values = steps(arm, key)[:, :FIRST_STEPS]
            if is_gradient:
                values = values / values[:, :1]
                values = np.where(values > 0, values, np.nan)  # of a dead network it is exactly 0
            plots.band(axes, np.arange(1, values.shape[1] + 1), values, **styles[name])
        axes.set(xlabel="step", ylabel=text, title=f"none where it is 0 or below {SHOWN:g}" if is_gradient else "")
        if key != "dead_share_0":
            plots.log_axis(axes, "y")
        if is_gradient and axes.get_ylim()[0] < SHOWN:
            axes.set_ylim(bottom=SHOWN)
    plots.legend(figure, panels[0, 0], "recipe")
    figure.suptitle(_title(arms, arms.settings["scales"][0]))
    return figure


@per("dataset", "form")
def scales(arms: Arms) -> Any:
    """Test accuracy after --epochs against the scale of the inputs (its log2), for R1, R2 and R8.

    Lines are medians over seeds, bands reach from the smallest to the largest; at scale 1 all are R0. Only the original
    form has several scales.
    """
    if arms[0].form != "original":
        return None
    figure, panels = plots.subplots(1, 1, width=9.0, height=3.2)
    for arm in arms.like("R1", "R2", "R8"):
        parts = dict(sorted({1.0: arms[UNSCALED], **arm.by("input_scale")}.items()))
        values = np.stack([accuracy(part) for part in parts.values()], axis=1)
        plots.band(panels[0, 0], np.log2(list(parts)), values, marker="o", markersize=3, **_styles()[arm.name])
    panels[0, 0].set(xlabel="log2 of the scale of the inputs", ylabel="test accuracy", title=_title(arms))
    plots.legend(figure, panels[0, 0], "recipe")
    return figure


@per("dataset", "form")
def twin(arms: Arms) -> Any:
    """The largest difference so far between the losses of R8 and R0, step by step, for every scale of the inputs.

    Lines are medians over seeds, bands reach from the smallest to the largest. A difference of 0 is not drawn: at
    powers of 2 all losses are the same to the last bit. Only the original form has several scales.
    """
    if arms[0].form != "original":
        return None
    figure, panels = plots.subplots(1, 1, width=6.4, height=3.2)
    axes, twins = panels[0, 0], gaps(arms)
    for color, (scale, gap) in zip(plots.colors(len(twins)), twins.items(), strict=True):
        label = f"{scale:g}" if (gap > 0).any() else f"{scale:g}: 0 at all steps"
        plots.band(axes, np.arange(1, gap.shape[1] + 1), np.where(gap > 0, gap, np.nan), color=color, label=label)
    axes.set(xlabel="step", ylabel="largest |loss of R8 less loss of R0|", title=_title(arms))
    plots.log_axis(axes, "x")
    plots.log_axis(axes, "y")
    plots.legend(figure, axes, "scale")
    return figure


PICTURES = {"curves": curves, "first_steps": first_steps, "scales": scales, "twin": twin}
