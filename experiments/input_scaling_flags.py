"""The flags of `python -m experiments.input_scaling`."""

import dataclasses
import math
from typing import Any, Literal

from experiments.command_line import Flags, flag, told
from experiments.input_scaling_recipes import RECIPES
from experiments.penalty_flags import MOST_RUNS
from jaxsize.datasets import Dataset
from jaxsize.training import Config

SCALES = (1e-12, 1e12)
"""Rates and decays carry the square of a scale, and have to stay in float32."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class InputScalingFlags(Flags):
    """Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?"""

    dataset: tuple[str, ...] = ("cifar_like",)
    """Data sets with classes, one or several: cifar_like (synthetic), cifar10, digits, mnist, ... Inputs of the first
    two are in [0, 1], as they were where it was asked; those of the others are centred."""
    num_seeds: int = 6
    """Runs per setting, with seeds 0, 1, ...; fewer than 6 leave every claim open."""
    form: tuple[Literal["original", "corrected"], ...] = ("original", "corrected")
    """original: as it was asked. corrected: a factor of both learning rates is chosen on validation rows."""
    scales: tuple[float, ...] = (255.0, 256.0)
    """Factors of the inputs at which every recipe is run; the corrected form takes the first."""
    sweep_scales: tuple[float, ...] = (4.0, 16.0, 64.0)
    """Further factors at which R1, R2 and R8 are run. Every power of 2 up to 256 unless the data set is cifar_like."""
    epochs: int = 13
    """Passes over the training rows; of cifar_like alone some 200 steps. 20 with any other data set."""
    long_epochs: int = 26
    """The same of R0 and R2, which go on for longer. 100 with any other data set."""
    width: int = 300
    """Hidden units."""
    batch_size: int = 250
    """Rows per step."""
    evaluated_train_rows: int = 50_000
    """Training rows, at most, whose accuracy and loss are measured after every epoch; the last ones."""
    learning_rate: float = 0.02
    """Of R0."""
    weight_decay: float = 1e-4
    """Of R0, added to the gradient (L2)."""
    rate_factors: tuple[float, ...] = (1e-3, 0.03, 1.0, 30.0)
    """Factors of all learning rates of a recipe that the corrected form chooses from; 1 among them."""
    tuned: bool = False
    """Train dense networks with biases on standardised inputs by Adam as well, in the corrected form."""
    tuned_widths: tuple[int, ...] = (300, 1000)
    """Units of their hidden layers."""
    tuned_depths: tuple[int, ...] = (1, 2)
    """Numbers of their hidden layers."""
    tuned_learning_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    tuned_decays: tuple[float, ...] = (1e-2, 0.3)
    """Decoupled."""

    def defaults(self) -> dict[str, Any]:
        if self.dataset == ("cifar_like",):
            return {}
        return {"epochs": 20, "long_epochs": 100, "sweep_scales": tuple(2.0**power for power in range(1, 8))}

    def check(self) -> None:
        super().check()
        self.require_whole(
            "epochs", "long_epochs", "width", "batch_size", "evaluated_train_rows", "tuned_widths", "tuned_depths"
        )
        if not self.form or len(set(self.form)) < len(self.form):
            raise ValueError(f"--form: expected different forms, got {told(self.form)}")
        low, high = SCALES
        for name in ("scales", "sweep_scales"):
            values = getattr(self, name)
            fine = all(low <= value <= high and value != 1 for value in values) and len(set(values)) == len(values)
            if not fine or (name == "scales" and not values):
                bounds = f"from {low:g} to {high:g} other than 1"
                raise ValueError(f"{flag(name)}: expected different numbers {bounds}, got {told(values)}")
        for name in ("learning_rate", "weight_decay", "rate_factors", "tuned_learning_rates", "tuned_decays"):
            values = getattr(self, name)
            values = values if isinstance(values, tuple) else (values,)
            least = 0 if name.endswith(("decay", "decays")) else 1e-12
            if not values or len(set(values)) < len(values) or not all(least <= value <= 1e6 for value in values):
                raise ValueError(f"{flag(name)}: expected different numbers from {least:g} to 1e6, got {told(values)}")
        if 1.0 not in self.rate_factors:
            raise ValueError(f"--rate-factors: expected 1 among them, got {told(self.rate_factors)}")
        if self.long_epochs <= self.epochs:
            raise ValueError(f"--long-epochs: expected more than --epochs {self.epochs}, got {self.long_epochs}")
        if self.tuned and "corrected" not in self.form:
            raise ValueError("--tuned: expected --form corrected with it, whose validation rows choose, got original")
        settings = (
            (len(RECIPES) - 1) * len(self.scales) + 3 * len(self.sweep_scales) + 1 if "original" in self.form else 0
        )
        if "corrected" in self.form:
            tuned = (self.tuned_widths, self.tuned_depths, self.tuned_learning_rates, self.tuned_decays)
            settings += len(RECIPES) * len(self.rate_factors) + self.tuned * math.prod(map(len, tuned))
        if (num_runs := settings * self.num_seeds) > MOST_RUNS:
            raise ValueError(f"--num-seeds: these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible")

    def config(self, dataset: Dataset) -> Config:
        if dataset.task != "classification":
            raise ValueError(f"--dataset: expected sets with classes, got {dataset.name}")
        if self.batch_size > len(dataset.train):
            raise ValueError(f"--batch-size: {dataset.name} has {len(dataset.train)} train rows, got {self.batch_size}")
        return Config(batch_size=self.batch_size, evaluated_train_rows=self.evaluated_train_rows)


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
