"""The pictures of the study `input_scaling`, one each per data set and form."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from experiments.input_scaling.claims import FIRST_STEPS
from experiments.input_scaling.recipes import RECIPES, SWEPT, UNSCALED
from experiments.input_scaling.table import accuracy, gaps
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per

SHOWN = 1e-6
"""Relative gradients below this are not drawn."""
ROWS = {"first init as it is": 0, "first init / c": -1}
"""Rows of panels, by the power of c in the first layer's initial weights: 11 lines in one panel would hide each other.
R0, with which all others are compared, is in both."""


def _at_first_scale(arms: Arms, epochs: int | None) -> dict[str, dict[str, ArmView]]:
    """By row and recipe in words, the runs at the first scale and the asker's rates, after so many epochs."""
    shown, scale = arms.at(rate_factor=1.0).until(epochs), arms.settings["scales"][0]
    return {
        row: {
            f"{arm.name}: {RECIPES[arm.name].what}": arm if arm.name == UNSCALED else arm.at(input_scale=scale)
            for arm in shown.like("R*")
            if arm.name == UNSCALED or RECIPES[arm.name].a1 == power
        }
        for row, power in ROWS.items()
    }


def _grid(arms: Arms, panels: Mapping[str, Any], epochs: int | None, **options: Any) -> Any:
    title = f"recipe, c = {arms.settings['scales'][0]:g}"
    return plots.grid(_at_first_scale(arms, epochs), panels, width=2.9, title=title, **options)


@per("dataset", "form", title="median and range")
def curves(arms: Arms) -> Any:
    """Test accuracy, training accuracy and training loss against epochs, for every recipe at the first scale.

    Where R0 and R2 were trained for longer, their test accuracy is in the last panel. Lines are medians over seeds,
    bands reach from the smallest to the largest. R8 lies on R0.
    """
    epochs = arms.settings["epochs"]
    panels = {
        name.replace("_", " "): partial(_curve, name, epochs)
        for name in ("test_accuracy", "train_accuracy", "train_loss")
    }
    if any(arm.values("num_epochs") != [epochs] for arm in arms.like("R*")):
        panels["test accuracy, for longer"] = partial(_curve, "test_accuracy", None)
    figure, grid = _grid(arms, panels, None)
    for axes in grid[:, 2]:
        axes.set_ylim(0, 2 * np.log(arms[UNSCALED].values("num_classes")[0]))
    return figure


def _curve(column: str, epochs: int | None, arm: ArmView) -> np.ndarray:
    return arm.until(epochs).curve(column)


@per("dataset", "form", title="median and range")
def first_steps(arms: Arms) -> Any:
    """Loss, share of dead units, and the norm of each layer's gradient as a multiple of its first, at the first steps.

    For every recipe at the first scale; lines are medians over seeds, bands reach from the smallest to the largest. A
    gradient of 0 is not drawn (all units are dead on the batch), nor one below a millionth of the first one.
    """
    panels = {"loss": partial(_steps, "loss"), "share of dead units": partial(_steps, "dead_share_0")}
    gradients = {f"gradient of layer {layer + 1} / its first": partial(_gradient, layer) for layer in (0, 1)}
    figure, grid = _grid(arms, panels | gradients, arms.settings["epochs"], xlabel="step", log=["loss", *gradients])
    for axes in grid[:, 2:].ravel():
        axes.set_ylim(bottom=max(SHOWN, axes.get_ylim()[0]))
    return figure


def _steps(key: str, arm: ArmView) -> np.ndarray:
    return arm.steps(key)[:, :FIRST_STEPS]


def _gradient(layer: int, arm: ArmView) -> np.ndarray:
    """Return the norm of a layer's gradient as a multiple of its first; NaN for 0, which a dead network has."""
    norms = _steps(f"gradient_norm_{layer}", arm)
    ratios = norms / norms[:, :1]
    return np.where(ratios > 0, ratios, np.nan)


@per("dataset", "form", title="median and range")
def scales(arms: Arms) -> Any:
    """Test accuracy after --epochs against the scale of the inputs (its log2), for R1, R2 and R8.

    Lines are medians over seeds, bands reach from the smallest to the largest; at scale 1 all are R0. Only the original
    form has several scales.
    """
    if arms[0].form != "original":
        return None
    figure, ((axes,),) = plots.subplots(1, 1, width=9.0, height=3.2)
    arms = arms.until(arms.settings["epochs"])
    lines = {}
    for arm in arms.like(*SWEPT):
        parts = dict(sorted({1.0: arms[UNSCALED], **arm.by("input_scale")}.items()))
        values = np.stack([accuracy(part) for part in parts.values()], axis=1)
        lines[f"{arm.name}: {RECIPES[arm.name].what}"] = np.log2(list(parts)), values
    plots.bands(axes, lines, markevery=1)
    axes.set(xlabel="log2 of the scale of the inputs", ylabel="test accuracy")
    plots.legend(figure, axes, "recipe")
    return figure


@per("dataset", "form", title="median and range")
def twin(arms: Arms) -> Any:
    """The largest difference so far between the losses of R8 and R0, step by step, for every scale of the inputs.

    Lines are medians over seeds, bands reach from the smallest to the largest. A difference of 0 is not drawn: at
    powers of 2 all losses are the same to the last bit. Only the original form has several scales.
    """
    if arms[0].form != "original":
        return None
    figure, ((axes,),) = plots.subplots(1, 1, width=6.4, height=3.2)
    lines = {
        f"{scale:g}" if (gap > 0).any() else f"{scale:g}: 0 at all steps": np.where(gap > 0, gap, np.nan)
        for scale, gap in gaps(arms).items()
    }
    plots.bands(axes, lines)
    axes.set(xlabel="step", ylabel="largest |loss of R8 less loss of R0|")
    plots.log_axis(axes, "x")
    plots.log_axis(axes, "y")
    plots.legend(figure, axes, "scale")
    return figure


PICTURES = {"curves": curves, "first_steps": first_steps, "scales": scales, "twin": twin}
