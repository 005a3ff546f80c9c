"""Where does the size of a flexible network come to rest without a price, and is it weight decay that holds it there?

    python -m experiments.plateau                                 digits, 10 seeds, minutes
    python -m experiments.plateau --dataset mnist fashion_mnist      two sets, 6 seeds, hours
    python -m experiments.plateau --dataset mnist fashion_mnist --full    30 seeds

One hidden layer (the journal, seed `003_d2c286111c329776.txt`, "Investigate the origin of the network size plateau";
experiment J8). `original`: as the journal ran it, trained on the TEST rows, so that its columns of train and test are
of the same rows; slope 1, the start size ignored, Adam with L2 1e-3 or none, no penalty. `corrected`: training rows,
the start size used, every weight decay with every penalty under three optimisers: SGD + L2, Adam + L2 (coupled) and
AdamW (decoupled). Adam moves the size under all of them, and the size itself is never decayed; units are added when it
comes near the width. Answers C19 and C20, and tells after how many steps a weight without a gradient is gone (E7).
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

from experiments.flags.flexible import FlexibleFlags
from experiments.plateau import claims as report
from experiments.plateau.weights import steps_to_a_tenth, write_norms
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FlexibleConfig
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.studies import Command, listing
from jaxsize.studies.questions import Learned, Question, Setup, run_question
from jaxsize.sweeps import size_sweep

NAME = "plateau"
STEPS = "steps until a weight without a gradient has shrunk to a tenth"
OPTIMISERS = {
    "sgd_l2": FlexibleConfig(optimizer="sgd", weight_decay="coupled"),
    "adam_l2": FlexibleConfig(weight_decay="coupled"),
    "adamw": FlexibleConfig(),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlateauFlags(FlexibleFlags):
    """Where does the size of a flexible network come to rest without a price, and does weight decay hold it there?"""

    original_epochs: int = 60
    """Passes over the test rows in the original form. 15 unless the data set is digits."""
    decays: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2)
    """Weight decays of the corrected form; 0 and 0.001 among them."""
    penalties: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4)
    """What a unit adds to the loss, in the corrected form; 0 among them."""
    start_size: float | None = None
    """Units that are on before training, in the corrected form. Default: half the width."""
    slope: float = 0.4
    """Steepness of the gates over units, in the corrected form."""
    sgd_learning_rate: float = 0.1
    """Step size of SGD for the weights."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"original_epochs": 15} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("original_epochs")
        for name in ("decays", "penalties"):
            self.require_numbers(name)
        for name in ("slope", "sgd_learning_rate"):
            self.require_numbers(name, above=True, high=1e4)
        if not 0 <= self.start <= self.width:
            raise InputError(
                f"expected a number from 0 to the width {self.width}, got {self.start_size}", field="start_size"
            )
        if not {0.0, report.JOURNAL_DECAY} <= set(self.decays):
            raise InputError(
                f"expected 0 and {report.JOURNAL_DECAY:g} among them, as in the source, got {listing(self.decays)}",
                field="decays",
            )
        if 0.0 not in self.penalties:
            raise InputError(f"expected 0 among them, got {listing(self.penalties)}", field="penalties")
        self.require_runs(len(OPTIMISERS) * len(self.decays) * len(self.penalties))

    @property
    def start(self) -> float:
        """Units that are on before training, in the corrected form."""
        return self.width / 2 if self.start_size is None else self.start_size


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "width": 40,
        "epochs": 3,
        "original_epochs": 4,
        "decays": (0.0, 1e-3),
        "penalties": (0.0, 1e-5),
    },
    "full": {"num_seeds": 30, "width": 500, "epochs": 15, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Make the batches of a form.

    In the original form they are the journal's layer with and without L2; in the corrected form every decay with every
    penalty, one batch per optimiser.
    """
    flags: PlateauFlags = setup.flags
    if setup.form == "original":
        setup = setup._replace(dataset=dataclasses.replace(setup.dataset, train=setup.dataset.test))
        return [_original(setup, flags)]
    made: list[Batch] = []
    for arm, config in OPTIMISERS.items():
        rates = flags.rates() | ({"learning_rate": flags.sgd_learning_rate} if config.optimizer == "sgd" else {})
        settings = [
            {"weight_decay": decay, "penalty": penalty, "start_size": flags.start, "slope": flags.slope, "seed": seed}
            | rates
            for decay, penalty in itertools.product(flags.decays, flags.penalties)
            for seed in range(flags.num_seeds)
        ]
        fields = setup.after(*made).batch(arm)
        made.append(size_sweep(setup.dataset, [flags.width], config, settings, widen=True, **fields))
    return made


def _original(setup: Setup, flags: PlateauFlags) -> Batch:
    settings = [
        {"weight_decay": decay, "start_size": flags.start, "seed": seed} | flags.rates()
        for decay in (report.JOURNAL_DECAY, 0.0)
        for seed in range(flags.num_seeds)
    ]
    fields: dict[str, Any] = setup.batch("adam_l2") | {"num_epochs": flags.original_epochs}
    return size_sweep(setup.dataset, [flags.width], OPTIMISERS["adam_l2"], settings, ignore_start=True, **fields)


def also(folder: Folder, flags: Any, learned: Mapping[tuple[str, Form], Learned]) -> dict[str, Any]:
    """Write the outgoing weights beside the rows, and count the steps that a weight without a gradient lives."""
    for (dataset, form), trained_batches in learned.items():
        write_norms(folder, dataset, form, trained_batches, flags.width)
    rates = {arm: flags.sgd_learning_rate if arm.startswith("sgd") else flags.learning_rate for arm in OPTIMISERS}
    return {"tables": {STEPS: steps_to_a_tenth(OPTIMISERS, rates, flags.decays, flags.width)}}


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures, also=also)


def run(flags: PlateauFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, PlateauFlags, PRESETS, run)
