"""The answers of the study `input_scaling` to C45, C46 and C47."""

import math
from typing import Any

import numpy as np

from experiments.input_scaling.recipes import UNSCALED
from experiments.input_scaling.table import (
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
from jaxsize.data import Form
from jaxsize.results import Runs
from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    bootstrap_interval,
    claim,
    paired_difference,
    range_verdict,
    smallest_sample,
    verdict,
)

MARGIN = 0.02
"""Accuracies count as the same if they differ by at most this; the asker gives two digits with a "~"."""
GROWTH = 10.0
"""Gradients grow if the largest one of the first steps is more than this many times the first one."""
DEAD = 0.99
"""A network counts as dead if at least this share of its units is 0 on a whole batch."""
ABOUT_HALF = 0.55
"""The claim's "about 50 %" is taken to mean less than this."""


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """Answer C45 to C47 in one form."""
    return {"C45": all_zero(runs, form), "C46": what_recovers(runs, form), "C47": both_layers(runs, form)}


def all_zero(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C45 by recipe R1: gradients grow, then all units are dead, all outputs 0, and the loss is that of a guess.

    The gradient of each layer should grow `GROWTH` times.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        for (name, scale), which in recipe_runs(runs, dataset, form).items():
            if name != "R1" or scale not in runs.settings["scales"]:
                continue
            label = {"dataset": dataset, "scale": scale}
            for layer in (0, 1):
                norms = steps(runs, f"gradient_norm_{layer}", which)[:, :FIRST_STEPS]
                largest = np.nan_to_num(norms, nan=np.inf).max(axis=1)
                grown = bootstrap_interval(np.log10(np.minimum(largest, 1e38) / norms[:, 0] / GROWTH))
                measure = f"log10 of largest / first gradient / {GROWTH:g}, layer {layer + 1}"
                parts.append((label | {"of": measure}, grown, verdict(grown, "positive")))
            last = runs.settings["epochs"] - 1
            for key, what in (("dead_share_0", "dead units"), ("zero_outputs", "batches with all outputs 0")):
                share = bootstrap_interval(runs.per_epoch(key, **which)[:, last].mean(axis=-1))
                parts.append((label | {"of": f"share of {what}, last epoch"}, share, range_verdict(share, DEAD, 1)))
            guess = np.log(runs.last("num_classes", **which))
            loss = bootstrap_interval(after(runs, "train_loss", which) / guess)
            parts.append((label | {"of": "loss / ln(classes)"}, loss, range_verdict(loss, 0.999, 1.001)))
            label |= {"uninformative": "a description"}
            step = bootstrap_interval(_first(steps(runs, "dead_share_0", which) >= DEAD))
            measure = f"first step with {DEAD:.0%} of units dead on its batch"
            parts.append((label | {"of": measure}, step, verdict(step, "positive")))
            step = bootstrap_interval(zero_from(steps(runs, "zero_outputs", which)))
            parts.append((label | {"of": "step from which outputs are 0"}, step, verdict(step, "positive")))
    return claim("inputs x c alone: gradients grow, then all outputs are 0", parts)


def _first(true_at: np.ndarray) -> np.ndarray:
    """The first step, counted from 1, at which bool [num_seeds, steps] is true, [num_seeds]; NaN if it never is."""
    return np.where(true_at.any(axis=1), true_at.argmax(axis=1) + 1.0, np.nan)


def what_recovers(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C46 by the test accuracy of each recipe at the end less that of R0, paired over seeds.

    In the corrected form the parts whose learning rates were chosen anew count; those at the asker's rates are listed
    only.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        recipes, retuned = recipe_runs(runs, dataset, form), _retuned(runs, dataset, form)
        for (name, scale), which in recipes.items():
            if name not in (UNSCALED, "R1", "R8") and scale in runs.settings["scales"]:
                label = _label(dataset, scale, name)
                if retuned:
                    label["uninformative"] = "rates as asked"
                parts.append((label, *_against(name, accuracy(runs, which), accuracy(runs, recipes[UNSCALED, 1.0]))))
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


def _against(name: str, accuracies: np.ndarray, reference: np.ndarray) -> tuple[Estimate, Verdict]:
    """A recipe's accuracies less R0's, judged by what the asker saw.

    R3 and R7 do as well as R0 up to `MARGIN`, R4 to R6 are worse by more than that, and R2 is lower.
    """
    difference = paired_difference(accuracies, reference)
    if name.startswith(("R3", "R7", "R8")):
        return difference, range_verdict(difference, -MARGIN, 1)
    return difference, verdict(difference, "negative") if name == "R2" else range_verdict(difference, -1, -MARGIN)


def _longer(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """R2 trained for longer, against R0 trained for --epochs, and against R0 trained for as long."""
    recipes = recipe_runs(runs, dataset, form)
    reference, epochs = recipes[UNSCALED, 1.0], runs.settings["long_epochs"]
    parts: list[Part] = []
    for (name, scale), which in longer(runs, recipes).items():
        if name == "R2":
            label = {"dataset": dataset, "scale": scale, "of": f"R2, {epochs} epochs, less R0"}
            accuracies = accuracy(runs, which, epochs=epochs)
            gap = paired_difference(accuracies, accuracy(runs, reference))
            parts.append((label, gap, range_verdict(gap, -MARGIN, 1)))
            gap = paired_difference(accuracies, accuracy(runs, reference, epochs=epochs))
            also = {"of": "the same less R0 trained as long", "uninformative": "not what was asked"}
            parts.append((label | also, gap, range_verdict(gap, -MARGIN, 1)))
    return parts


def _retuned(runs: Runs, dataset: str, form: Form) -> list[Part]:
    """Every recipe with both its rates multiplied by the factor that is best on validation rows, against R0 likewise.

    This asks whether the right rate makes up for the scale. A factor at the edge of those tried is marked, as a better
    one may lie beyond.
    """
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
    """The dense network that is best on validation rows: its test accuracy less R0's, and less `ABOUT_HALF`."""
    rows = tuned_rows(runs, dataset, form)
    if not rows:
        return []
    best = max(rows, key=lambda row: row["validation_accuracy"]["median"])
    cell: dict[str, Any] = {"dataset": dataset, "form": form, "arm": TUNED_ARM}
    cell |= {name: best[name] for name in ("hidden", "rate", "decay")}
    accuracies = at_best_epoch(runs, cell)["test_accuracy"]
    network = "tuned ({hidden}, rate {rate:g}, decay {decay:g}; best epoch by validation)".format(**cell)
    reference = accuracy(runs, recipe_runs(runs, dataset, form)[UNSCALED, 1.0])
    gain = paired_difference(accuracies, reference)
    label = {"dataset": dataset, "of": f"{network} less R0"}
    parts: list[Part] = [(label | {"uninformative": "a description"}, gain, verdict(gain, "positive"))]
    above = paired_difference(accuracies, np.full(len(accuracies), ABOUT_HALF))
    label = {"dataset": dataset, "of": f"{network} less {ABOUT_HALF:g}"}
    if dataset != "cifar10":
        label["uninformative"] = "said of CIFAR-10"
    return [*parts, (label, above, verdict(above, "negative"))]


def both_layers(runs: Runs, form: Form) -> dict[str, Any]:
    """Answer C47 by R8, whose second layer keeps its learning rate.

    The parts are R8's test accuracy less R0's and, where the scale is a power of 2, how many of R8's losses differ from
    R0's by a bit or more.
    """
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        recipes = recipe_runs(runs, dataset, form)
        for (name, scale), which in recipes.items():
            if name != "R8" or scale not in runs.settings["scales"]:
                continue
            label: dict[str, Any] = {"dataset": dataset, "scale": scale}
            reference = recipes[UNSCALED, 1.0]
            gap = paired_difference(accuracy(runs, which), accuracy(runs, reference))
            parts.append((label | {"of": "R8 less R0"}, gap, _needs_both(gap)))
            if math.frexp(scale)[0] == 0.5:
                losses, expected = (steps(runs, "loss", cell) for cell in (which, reference))
                count = ((losses != expected) & ~(np.isnan(losses) & np.isnan(expected))).sum(axis=1)
                same = Verdict("open" if count.any() else "refuted", f"{count.sum()} of {losses.size} losses differ")
                parts.append((label | {"of": "losses that differ from R0's"}, bootstrap_interval(count), same))
    return claim("both layers need a far lower rate, although only the first should", parts)


def _needs_both(gap: Estimate) -> Verdict:
    """C47 is refuted if R8 does as well as R0 up to `MARGIN`, holds if R8 does worse, and is open otherwise."""
    if gap.n < smallest_sample():
        return verdict(gap, "negative")  # its reason says that there are too few seeds
    inside = range_verdict(gap, -MARGIN, MARGIN)
    lower = gap.high is not None and gap.high < -MARGIN
    return Verdict("refuted" if inside.outcome == "holds" else "holds" if lower else "open", inside.reason)
