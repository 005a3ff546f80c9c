"""C45, C46 and C47: what becomes of a network whose inputs are multiplied by a number, and what makes up for it."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.input_scaling.recipes import UNSCALED
from experiments.input_scaling.table import accuracy, after, at_best_epoch, best_factor, steps, zero_from
from jaxsize.statistics import (
    Estimate,
    Part,
    Verdict,
    bootstrap_interval,
    paired_difference,
    range_verdict,
    smallest_sample,
    verdict,
)
from jaxsize.studies import Arms, ArmView, Claim, above, below, listed, within
from jaxsize.studies.choosing import Choice

FIRST_STEPS = 200
"""The number of steps that count as first ones."""
MARGIN = 0.02
"""Accuracies count as the same if they differ by at most this; the asker gives two digits with a "~"."""
GROWTH = 10.0
"""Gradients grow if the largest one of the first steps is more than this many times the first one."""
DEAD = 0.99
"""A network counts as dead if at least this share of its units is 0 on a whole batch."""
ABOUT_HALF = 0.55
"""The claim's "about 50 %" is taken to mean less than this."""


def beside_r0(*names: str) -> Any:
    """Choose recipes at each of --scales, each beside R0."""

    def choose(arms: Arms) -> Iterator[Choice]:
        for dataset in arms.datasets:
            here = arms.at(dataset=dataset)
            for recipe in here.like(*names):
                for scale, one in recipe.by("input_scale").items():
                    if scale in arms.settings["scales"]:
                        yield {"dataset": dataset, "scale": scale}, (one, here[UNSCALED])
            if "tuned" in names and "tuned" in here:
                yield {"dataset": dataset}, (here["tuned"], here[UNSCALED])

    return choose


def dies(r1: ArmView, _: ArmView) -> Iterator[Part]:
    """Yield how much gradients of R1 grow, and the share of dead units, of outputs 0, and the loss at the end."""
    r1 = r1.at(rate_factor=1.0)
    for layer in (0, 1):
        norms = steps(r1, f"gradient_norm_{layer}")[:, :FIRST_STEPS]
        largest = np.nan_to_num(norms, nan=np.inf).max(axis=1)
        grown = bootstrap_interval(np.log10(np.minimum(largest, 1e38) / norms[:, 0] / GROWTH))
        yield above(grown, of=f"log10 of largest / first gradient / {GROWTH:g}, layer {layer + 1}")
    last = r1.settings["epochs"] - 1
    for key, what in (("dead_share_0", "dead units"), ("zero_outputs", "batches with all outputs 0")):
        share = bootstrap_interval(r1.steps_by_epoch(key)[:, last].mean(axis=-1))
        yield within(share, DEAD, 1, of=f"share of {what}, last epoch")
    loss = bootstrap_interval(after(r1, "train_loss") / np.log(r1.end("num_classes")))
    yield within(loss, 0.999, 1.001, of="loss / ln(classes)")
    dead = steps(r1, "dead_share_0") >= DEAD
    first = bootstrap_interval(np.where(dead.any(axis=1), dead.argmax(axis=1) + 1.0, np.nan))
    yield listed(above(first, of=f"first step with {DEAD:.0%} of units dead on its batch"), "a description")
    since = bootstrap_interval(zero_from(steps(r1, "zero_outputs")))
    yield listed(above(since, of="step from which outputs are 0"), "a description")


def lead(one: ArmView, other: ArmView, epochs: int | None = None, other_epochs: int | None = None) -> Estimate:
    """Estimate by how much one test accuracy is above another, paired over seeds and rounded as all scores are."""
    difference = np.round(accuracy(one, epochs) - accuracy(other, other_epochs), 6)
    return paired_difference(difference, np.zeros(len(difference)))


def what_recovers(recipe: ArmView, r0: ArmView) -> Iterator[Part]:
    """Answer C46."""
    if recipe.name == "tuned":
        yield from tuned(recipe, r0)
        return
    for label, one, reference in compared(recipe, r0):
        gap = lead(one, reference)
        if recipe.name.startswith(("R3", "R7", "R8")):
            outcome = range_verdict(gap, -MARGIN, 1)
        else:
            outcome = verdict(gap, "negative") if recipe.name == "R2" else range_verdict(gap, -1, -MARGIN)
        yield label, gap, outcome
    if recipe.name == "R2" and recipe.values("num_epochs") == [recipe.settings["long_epochs"]]:
        epochs = recipe.settings["long_epochs"]
        yield within(lead(recipe, r0, epochs), -MARGIN, 1, of=f"R2, {epochs} epochs, less R0")
        also = within(lead(recipe, r0, epochs, epochs), -MARGIN, 1, of="the same less R0 trained as long")
        yield listed(also, "not what was asked")


def compared(recipe: ArmView, r0: ArmView) -> Iterator[tuple[dict[str, Any], ArmView, ArmView]]:
    """Yield a recipe beside R0 at the asker's rates and, where there are several factors of them, at the best ones.

    Both have the factor that is best on validation rows. It is marked where it is at the edge of those tried, as a
    better one may lie beyond.
    """
    factors = recipe.values("rate_factor")
    label: dict[str, Any] = {"of": f"{recipe.name} less {r0.name}"}
    asked = {"uninformative": f"another reading of {recipe.name[:-1]}"} if recipe.name.endswith("b") else {}
    if len(factors) == 1 and recipe.name in ("R1", "R8"):
        return
    if recipe.name not in ("R1", "R8"):
        yield (
            label | asked | ({"uninformative": "rates as asked"} if len(factors) > 1 else {}),
            *(arm.at(rate_factor=1.0) for arm in (recipe, r0)),
        )
    if len(factors) > 1:
        one, reference = best_factor(recipe), best_factor(r0)
        factor = one.where["rate_factor"]
        edge = ", an edge" if factor in (factors[0], factors[-1]) else ""
        label["of"] += f", rates chosen anew, times {factor:g}{edge} and {reference.where['rate_factor']:g}"
        more = {"uninformative": "not what was asked"} if recipe.name in ("R1", "R8") else asked
        yield label | more, one, reference


def tuned(networks: ArmView, r0: ArmView) -> Iterator[Part]:
    """Yield the test accuracy of the dense network that is best on validation rows less R0's, and less ABOUT_HALF."""
    cells = networks.by("hidden", "learning_rate", "weight_decay")
    cell, best = max(cells.items(), key=lambda item: float(np.median(at_best_epoch(item[1], "validation_accuracy"))))
    network = "tuned ({}, rate {:g}, decay {:g}; best epoch by validation)".format(*cell)
    accuracies = at_best_epoch(best, "test_accuracy")
    gain = paired_difference(accuracies, accuracy(r0.at(rate_factor=1.0)))
    yield listed(above(gain, of=f"{network} less R0"), "a description")
    part = below(
        paired_difference(accuracies, np.full(len(accuracies), ABOUT_HALF)), of=f"{network} less {ABOUT_HALF:g}"
    )
    yield part if networks.dataset == "cifar10" else listed(part, "said of CIFAR-10")


def both_layers(r8: ArmView, r0: ArmView) -> Iterator[Part]:
    """Yield R8's test accuracy less R0's and, where the scale is a power of 2, how many of its losses differ."""
    r8, r0 = r8.at(rate_factor=1.0), r0.at(rate_factor=1.0)
    gap = lead(r8, r0)
    yield {"of": "R8 less R0"}, gap, _needs_both(gap)
    if math.frexp(r8.where["input_scale"])[0] == 0.5:
        losses, expected = steps(r8, "loss"), steps(r0, "loss")
        count = ((losses != expected) & ~(np.isnan(losses) & np.isnan(expected))).sum(axis=1)
        same = Verdict("open" if count.any() else "refuted", f"{count.sum()} of {losses.size} losses differ")
        yield {"of": "losses that differ from R0's"}, bootstrap_interval(count), same


def _needs_both(gap: Estimate) -> Verdict:
    """C47 is refuted if R8 does as well as R0 up to `MARGIN`, holds if R8 does worse, and is open otherwise."""
    if gap.n < smallest_sample():
        return verdict(gap, "negative")  # its reason says that there are too few seeds
    inside = range_verdict(gap, -MARGIN, MARGIN)
    lower = gap.high is not None and gap.high < -MARGIN
    return Verdict("refuted" if inside.outcome == "holds" else "holds" if lower else "open", inside.reason)


CLAIMS = {
    "C45": Claim("inputs x c alone: gradients grow, then all outputs are 0", beside_r0("R1"), dies),
    "C46": Claim(
        f"R2 ends lower than R0 (more epochs may close it), R3 and R7 recover (up to {MARGIN:g}), R4 to R6 fail;"
        " about 50 % is the most a dense network gets",
        beside_r0("R[1-8]*", "tuned"),
        what_recovers,
    ),
    "C47": Claim("both layers need a far lower rate, although only the first should", beside_r0("R8"), both_layers),
}
