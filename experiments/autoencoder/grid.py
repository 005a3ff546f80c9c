"""C50: learning rate and batch size of Adam, varied jointly, where the seed varied one at a time.

The seed found a rate of .01 and batches of 100 best, larger batches slower per epoch, and a jump at 10 000.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.autoencoder.contestants import batch_of
from experiments.autoencoder.times import GRID, epoch_seconds, steps_of
from experiments.autoencoder.views import LOSS, MOST_OF_IT, epochs_to, largest_rise, layers_of, level
from jaxsize import plots
from jaxsize.programs import Batch
from jaxsize.statistics import Estimate, Part, describe, median_interval, paired_difference, trend
from jaxsize.studies import Arms, ArmView, Claim, Setup, above, each, listed, per, trending, within

RATE, ROWS, JUMP_ROWS, ALL_ROWS = 0.01, 100, 10_000, 50_000
"""What the seed found best, where it saw a jump, and of how many images of MNIST (all but validation rows)."""
NEAR = 0.26
"""Rates of a grid are half a decade apart: within a quarter of a decade of the seed's value, its best is meant."""
SCALES: dict[str, Callable[[ArmView], float]] = {
    "epochs": lambda view: 1.0,
    "steps": lambda view: float(steps_of(view)),
    "seconds": epoch_seconds,
}


def grid_structure(structures: tuple[str, ...]) -> str:
    """Return the structure whose rate and batch size are varied: the second one, as in the seed."""
    return structures[min(1, len(structures) - 1)]


def grid_batches(setup: Setup) -> Iterator[Batch]:
    """Make a batch per batch size, with all rates and seeds."""
    flags, made = setup.flags, []
    for rows in flags.grid_batch_sizes if flags.grid else ():
        seeds = min(flags.grid_seeds, flags.num_seeds)
        structure = grid_structure(flags.structures)
        batch = batch_of(setup.after(*made), GRID, structure, "Adam", flags.grid_rates, seeds, batch_size=rows)
        made.append(batch)
        yield batch


def cells(grid: ArmView) -> dict[tuple[float, int], ArmView]:
    """Return the runs of every learning rate and batch size."""
    return grid.by("learning_rate", "batch_size")


def best_cell(grid: ArmView) -> tuple[float, int]:
    """Choose the learning rate and batch size of the least median validation loss at the end."""
    views = cells(grid)
    losses = {cell: describe(view.end("validation_loss"), missing=~view.exists) for cell, view in views.items()}
    known = {cell: of["median"] for cell, of in losses.items() if of["median"] is not None}
    return min(known, key=lambda cell: known[cell]) if known else min(views)


def best_rate(grid: ArmView, rows: int) -> float:
    """Choose the rate in the same way for a batch size."""
    return best_cell(grid.at(batch_size=rows))[0]


def nearest(values: list[Any], wanted: float) -> Any:
    """Return the value that is nearest to a wanted one in logarithms."""
    return min(values, key=lambda value: abs(np.log(value / wanted)))


def usual_rows(grid: ArmView) -> int:
    """Return the batch size of the grid that is nearest to the one the optimisers are compared with."""
    return nearest(grid.values("batch_size"), grid.settings["batch_size"])


def best_of(ends: dict[float, np.ndarray]) -> np.ndarray:
    """Return log10 of the value with the least loss, seed by seed; NaN where no loss is known.

    Args:
        ends: losses [num_seeds] by value.
    """
    losses = np.stack(list(ends.values()), axis=1)
    losses = np.where(np.isfinite(losses), losses, np.inf)
    best = np.log10(list(ends))[np.argmin(losses, axis=1)]
    return np.where(np.isfinite(losses.min(axis=1)), best, np.nan)


def _counts(part: Part, grid: ArmView) -> Part:
    asked = grid.dataset == "mnist" and len(grid.data.train) >= ALL_ROWS
    return part if asked else listed(part, f"the seed's numbers are for all of MNIST, {ALL_ROWS} training rows or more")


def best_values(grid: ArmView) -> Iterator[Part]:
    """Yield log10 of the best rate and of the best batch size, each with the other as in the seed, and of both."""
    seeds, all_cells = grid.by("batch_size"), cells(grid)
    missing = ~next(iter(all_cells.values())).exists
    rows, rate = nearest(list(seeds), ROWS), nearest(grid.values("learning_rate"), RATE)
    of_rates = {rate: view.end(LOSS) for (rate, size), view in all_cells.items() if size == rows}
    of_rows = {float(size): view.end(LOSS) for (one, size), view in all_cells.items() if one == rate}
    for of, ends, wanted in (
        (f"log10 of the best rate, batches of {rows}", of_rates, RATE),
        (f"log10 of the best batch size, rate {rate:g}", of_rows, ROWS),
    ):
        found, log = median_interval(best_of(ends), missing=missing), float(np.log10(wanted))
        yield _counts(within(found, log - NEAR, log + NEAR, of=of), grid)
    for position, (of, wanted) in enumerate((("log10 of the best rate", RATE), ("log10 of the best batch size", ROWS))):
        numbers = {key: number for number, key in enumerate(all_cells)}
        ends = {10.0**number: all_cells[key].end(LOSS) for key, number in numbers.items()}
        which = best_of(ends)
        keys = np.log10([key[position] for key in all_cells])
        found = np.where(missing, np.nan, keys[np.nan_to_num(which).round().astype(int)])
        log = float(np.log10(wanted))
        part = within(median_interval(found, missing=missing), log - NEAR, log + NEAR, of=f"{of}, both varied")
        yield listed(part, "the seed varied one at a time")


def _at_rates(grid: ArmView, own: bool) -> dict[int, ArmView]:
    """Return the runs of every batch size at one rate, the best of the usual batch size, or each at its own best."""
    sizes = grid.values("batch_size")
    usual = best_rate(grid, usual_rows(grid))
    return {size: grid.at(batch_size=size, learning_rate=best_rate(grid, size) if own else usual) for size in sizes}


def larger_is_slower(own: bool) -> Callable[[ArmView], Iterator[Part]]:
    """Make the measure of whether epochs to a level rise with the batch size; steps and seconds are listed.

    Runs that never came there count as the slowest of all, whatever they were given.

    Args:
        own: whether every batch size has its own best rate, or all have the one of the usual batch size.
    """

    def measure(grid: ArmView) -> Iterator[Part]:
        views = _at_rates(grid, own)
        if len(views) < 3:
            return
        levels = level(list(cells(grid).values()), MOST_OF_IT)
        exists = next(iter(views.values())).exists
        for name, scale in SCALES.items():
            values = np.stack([epochs_to(view, levels, never=np.inf) * scale(view) for view in views.values()], axis=1)
            values = np.where(np.isinf(values), 2 * np.max(values, initial=1.0, where=np.isfinite(values)), values)
            rises = trend(list(views), values, direction="positive", missing=~exists)
            part = trending(rises, of=f"{name} to {MOST_OF_IT:.0%} of the way")
            yield part if name == "epochs" else listed(part, "the seed counts epochs")

    return measure


def jumps(grid: ArmView) -> Iterator[Part]:
    """Yield by how much more the test loss rises within an epoch with the largest batches than with the usual ones."""
    views = _at_rates(grid, own=False)
    largest, usual = views[max(views)], views[usual_rows(grid)]
    if max(views) == usual_rows(grid) or largest.curve(LOSS).shape[1] < 2:
        return
    more: Estimate = paired_difference(largest_rise(largest), largest_rise(usual), missing=~largest.exists)
    part = above(more, of=f"largest rise, batches of {max(views)} less {usual_rows(grid)}")
    yield part if max(views) >= JUMP_ROWS else listed(part, f"the seed's jump is at {JUMP_ROWS} rows")


CLAIMS = {
    "C50, best": Claim("a learning rate of .01 and batches of 100 are best for Adam", each(GRID), best_values),
    "C50, larger": Claim(
        "the larger the batch the slower per epoch, at one rate", each(GRID), larger_is_slower(own=False)
    ),
    "C50, larger, own rates": Claim(
        "the larger the batch the slower per epoch, each at its best rate", each(GRID), larger_is_slower(own=True)
    ),
    "C50, jump": Claim("with the largest batches the loss jumps", each(GRID), jumps, "needs batches of other sizes"),
}


@per("dataset")
def heat_maps(arms: Arms) -> Any:
    """Adam with every learning rate and batch size: test loss at the end; epochs, steps, seconds until most is gained.

    Medians over seeds. Most is gained where the loss has come nine tenths of the way from that of the mean image to the
    best end of all; a dash is for cells of which half of the runs or more never came so far. Dark is good.
    """
    if GRID not in arms:
        return None
    grid = arms[GRID]
    levels, known = level(list(cells(grid).values()), MOST_OF_IT), cells(grid)
    rates, sizes = grid.values("learning_rate"), grid.values("batch_size")
    figure, panels = plots.subplots(2, 2, width=0.55 * len(rates) + 1.1, height=0.42 * len(sizes) + 1.3)
    tables = {"test loss at the end": {key: _middle(view, view.end(LOSS)) for key, view in known.items()}}
    for name, scale in SCALES.items():
        tables[f"{name} to 90 %"] = {
            key: _middle(view, epochs_to(view, levels, never=np.inf)) * scale(view) for key, view in known.items()
        }
    for axes, (title, values) in zip(panels.ravel(), tables.items(), strict=True):
        shown = np.array([[values[rate, size] for rate in rates] for size in sizes])
        colours = np.ma.masked_invalid(np.log10(np.where(shown > 0, shown, np.nan)))
        low, high = (colours.min(), colours.max()) if colours.count() else (0, 0)
        top = high + (high - low) / 8  # white is for cells without a number
        axes.imshow(colours, cmap="gray", vmin=low, vmax=max(top, low + 1e-9), aspect="auto", origin="lower")
        for (row, column), value in np.ndenumerate(shown):
            dark = np.isfinite(value) and np.log10(value) < (low + top) / 2
            text = f"{value:.3g}" if value < 100 else f"{value:.0f}"
            text = text if np.isfinite(value) else "\N{EN DASH}"
            axes.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")
        axes.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates], rotation=60)
        axes.set_yticks(range(len(sizes)), [str(size) for size in sizes])
        axes.grid(visible=False)
        axes.set(title=title, xlabel="learning rate", ylabel="batch size" if axes in panels[:, 0] else "")
    (structure,) = grid.values("structure")
    seeds = int(next(iter(known.values())).exists.sum())
    figure.suptitle(f"{grid.dataset}, {layers_of(structure, grid.data)}, Adam, {seeds} seeds: medians")
    return figure


def _middle(view: ArmView, values: np.ndarray) -> float:
    """Return the median of the seeds that there are; runs that diverged are the worst."""
    values = np.where(np.isfinite(values), values, np.inf)[view.exists]
    return float(np.median(values)) if values.size else np.nan
