"""Flags of the experiments in which an open gate costs something."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from experiments.command_line import Flags, flag, told

MOST_RUNS = 100_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class PenaltyFlags(Flags):
    penalties: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    """Costs of an open gate in the loss. The unpenalised network is always trained beside them."""
    epochs: int = 100
    """Passes over the training rows. 60 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Step size of Adam."""
    gate_learning_rate: float = 1e-3
    """Step size for the gates. The learning rate unless given."""
    form: Literal["corrected", "original"] = "corrected"
    """original: as the journal did it, data preparation included. corrected: with its flaws mended."""
    weight_decay: float = 1e-2
    """Decoupled and never on gates; in the original form coupled, on everything, and 0 unless given."""
    shrink: bool = True
    """Remove dead units while training, where that pays. It changes no result, only the time."""

    def defaults(self) -> dict[str, Any]:
        original = {"weight_decay": 0.0} if self.form == "original" else {}
        return {"gate_learning_rate": self.learning_rate} | original

    def check(self) -> None:
        super().check()
        self.require_whole("epochs")
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

    def require_few(self, settings: int) -> None:
        """ValueError if so many settings, with every penalty and seed, are more runs than anyone can want."""
        num_runs = self.num_seeds * (1 + len(self.penalties)) * settings * len(self.dataset)
        if num_runs > MOST_RUNS:
            raise ValueError(f"--num-seeds: these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible")

    def rates(self) -> dict[str, float]:
        """The hyperparameters of every run."""
        return {name: getattr(self, name) for name in ("learning_rate", "weight_decay", "gate_learning_rate")}
