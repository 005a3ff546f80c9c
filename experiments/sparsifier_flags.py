"""The flags of `python -m experiments.sparsifier`, their defaults, presets and checks."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from experiments.command_line import Flags, flag, told
from jaxsize.sparsifier import FORMS, SparsifierConfig

MOST_RUNS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierFlags(Flags):
    """How many units does a network keep when every unit has a price, and is it the better for it?"""

    penalties: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    """Costs of an open gate in the loss. The unpenalised network is always trained beside them."""
    start_width: tuple[int, ...] = (100,)
    """Hidden units before training; several values are compared. 500 unless the data set is digits."""
    epochs: int = 100
    """Passes over the training rows. 60 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    gate_learning_rate: float = 1e-3
    """Step size for the gates. The learning rate unless given."""
    gate: Literal["relu", "signed"] = "relu"
    """What multiplies a unit: relu of its gate, or the gate itself, whatever its sign."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """A unit dies when its relu gate reaches 0; when its gate is within 1e-5 of 0 (threshold unless given, for signed
    gates); when the sign of its signed gate changes for some time, or often."""
    sign_decay: float = 0.99
    """Memory of sign_variance, from 0 (the first change of sign kills) to below 1."""
    form: Literal["corrected", "original"] = "corrected"
    """original: as the journal did it, data preparation included. corrected: with its flaws mended."""
    weight_decay: float = 1e-2
    """Decoupled and never on gates; in the original form coupled, on everything, and 0 unless given."""
    gate_step: Literal["proximal", "gradient"] = "proximal"
    """proximal: closed gates are exactly 0. gradient: plain steps; the original form and sign_variance unless given."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    """What scales the steps of the gates."""
    unit_norm: bool = False
    """Keep the incoming weights of every unit at norm 1, its scale in the gate."""
    liveness_start: Literal["one", "uniform"] = "one"
    """Gates before training: all 1, or drawn from (0, 1]."""
    gate_inputs: bool = False
    """Put a gate on every input as well, so that inputs can be removed."""
    shrink: bool = True
    """Remove dead units while training, where that pays. It changes no result, only the time."""
    shuffle: Literal["per_run", "shared"] = "per_run"
    """Order of the rows: its own for every seed, or the same for all runs."""

    def defaults(self) -> dict[str, Any]:
        large = {"num_seeds": 3, "start_width": (500,), "epochs": 60, "batch_size": 128}
        original = {"weight_decay": 0.0, "gate_step": FORMS["original"].gate_step}
        by_sign = {"gate_step": "gradient"}  # a step that ends at 0 shows no change of sign
        return {
            "gate_learning_rate": self.learning_rate,
            **(large if self.dataset != ("digits",) else {}),
            **({"death_rule": "threshold"} if self.gate == "signed" else {}),
            **(original if self.form == "original" else {}),
            **(by_sign if self.death_rule == "sign_variance" else {}),
        }

    def check(self) -> None:
        super().check()
        self.require_whole("epochs", "batch_size", "start_width")
        num_runs = self.num_seeds * (1 + len(self.penalties)) * len(self.start_width) * len(self.dataset)
        if num_runs > MOST_RUNS:
            raise ValueError(f"--num-seeds: these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible")
        penalties = self.penalties
        single = {float(np.float32(penalty)) for penalty in penalties if abs(penalty) < 1e38}  # as they will be used
        if not penalties or len(single) < len(penalties) or min(single) <= 0:
            raise ValueError(
                f"--penalties: expected different numbers above 0 (0 is always added), got {told(penalties)}"
            )
        for name in ("learning_rate", "gate_learning_rate", "weight_decay"):
            value = getattr(self, name)
            single = float(np.float32(value)) if abs(value) < 1e38 else math.inf
            if not 0 <= single < math.inf or (single == 0 and name != "weight_decay"):
                bound = "from 0 on" if name == "weight_decay" else "above 0"
                raise ValueError(f"{flag(name)}: expected a finite number {bound}, got {value}")
        if not (0 <= self.sign_decay < 1 and np.float32(self.sign_decay) < 1):
            raise ValueError(f"--sign-decay: expected a number from 0 to below 1, got {self.sign_decay}")
        try:
            self.config()
        except ValueError as error:  # gate, steps and death rule that do not fit
            name, _, reason = str(error).partition(":")
            raise ValueError(f"{flag(name)}:{reason}") from None

    def config(self) -> SparsifierConfig:
        names = ("gate", "gate_step", "gate_optimizer", "unit_norm", "death_rule", "sign_decay")
        return dataclasses.replace(FORMS[self.form], **{name: getattr(self, name) for name in names})


PRESETS = {
    "smoke": {"num_seeds": 2, "penalties": (1e-1, 1e-2), "start_width": (16,), "epochs": 3},
    "full": {
        "num_seeds": 30,
        "penalties": tuple(10.0**-power for power in range(8)),
        "start_width": (500, 1000),
        "epochs": 60,
        "batch_size": 128,
    },
}
