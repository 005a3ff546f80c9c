"""Pictures of the optimisers: test loss against epochs, steps and seconds; inputs and what became of them."""

from typing import Any

import numpy as np

from experiments.autoencoder.plane import read_plane
from experiments.autoencoder.times import epoch_seconds, steps_of
from experiments.autoencoder.views import LOSS, in_structure, layers_of, ordered
from jaxsize import plots
from jaxsize.studies import Arms, per


@per("dataset")
def curves(arms: Arms) -> Any:
    """Test loss against epochs, steps and seconds, a row per structure, a line per optimiser at its best rate.

    Lines are medians over seeds, in the range. Seconds are those of one run on one device, by what an epoch took when
    all kinds of runs were timed alike. Level lines are the losses of the mean image, and of as many principal
    components as there are latent units.
    """
    structures = ordered(arms.settings["structures"])
    figure, grid = plots.subplots(len(structures), 3, width=3.6, height=2.6)
    for row, structure in zip(grid, structures, strict=True):
        views = in_structure(arms, structure)
        scales = {
            "epochs": lambda view: 1.0,
            "steps": lambda view: float(steps_of(view)),
            "seconds": epoch_seconds,
        }
        for axes, (name, scale) in zip(row, scales.items(), strict=True):
            lines = {}
            for optimizer, view in views.items():
                losses = view.curve(LOSS)
                lines[optimizer] = np.arange(1, losses.shape[1] + 1) * scale(view), losses
            plots.bands(axes, lines)
            info = arms[0].data.info
            axes.axhline(info["mean_image_loss"], color="0.4", linewidth=0.8, linestyle=":", label="mean image")
            axes.axhline(info["components_loss"], color="0.6", linewidth=0.8, label="components")
            for which in ("x", "y"):
                plots.log_axis(axes, which)
            axes.set(xlabel=name, title=layers_of(structure, arms[0].data) if axes is row[0] else "")
        row[0].set_ylabel("test loss, half squares per image")
        plots.legend_beside(row[-1])
    figure.suptitle(f"{arms.title}: median and range")
    return figure


@per("dataset")
def reconstructions(arms: Arms) -> Any:
    """Test images, above, and what each structure and optimiser makes of them; seed 0, the first image of every class.

    Without classes, the first images.
    """
    rows = {}
    for structure in ordered(arms.settings["structures"]):
        for optimizer, view in in_structure(arms, structure).items():
            rows.setdefault("input", read_plane(view, "inputs"))
            rows[f"{layers_of(structure, arms[0].data)}\n{optimizer}"] = read_plane(view, "outputs")[0]
    if not rows:
        return None
    shape = arms[0].data.input_shape
    count = len(rows["input"])
    figure, panels = plots.subplots(len(rows), 1, width=0.62 * count + 1.6, height=0.62)
    for axes, (name, pixels) in zip(panels[:, 0], rows.items(), strict=True):
        strip = np.concatenate([_framed(image, shape) for image in pixels], axis=1)
        axes.imshow(strip, cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(False)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=7)
    figure.suptitle(arms[0].dataset)
    return figure


def _framed(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Lay an image out, in grey, with an empty column at its sides."""
    grid = image.reshape(shape if len(shape) > 1 else (1, -1))
    grey = grid.mean(axis=-1) if grid.ndim == 3 else grid
    return np.pad(grey, ((1, 1), (1, 1)))


PICTURES = {"curves": curves, "reconstructions": reconstructions}
