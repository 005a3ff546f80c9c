"""Axes of the pictures of the compress study: limits without outliers, logarithmic scales, densities."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from jaxsize import plots


def log(axes: Any, which: Literal["x", "y"]) -> None:
    """Make an axis logarithmic, and long enough for at least two numbers on it."""
    low, high = axes.dataLim.intervalx if which == "x" else axes.dataLim.intervaly
    if 0 < low <= high < 5 * low:
        axes.set(**{f"{which}lim": (np.sqrt(low * high) / 2.4, np.sqrt(low * high) * 2.4)})
    plots.log_axis(axes, which)


def zoom(axes: Any, which: Literal["x", "y"], name: str, values: Sequence[float]) -> None:
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


def count_outside(axes: Any, xs: Sequence[float], ys: Sequence[float], text: str = "") -> None:
    """Say above the panel, after some text, how many points its limits leave out; nothing where there is none."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    outside = sum(not (left <= x <= right and bottom <= y <= top) for x, y in zip(xs, ys, strict=True))
    axes.set_title(text + f"{outside} outside the axes" * (outside > 0), loc="left", fontsize=9)


def density(
    rows: Sequence[Mapping[str, Any]], name: str, ends: tuple[float, float], scale: str
) -> tuple[np.ndarray, np.ndarray]:
    """Places between the ends, and the density of penalised networks there; NaN with fewer than 5 different scores."""
    from scipy.stats import gaussian_kde

    to, back = (np.log, np.exp) if scale == "log" else (np.array, np.array)
    values = to([row[name] for row in rows if row["penalty"] and ends[0] <= row[name] <= ends[1]])
    places, enough = np.linspace(to(ends[0]), to(ends[1]), 200), np.unique(np.round(values, 9)).size >= 5
    return back(places), gaussian_kde(values)(places) if enough else np.full(200, np.nan)
