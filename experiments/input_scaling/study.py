"""Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?

    python -m experiments.input_scaling                         synthetic images like CIFAR-10, 6 seeds, minutes
    python -m experiments.input_scaling --dataset cifar10 --full    S1's scale and a tuned dense network, hours on a CPU

One hidden layer of 300 units without biases, gradient descent with momentum and L2 (seed `001_b29bdd91c7bd24d8.txt`;
experiment S1). The author of that question, the asker, tried the recipes R1 to R7. They are trained here beside the
unscaled R0 and beside R8, which is the exact twin of R0; all from the same weights and orders of rows, in one program.
There are 6 seeds, because a 95 % statement about a median needs 6. `original`: the asker's learning rates, all rows
train. `corrected`: validation rows are held out; on them one factor for both rates of every recipe is chosen and, with
--tuned, the best of several dense networks with biases. Answers C45 to C47.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterator
from typing import Any

from experiments.common.networks import mlps
from experiments.common.words import median
from experiments.input_scaling import pictures
from experiments.input_scaling.claims import CLAIMS
from experiments.input_scaling.recipes import RECIPES, SWEPT, UNSCALED, setting_of
from experiments.input_scaling.table import accuracy, best_factor, checks, table
from jaxsize import data
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.plain import PlainConfig
from jaxsize.programs import Batch, Config
from jaxsize.studies import Arms, FormsFlags, Setup, Study, TrainingFlags, listing
from jaxsize.sweeps import layer_rate_sweep

AS_ASKED = {"epochs": 20, "long_epochs": 100, "sweep_scales": tuple(2.0**power for power in range(1, 8))}
"""The defaults of all data sets but the synthetic images."""
UNCENTRED = ("cifar10", "cifar_like")
"""Data sets that are not standardised unless `data.load` is asked to."""
LONG = (UNSCALED, "R2")
"""The recipes that are trained for --long-epochs; what they are after --epochs does not depend on it."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputScalingFlags(TrainingFlags, FormsFlags):
    """Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?"""

    dataset: tuple[str, ...] = ("cifar_like",)
    """One or several data sets with classes: cifar_like (synthetic), cifar10, digits, mnist, ...
    Inputs of the first two are in [0, 1], as in the source of the study; those of the others are centred."""
    num_seeds: int = 6
    """Runs per setting, with seeds 0, 1, ...; fewer than 6 leave every claim open."""
    scales: tuple[float, ...] = (255.0, 256.0)
    """Factors of the inputs at which every recipe is run; the recipes R0 to R8 are in experiments/input_scaling.
    The corrected form uses the first factor only."""
    sweep_scales: tuple[float, ...] = (4.0, 16.0, 64.0)
    """Further factors at which R1, R2 and R8 are run. Every power of 2 up to 128 unless the data set is cifar_like."""
    epochs: int = 13
    """Passes over the training rows; about 200 steps of cifar_like. 20 with any other data set."""
    long_epochs: int = 26
    """Passes of R0 and R2, which are trained for longer. 100 unless the data set is cifar_like."""
    width: int = 300
    """Hidden units."""
    batch_size: int = 250
    """Rows per step."""
    evaluated_train_rows: int = 50_000
    """The most training rows whose accuracy and loss are measured after every epoch; they are the last ones."""
    learning_rate: float = 0.02
    """Learning rate of R0; the other recipes multiply it."""
    weight_decay: float = 1e-4
    """Weight decay of R0, added to the gradient (L2)."""
    rate_factors: tuple[float, ...] = (1e-3, 0.03, 1.0, 30.0)
    """Factors of all learning rates of a recipe, from which the corrected form chooses; 1 among them."""
    tuned: bool = False
    """In the corrected form, also train dense networks with biases by Adam on standardised inputs."""
    tuned_widths: tuple[int, ...] = (300, 1000)
    """Units of the hidden layers of these tuned networks."""
    tuned_depths: tuple[int, ...] = (1, 2)
    """Numbers of hidden layers of the tuned networks."""
    tuned_learning_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    """Learning rates of the tuned networks."""
    tuned_weight_decays: tuple[float, ...] = (1e-2, 0.3)
    """Weight decays of the tuned networks, decoupled."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({} if self.dataset == ("cifar_like",) else AS_ASKED)

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("long_epochs", "width", "evaluated_train_rows", "tuned_widths", "tuned_depths")
        # rates and decays are multiplied by squares of a scale, and have to stay in float32
        self.require_numbers("scales", *(["sweep_scales"] if self.sweep_scales else []), low=1e-12, high=1e12)
        self.require_numbers("learning_rate", "rate_factors", "tuned_learning_rates", low=1e-12, high=1e6)
        self.require_numbers("weight_decay", "tuned_weight_decays", high=1e6)
        for name in ("scales", "sweep_scales"):
            if 1.0 in getattr(self, name):
                raise InputError("expected numbers other than 1, the scale of R0, got 1", field=name)
        if 1.0 not in self.rate_factors:
            raise InputError(f"expected 1 among them, got {listing(self.rate_factors)}", field="rate_factors")
        if self.long_epochs <= self.epochs:
            raise InputError(f"expected more than --epochs {self.epochs}, got {self.long_epochs}", field="long_epochs")
        if self.tuned and "corrected" not in self.form:
            raise InputError(
                "expected --form corrected with it, whose validation rows choose, got original", field="tuned"
            )
        tuned = (self.tuned_widths, self.tuned_depths, self.tuned_learning_rates, self.tuned_weight_decays)
        original = len(RECIPES) * len(self.scales) + len(SWEPT) * len(self.sweep_scales)
        corrected = len(RECIPES) * len(self.rate_factors) + self.tuned * math.prod(map(len, tuned))
        self.require_runs(max(original, corrected))

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained.

        Raises:
            InputError: when the data set has no classes, or fewer training rows than a batch.
        """
        if dataset.task != "classification":
            raise InputError(f"expected sets with classes, got {dataset.name}", field="dataset")
        return dataclasses.replace(super().config(dataset), evaluated_train_rows=self.evaluated_train_rows)


def arms(setup: Setup) -> list[Batch]:
    """Make the batches: every recipe with every seed; and the tuned networks."""
    flags, batches = setup.flags, [_recipes(setup)]
    if flags.tuned and setup.form == "corrected":
        for width, depth in itertools.product(flags.tuned_widths, flags.tuned_depths):
            batches.append(_tuned(setup.after(*batches), width, depth))
    return batches


def _recipes(setup: Setup) -> Batch:
    """Make the batch of recipes, an arm each: at several scales, or at one with several factors of the rates.

    R0 is the same at any scale and trained once.
    """
    flags, original = setup.flags, setup.form == "original"
    scales = flags.scales if original else flags.scales[:1]
    factors = [1.0] if original else sorted(flags.rate_factors)
    cells = [
        *itertools.product([UNSCALED], [1.0], factors),
        *itertools.product([name for name in RECIPES if name != UNSCALED], scales, factors),
    ]
    if original:
        further = [scale for scale in flags.sweep_scales if scale not in flags.scales]
        cells += itertools.product(SWEPT, further, factors)
    settings = [
        setting_of(name, scale, factor * flags.learning_rate, flags.weight_decay)
        | {"rate_factor": factor, "num_classes": setup.dataset.num_outputs, "seed": seed}
        | {"num_epochs": flags.long_epochs if original and name in LONG and scale in (1, *scales) else flags.epochs}
        for name, scale, factor in cells
        for seed in range(flags.num_seeds)
    ]
    epochs_of = [setting["num_epochs"] for setting in settings]
    fields: dict[str, Any] = setup.fields("recipes") | {"num_epochs": max(epochs_of), "epochs_of": epochs_of}
    return layer_rate_sweep(
        setup.dataset, mlps(setup.dataset, gate=None, bias=None)([flags.width]), PlainConfig(), settings, **fields
    )


def _tuned(setup: Setup, width: int, depth: int) -> Batch:
    """Make the batch of dense networks of one shape, with biases, trained by Adam on standardised inputs."""
    flags, dataset = setup.flags, setup.dataset
    if dataset.name in UNCENTRED:
        dataset = data.load(dataset.name, data_dir=flags.data_dir, form=setup.form, standardize=True)
    settings = [
        {"arm": "tuned", "hidden": f"{depth} x {width}", "learning_rate": rate, "weight_decay": decay, "seed": seed}
        | {"learning_rates": rate, "weight_decays": decay}
        for rate in flags.tuned_learning_rates
        for decay in flags.tuned_weight_decays
        for seed in range(flags.num_seeds)
    ]
    adam, fields = PlainConfig(optimizer="adam"), setup.fields(f"tuned {depth} x {width}")
    network = mlps(dataset, gate=None, bias="pytorch")([width] * depth)
    return layer_rate_sweep(dataset, network, adam, settings, **fields)


def answer(arms: Arms) -> Iterator[str]:
    """Say how accurate networks are without the factor, with it, and with what should make up for it."""
    for (dataset, form), chosen in arms.until(arms.settings["epochs"]).by("dataset", "form").items():
        c = chosen.settings["scales"][0]
        shown = [chosen[UNSCALED], *(arm.at(input_scale=c) for arm in chosen.like(*SWEPT))]
        of = {arm.name: median(accuracy(best_factor(arm)), ".4f") for arm in shown}
        how = "as the asker had them" if form == "original" else "one factor each chosen on validation rows"
        yield (
            f"{dataset}, {form} form: the network's test accuracy was {of[UNSCALED]} with inputs as they are, and "
            f"{of['R1']} with inputs times c = {c:g}. With both learning rates / c it was {of['R2']}; with the first "
            f"layer's initial weights / c, its rate / c^2 and its weight decay x c^2, {of['R8']} (rates: {how})."
        )


STUDY = Study(
    name="input_scaling",
    flags=InputScalingFlags,
    presets={
        "smoke": {
            "num_seeds": 2,
            "epochs": 2,
            "long_epochs": 3,
            "width": 30,
            "sweep_scales": (16.0,),
            "tuned_widths": (20,),
            "tuned_depths": (1,),
        },
        "full": AS_ASKED | {"rate_factors": (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0), "tuned": True},
    },
    arms=arms,
    table=table,
    claims=CLAIMS,
    pictures=pictures.PICTURES,
    answer=answer,
    checks=[checks],
)
COMMAND = STUDY.command
