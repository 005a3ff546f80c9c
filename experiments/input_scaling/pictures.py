"""The pictures of the study `input_scaling`, one each per data set and form."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.input_scaling.claims import FIRST_STEPS
from experiments.input_scaling.recipes import RECIPES, SWEPT, UNSCALED
from experiments.input_scaling.table import accuracy, gaps
from jaxsize import plots
from jaxsize.studies import Arms, ArmView, per

SHOWN = 1e-6
"""Relative gradients below this are not drawn."""
LOOKS: dict[str, dict[str, Any]] = {
    name: {"label": f"{name}: {recipe.what}", "color": f"C{int(name[1]) - 1}", "linestyle": "--" if name[2:] else "-"}
    for name, recipe in RECIPES.items()
}  # another reading of a recipe is dashed; R0's line is broad, as others lie on it
LOOKS[UNSCALED] |= {"color": "0.7", "linewidth": 5.0}
LOOKS["R8"] |= {"color": "black", "linestyle": ":"}


def _at_first_scale(arms: Arms) -> dict[str, ArmView]:
    """By recipe, the runs at the first scale and the asker's rates, after --epochs."""
    shown = arms.at(rate_factor=1.0).until(arms.settings["epochs"])
    return {arm.name: arm if arm.name == UNSCALED else arm.at(input_scale=arms.settings["scales"][0]) for arm in shown}


def _draw(axes: Any, lines: Mapping[str, np.ndarray], **labels: str) -> None:
    """Draw lines [seeds, n] by recipe against 1 to n."""
    for name, values in lines.items():
        plots.band(axes, np.arange(1, values.shape[1] + 1), values, **LOOKS[name])
    axes.set(**labels)


@per("dataset", "form", title="median and range")
def curves(arms: Arms) -> Any:
    """Test accuracy, training accuracy and training loss against epochs, for every recipe at the first scale.

    Where R0 and R2 were trained for longer, their test accuracy is in the last panel. Lines are medians over seeds,
    bands reach from the smallest to the largest. R8 (dotted) lies on R0 (broad, grey).
    """
    shown, epochs = _at_first_scale(arms), arms.settings["epochs"]
    longer = [arm for arm in shown.values() if arm.values("num_epochs") != [epochs]]
    figure, (panels,) = plots.subplots(1, 4 if longer else 3, width=3.6, height=3.2)
    for axes, column in zip(panels, ("test_accuracy", "train_accuracy", "train_loss"), strict=False):
        lines = {name: arm.curve(column) for name, arm in shown.items()}
        _draw(axes, lines, xlabel="epoch", ylabel=column.replace("_", " "))
    panels[2].set_ylim(0, 2 * np.log(shown[UNSCALED].values("num_classes")[0]))
    if longer:
        lines = {arm.name: arm.until(None).curve("test_accuracy") for arm in longer}
        _draw(panels[3], lines, xlabel="epoch", ylabel="test accuracy", title="for longer")
    plots.legend(figure, panels[0], f"recipe, c = {arms.settings['scales'][0]:g}")
    return figure


@per("dataset", "form", title="median and range")
def first_steps(arms: Arms) -> Any:
    """Loss, share of dead units, and the norm of each layer's gradient as a multiple of its first, at the first steps.

    For every recipe at the first scale; lines are medians over seeds, bands reach from the smallest to the largest. A
    gradient of 0 is not drawn (all units are dead on the batch), nor one below a millionth of the first one.
    """
    panels_of = {"loss": "loss", "dead_share_0": "share of dead units"}
    panels_of |= {f"gradient_norm_{layer}": f"gradient of layer {layer + 1} / its first" for layer in (0, 1)}
    figure, panels = plots.subplots(2, 2, width=5.8, height=3.0)
    for axes, (key, text) in zip(panels.ravel(), panels_of.items(), strict=True):
        lines = {name: arm.steps(key)[:, :FIRST_STEPS] for name, arm in _at_first_scale(arms).items()}
        if is_gradient := key.startswith("gradient"):
            lines = {name: values / values[:, :1] for name, values in lines.items()}
            lines = {
                name: np.where(values > 0, values, np.nan) for name, values in lines.items()
            }  # 0 in a dead network
        title = f"none where it is 0 or below {SHOWN:g}" if is_gradient else ""
        _draw(axes, lines, xlabel="step", ylabel=text, title=title)
        if key != "dead_share_0":
            plots.log_axis(axes, "y")
        if is_gradient and axes.get_ylim()[0] < SHOWN:
            axes.set_ylim(bottom=SHOWN)
    plots.legend(figure, panels[0, 0], f"recipe, c = {arms.settings['scales'][0]:g}")
    return figure


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
    for arm in arms.like(*SWEPT):
        parts = dict(sorted({1.0: arms[UNSCALED], **arm.by("input_scale")}.items()))
        values = np.stack([accuracy(part) for part in parts.values()], axis=1)
        plots.band(axes, np.log2(list(parts)), values, marker="o", markersize=3, **LOOKS[arm.name])
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
    twins = gaps(arms)
    for color, (scale, gap) in zip(plots.colors(len(twins)), twins.items(), strict=True):
        label = f"{scale:g}" if (gap > 0).any() else f"{scale:g}: 0 at all steps"
        plots.band(axes, np.arange(1, gap.shape[1] + 1), np.where(gap > 0, gap, np.nan), color=color, label=label)
    axes.set(xlabel="step", ylabel="largest |loss of R8 less loss of R0|")
    plots.log_axis(axes, "x")
    plots.log_axis(axes, "y")
    plots.legend(figure, axes, "scale")
    return figure


PICTURES = {"curves": curves, "first_steps": first_steps, "scales": scales, "twin": twin}
