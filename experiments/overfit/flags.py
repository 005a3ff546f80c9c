"""The flags of the study of over-fitting, and its presets."""

import dataclasses
from typing import ClassVar

from jaxsize.errors import InputError
from jaxsize.studies import DatasetFlags, TrainingFlags, listing


@dataclasses.dataclass(frozen=True, kw_only=True)
class OverfitFlags(DatasetFlags, TrainingFlags):
    """How far can an autoencoder be over-fitted on purpose: how near does its loss come to the least possible one?"""

    group: ClassVar[str] = "over_fitting"
    large: ClassVar = {
        "num_seeds": 1,
        "epochs": 15,
        "batch_size": 128,
        "latents": (128, 256, 384, 512),
        "encoder": 1024,
        "rows": (100, 1000, 10_000),
        "exact_widths": (128, 32, 64, 256),
    }

    num_seeds: int = 6
    """Runs per setting, with seeds 0, 1, ...; that something can be done, one run shows.
    1 unless the data set is digits."""
    epochs: int = 60
    """Passes over all training rows. 15 unless the data set is digits."""
    latents: tuple[int, ...] = (8, 16, 32, 48)
    """Latent units, of networks that are trained on all rows. 128 256 384 512 unless the data set is digits."""
    encoder: int = 96
    """Hidden units of the encoder; at least as many as pixels. 1024 unless the data set is digits."""
    pieces: int = 8
    """Straight pieces of the curve that the decoder starts with; for each pixel it has one ReLU more than that."""
    learning_rate: float = 3e-4
    """Learning rate of Adam in the first epoch; it falls to a hundredth on a cosine."""
    random: bool = True
    """The same networks are also trained from random weights. --no-random leaves them out."""
    rows: tuple[int, ...] = (100, 400)
    """So many images are to be reproduced exactly, by networks whose widths are learned, and by networks that are put
    together without training; by the latter also all images, 60000 at most.
    100 1000 10000 unless the data set is digits."""
    exact_widths: tuple[int, ...] = (64, 16, 32, 128)
    """Units of those networks before training: of the encoder, latent ones, and of the decoder's layers, the first of
    which is linear. 128 32 64 256 unless the data set is digits."""
    exact_steps: int = 20_000
    """Steps of their training; in the first 30 % of them units have a price."""
    exact_learning_rate: float = 1e-2
    """Learning rate of Adam in that training, while units have a price; then it falls to a hundredth on a cosine."""
    penalties: tuple[float, ...] = (3.0, 1.0, 0.3, 0.1)
    """What an open gate costs there, per image; the loss is half the squared error of logits, beyond rounding."""
    gate_learning_rate: float = 3e-3
    """Learning rate of the gates."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("latents", "encoder", "pieces", "rows", "exact_steps")
        if len(self.exact_widths) < 2 or min(self.exact_widths) < 1:
            given = listing(self.exact_widths)
            raise InputError(
                f"expected whole numbers from 1 on, of the encoder, latent and so on, got {given}", field="exact_widths"
            )
        self.require_numbers("learning_rate", "exact_learning_rate", "gate_learning_rate", "penalties", above=True)
        self.require_runs((1 + self.random) * len(self.latents) + len(self.rows) * len(self.penalties))


PRESETS = {
    "smoke": {
        "num_seeds": 1,
        "epochs": 4,
        "latents": (16, 32),
        "encoder": 64,
        "pieces": 4,
        "random": False,
        "rows": (20,),
        "exact_widths": (16, 8, 8, 32),
        "exact_steps": 400,
        "penalties": (1.0,),
    },
    "full": {
        "num_seeds": 6,
        "epochs": 200,
        "latents": (32, 64, 128, 192, 256, 320, 384, 448, 512, 640),
        "rows": (100, 1000, 10_000),
        "exact_steps": 100_000,
    },
}
