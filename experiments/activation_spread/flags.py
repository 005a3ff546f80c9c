"""The flags of the study of spreads, and its presets."""

import dataclasses
from typing import ClassVar

from jaxsize.errors import InputError
from jaxsize.studies import FormsFlags, TrainingFlags, listing


def journal_widths(low: int, high: int) -> tuple[int, ...]:
    """Return the journal's widths: floor(2^(i/2)) for i from `low` to `high` (J1).

    Example:
        >>> journal_widths(8, 11)
        (16, 22, 32, 45)
    """
    return tuple(int(2 ** (i / 2)) for i in range(low, high + 1))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ActivationSpreadFlags(FormsFlags, TrainingFlags):
    """Do the spreads of a layer's activations tell whether the layer is too large?"""

    group: ClassVar[str] = "layers_and_measures"
    large: ClassVar = {"num_seeds": 6, "epochs": 10, "batch_size": 128, "widths": journal_widths(8, 21)}

    num_seeds: int = 10
    """Networks per width, with seeds 0, 1, ...; 6 unless the data set is digits."""
    epochs: int = 30
    """Passes over the training rows. 10 unless the data set is digits."""
    widths: tuple[int, ...] = journal_widths(4, 18)
    """Hidden units; four numbers or more. 16 22 32 ... 1448 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Learning rate of Adam."""
    ablated_rows: int = 2000
    """The training rows, the first ones, on which the loss without each unit is measured."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("ablated_rows")
        self.require_whole("widths", low=3)  # normality needs three units
        if len(self.widths) < 4 or list(self.widths) != sorted(self.widths):
            raise InputError(f"expected four numbers or more, ascending, got {listing(self.widths)}", field="widths")
        self.require_numbers("learning_rate", above=True)
        self.require_runs(len(self.widths))


PRESETS = {
    "smoke": {"num_seeds": 2, "epochs": 2, "widths": (4, 8, 16, 64), "ablated_rows": 200},
    "full": {"num_seeds": 11, "epochs": 30, "widths": journal_widths(8, 27), "batch_size": 128},
}
