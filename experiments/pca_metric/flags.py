"""The flags of the study of principal components, and its presets."""

import dataclasses
from typing import ClassVar

from jaxsize.errors import InputError
from jaxsize.studies import FormsFlags, TrainingFlags, listing

JOURNAL_WIDTHS = (32, 64, 128, 200, 350, 568, 1024, 2048)
"""The widths of J6."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PcaMetricFlags(FormsFlags, TrainingFlags):
    """Do the principal components of a layer's outputs tell how many units the layer needs?"""

    group: ClassVar[str] = "layers_and_components"
    large: ClassVar = {"num_seeds": 6, "epochs": 10, "batch_size": 128, "widths": JOURNAL_WIDTHS}

    num_seeds: int = 10
    """Networks per width, with seeds 0, 1, ...; 6 unless the data set is digits."""
    epochs: int = 30
    """Passes over the training rows. 10 unless the data set is digits."""
    widths: tuple[int, ...] = (4, 8, 16, 32, 64, 128, 256)
    """Hidden units; three numbers or more. Unless the data set is digits, those of the journal: 32 64 128 200 350 568
    1024 2048."""
    learning_rate: float = 1e-3
    """Learning rate of Adam."""
    scored_rows: int = 10_000
    """The rows, the first ones, on which accuracies with few components are measured: training rows in the original
    form, test rows in the corrected one. The components themselves are of all training rows."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("scored_rows")
        self.require_whole("widths", low=2)  # one unit has one direction only
        if len(self.widths) < 3 or list(self.widths) != sorted(self.widths):
            raise InputError(f"expected three numbers or more, ascending, got {listing(self.widths)}", field="widths")
        self.require_numbers("learning_rate", above=True)
        self.require_runs(len(self.widths))


PRESETS = {
    "smoke": {"num_seeds": 2, "epochs": 2, "widths": (4, 8, 80), "scored_rows": 100},
    "full": {
        "num_seeds": 6,
        "epochs": 10,
        "widths": JOURNAL_WIDTHS,
        "batch_size": 128,
        "scored_rows": 60_000,
    },
}
