"""Does a gate whose steepness changes at every step let a network find its size, and what do random gates learn?

    python -m experiments.random_slope                                 digits, 10 seeds, a minute or two
    python -m experiments.random_slope --dataset mnist fashion_mnist      two sets, 6 seeds
    python -m experiments.random_slope --dataset mnist fashion_mnist --full    J10's scale: 30 seeds, 60 epochs

One hidden layer that starts at size 0 and costs nothing (seed `003_d2c286111c329776.txt`, "Random Slope" and "Random
activation"; experiments J10 and J11). `original`: slope .4 against gray zones from U(1, 20), as the journal ran it.
`corrected`: against slopes with the same mean gray zone (10.5) and the same mean slope, which are not the same thing;
units are added when the size comes near the width. Answers C21, C22 and C23.
"""

import dataclasses
import sys
from typing import Any, Literal

import numpy as np

from experiments import random_slope_report as report
from experiments.command_line import main, told
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_study import Question, Setup, answer
from jaxsize.batches import Batch
from jaxsize.datasets import Form
from jaxsize.flexible import FORMS
from jaxsize.flexible_gates import ODDS, slope_of

NAME = "random_slope"
LOW, HIGH = 1.0, 20.0
MEAN_SLOPE = ODDS * np.log(HIGH / LOW) / (HIGH - LOW)
CONTROLS: dict[Form, dict[str, float]] = {
    "original": {"slope .4": 0.4, "slope 1": 1.0},  # as run, and as the text says
    "corrected": {"mean gray zone": slope_of((LOW + HIGH) / 2), "mean slope": float(MEAN_SLOPE)},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSlopeFlags(FlexibleFlags):
    """Does a gate whose steepness changes at every step let a network find its size, and what do random gates learn?"""

    epochs: int = 60
    """Passes over the training rows. 30 unless the data set is digits."""
    start_size: float = 0.0
    """Units that are on before training."""
    gates: tuple[Literal["fixed", "random", "bernoulli"], ...] = ("fixed", "random", "bernoulli")
    """Which gates are trained: with fixed slopes, with random ones, and units that are on or off at random."""

    def defaults(self) -> dict[str, Any]:
        return super().defaults() | ({"epochs": 30} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        super().check()
        self.require_numbers("start_size", high=1e6)
        if not self.gates or len(set(self.gates)) < len(self.gates):
            raise ValueError(f"--gates: expected different ones, got {told(self.gates)}")


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 40, "epochs": 3},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Fixed slopes, random slopes, and Bernoulli gates with every estimator: a program each."""
    flags, form = setup.flags, setup.form
    shared = {"start_size": flags.start_size, **flags.rates()}
    fixed = [
        {"control": name, "slope": slope, "seed": seed, **shared}
        for name, slope in CONTROLS[form].items()
        for seed in range(flags.num_seeds)
    ]
    seeds = [{"slope": next(iter(CONTROLS[form].values())), "seed": seed, **shared} for seed in range(flags.num_seeds)]
    estimators = ("none",) if form == "original" else ("none", "straight_through", "score_function")
    arms: dict[str, dict[str, Any]] = {"fixed": {}, "random": {"slope": "random", "gray_zones": (LOW, HIGH)}}
    arms |= {f"bernoulli {name}": {"gate": "bernoulli", "estimator": name} for name in estimators}
    made: list[Batch] = []
    for arm, config in arms.items():
        if arm.split()[0] not in flags.gates:
            continue
        flexible = dataclasses.replace(FORMS[form], **config)
        made.append(setup.flexible(arm, flexible, fixed if arm == "fixed" else seeds, made))
    return made


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures)


def run(flags: RandomSlopeFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    return answer(flags, QUESTION)


if __name__ == "__main__":
    sys.exit(main(RandomSlopeFlags, PRESETS, run, NAME))
