"""The flags that the studies of flexible-size networks share: networks whose layers have a trained size."""

import dataclasses
import math
from typing import ClassVar

from jaxsize.errors import InputError
from jaxsize.studies import FormsFlags, TrainingFlags, listing


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlexibleFlags(FormsFlags, TrainingFlags):
    """The flags that the studies of flexible-size networks share."""

    group: ClassVar[str] = "flexible_sizes"
    large: ClassVar = {"num_seeds": 6, "epochs": 15, "width": 500, "batch_size": 128}

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 6 unless the data set is digits."""
    epochs: int = 20
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 200
    """Hidden units that a network has room for. 500 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Step size of Adam for the weights."""
    size_learning_rate: float = 1.0
    """Step size of Adam for the sizes, in units."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        if self.width < 2:
            raise InputError(f"expected a whole number from 2 on, got {self.width}", field="width")
        for name in ("learning_rate", "size_learning_rate"):
            if not 0 < getattr(self, name) < 1e30:
                raise InputError(f"expected a finite number above 0, got {getattr(self, name)}", field=name)

    def require_numbers(self, name: str, *, low: float = 0.0, high: float = 1e30, above: bool = False) -> None:
        """Require that a field holds a finite number, or different ones, from `low` to `high`; None passes.

        Args:
            name: the field.
            low: the smallest number that is allowed.
            high: the largest number that is allowed.
            above: `low` itself is not allowed.

        Raises:
            InputError: when there is no number, or one is out of range or given twice.
        """
        values = getattr(self, name)
        if values is None:
            return
        values = values if isinstance(values, tuple) else (values,)
        fine = all(math.isfinite(value) and low <= value <= high and not (above and value == low) for value in values)
        if not values or not fine or len(set(values)) < len(values):
            bound = (f"above {low:g}" if above else f"from {low:g} on") + (f", up to {high:g}" if high < 1e30 else "")
            raise InputError(f"expected different finite numbers {bound}, got {listing(values)}", field=name)

    def rates(self) -> dict[str, float]:
        """Return the learning rates, which are settings of every run."""
        return {"learning_rate": self.learning_rate, "size_learning_rate": self.size_learning_rate}
