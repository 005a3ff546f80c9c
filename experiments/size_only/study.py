"""Does a trained network ask for more units when its weights stand still and only its size may move?

    python -m experiments.size_only                                 digits, 10 seeds, a minute
    python -m experiments.size_only --dataset mnist fashion_mnist      two sets, 6 seeds
    python -m experiments.size_only --dataset mnist fashion_mnist --full    10 seeds, longer training

One hidden layer (seed `003_d2c286111c329776.txt`, "Try training only the size on a thoroughly trained network", and the
end of "Two phase training"; experiment J13, which the source announced and never ran). First the weights train at a
fixed size. Then the size is trained, by a fresh Adam and without a penalty, in three arms: with the trained weights
frozen; with the random initial weights frozen; and, as a control, with the trained weights training on. `original` and
`corrected` differ in the preparation of the data; `corrected` also adds units when the size comes near the width.
Answers the second half of C25.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from experiments.flags.flexible import FlexibleFlags
from experiments.size_only import claims as report
from experiments.size_only.unit_terms import require_frozen, write_terms
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FORMS
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.studies import Command
from jaxsize.studies.questions import Learned, Question, Setup, run_question
from jaxsize.sweeps import size_sweep

NAME = "size_only"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeOnlyFlags(FlexibleFlags):
    """Does a trained network ask for more units when its weights stand still and only its size may move?"""

    epochs: int = 3
    """Passes over the training rows while the size moves."""
    pretrain_epochs: int = 20
    """Passes over the training rows before that, at a fixed size. 5 unless the data set is digits."""
    start_size: float | None = None
    """The fixed size. Default: a quarter of the width."""
    slopes: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates."""
    gentle_rate: float = 0.1
    """A second, smaller step size of Adam for the sizes, in units; both are trained."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        large = {"epochs": 3, "pretrain_epochs": 5} if self.dataset != ("digits",) else {}
        return super().defaults() | large

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("pretrain_epochs")
        self.require_numbers("slopes", above=True, high=1e4)
        self.require_numbers("gentle_rate", above=True)
        if not 0 <= self.start <= self.width:
            raise InputError(
                f"expected a number from 0 to the width {self.width}, got {self.start_size}", field="start_size"
            )
        if self.gentle_rate >= self.size_learning_rate:
            raise InputError(
                f"expected less than the size learning rate {self.size_learning_rate}, got {self.gentle_rate}",
                field="gentle_rate",
            )
        self.require_runs(len(self.slopes) * (1 + 2 * len(report.WEIGHTS)))

    @property
    def start(self) -> float:
        """The fixed size, in units."""
        return self.width / 4 if self.start_size is None else self.start_size


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 80, "epochs": 2, "pretrain_epochs": 2},
    "full": {"num_seeds": 10, "width": 500, "epochs": 5, "pretrain_epochs": 15, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Make the first phase: the weights train, the size does not."""
    flags: SizeOnlyFlags = setup.flags
    rates = flags.rates() | {"size_learning_rate": 0.0}
    settings = [
        {"slope": slope, "start_size": flags.start, "seed": seed} | rates
        for slope in flags.slopes
        for seed in range(flags.num_seeds)
    ]
    fields: dict[str, Any] = setup.batch("pretrain") | {"num_epochs": flags.pretrain_epochs}
    return [size_sweep(setup.dataset, [flags.width], FORMS[setup.form], settings, **fields)]


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the second phase, in which the size moves: all arms in one program."""
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
        size_sweep(
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
    """Check that frozen weights did not move, and write what every unit adds to the size's gradient."""
    frozen = {}
    for (dataset, form), batches_by_name in learned.items():
        first, moving = batches_by_name.values()
        frozen[f"{dataset}.{form}"] = require_frozen(*moving)
        write_terms(folder, dataset, form, *first)
    return {"networks_with_frozen_weights": frozen}


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures, followers=followers, also=also)


def run(flags: SizeOnlyFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, SizeOnlyFlags, PRESETS, run)
