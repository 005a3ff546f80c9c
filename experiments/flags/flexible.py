"""The flags that the studies of flexible-size networks share: networks whose layers have a trained size."""

import dataclasses
from typing import ClassVar

from jaxsize.studies import FormsFlags, TrainingFlags


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
        self.require_whole("width", low=2)
        self.require_numbers("learning_rate", "size_learning_rate", above=True)

    def rates(self) -> dict[str, float]:
        """Return the learning rates, which are settings of every run."""
        return {"learning_rate": self.learning_rate, "size_learning_rate": self.size_learning_rate}
