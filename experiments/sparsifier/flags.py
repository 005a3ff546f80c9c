"""The flags of `python -m experiments.sparsifier`, their defaults, presets and checks."""

import dataclasses
from typing import Any, ClassVar, Literal

import numpy as np

from experiments.flags.penalty import PenaltyFlags
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.sparsifier import FORMS, SparsifierConfig
from jaxsize.programs import Config
from jaxsize.studies import TrainingFlags


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierFlags(PenaltyFlags, TrainingFlags):
    """How many units does a network keep when every unit has a price, and is it the better for it?"""

    large: ClassVar = {"num_seeds": 8, "start_widths": (500,), "epochs": 30, "batch_size": 128}

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 8 unless the data set is digits.
    Fewer cannot settle whether one of four penalties helps, as the four tests are adjusted together."""
    epochs: int = 100
    """Passes over the training rows. 30 unless the data set is digits."""
    start_widths: tuple[int, ...] = (100,)
    """Hidden units before training; several numbers are compared. 500 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    gate: Literal["relu", "signed"] = "relu"
    """What a unit's activation is multiplied by. relu: relu of its gate. signed: the gate itself, below 0 as well."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """When a unit dies. absorbing: its relu gate reaches 0. sign_variance: its signed gate keeps changing its sign.
    threshold: its gate comes within 1e-5 of 0; this is the default with signed gates."""
    sign_decay: float = 0.99
    """How slowly the death rule sign_variance forgets, from 0 (the first change of sign kills) to below 1."""
    gate_step: Literal["proximal", "gradient"] | None = None
    """How gates move. gradient: the optimiser's plain step; the default in the original form and with sign_variance.
    proximal: a step on the penalised loss that is cut at 0, so that closed gates are exactly 0; the default else."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    """Optimiser of the gates."""
    unit_norm: bool = False
    """Keep the norm of every unit's incoming weights at 1, so that its gate holds its scale."""
    liveness_start: Literal["one", "uniform"] = "one"
    """Gates before training. one: all 1. uniform: drawn from (0, 1]."""
    gate_inputs: bool = False
    """Put a gate on every input as well, so that inputs can die too."""
    shuffle: Literal["per_run", "shared"] = "per_run"
    """Order of the training rows. per_run: every seed has its own. shared: all runs have the same."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"death_rule": "threshold"} if self.gate == "signed" else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("start_widths")
        self.require_runs(len(self.start_widths))
        if not (0 <= self.sign_decay < 1 and np.float32(self.sign_decay) < 1):
            raise InputError(f"expected a number from 0 to below 1, got {self.sign_decay}", field="sign_decay")
        for form in self.form:
            self.sparsifier(form)  # raises where gate, steps and death rule do not fit, naming the field

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained; see `TrainingFlags.config`."""
        return dataclasses.replace(super().config(dataset), shuffle=self.shuffle)

    def sparsifier(self, form: str) -> SparsifierConfig:
        """Return a form's configuration with the flags in place of its choices.

        Raises:
            InputError: when gate, gate step and death rule do not fit together.
        """
        names = ("gate", "gate_optimizer", "unit_norm", "death_rule", "sign_decay")
        by_sign = self.death_rule == "sign_variance"  # a step that ends at 0 shows no change of sign
        step = self.gate_step or ("gradient" if by_sign else FORMS[form].gate_step)
        return dataclasses.replace(FORMS[form], gate_step=step, **{name: getattr(self, name) for name in names})


PRESETS = {
    "smoke": {  # 120 steps: at the usual rates, no gate would close, or all would before the weights have learned
        "num_seeds": 2,
        "penalties": (1e-1, 1e-2),
        "start_widths": (16,),
        "epochs": 3,
        "learning_rate": 0.01,
        "gate_learning_rate": 0.02,
    },
    "full": {
        "num_seeds": 30,
        "penalties": tuple(10.0**-power for power in range(8)),
        "start_widths": (500, 1000),
        "epochs": 60,
        "batch_size": 128,
    },
}
