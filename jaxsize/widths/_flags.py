"""The settings of `learn_widths`, as the flags of its study."""

import dataclasses
import math
from typing import Any, ClassVar

import numpy as np

from jaxsize.errors import InputError
from jaxsize.studies import TrainingFlags, listing


@dataclasses.dataclass(frozen=True, kw_only=True)
class WidthsFlags(TrainingFlags):
    """How wide need this network be, when every open unit has a price, and is it the better for it?"""

    group: ClassVar[str] = "prices_and_rates"

    penalties: tuple[float, ...] = (1e-2, 1e-3)
    """What an open gate adds to the loss; a network is trained for each number, and always one without a penalty."""
    learning_rate: float = 1e-3
    """Learning rate of the weights, which Adam trains."""
    gate_learning_rate: float = 1e-2
    """Learning rate of the gates."""
    weight_decay: float = 1e-2
    """Weight decay, decoupled (AdamW), never of gates."""
    shrink: bool = True
    """Dead units are removed while training, where that saves time; no result changes."""
    network: str = ""
    """The network, its loss and the scales of its inputs in short, so that a folder goes on with the same ones."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_runs(2 * len(self.penalties) + 1)
        prices = {float(np.float32(price)) for price in self.penalties if abs(price) < 1e38}
        if not prices or len(prices) < len(self.penalties) or min(prices) <= 0:
            raise InputError(
                f"expected different numbers above 0 (0 is always added), got {listing(self.penalties)}",
                field="penalties",
            )
        for name in ("learning_rate", "gate_learning_rate", "weight_decay"):
            value = getattr(self, name)
            if not 0 <= value < math.inf or (value == 0 and name != "weight_decay"):
                bound = "from 0 on" if name == "weight_decay" else "above 0"
                raise InputError(f"expected a finite number {bound}, got {value}", field=name)

    def command(self, program: str) -> str:
        """Return the call that gives the same results, with the arguments that differ from their defaults."""
        plain = type(self)()
        given = {k: v for k, v in self.settings().items() if v != getattr(plain, k) and k != "network"}
        return f"jaxsize.learn_widths(apply, init, data{''.join(f', {k}={v!r}' for k, v in given.items())})"

    def hparams(self, **more: Any) -> dict[str, Any]:
        """Return the settings that all runs share."""
        names = ("learning_rate", "gate_learning_rate", "weight_decay")
        return {name: getattr(self, name) for name in names} | more
