"""What the runs on scaled inputs say of C45 to C47."""

import math
from typing import Any

import numpy as np

from experiments.flexible_runs import Runs
from experiments.input_scaling_recipes import UNSCALED
from experiments.input_scaling_report import (
    FIRST_STEPS,
    TUNED_ARM,
    accuracy,
    after,
    at_best_epoch,
    longer,
    recipe_runs,
    steps,
    tuned_rows,
    zero_from,
)
from jaxsize.datasets import Form
from jaxsize.statistics import Estimate, bootstrap_interval, paired_difference, smallest_sample
from jaxsize.verdicts import Part, Verdict, claim, range_verdict, verdict

MARGIN = 0.02
"""Accuracies are the same up to this; the asker gives two digits with a "~"."""
GROWTH = 10.0
"""Gradients grow if the largest of the first steps is more than so many times the first one."""
DEAD = 0.99
"""Share of units that put out 0 on a whole batch in a network that is as good as dead."""
ABOUT_HALF = 0.55
"""About 50 %: less than this."""


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """C45 to C47 in one form."""
    return {"C45": all_zero(runs, form), "C46": what_recovers(runs, form), "C47": both_layers(runs, form)}


def all_zero(runs: Runs, form: Form) -> dict[str, Any]:
    """R1: gradients grow (each layer's, `GROWTH` times); then all units are dead, all outputs 0 and the loss that of a
    guess."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for (name, scale), which in recipe_runs(runs, dataset, form).items():
            if name != "R1" or scale not in runs.settings["scales"]:
                continue
            label = {"dataset": dataset, "scale": scale}
            for layer in (0, 1):
                norms = steps(runs, f"gradient_norm_{layer}", which)[:, :FIRST_STEPS]
                largest = np.nan_to_num(norms, nan=np.inf).max(axis=1)
                found = bootstrap_interval(np.log10(np.minimum(largest, 1e38) / norms[:, 0] / GROWTH))
                told = f"log10 of largest / first gradient / {GROWTH:g}, layer {layer + 1}"
                parts.append((label | {"of": told}, found, verdict(found, "positive")))
            last = runs.settings["epochs"] - 1
            for key, told in (("dead_share_0", "dead units"), ("zero_outputs", "batches with all outputs 0")):
                found = bootstrap_interval(runs.per_epoch(key, **which)[:, last].mean(axis=-1))
                parts.append((label | {"of": f"share of {told}, last epoch"}, found, range_verdict(found, DEAD, 1)))
            guess = np.log(runs.last("num_classes", **which))
            found = bootstrap_interval(after(runs, "train_loss", which) / guess)
            parts.append((label | {"of": "loss / ln(classes)"}, found, range_verdict(found, 0.999, 1.001)))
            label |= {"uninformative": "a description"}
            found = bootstrap_interval(_first(steps(runs, "dead_share_0", which) >= DEAD))
            told = f"first step with {DEAD:.0%} of units dead on its batch"
            parts.append((label | {"of": told}, found, verdict(found, "positive")))
            found = bootstrap_interval(zero_from(steps(runs, "zero_outputs", which)))
            parts.append((label | {"of": "step from which outputs are 0"}, found, verdict(found, "positive")))
    return claim("inputs x c alone: gradients grow, then all outputs are 0", parts)


def _first(there: np.ndarray) -> np.ndarray:
    """[num_seeds]: the first step, from 1 on, at which it is so, NaN if it never is. there: bool [num_seeds, steps]."""
    return np.where(there.any(axis=1), there.argmax(axis=1) + 1.0, np.nan)


def what_recovers(runs: Runs, form: Form) -> dict[str, Any]:
    """Paired over seeds, test accuracy at the end less that of R0. In the corrected form, where rates are chosen anew,
    that is what counts."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        found, retuned = recipe_runs(runs, dataset, form), _retuned(runs, dataset, form)
        for (name, scale), which in found.items():
            if name not in (UNSCALED, "R1", "R8") and scale in runs.settings["scales"]:
                label = _label(dataset, scale, name)
                if retuned:
                    label["uninformative"] = "rates as asked"
                parts.append((label, *_against(name, accuracy(runs, which), accuracy(runs, found[UNSCALED, 1.0]))))
        parts += _longer(runs, dataset, form) + retuned + _tuned(runs, dataset, form)
    text = (
        f"R2 ends lower than R0 (more epochs may close it), R3 and R7 recover (up to {MARGIN:g}), R4 to R6 fail;"
        " about 50 % is the most a dense network gets"
    )
    return claim(text, parts)


def _label(dataset: str, scale: float, name: str) -> dict[str, Any]:
    label: dict[str, Any] = {"dataset": dataset, "scale": scale, "of": f"{name} less R0"}
    if name.endswith("b"):
        label["uninformative"] = f"another reading of {name[:-1]}"
    return label


def _against(name: str, mine: np.ndarray, reference: np.ndarray) -> tuple[Estimate, Verdict]:
    """What was seen of a recipe: R3 and R7 do as well as R0 up to `MARGIN`, R4 to R6 worse by more, R2 is lower."""
    found = paired_difference(mine, reference)
    if name.startswith(("R3", "R7", "R8")):
        return found, range_verdict(found, -MARGIN, 1)
    return found, verdict(found, "negative") if name == "R2" else range_verdict(found, -1, -MARGIN)


def _longer(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """R2 trained for longer, against R0 as asked, and trained as long."""
    found = recipe_runs(runs, dataset, form)
    reference, epochs = found[UNSCALED, 1.0], runs.settings["long_epochs"]
    parts: list[Part] = []
    for (name, scale), which in longer(runs, found).items():
        if name == "R2":
            label = {"dataset": dataset, "scale": scale, "of": f"R2, {epochs} epochs, less R0"}
            mine = accuracy(runs, which, epochs=epochs)
            gap = paired_difference(mine, accuracy(runs, reference))
            parts.append((label, gap, range_verdict(gap, -MARGIN, 1)))
            gap = paired_difference(mine, accuracy(runs, reference, epochs=epochs))
            also = {"of": "the same less R0 trained as long", "uninformative": "not what was asked"}
            parts.append((label | also, gap, range_verdict(gap, -MARGIN, 1)))
    return parts


def _retuned(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """Every recipe with both its rates multiplied by the factor that is best on validation rows, against R0 with its
    own: can one rate make up for the scale? A factor at the edge of those tried is marked: a better may lie beyond."""
    factors = sorted(runs.settings["rate_factors"])
    if form != "corrected" or len(factors) < 2:
        return []
    best: dict[tuple[str, float], dict[str, Any]] = {}
    for key, which in recipe_runs(runs, dataset, form).items():
        cells = [which | {"rate_factor": factor} for factor in factors]
        best[key] = max(cells, key=lambda cell: float(np.median(accuracy(runs, cell, "validation_accuracy"))))
    parts: list[Part] = []
    for (name, scale), which in best.items():
        if name != UNSCALED:
            label, factor = _label(dataset, scale, name), which["rate_factor"]
            edge = ", an edge" if factor in (factors[0], factors[-1]) else ""
            label["of"] += f", rates chosen anew, times {factor:g}{edge} and {best[UNSCALED, 1.0]['rate_factor']:g}"
            if name in ("R1", "R8"):
                label["uninformative"] = "not what was asked"
            parts.append((label, *_against(name, *(accuracy(runs, cell) for cell in (which, best[UNSCALED, 1.0])))))
    return parts


def _tuned(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """The dense network that is best on validation rows: its test accuracy less R0's, and less "about 50 %"."""
    rows = tuned_rows(runs, dataset, form)
    if not rows:
        return []
    best = max(rows, key=lambda row: row["validation_accuracy"]["median"])
    cell: dict[str, Any] = {"dataset": dataset, "form": form, "arm": TUNED_ARM}
    cell |= {name: best[name] for name in ("hidden", "rate", "decay")}
    mine = at_best_epoch(runs, cell)["test_accuracy"]
    told = "tuned ({hidden}, rate {rate:g}, decay {decay:g}; best epoch by validation)".format(**cell)
    reference = accuracy(runs, recipe_runs(runs, dataset, form)[UNSCALED, 1.0])
    found = paired_difference(mine, reference)
    label = {"dataset": dataset, "of": f"{told} less R0"}
    parts: list[Part] = [(label | {"uninformative": "a description"}, found, verdict(found, "positive"))]
    found = paired_difference(mine, np.full(len(mine), ABOUT_HALF))
    label = {"dataset": dataset, "of": f"{told} less {ABOUT_HALF:g}"}
    if dataset != "cifar10":
        label["uninformative"] = "said of CIFAR-10"
    return [*parts, (label, found, verdict(found, "negative"))]


def both_layers(runs: Runs, form: Form) -> dict[str, Any]:
    """R8, whose second layer keeps its rate: its test accuracy less R0's and, at powers of 2, how many of its losses
    differ from R0's by a bit."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        found = recipe_runs(runs, dataset, form)
        for (name, scale), which in found.items():
            if name != "R8" or scale not in runs.settings["scales"]:
                continue
            label: dict[str, Any] = {"dataset": dataset, "scale": scale}
            reference = found[UNSCALED, 1.0]
            gap = paired_difference(accuracy(runs, which), accuracy(runs, reference))
            parts.append((label | {"of": "R8 less R0"}, gap, _needs_both(gap)))
            if math.frexp(scale)[0] == 0.5:
                mine, theirs = (steps(runs, "loss", cell) for cell in (which, reference))
                count = ((mine != theirs) & ~(np.isnan(mine) & np.isnan(theirs))).sum(axis=1)
                same = Verdict("open" if count.any() else "refuted", f"{count.sum()} of {mine.size} losses differ")
                parts.append((label | {"of": "losses that differ from R0's"}, bootstrap_interval(count), same))
    return claim("both layers need a far lower rate, although only the first should", parts)


def _needs_both(found: Estimate) -> Verdict:
    """Refuted if R8 does as well as R0 up to `MARGIN`, holds if it does worse, else open."""
    if found.n < smallest_sample():
        return verdict(found, "negative")  # which says so
    inside = range_verdict(found, -MARGIN, MARGIN)
    lower = found.high is not None and found.high < -MARGIN
    return Verdict("refuted" if inside.outcome == "holds" else "holds" if lower else "open", inside.reason)
