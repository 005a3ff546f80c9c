"""The results of the study `plateau`: the table, the answers to C19 and C20, and the pictures."""

import itertools
from typing import Any

import numpy as np

from experiments.plateau.weights import norms_beyond, read_norms
from jaxsize import plots
from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    bootstrap_interval,
    claim,
    describe,
    equivalence_ratio,
    equivalence_verdict,
    paired_difference,
    range_verdict,
    smallest_sample,
    trend,
    verdict,
)

JOURNAL_DECAY = 1e-3
NAMES = {"sgd_l2": "SGD + L2", "adam_l2": "Adam + L2", "adamw": "AdamW"}
GROWTH = 0.05
"""The size is on a plateau if it changes by no more than this share of itself over the last third of the epochs."""
GONE = 0.1
"""Outgoing weights count as zero if less than this share of them is left."""
MARGIN = 0.15
"""Two sizes, or two norms, count as the same if their ratio is within a factor of 1 + this."""
FEW_EPOCHS = "needs at least 3 epochs"


def arms(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
    """Return, by optimiser, the columns that select its runs."""
    where = {"dataset": dataset, "form": form}
    return {arm: where | {"arm": arm} for arm in NAMES if arm in runs.values("arm", **where)}


def cells(runs: Runs, which: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the columns that select the runs of each decay and penalty, one per seed."""
    grid = itertools.product(runs.values("weight_decay", **which), runs.values("penalty", **which))
    return [which | {"weight_decay": decay, "penalty": penalty} for decay, penalty in grid]


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """Make the table: a row per optimiser, decay and penalty.

    Its columns: size, live units, losses and score at the end, `growth` over the last third of the epochs, and what is
    `left` of the outgoing weights of disabled units.
    """
    kind = runs.score(dataset)[0]
    rows = []
    for arm, which in arms(runs, dataset, form).items():
        for cell in cells(runs, which):
            ends = runs.described(["size", "live_units", "train_loss", "test_loss", kind], **cell)
            row = {"dataset": dataset, "form": form, "optimiser": NAMES[arm]}
            row |= {name: value for name, value in ends.items() if name not in which}
            rows.append(row | {"growth": describe(growth(runs, cell)), "left": describe(norms_beyond(runs, cell))})
    return rows


def growth(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """Return the growth over the last third of the epochs as a share of the size, [num_seeds].

    NaN with fewer than 3 epochs, and where the size is not above 0.
    """
    sizes = runs.curve("size", **which)
    third = sizes.shape[1] // 3
    if not third:
        return np.full(runs.num_seeds, np.nan)
    return (sizes[:, -1] - sizes[:, -1 - third]) / np.where(sizes[:, -1] > 0, sizes[:, -1], np.nan)


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C19 and C20 in one form."""
    return {"C19": held_by_decay(runs, form), "C20": unused_are_zero(runs, form)}


def held_by_decay(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C19: without a penalty the size comes to rest, weight decay sets where, and it is twice as high without.

    All parts are at penalty 0: the growth at the end; the size against the size at the smallest penalty and, in the
    original form, against the units allocated; the trend of size with decay; and how many times larger the size is
    under Adam without L2 than with the journal's L2.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for arm, which in arms(runs, dataset, form).items():
            free = which | {"penalty": 0.0}
            label = {"dataset": dataset, "optimiser": NAMES[arm]} | _listed(arm)
            decays = runs.values("weight_decay", **free)
            for decay in (0.0, JOURNAL_DECAY):
                cell = free | {"weight_decay": decay}
                for measure, estimate, answer in _plateau(runs, cell):
                    parts.append((label | {"weight_decay": decay, "of": measure}, estimate, answer))
            sizes = np.stack([runs.last("size", **free, weight_decay=decay) for decay in decays], -1)
            falls = trend(decays, sizes, direction="negative")
            parts.append((label | {"of": "trend of size with decay"}, falls, verdict(falls, "negative")))
            if arm == "adam_l2":
                ratio = bootstrap_interval(_ratio(sizes[:, decays.index(0.0)], sizes[:, decays.index(JOURNAL_DECAY)]))
                parts.append((label | {"of": f"size without / with L2 {JOURNAL_DECAY:g}"}, ratio, about_twice(ratio)))
    text = "the plateau is there at penalty 0, is set by L2, and is about twice as high without L2"
    return claim(text, parts, FEW_EPOCHS)


def _listed(arm: str) -> dict[str, str]:
    """The mark of parts that are listed but do not count: the journal's claims are about Adam + L2 only (E7)."""
    return {} if arm == "adam_l2" else {"uninformative": "not the journal's optimiser"}


def _plateau(runs: Runs, cell: dict[str, Any]) -> list[tuple[str, Estimate, Verdict]]:
    sizes, measures = runs.last("size", **cell), []
    if runs.curve("size", **cell).shape[1] >= 3:
        late = bootstrap_interval(growth(runs, cell))
        measures.append(("growth, last third", late, range_verdict(late, -GROWTH, GROWTH)))
    same_decay = {name: value for name, value in cell.items() if name != "penalty"}
    priced = [penalty for penalty in runs.values("penalty", **same_decay) if penalty > 0]
    if priced:
        ratio = equivalence_ratio(sizes, runs.last("size", **cell | {"penalty": min(priced)}), MARGIN)
        measures.append((f"size / size at penalty {min(priced):g}", ratio, equivalence_verdict(ratio, MARGIN)))
    if cell["form"] == "original":
        below = paired_difference(sizes, np.full(len(sizes), float(runs.settings["width"])))
        measures.append(("size less units allocated", below, verdict(below, "negative")))
    return measures


def _ratio(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The ratio of two sizes, NaN unless both are above 0."""
    fine = (one > 0) & (other > 0)
    return np.where(fine, one, np.nan) / np.where(fine, other, 1.0)


def about_twice(ratio: Estimate) -> Verdict:
    """Judge whether a ratio is about 2.

    It is if the interval lies above 1 and reaches 2 up to `MARGIN`. It is refuted if the interval does not reach 2 up
    to `MARGIN`, and open otherwise.
    """
    if ratio.low is None or ratio.high is None or ratio.n < smallest_sample():
        return Verdict("open", f"n = {ratio.n}: too few for an interval")
    low, high = 2 / (1 + MARGIN), 2 * (1 + MARGIN)
    reaches, above = ratio.low <= high and ratio.high >= low, ratio.low > 1
    place = f"{'reaches' if reaches else 'does not reach'} [{low:.4g}, {high:.4g}], {'ex' if above else 'in'}cludes 1"
    outcome = "refuted" if not reaches else "holds" if above else "open"
    return Verdict(outcome, f"{ratio.estimate:.4g}, interval [{ratio.low:.4g}, {ratio.high:.4g}] {place}")


def unused_are_zero(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C20, at penalty 0: what is left of the outgoing weights of units beyond the gray zone.

    With decay it should be less than `GONE`; without decay, as much as before training up to `MARGIN`.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for arm, which in arms(runs, dataset, form).items():
            free = which | {"penalty": 0.0}
            for decay in runs.values("weight_decay", **free):
                left = bootstrap_interval(norms_beyond(runs, free | {"weight_decay": decay}))
                label = {"dataset": dataset, "optimiser": NAMES[arm], "weight_decay": decay} | _listed(arm)
                if decay:
                    parts.append((label | {"expected": "zero"}, left, range_verdict(left, 0.0, GONE)))
                else:
                    answer = range_verdict(left, 1 / (1 + MARGIN), 1 + MARGIN)
                    parts.append((label | {"expected": "as at the start"}, left, answer))
    return claim("outgoing weights of disabled units are zero with L2, and as at the start without", parts)


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Draw gates and outgoing weights unit by unit, and size against decay and against epochs."""
    trained = [(form, arm, which) for form in runs.settings["form"] for arm, which in arms(runs, dataset, form).items()]
    return {"units": _units(runs, dataset, trained), "decay": _sizes(runs, dataset, trained)}


def _units(runs: Runs, dataset: str, trained: list[tuple[Form, str, dict[str, Any]]]) -> Any:
    """A row per optimiser, and three columns: no decay, the journal's, and the largest."""
    lines: list[Any] = []
    names: list[str] = []
    shown = sorted({0.0, JOURNAL_DECAY, max(runs.values("weight_decay", dataset=dataset))})
    figure, panels = plots.subplots(len(trained), len(shown), width=3.6, height=2.3)
    for row, (form, arm, which) in zip(panels, trained, strict=True):
        for axes, decay in zip(row, shown, strict=True):
            cell = which | {"penalty": 0.0, "weight_decay": decay}
            sizes, slopes = runs.last("size", **cell), runs.last("slope", **cell)
            if not np.isfinite(sizes).any():
                axes.set_axis_off()
                continue
            before, after = read_norms(runs, cell)
            units = np.arange(after.shape[1])
            gates = 1 / (1 + np.exp(-np.clip(slopes[:, None] * (sizes[:, None] - units), -700, 700)))
            weights = axes.twinx()
            plots.band(weights, units, before, color="0.6", label="outgoing, before training", linewidth=0.8)
            plots.band(weights, units, after, color="C1", label="outgoing, after training", linewidth=0.8)
            plots.band(axes, units, gates, color="C0", label="gate")
            lines, names = (
                one + other
                for one, other in zip(*(of.get_legend_handles_labels() for of in (axes, weights)), strict=True)
            )
            weights.set_ylim(bottom=0)
            weights.set_ylabel("sum of |outgoing weights|", fontsize=7)
            weights.grid(False)
            weights.spines["right"].set_visible(True)
            decay_name = f"{form}: {NAMES[arm]}, decay {decay:g}"
            axes.set(xlabel="unit", ylabel="gate", title=decay_name, ylim=(0, 1.05))
            axes.set_zorder(weights.get_zorder() + 1)
            axes.patch.set_visible(False)
    figure.legend(lines, names, loc="outside lower center", ncols=3)
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds, no penalty: median and range of units")
    return figure


def _sizes(runs: Runs, dataset: str, trained: list[tuple[Form, str, dict[str, Any]]]) -> Any:
    """A column per optimiser: above, end size against decay for every penalty; below, size against epochs at
    penalty 0 for every decay."""
    figure, panels = plots.subplots(2, len(trained), width=3.0)
    for column, (form, arm, which) in enumerate(trained):
        above, below = panels[:, column]
        decays, penalties = runs.values("weight_decay", **which), runs.values("penalty", **which)
        for color, penalty in zip(plots.colors(len(penalties)), penalties, strict=True):
            sizes = np.stack([runs.last("size", **which, penalty=penalty, weight_decay=d) for d in decays], -1)
            plots.band(above, np.arange(len(decays)), sizes, color=color, label=f"{penalty:g}", marker="o")
        above.set_xticks(np.arange(len(decays)), [f"{decay:g}" for decay in decays])
        above.set(xlabel="weight decay", ylabel="size at the end", title=f"{form}: {NAMES[arm]}")
        above.legend(title="penalty", fontsize=6, title_fontsize=7)
        for color, decay in zip(plots.colors(len(decays)), decays, strict=True):
            curve = runs.curve("size", **which, penalty=0.0, weight_decay=decay)
            plots.band(below, np.arange(1, curve.shape[1] + 1), curve, color=color, label=f"{decay:g}")
        below.set(xlabel="epoch", ylabel="size at penalty 0")
        below.legend(title="weight decay", fontsize=6, title_fontsize=7)
        below.xaxis.get_major_locator().set_params(integer=True)
    for form in runs.settings["form"]:  # sizes of a form on one scale
        same = [panels[row, column] for row in (0, 1) for column, (of, *_) in enumerate(trained) if of == form]
        low, high = np.array([axes.get_ylim() for axes in same]).T
        for axes in same:
            axes.set_ylim(low.min(), high.max())
    figure.suptitle(f"{dataset}, {runs.num_seeds} seeds: median and range")
    return figure
