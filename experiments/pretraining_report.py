"""What the pre-trained runs say: the table, C24 and the pictures."""

from typing import Any

import numpy as np

from experiments.flexible_pictures import growth
from experiments.flexible_runs import Runs
from jaxsize.datasets import Form
from jaxsize.statistics import describe, equivalence_ratio, paired_difference, trend
from jaxsize.verdicts import Part, claim, equivalence_verdict, verdict

FIRST_PHASE, SECOND_PHASE = "pre-training", "training"
RATIO_DECIDES = "the ratio of the losses decides"
TRAINING_MEANT = "the journal speaks of the training loss"


def arms(runs: Runs, dataset: str, form: Form) -> dict[int, dict[str, Any]]:
    """By number of epochs before, what selects the runs of the second phase, one per seed."""
    where = {"dataset": dataset, "form": form, "arm": SECOND_PHASE}
    return {epochs: where | {"pretrain_epochs": epochs} for epochs in runs.values("pretrain_epochs", **where)}


def results(runs: Runs, dataset: str, form: Form) -> list[dict[str, Any]]:
    """A row per number of epochs before: the loss they led to; and size, losses, score and the spread of the loss over
    late epochs after all. `runs_at_width`: whose size could not tell more, for all units are on."""
    score = runs.score(dataset)[0]
    rows: list[dict[str, Any]] = []
    for epochs, which in arms(runs, dataset, form).items():
        before = runs.last("train_loss", **which | {"arm": f"{FIRST_PHASE} {epochs}"})
        found = runs.described(["size", "live_units", "train_loss", "test_loss", score], **which)
        rows.append(
            {"dataset": dataset, "form": form, "pretrain_epochs": epochs, "train_loss_before": describe(before)}
            | {name: value for name, value in found.items() if name not in which}
            | {
                "late_spread_of_log_loss": describe(late_spread(_losses(runs, which))),
                "runs_at_width": int(np.sum(runs.last("live_units", **which) >= runs.settings["width"])),
            }
        )
    return rows


def _losses(runs: Runs, which: dict[str, Any]) -> np.ndarray:
    """[num_seeds, epochs]: mean loss of the steps of every epoch."""
    return runs.per_epoch("loss", **which).mean(-1)


def late_spread(losses: np.ndarray) -> np.ndarray:
    """[num_seeds]: standard deviation over the second half of the epochs of the log of losses [num_seeds, epochs]."""
    late = losses[:, losses.shape[1] // 2 :]
    return np.log(np.maximum(late, 1e-30)).std(-1)


def claims(runs: Runs, form: Form) -> dict[str, dict[str, Any]]:
    """C24 in one form: sizes at the end fall with the epochs before, and losses are equal within 15 %."""
    parts: list[Part] = []
    for dataset in runs.settings["dataset"]:
        found = arms(runs, dataset, form)
        parts += smaller(dataset, {epochs: runs.last("size", **which) for epochs, which in found.items()})
        losses = {epochs: _losses(runs, which)[:, -1] for epochs, which in found.items()}
        parts += equal(dataset, "loss of the last epoch's steps", losses)
        tests = {epochs: runs.last("test_loss", **which) for epochs, which in found.items()}
        parts += equal(dataset, "test loss", tests, TRAINING_MEANT if form == "original" else "")
    return {"C24": claim("the longer a network is trained before, the smaller it ends, with an equal loss", parts)}


def smaller(dataset: str, sizes: dict[int, np.ndarray]) -> list[Part]:
    """sizes: by number of epochs before, [num_seeds] each. The trend over all numbers, where there are more than two,
    and the difference of every two."""
    parts: list[Part] = []
    if len(sizes) > 2:
        found = trend(list(sizes), np.stack(list(sizes.values()), 1), direction="negative")
        label = {"dataset": dataset, "of": "end size", "trend_over": "epochs before"}
        parts.append((label, found, verdict(found, "negative")))
    for longer, shorter in _pairs(sizes):
        found = paired_difference(sizes[longer], sizes[shorter])
        parts.append((_label(dataset, "end size", longer, shorter), found, verdict(found, "negative")))
    return parts


def equal(dataset: str, what: str, losses: dict[int, np.ndarray], uninformative: str = "") -> list[Part]:
    """The ratio of every two, which should be 1 up to 15 %, and their difference, which is told beside it."""
    parts: list[Part] = []
    for longer, shorter in _pairs(losses):
        ratio = equivalence_ratio(losses[longer], losses[shorter])
        label = _label(dataset, f"ratio of {what}", longer, shorter)
        if uninformative:
            label["uninformative"] = uninformative
        parts.append((label, ratio, equivalence_verdict(ratio)))
        found = paired_difference(losses[longer], losses[shorter])
        label = _label(dataset, what, longer, shorter) | {"uninformative": RATIO_DECIDES}
        parts.append((label, found, verdict(found, "negative")))
    return parts


def _label(dataset: str, what: str, longer: int, shorter: int) -> dict[str, Any]:
    return {"dataset": dataset, "of": what, "epochs_before": longer, "against": shorter}


def _pairs(values: dict[int, Any]) -> list[tuple[int, int]]:
    """Every two numbers of epochs, the longer one first."""
    numbers = sorted(values)
    return [(longer, shorter) for longer in numbers for shorter in numbers if shorter < longer]


def pictures(runs: Runs, dataset: str) -> dict[str, Any]:
    """Size, its gradient and the loss against epochs of the second phase."""

    def named(runs: Runs, dataset: str, form: Form) -> dict[str, dict[str, Any]]:
        return {str(epochs): which for epochs, which in arms(runs, dataset, form).items()}

    return {"pretraining": growth(runs, dataset, named, "epochs before")}
