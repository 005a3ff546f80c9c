"""Does a trained size forget where it started, and is a network of a learned size as good as a static one of that size?

    python -m experiments.flexible                                 digits, 10 seeds, minutes
    python -m experiments.flexible --dataset mnist fashion_mnist      two sets, 6 seeds, a quarter of an hour
    python -m experiments.flexible --dataset mnist fashion_mnist --full    the journal's scale: 20 starts, 11 penalties

One hidden layer with a trained size (seed `003_d2c286111c329776.txt`, from "Implement a metric-less resizing" to
"Improve numerical stability", "Analyse the behavior of flexible netowkrs" and "Erratum"; experiments J7, J9 and, as
options, J13). First many starts at one penalty, then many penalties from one start, beside static networks of the sizes
found and a wide one, with the same seeds. `original`: as the journal ran it, every start ignored (so only the first and
the last are trained, and they are the same run), L2 on flexible networks only. `corrected`: starts honoured, units
added when a size comes near the width, decay decoupled and the same in static networks. Answers C15 to C18; C13 and C14
rest on the broken forms in `flexible_specimens`.
"""

import dataclasses
import functools
import itertools
import sys
from typing import Any, Literal

import numpy as np

from experiments import flexible_report as report
from experiments import flexible_specimens as specimens
from experiments.command_line import main, told
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_study import Learned, Question, Setup, answer
from jaxsize import sparsifier
from jaxsize.batches import Batch
from jaxsize.datasets import Form
from jaxsize.flexible import FORMS, FlexibleConfig, Optimizer, make_optimizer
from jaxsize.networks import mlp
from jaxsize.partners import Partner, partner_batches
from jaxsize.unit_order import Measure

NAME = "flexible"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedSizeFlags(FlexibleFlags):
    """Does a trained size forget where it started, and is a network of a learned size as good as a static one?"""

    epochs: int = 20
    """Passes over the training rows. 5 unless the data set is digits."""
    start_size: tuple[float, ...] = tuple(np.arange(0.0, 200, 20).tolist())
    """Units per layer that are on before training. 0, 150, 300, 450 unless the data set is digits."""
    penalty: float = 1e-5
    """Price of a unit in the loss, where starts differ."""
    penalties: tuple[float, ...] = tuple(10.0 ** -(power / 2) for power in range(5, 16))
    """Prices of a unit, where networks start at half the width. 1e-3, 1e-5, 1e-7 unless the data set is digits."""
    slope: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates. The first is that of the original form and of all penalties; others are compared in the
    corrected form, with its first weight decay."""
    l2: tuple[float, ...] = (1e-3, 0.0)
    """Weight decays of the original form (coupled); its static networks have none."""
    weight_decay: tuple[float, ...] = (1e-2, 0.0)
    """Weight decays of the corrected form (decoupled), of flexible and static networks."""
    depth: int = 1
    """Hidden layers, each with a size."""
    order: Literal["none", Measure] = "none"
    """Bring the units to the front, after every epoch, that spread most over rows, or whose absence costs most."""
    optimizer: Optimizer = "adam"
    """Of the weights, of flexible and static networks; sizes are moved by Adam."""
    slope_mode: Literal["fixed", "trained", "random"] = "fixed"
    """random: a slope for every step, of a gray zone between 1 and 20 units."""
    specimen_epochs: int = 3
    """Passes of the runs with the broken forms, of 50 steps at most."""

    def defaults(self) -> dict[str, Any]:
        large = {"epochs": 5, "start_size": (0.0, 150.0, 300.0, 450.0), "penalties": (1e-3, 1e-5, 1e-7)}
        return super().defaults() | (large if self.dataset != ("digits",) else {})

    def check(self) -> None:
        super().check()
        self.require_whole("depth", "specimen_epochs")
        for name in ("start_size", "penalty", "penalties", "l2", "weight_decay"):
            self.require_numbers(name)
        self.require_numbers("slope", above=True, high=1e4)
        if len(self.start_size) < 2 or max(self.start_size) > self.width:
            expected = f"two or more numbers up to the width {self.width}"
            raise ValueError(f"--start-size: expected {expected}, got {told(self.start_size)}")
        most = max(len(self.l2), len(self.weight_decay)) + len(self.slope)
        self.require_runs(most * (len(self.start_size) + 2 * len(self.penalties)))

    def decays(self, form: Form) -> tuple[float, ...]:
        return self.l2 if form == "original" else self.weight_decay

    def starts(self, form: Form) -> tuple[float, ...]:
        return (min(self.start_size), max(self.start_size)) if form == "original" else self.start_size

    def slopes_and_decays(self, form: Form) -> list[tuple[float, float]]:
        """The first slope with every decay, and in the corrected form every other slope with the first decay."""
        others = self.slope[1:] if form == "corrected" else ()
        decays = self.decays(form)
        return [(self.slope[0], decay) for decay in decays] + [(slope, decays[0]) for slope in others]

    def flexible(self, form: Form) -> FlexibleConfig:
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
    """All starts, then all penalties, then the broken forms."""
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
    """Static networks: per decay and penalty of the median size found, and a wide one, without a decay in the original
    form. They are moved as flexible networks are."""
    flags, form, dataset = setup.flags, setup.form, setup.dataset
    found: dict[tuple[float, float], list[list[float]]] = {}
    for _, trained in learned.values():
        for row in trained.rows:
            if row["arm"] == "penalties" and row["epoch"] == flags.epochs:
                found.setdefault((row["weight_decay"], row["penalty"]), []).append(row["size_per_layer"])
    wanted: list[tuple[str, float, float | None, tuple[int, ...]]] = []
    for (decay, penalty), sizes in found.items():
        if widths := report.static_widths(sizes):
            wanted.append(("static_same", decay, penalty, widths))
    for decay in dict.fromkeys(report.static_decay(form, decay) for decay in flags.decays(form)):
        wanted.append(("static_wide", decay, None, (2 * flags.width,) * flags.depth))

    config, fields = flags.flexible(form), setup.batch("static")
    together: dict[float, list[Partner]] = {}
    numbers = itertools.count(setup.first_run)
    for (arm, decay, penalty, widths), seed in itertools.product(wanted, range(flags.num_seeds)):
        own = report.static_decay(form, decay)
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


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures, followers=followers)


def run(flags: LearnedSizeFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    return answer(flags, QUESTION)


if __name__ == "__main__":
    sys.exit(main(LearnedSizeFlags, PRESETS, run, NAME))
