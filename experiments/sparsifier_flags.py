"""The flags of `python -m experiments.sparsifier`, their defaults, presets and checks."""

import dataclasses
from typing import Any, Literal

import numpy as np

from experiments.command_line import flag
from experiments.penalty_flags import PenaltyFlags
from jaxsize.sparsifier import FORMS, SparsifierConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierFlags(PenaltyFlags):
    """How many units does a network keep when every unit has a price, and is it the better for it?"""

    start_width: tuple[int, ...] = (100,)
    """Hidden units before training; several values are compared. 500 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    gate: Literal["relu", "signed"] = "relu"
    """What multiplies a unit: relu of its gate, or the gate itself, whatever its sign."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """A unit dies when its relu gate reaches 0; when its gate is within 1e-5 of 0 (threshold unless given, for signed
    gates); when the sign of its signed gate changes for some time, or often."""
    sign_decay: float = 0.99
    """Memory of sign_variance, from 0 (the first change of sign kills) to below 1."""
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
    shuffle: Literal["per_run", "shared"] = "per_run"
    """Order of the rows: its own for every seed, or the same for all runs."""

    def defaults(self) -> dict[str, Any]:
        large = {"num_seeds": 3, "start_width": (500,), "epochs": 60, "batch_size": 128}
        original = {"gate_step": FORMS["original"].gate_step}
        by_sign = {"gate_step": "gradient"}  # a step that ends at 0 shows no change of sign
        return {
            **super().defaults(),
            **(large if self.dataset != ("digits",) else {}),
            **({"death_rule": "threshold"} if self.gate == "signed" else {}),
            **(original if self.form == "original" else {}),
            **(by_sign if self.death_rule == "sign_variance" else {}),
        }

    def check(self) -> None:
        super().check()
        self.require_whole("batch_size", "start_width")
        self.require_few(len(self.start_width))
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
