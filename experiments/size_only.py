"""Does a trained network ask for more units when its weights stand still and only its size may move?

    python -m experiments.size_only                                 digits, 10 seeds, a minute
    python -m experiments.size_only --dataset mnist fashion_mnist      two sets, 6 seeds
    python -m experiments.size_only --dataset mnist fashion_mnist --full    10 seeds, longer training

One hidden layer (seed `003_d2c286111c329776.txt`, "Try training only the size on a thoroughly trained network", and the
end of "Two phase training"; experiment J13, announced and never run). First the weights train at a fixed size. From
there, with a fresh Adam and no penalty, the size moves: under these weights, frozen; under the weights as they were
drawn, frozen; and, as a control, under these weights while they train on. `original` and `corrected` differ in the
preparation of the data; the latter adds units when the size comes near the width. Answers the second half of C25.
"""

import dataclasses
import itertools
import sys
from collections.abc import Mapping
from typing import Any

from experiments import size_only_report as report
from experiments.command_line import main
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_study import Learned, Question, Setup, answer
from experiments.size_only_units import require_frozen, write_terms
from jaxsize.batches import Batch
from jaxsize.datasets import Form
from jaxsize.flexible import FORMS
from jaxsize.flexible_sweep import flexible_batch
from jaxsize.records import Folder

NAME = "size_only"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeOnlyFlags(FlexibleFlags):
    """Does a trained network ask for more units when its weights stand still and only its size may move?"""

    epochs: int = 3
    """Passes over the training rows while the size moves."""
    pretrain_epochs: int = 20
    """Passes before, at a fixed size. 5 unless the data set is digits."""
    start_size: float | None = None
    """The fixed size. Default: a quarter of the width."""
    slopes: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates."""
    gentle_rate: float = 0.1
    """A second, smaller step size of Adam for the sizes, in units."""

    def defaults(self) -> dict[str, Any]:
        large = {"epochs": 3, "pretrain_epochs": 5} if self.dataset != ("digits",) else {}
        return super().defaults() | large

    def check(self) -> None:
        super().check()
        self.require_whole("pretrain_epochs")
        self.require_numbers("slopes", above=True, high=1e4)
        self.require_numbers("gentle_rate", above=True)
        if not 0 <= self.start <= self.width:
            raise ValueError(f"--start-size: expected a number from 0 to the width {self.width}, got {self.start_size}")
        if self.gentle_rate >= self.size_learning_rate:
            raise ValueError(
                f"--gentle-rate: expected less than the size learning rate {self.size_learning_rate}, "
                f"got {self.gentle_rate}"
            )
        self.require_runs(len(self.slopes) * (1 + 2 * len(report.WEIGHTS)))

    @property
    def start(self) -> float:
        return self.width / 4 if self.start_size is None else self.start_size


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 80, "epochs": 2, "pretrain_epochs": 2},
    "full": {"num_seeds": 10, "width": 500, "epochs": 5, "pretrain_epochs": 15, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """The weights train, the size does not."""
    flags: SizeOnlyFlags = setup.flags
    rates = flags.rates() | {"size_learning_rate": 0.0}
    settings = [
        {"slope": slope, "start_size": flags.start, "seed": seed} | rates
        for slope in flags.slopes
        for seed in range(flags.num_seeds)
    ]
    fields: dict[str, Any] = setup.batch("pretrain") | {"num_epochs": flags.pretrain_epochs}
    return [flexible_batch(setup.dataset, [flags.width], FORMS[setup.form], settings, **fields)]


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """The size moves: one program."""
    flags: SizeOnlyFlags = setup.flags
    ((batch, trained),) = learned.values()
    ends = {(label["slope"], label["seed"]): index for index, label in enumerate(batch.labels)}
    settings = [
        {
            "weights": weights,
            "slope": slope,
            "start_size": flags.start,
            "size_learning_rate": rate,
            "learning_rate": flags.learning_rate if weights == "training" else 0.0,
            "seed": seed,
        }
        for weights, slope, rate in itertools.product(
            report.WEIGHTS, flags.slopes, (flags.size_learning_rate, flags.gentle_rate)
        )
        for seed in range(flags.num_seeds)
    ]

    def start(index: int) -> Any:
        setting = settings[index]
        end = ends[setting["slope"], setting["seed"]]
        return batch.init(end) if setting["weights"] == "frozen random" else trained.networks[end].params

    return [
        flexible_batch(
            setup.dataset,
            [flags.width],
            FORMS[setup.form],
            settings,
            start=start,
            widen=setup.form == "corrected",
            **setup.batch("moving"),
        )
    ]


def also(folder: Folder, flags: Any, learned: Mapping[tuple[str, Form], Learned]) -> dict[str, Any]:
    """Checks that frozen weights did not move, and writes what every unit adds to the size's gradient."""
    frozen = {}
    for (dataset, form), found in learned.items():
        first, moving = found.values()
        frozen[f"{dataset}.{form}"] = require_frozen(*moving)
        write_terms(folder, dataset, form, *first)
    return {"networks_with_frozen_weights": frozen}


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures, followers=followers, also=also)


def run(flags: SizeOnlyFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    return answer(flags, QUESTION)


if __name__ == "__main__":
    sys.exit(main(SizeOnlyFlags, PRESETS, run, NAME))
