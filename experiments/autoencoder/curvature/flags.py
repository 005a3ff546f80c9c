"""The flags of the part of the study that measures curvature along training and along compression."""

import dataclasses
from typing import ClassVar, Literal

from jaxsize.studies import Flags


@dataclasses.dataclass(frozen=True, kw_only=True)
class SpectraFlags(Flags):
    """How curved is the loss of an autoencoder while it trains, and while it loses units?"""

    group: ClassVar[str] = "curvature"
    large: ClassVar = {
        "curvature_rate": 1e-3,
        "curvature_price": 0.03,
        "curvature_every": 3,
        "curvature_rows": 500,
    }

    curvature: bool = True
    """Networks of the second of the structures are also trained by Adam to measure the curvature of their loss.
    --no-curvature leaves that out."""
    curvature_activations: tuple[Literal["tanh", "relu"], ...] = ("tanh", "relu")
    """The activations of networks whose curvature is measured along training: a smooth one, and that of the seed."""
    curvature_rate: float = 3e-3
    """Learning rate of Adam for these networks, and of their gates. .001 unless the data set is digits."""
    curvature_price: float = 0.01
    """What an open gate costs where units are taken away, in units of the loss per image.
    .03 unless the data set is digits."""
    curvature_every: int = 5
    """Curvature is measured after every so many epochs. 3 unless the data set is digits."""
    curvature_rows: int = 250
    """Training images on which it is measured, the first ones. 500 unless the data set is digits."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("curvature_every", "curvature_rows")
        self.require_numbers("curvature_rate", "curvature_price", above=True)
        self.require_different("curvature_activations")
