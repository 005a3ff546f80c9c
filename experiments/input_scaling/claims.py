"""C45, C46 and C47: what becomes of a network whose inputs are multiplied by a number, and what makes up for it.

C46 is several claims, each judged alone (C46a to C46h). What the source leaves open is not decided: the asker
gives accuracies in whole per cents for R0 ("~ 50 %") and R2 ("~ 43 %") alone, and of the others says that a recipe
restores the accuracy of R0 (R3), works (R7), has trouble (R4, R5), or does not help (R6), where R2 helps.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from experiments.input_scaling.recipes import UNSCALED
from experiments.input_scaling.table import accuracy, at_best_epoch, best_factor, zero_from
from jaxsize.statistics import Estimate, Part, Verdict, median_interval, paired_difference, verdict
from jaxsize.studies import Arms, ArmView, Claim, above, below, each, exactly, listed, unclear, within

FIRST_STEPS = 200
"""The number of steps that count as first ones."""
WHOLE_PERCENT = 0.01
"""Accuracies that differ by less look the same in the asker's whole per cents."""


def at_scales(*names: str) -> Callable[[Arms], Iterator[Any]]:
    """Choose recipes at each of --scales, beside R0 and R2 at the same scale, as all were after --epochs."""

    def choose(arms: Arms) -> Iterator[Any]:
        for (dataset,), here in arms.until(arms.settings.get("epochs")).by("dataset").items():
            for recipe in here.like(*names):
                for scale, one in recipe.by("input_scale").items():
                    if scale in arms.settings["scales"]:
                        beside = here[UNSCALED], here["R2"].at(input_scale=scale)
                        yield {"dataset": dataset, "scale": scale}, (one, *beside)

    return choose


def dies(r1: ArmView, *_: ArmView) -> Iterator[Part]:
    """Yield how much gradients of R1 grow after the first step, and whether all outputs are 0 at the last one.

    The asker does not say how much gradients grow, and speaks of outputs, not of units. Listed are when outputs become
    0, the share of dead units, and the loss, which is ln(classes) where all outputs are 0.
    """
    r1 = r1.at(rate_factor=1.0)
    for layer in (0, 1):
        norms = r1.steps(f"gradient_norm_{layer}")[:, :FIRST_STEPS]
        largest = np.minimum(np.nan_to_num(norms[:, 1:], nan=np.inf).max(axis=1), 1e38)
        grown = median_interval(np.log10(largest / norms[:, 0]))
        yield above(grown, of=f"log10 of largest later / first gradient, layer {layer + 1}")
    zero = r1.steps("zero_outputs")
    yield exactly(1, zero[:, -1], median_interval(zero[:, -1]), of="all outputs are 0 at the last step")
    described = {
        "step from which outputs are 0": zero_from(zero),
        "share of batches with all outputs 0, last epoch": r1.steps_by_epoch("zero_outputs")[:, -1].mean(axis=-1),
        "share of dead units, last epoch": r1.steps_by_epoch("dead_share_0")[:, -1].mean(axis=-1),
        "loss / ln(classes)": r1.end("train_loss") / np.log(r1.values("num_classes")[0]),
    }
    for of, values in described.items():
        yield listed(above(median_interval(values), of=of), "a description")


def lead(one: ArmView, other: ArmView) -> Estimate:
    """Estimate by how much one test accuracy is above another, paired over seeds and rounded as all scores are."""
    difference = np.round(accuracy(one) - accuracy(other), 6)
    return paired_difference(difference, np.zeros(len(difference)))


def compared(recipe: ArmView, other: ArmView) -> Iterator[tuple[dict[str, Any], ArmView, ArmView]]:
    """Yield a recipe beside another one at the asker's rates and, where there are several factors of them, at the best.

    Each has the factor that is best on its validation rows. It is marked where it is at the edge of those tried, as a
    better one may lie beyond.

    Yields:
        A label, and the runs of both. At several factors those with the asker's rates do not count.
    """
    factors, of = recipe.values("rate_factor"), f"{recipe.name} less {other.name}"
    why = {"uninformative": f"another reading of {recipe.name[:-1]}"} if recipe.name.endswith("b") else {}
    asked = {"uninformative": "rates as asked"} if len(factors) > 1 else why
    yield {"of": of} | asked, recipe.at(rate_factor=1.0), other.at(rate_factor=1.0)
    if len(factors) > 1:
        one, reference = best_factor(recipe), best_factor(other)
        factor, beside = (arm.where["rate_factor"] for arm in (one, reference))
        edge = ", an edge" if factor in (factors[0], factors[-1]) else ""
        yield {"of": f"{of}, rates chosen anew, times {factor:g}{edge} and {beside:g}"} | why, one, reference


def ends_lower(recipe: ArmView, other: ArmView, *_: ArmView) -> Iterator[Part]:
    """Yield a recipe's test accuracy less that of another, which should be higher."""
    for label, one, reference in compared(recipe, other):
        yield below(lead(one, reference), **label)


def recovers(recipe: ArmView, r0: ArmView, *_: ArmView) -> Iterator[Part]:
    """Yield a recipe's test accuracy less R0's: what the asker has back, in whole per cents."""
    for label, one, reference in compared(recipe, r0):
        yield within(lead(one, reference), -WHOLE_PERCENT, 1, **label)


def works(recipe: ArmView, r0: ArmView, r2: ArmView) -> Iterator[Part]:
    """Yield a recipe's test accuracy less R0's. It works if it recovers, and does not if it ends lower than R2."""
    for part, (_, one, helped) in zip(recovers(recipe, r0), compared(recipe, r2), strict=True):
        is_between = part[2].outcome == "refuted" and verdict(lead(one, helped), "negative").outcome != "holds"
        yield unclear(part, 'how far below R0 "works" may end') if is_between else part


def fails(recipe: ArmView, r0: ArmView, r2: ArmView) -> Iterator[Part]:
    """Yield a recipe's test accuracy less that of R2, which the asker says helps; that less R0's is listed."""
    yield from ends_lower(recipe, r2)
    for part in ends_lower(recipe, r0):
        yield listed(part, "a description")


def closes(r2: ArmView, r0: ArmView, *_: ArmView) -> Iterator[Part]:
    """Yield the test accuracy of R2 trained for longer less R0's, trained for --epochs and for as long."""
    longer, epochs = r2.until(None), r2.settings["long_epochs"]
    yield within(lead(longer, r0), -WHOLE_PERCENT, 1, of=f"R2, {epochs} epochs, less R0")
    part = within(lead(longer, r0.until(None)), -WHOLE_PERCENT, 1, of="the same less R0 trained as long")
    yield listed(part, "not what was asked")


def is_most(tuned: ArmView) -> Iterator[Part]:
    """Yield the test accuracy on CIFAR-10 of the dense network that is best on validation rows.

    Up to .5 the claim holds, from .6 on, which is about 60 %, it is refuted; the source does not say more.
    """
    if tuned.dataset != "cifar10":
        return
    cells = tuned.by("hidden", "learning_rate", "weight_decay")
    cell = max(cells, key=lambda cell: float(np.median(at_best_epoch(cells[cell], "validation_accuracy"))))
    score = median_interval(at_best_epoch(cells[cell], "test_accuracy"))
    network = "tuned ({}, rate {:g}, decay {:g}; best epoch by validation)".format(*cell)
    part = within(score, 0, 0.5, of=f"test accuracy, {network}")
    is_between = part[2].outcome == "refuted" and within(score, 0, 0.6)[2].outcome != "refuted"
    yield unclear(part, 'how far above 50 % "about 50 %" reaches') if is_between else part


def both_layers(r8: ArmView, r0: ArmView, *_: ArmView) -> Iterator[Part]:
    """Yield R8's test accuracy less R0's and, where the scale is a power of 2, how many of its losses differ.

    In R8 the rate of the second layer is R0's: both layers need a lower one only if R8 ends lower.
    """
    r8, r0 = r8.at(rate_factor=1.0), r0.at(rate_factor=1.0)
    yield within(lead(r8, r0), -1, -WHOLE_PERCENT, of="R8 less R0")
    if math.frexp(r8.where["input_scale"])[0] == 0.5:
        losses, expected = r8.steps("loss"), r0.steps("loss")
        count = ((losses != expected) & ~(np.isnan(losses) & np.isnan(expected))).sum(axis=1)
        same = Verdict("open" if count.any() else "refuted", f"{count.sum()} of {losses.size} losses differ")
        yield {"of": "losses that differ from R0's"}, median_interval(count), same


CLAIMS = {
    "C45": Claim("inputs x c alone: gradients grow, then all outputs are 0", at_scales("R1"), dies),
    "C46a": Claim("R2 (both rates / c) ends lower than R0", at_scales("R2"), ends_lower),
    "C46b": Claim(
        "more epochs may close the gap between R2 and R0",
        at_scales("R2"),
        closes,
        skip={"corrected": "R2 is trained for longer in the original form only"},
    ),
    "C46c": Claim("R3 (both rates and both initial weights / c) recovers", at_scales("R3"), recovers),
    "C46d": Claim("R7 (first initial weights / c, both rates / c^2) recovers", at_scales("R7*"), works),
    "C46e": Claim("R4 (first initial weights / c) fails", at_scales("R4"), fails),
    "C46f": Claim("R5 (first initial weights / c, both rates / c) fails", at_scales("R5"), fails),
    "C46g": Claim("R6 (first initial weights / c, first rate / c) fails", at_scales("R6*"), fails),
    "C46h": Claim(
        "about 50 % is the most a dense network gets",
        each("tuned"),
        is_most,
        "needs --tuned and --dataset cifar10",
        skip={"original": "networks are tuned in the corrected form only"},
    ),
    "C47": Claim("both layers need a far lower rate, although only the first should", at_scales("R8"), both_layers),
}
