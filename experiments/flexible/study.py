"""Does a trained size forget where it started, and is a network of a learned size as good as a static one of that size?

    python -m experiments.flexible                                 digits, 10 seeds, minutes
    python -m experiments.flexible --dataset mnist fashion_mnist      two sets, 6 seeds, a quarter of an hour
    python -m experiments.flexible --dataset mnist fashion_mnist --full    the journal's scale: 20 starts, 11 penalties

One hidden layer with a trained size (the journal, seed `003_d2c286111c329776.txt`, from "Implement a metric-less
resizing" to "Improve numerical stability", "Analyse the behavior of flexible netowkrs" and "Erratum"; experiments J7,
J9 and, as options, J13). First many start sizes at one penalty, then many penalties from one start size. Then, with the
same seeds, static networks of the sizes that the runs ended with, and a wide one. `original`: as the journal ran it,
which ignored every start size (so only the smallest and the largest are trained, and they are the same run), L2 on
flexible networks only. `corrected`: start sizes are used, units are added when a size comes near the width, and decay
is decoupled and the same in static networks. Answers C15 to C18; and C13 and C14, with the broken forms in `specimens`.
"""

import dataclasses
import functools
import itertools
from typing import Any, Literal

import numpy as np

from experiments.flags.flexible import FlexibleFlags
from experiments.flexible import claims as report
from experiments.flexible import specimens
from experiments.flexible.table import results, static_decay, static_widths
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners import sparsifier
from jaxsize.learners.flexible import FORMS, FlexibleConfig, Optimizer, make_optimizer
from jaxsize.learners.importance import Measure
from jaxsize.networks import mlp
from jaxsize.programs import Batch
from jaxsize.studies import Command, listing
from jaxsize.studies.questions import Learned, Question, Setup, run_question
from jaxsize.sweeps import Partner, partner_batches

NAME = "flexible"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedSizeFlags(FlexibleFlags):
    """Does a trained size forget where it started, and is a network of a learned size as good as a static one?"""

    epochs: int = 20
    """Passes over the training rows. 5 unless the data set is digits."""
    start_size: tuple[float, ...] = tuple(np.arange(0.0, 200, 20).tolist())
    """Units per layer that are on before training. 0, 150, 300, 450 unless the data set is digits."""
    penalty: float = 1e-5
    """What a unit adds to the loss where networks start at different sizes."""
    penalties: tuple[float, ...] = tuple(10.0 ** -(power / 2) for power in range(5, 16))
    """What a unit adds to the loss where networks start at half the width.
    With data sets other than digits: 1e-3, 1e-5, 1e-7."""
    slope: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates over units. The original form and the runs with several penalties use the first number.
    The others are compared in the corrected form, at its first weight decay."""
    l2: tuple[float, ...] = (1e-3, 0.0)
    """Weight decays of the original form (coupled), of flexible networks only."""
    weight_decay: tuple[float, ...] = (1e-2, 0.0)
    """Weight decays of the corrected form (decoupled), of flexible and static networks."""
    depth: int = 1
    """Number of hidden layers, each with a trained size."""
    order: Literal["none", Measure] = "none"
    """Which units are moved to the front of their layer after every epoch.
    spread: those whose outputs spread most over rows. leave_one_out: those whose absence costs most."""
    optimizer: Optimizer = "adam"
    """Optimiser of the weights of flexible and static networks; Adam moves the sizes."""
    slope_mode: Literal["fixed", "trained", "random"] = "fixed"
    """fixed: slopes stay as given. trained: they are trained, too.
    random: a slope is drawn for every step, so that 1 to 20 units are in the gray zone."""
    specimen_epochs: int = 3
    """Passes of the runs with broken gates or prices, of at most 50 steps each."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        large = {"epochs": 5, "start_size": (0.0, 150.0, 300.0, 450.0), "penalties": (1e-3, 1e-5, 1e-7)}
        return super().defaults() | (large if self.dataset != ("digits",) else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("depth", "specimen_epochs")
        for name in ("start_size", "penalty", "penalties", "l2", "weight_decay"):
            self.require_numbers(name)
        self.require_numbers("slope", above=True, high=1e4)
        if len(self.start_size) < 2 or max(self.start_size) > self.width:
            expected = f"two or more numbers up to the width {self.width}"
            raise InputError(f"expected {expected}, got {listing(self.start_size)}", field="start_size")
        most = max(len(self.l2), len(self.weight_decay)) + len(self.slope)
        self.require_runs(most * (len(self.start_size) + 2 * len(self.penalties)))

    def decays(self, form: Form) -> tuple[float, ...]:
        """Return the weight decays of a form."""
        return self.l2 if form == "original" else self.weight_decay

    def starts(self, form: Form) -> tuple[float, ...]:
        """Return the start sizes of a form; of the original one, which ignores them, the smallest and the largest."""
        return (min(self.start_size), max(self.start_size)) if form == "original" else self.start_size

    def slopes_and_decays(self, form: Form) -> list[tuple[float, float]]:
        """Return the first slope with every decay; in the corrected form also the other slopes with the first decay."""
        others = self.slope[1:] if form == "corrected" else ()
        decays = self.decays(form)
        return [(self.slope[0], decay) for decay in decays] + [(slope, decays[0]) for slope in others]

    def flexible(self, form: Form) -> FlexibleConfig:
        """Return the form's configuration with the flags in place of its choices."""
        return dataclasses.replace(FORMS[form], order=self.order, optimizer=self.optimizer, slope=self.slope_mode)


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "width": 100,
        "epochs": 2,
        "start_size": (0.0, 30.0, 60.0),
        "penalties": (1e-3, 1e-5),
        "specimen_epochs": 1,
    },
    "full": {
        "num_seeds": 7,
        "width": 500,
        "epochs": 15,
        "batch_size": 128,
        "start_size": tuple(np.arange(0.0, 500, 25).tolist()),
        "penalties": tuple(10.0 ** -(power / 2) for power in range(5, 16)),
    },
}


def batches(setup: Setup) -> list[Batch]:
    """Make the batches: all start sizes, then all penalties, then the broken forms."""
    flags, form = setup.flags, setup.form
    seeds, rates = range(flags.num_seeds), flags.rates()
    starts = [
        {"start_size": start, "slope": slope, "weight_decay": decay, "penalty": flags.penalty, "seed": seed} | rates
        for (slope, decay), start in itertools.product(flags.slopes_and_decays(form), flags.starts(form))
        for seed in seeds
    ]
    one = {"start_size": flags.width / 2, "slope": flags.slope[0]}
    penalties = [
        one | {"weight_decay": decay, "penalty": penalty, "seed": seed} | rates
        for decay, penalty in itertools.product(flags.decays(form), flags.penalties)
        for seed in seeds
    ]
    made: list[Batch] = []
    for arm, settings in {"starts": starts, "penalties": penalties}.items():
        ignored = form == "original"
        made.append(setup.flexible(arm, flags.flexible(form), settings, made, flags.depth, ignore_start=ignored))
    return made + specimens.batches(setup.after(*made))


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the static networks: one of the median end size of every decay and penalty, and a wide one per decay.

    They have no decay in the original form. Their weights are trained by the optimiser of the flexible networks.
    """
    flags, form, dataset = setup.flags, setup.form, setup.dataset
    sizes_of: dict[tuple[float, float], list[list[float]]] = {}
    for _, trained in learned.values():
        for row in trained.rows:
            if row["arm"] == "penalties" and row["epoch"] == flags.epochs:
                sizes_of.setdefault((row["weight_decay"], row["penalty"]), []).append(row["size_per_layer"])
    wanted: list[tuple[str, float, float | None, tuple[int, ...]]] = []
    for (decay, penalty), sizes in sizes_of.items():
        if widths := static_widths(sizes):
            wanted.append(("static_same", decay, penalty, widths))
    for decay in dict.fromkeys(static_decay(form, decay) for decay in flags.decays(form)):
        wanted.append(("static_wide", decay, None, (2 * flags.width,) * flags.depth))

    config, fields = flags.flexible(form), setup.batch("static")
    together: dict[float, list[Partner]] = {}
    numbers = itertools.count(setup.first_run)
    for (arm, decay, penalty, widths), seed in itertools.product(wanted, range(flags.num_seeds)):
        own = static_decay(form, decay)
        label = fields["label"] | {"arm": arm, "weight_decay": decay, "own_weight_decay": own, "seed": seed}
        label |= {"run": next(numbers)} | ({} if penalty is None else {"penalty": penalty})
        init = functools.partial(mlp((dataset.num_inputs, *widths, dataset.num_outputs), gate=None).init, seed)
        together.setdefault(own, []).append(Partner(label, widths, init, flags.epochs))

    made: list[Batch] = []
    for own, partners in together.items():
        hparams = {"learning_rate": flags.learning_rate, "weight_decay": own}
        name = f"{fields['name']}.{own:g}"
        shared = {"name": name, "hparams": hparams, "config": fields["config"]}
        for batch in partner_batches(partners, dataset, sparsifier.FORMS[form], **shared):
            learner = batch.learner._replace(optimizer=lambda hparams: make_optimizer(config, hparams))
            made.append(dataclasses.replace(batch, learner=learner))
    return made


QUESTION = Question(NAME, batches, results, report.claims, report.pictures, followers=followers)


def run(flags: LearnedSizeFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, LearnedSizeFlags, PRESETS, run)
