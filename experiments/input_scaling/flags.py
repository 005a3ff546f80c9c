"""The flags of `python -m experiments.input_scaling`."""

import dataclasses
import math
from typing import Any

from experiments.input_scaling.recipes import RECIPES
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.programs import Config
from jaxsize.studies import Flags, FormsFlags, TrainingFlags, listing

SCALES = (1e-12, 1e12)
"""The range of scales. Rates and decays are multiplied by squares of a scale, and have to stay in float32."""


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
        if self.dataset == ("cifar_like",):
            return super().defaults()
        return super().defaults() | {
            "epochs": 20,
            "long_epochs": 100,
            "sweep_scales": tuple(2.0**power for power in range(1, 8)),
        }

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("long_epochs", "width", "evaluated_train_rows", "tuned_widths", "tuned_depths")
        low, high = SCALES
        for name in ("scales", "sweep_scales"):
            values = getattr(self, name)
            fine = all(low <= value <= high and value != 1 for value in values) and len(set(values)) == len(values)
            if not fine or (name == "scales" and not values):
                bounds = f"from {low:g} to {high:g} other than 1"
                raise InputError(f"expected different numbers {bounds}, got {listing(values)}", field=name)
        for name in ("learning_rate", "weight_decay", "rate_factors", "tuned_learning_rates", "tuned_weight_decays"):
            values = getattr(self, name)
            values = values if isinstance(values, tuple) else (values,)
            least = 0 if name.endswith(("decay", "decays")) else 1e-12
            if not values or len(set(values)) < len(values) or not all(least <= value <= 1e6 for value in values):
                raise InputError(f"expected different numbers from {least:g} to 1e6, got {listing(values)}", field=name)
        if 1.0 not in self.rate_factors:
            raise InputError(f"expected 1 among them, got {listing(self.rate_factors)}", field="rate_factors")
        if self.long_epochs <= self.epochs:
            raise InputError(f"expected more than --epochs {self.epochs}, got {self.long_epochs}", field="long_epochs")
        if self.tuned and "corrected" not in self.form:
            raise InputError(
                "expected --form corrected with it, whose validation rows choose, got original", field="tuned"
            )
        settings = 0
        if "original" in self.form:
            settings += (len(RECIPES) - 1) * len(self.scales) + 3 * len(self.sweep_scales) + 1
        if "corrected" in self.form:
            tuned = (self.tuned_widths, self.tuned_depths, self.tuned_learning_rates, self.tuned_weight_decays)
            settings += len(RECIPES) * len(self.rate_factors) + self.tuned * math.prod(map(len, tuned))
        Flags.require_runs(self, settings)  # the settings of both forms are counted

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained.

        Raises:
            InputError: when the data set has no classes, or fewer training rows than a batch.
        """
        if dataset.task != "classification":
            raise InputError(f"expected sets with classes, got {dataset.name}", field="dataset")
        return dataclasses.replace(super().config(dataset), evaluated_train_rows=self.evaluated_train_rows)


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "epochs": 2,
        "long_epochs": 3,
        "width": 30,
        "sweep_scales": (16.0,),
        "tuned_widths": (20,),
        "tuned_depths": (1,),
    },
    "full": {
        "epochs": 20,
        "long_epochs": 100,
        "sweep_scales": tuple(2.0**power for power in range(1, 8)),
        "rate_factors": (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0),
        "tuned": True,
    },
}
