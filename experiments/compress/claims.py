"""C33, C34 and C39: what compressed networks gain over networks of fixed widths."""

from collections.abc import Iterable, Iterator

import numpy as np

from experiments.compress.budgets import Chosen, budgets
from jaxsize.statistics import Estimate, Front, Part, front, median_interval, on_front, paired_difference, size_at
from jaxsize.studies import ArmView, Claim, above, gains, listed, still_open, unclear, versus

SLACKS = {"accuracy": (0.001, 0.005, 0.01), "error": (0.01, 0.05)}
"""How much worse than the static networks' best score a little worse may be: of accuracy, or as a share of an error."""


def mean_gain(one: ArmView, other: ArmView, cells: Iterable[tuple[int, float]]) -> Estimate:
    """Estimate the mean gain in test score over depths and penalties, over seeds.

    Every run of `one` has its pair. A seed is lost, as `paired_difference` counts it, when a network of one of its
    pairs has no score, or is not there: it diverged, or a layer lost all its units in the first epoch.
    """
    pairs = [(one.at(depth=depth, penalty=penalty), other.at(depth=depth, penalty=penalty)) for depth, penalty in cells]
    trained = np.array([first.exists for first, _ in pairs])
    seeds = trained.any(axis=0)
    means = np.mean(np.array([gains(*pair) for pair in pairs])[:, seeds], axis=0, where=trained[:, seeds])
    return paired_difference(np.round(means, 12), np.zeros(len(means)))  # a mean of ties is a tie


def beats_static(compressed: ArmView, static: ArmView) -> Iterator[Part]:
    """Yield the mean gain over depths and penalties within every budget.

    Where networks from scratch ended before they had spent as much as the compressed ones, a part can be refuted, but
    it cannot hold.
    """
    for budget, within in budgets(static).items():
        short = sum(cell.short for cell in within.by("depth", "penalty").values())
        cells = compressed.by("depth", "penalty", skip=0.0)
        part = above(mean_gain(Chosen.of(compressed), within, cells), budget=budget, short=short)
        early = short and part[2].outcome == "holds"
        yield still_open(part, f"{short} networks from scratch ended before the budget") if early else part


def sizes_make_sense(scratch: ArmView, other: ArmView) -> Iterator[Part]:
    """Yield the mean gain of the widths found over other widths, all from scratch for equal steps.

    That twice the widths gain nothing cannot be shown by a difference.
    """
    part = above(mean_gain(Chosen.of(scratch), Chosen.of(other), other.by("depth", "penalty")))
    double = other.name == "double_widths"
    yield listed(part, "twice the widths are expected to be no worse") if double else part


def as_good(compressed: ArmView, static: ArmView, slack: float = 0.0) -> Iterator[Part]:
    """Yield how many times fewer parameters compressed networks need for the score of the best static one (the log).

    Of both kinds one network per penalty is searched, and `picked` on validation rows, with every seed. At the test
    score of the best static network, less some slack, the parameters that a static network needs are divided by those
    that a compressed one needs. Where no compressed network reaches the score, it counts as infinitely large. Judged by
    the validation rows themselves, networks and epochs that were picked for luck would look good.
    """
    for judge in ("test", "validation"):
        pairs = zip(picked(compressed, judge), picked(static, judge), strict=True)
        ratios = np.full(compressed.runs.num_seeds, np.nan)
        for seed, ((one, _), (other, best)) in enumerate(pairs):
            level = best - slack * (abs(best) if compressed.score()[0].endswith("error") else 1)
            if not one.scores.size:
                ratios[seed] = 0.0  # all compressed networks of the seed were lost, and so they have no static partners
            elif other.scores.size:
                ratios[seed] = size_at(other, level) / size_at(one, level)
        logs = np.log(np.maximum(ratios, 1e-9))  # a median does not care how far below
        part = above(median_interval(logs), judged_by=judge, slack=slack, never_reached=int(np.sum(ratios == 0)))
        yield part if judge == "test" else listed(part, "judged by the rows that picked the networks and their epochs")


def nearly_as_good(compressed: ArmView, static: ArmView) -> Iterator[Part]:
    """Yield the same for a little worse than the best static one: by a point of accuracy, or less."""
    for slack in SLACKS[compressed.score()[0].removeprefix("test_")]:
        for part in as_good(compressed, static, slack):
            yield unclear(part, 'how many parameters less are "far fewer"')


def picked(arm: ArmView, judge: str) -> Iterator[tuple[Front, float]]:
    """Pick, for every seed, the networks whose validation score no smaller one reaches.

    Yields:
        Their front of score on the split `judge` against parameters, and the score of the best one by validation (NaN
        where there is none).
    """
    names = "parameters", "validation_score", f"{judge}_score"
    columns = [Chosen.of(arm).matrix(name, over="penalty", skip=0.0) for name in names]
    for sizes, select, scores in zip(*columns, strict=True):
        kept = on_front(sizes, select)
        yield front(sizes[kept], scores[kept]), scores[kept[-1]] if kept.size else np.nan


CLAIMS = {
    "C33": Claim(
        "compressed networks beat the same widths from scratch at equal steps, time and multiply-adds",
        versus("compress", "from_scratch"),
        beats_static,
        "needs --partners from_scratch",
    ),
    "C34": Claim(
        "the widths found are better than random ones of equal total and than half of them",
        versus("from_scratch", "random_widths", "half_widths", "double_widths"),
        sizes_make_sense,
        "needs --partners from_scratch and random_widths or half_widths",
    ),
    "C39": Claim(
        "compressed networks reach the static networks' score with fewer parameters (log of the ratio)",
        versus("compress", "from_scratch", by=["depth"]),
        as_good,
        "needs --partners from_scratch",
    ),
    "C39, a little worse": Claim(
        "with far fewer parameters compressed networks are a little worse than the static ones (log of the ratio)",
        versus("compress", "from_scratch", by=["depth"]),
        nearly_as_good,
        "needs --partners from_scratch",
        seeds=1,
    ),
}
