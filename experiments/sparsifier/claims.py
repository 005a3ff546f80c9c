"""The claims C26 to C30 of the sparsifier. A part is one penalty on one data set from one start width."""

from collections.abc import Iterator

import numpy as np

from experiments.common.start_widths import START_DOES_NOT_MATTER
from jaxsize.statistics import Part, describe, paired_difference, smallest_sample, trend
from jaxsize.studies import ArmView, Claim, above, across, any_part, each, gain, listed, trending
from jaxsize.studies.comparing import TIES


def size_falls(learned: ArmView) -> Iterator[Part]:
    """Yield the trend of size with the penalty, and training scores: do they reach about 100 %, as the source says?"""
    score, _ = learned.score("train")
    fits = {f"{penalty:g}": describe(one.end(score)) for penalty, one in learned.by("penalty").items()}
    sizes = learned.matrix("live_units", over="penalty")
    yield trending(trend(learned.values("penalty"), sizes, direction="negative"), **{score: fits})


def mild_penalty_helps(learned: ArmView) -> Iterator[Part]:
    """Yield by how much every penalty's test score is better than that of the unpenalised network of the seed."""
    for penalty, one in learned.by("penalty", skip=0.0).items():
        yield above(gain(one, learned.at(penalty=0.0)), penalty=penalty)


def fashion_keeps_more(fashion: ArmView, mnist: ArmView) -> Iterator[Part]:
    """Yield differences of size; where all runs kept all their units, or none, they say nothing."""
    for penalty in fashion.values("penalty", skip=0.0):
        views = [view.at(penalty=penalty) for view in (fashion, mnist)]
        sizes = [view.end("live_units") for view in views]
        scores = {f"test_accuracy_{view.dataset}": describe(view.end("test_accuracy")) for view in views}
        part = above(paired_difference(*sizes), penalty=penalty, **scores)
        alike = [size for size in (0, fashion.where["start_width"]) if np.all(np.concatenate(sizes) == size)]
        yield listed(part, f"both sets keep {'all units' if alike[0] else 'none'}") if alike else part


def score_dips(learned: ArmView) -> Iterator[Part]:
    """Yield how much more the score falls in the epoch of a run's first deaths than in the unpenalised run of its seed.

    The label's `epoch_of_first_deaths` (counted from 1) says whether that is epoch 2, as the source says. Runs without
    deaths, and with deaths in the first epoch already (there is no score before them), have no such epoch; those that
    diverged are lost.
    """
    score, sign = learned.score("held_out")
    free, width = sign * learned.at(penalty=0.0).curve(score), learned.where["start_width"]
    for penalty, one in learned.by("penalty", skip=0.0).items():
        live, seeds = one.steps("observed"), np.arange(one.runs.num_seeds)
        lost = ~np.isfinite(one.end("train_loss"))
        died = (live[:, -1] < width) & ~lost
        epoch = np.argmax(one.steps_by_epoch("observed")[:, :, -1] < width, axis=1)  # from 0 on
        times = {
            "epoch_of_first_deaths": epoch + 1,
            "step_of_first_death": np.argmax(live < width, axis=1) + 1,
            "step_of_half_of_deaths": np.argmax(live <= (width + live[:, -1:]) / 2, axis=1) + 1,
        }
        fall, alone = (curve[seeds, epoch - 1] - curve[seeds, epoch] for curve in (sign * one.curve(score), free))
        depth = np.round(fall - alone, TIES[score.rpartition("_")[2]])
        depth = np.where(lost, np.nan, depth)[lost | (died & (epoch > 0))]
        told = {name: describe(values[died]) for name, values in times.items()}
        yield above(paired_difference(depth, np.zeros(len(depth))), penalty=penalty, score=score, **told)


CLAIMS = {
    "C26": Claim(
        "live units fall as the penalty rises",
        each("learned", by=["start_width"]),
        size_falls,
        seeds=lambda flags: 2 if len(flags.penalties) > 1 else 6,  # Page's test, of 3 or more settings
    ),
    "C27": Claim(
        "some penalty gives a better test score than none",
        each("learned", by=["start_width"]),
        mild_penalty_helps,
        decide=any_part,
        seeds=lambda flags: smallest_sample(tests=len(flags.penalties)),
    ),
    "C28": Claim(
        "at the same penalty fashion_mnist keeps more units than mnist",
        across("learned", dataset=("fashion_mnist", "mnist"), by=["start_width"]),
        fashion_keeps_more,
        "needs --dataset mnist fashion_mnist",
    ),
    "C29": Claim(
        "the score dips in the epoch in which the first gates close",
        each("learned", by=["start_width"]),
        score_dips,
    ),
    "C30": START_DOES_NOT_MATTER,
}
