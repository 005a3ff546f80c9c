"""The flags of the studies in which an open gate costs something."""

import dataclasses
import math
from typing import Any, Literal

import numpy as np

from jaxsize.errors import InputError
from jaxsize.studies import DatasetFlags, listing


@dataclasses.dataclass(frozen=True, kw_only=True)
class PenaltyFlags(DatasetFlags):
    """The flags that the studies with a price on open gates share."""

    penalties: tuple[float, ...] = (1e-1, 1e-2, 1e-3, 1e-4)
    """What an open gate adds to the loss; a network is trained for each number, and always one without a penalty."""
    epochs: int = 100
    """Passes over the training rows."""
    learning_rate: float = 1e-3
    """Learning rate of the weights, which Adam trains."""
    gate_learning_rate: float = 1e-3
    """Learning rate of the gates. Default: that of the weights."""
    form: Literal["corrected", "original"] = "corrected"
    """original: as the source of the study did it, data preparation included. corrected: with the flaws mended."""
    weight_decay: float = 1e-2
    """Decoupled weight decay (AdamW), never of gates.
    In the original form it is L2, of gates too, and 0 by default."""
    shrink: bool = True
    """Dead units are removed while training, where that saves time; no result changes. --no-shrink keeps them."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        original = {"weight_decay": 0.0} if self.form == "original" else {}
        return {"gate_learning_rate": self.learning_rate} | original

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("epochs")
        penalties = self.penalties
        single = {float(np.float32(penalty)) for penalty in penalties if abs(penalty) < 1e38}  # as they will be used
        if not penalties or len(single) < len(penalties) or min(single) <= 0:
            raise InputError(
                f"expected different numbers above 0 (0 is always added), got {listing(penalties)}", field="penalties"
            )
        for name in ("learning_rate", "gate_learning_rate", "weight_decay"):
            value = getattr(self, name)
            single = float(np.float32(value)) if abs(value) < 1e38 else math.inf
            if not 0 <= single < math.inf or (single == 0 and name != "weight_decay"):
                bound = "from 0 on" if name == "weight_decay" else "above 0"
                raise InputError(f"expected a finite number {bound}, got {value}", field=name)

    def require_runs(self, settings: int = 1) -> None:
        """Refuse a study that is too large to end; see `Flags.require_runs`.

        Args:
            settings: runs with each penalty, and none, with each seed, on each data set.
        """
        super().require_runs(settings * (1 + len(self.penalties)))

    def rates(self) -> dict[str, float]:
        """Return the hyperparameters that all runs share."""
        return {name: getattr(self, name) for name in ("learning_rate", "weight_decay", "gate_learning_rate")}
