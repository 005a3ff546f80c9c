"""The flags of the study of model dimensions, its presets, and its data."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from experiments.common.pixels import load_images
from experiments.common.structures import widths_of
from jaxsize.data import Dataset, Form, noise_like
from jaxsize.studies import DatasetFlags, TrainingFlags


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelDimensionFlags(DatasetFlags, TrainingFlags):
    """How many latent units and how many ReLUs does an autoencoder need, and does that depend on the images?"""

    group: ClassVar[str] = "autoencoders"
    large: ClassVar = {
        "num_seeds": 6,
        "epochs": 10,
        "batch_size": 64,
        "structures": ("32", "64", "128", "256", "32-32", "256-256"),
        "latents": (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        "rows": (100, 1000, 10_000),
        "start_width": 256,
        "most_units": 512,
    }

    epochs: int = 60
    """Passes over the training rows; half of it or more should come after the loss has stopped falling.
    10, as in the seed, unless the data set is digits."""
    structures: tuple[str, ...] = ("8", "16", "32", "8-8", "32-32")
    """Hidden widths of the encoder, mirrored in the decoder: "256-128" is two layers.
    32 64 128 256 32-32 256-256 unless the data set is digits."""
    latents: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 64)
    """Latent units; every structure is trained with each. 1 to 512 unless the data set is digits."""
    rows: tuple[int, ...] = (100, 400)
    """The first structure is also trained on so many rows alone. 100 1000 10000 unless the data set is digits."""
    noise: bool = True
    """Everything is also done on images of noise, of the same shape. --no-noise leaves them out."""
    learning_rate: float = 1e-3
    """Learning rate of Adam, which the seed does not name."""
    enough: float = 1.0
    """The search for a dimension ends where a network's excess over the entropy is so small, in nats per image."""
    most_units: int = 128
    """The search ends before a layer gets more units than this. 512 unless the data set is digits."""
    penalties: tuple[float, ...] = (0.3, 0.1, 0.03)
    """What an open gate on a hidden or latent unit costs, in nats per image, where the size is learned."""
    start_width: int = 64
    """Hidden and latent units before training, where the size is learned. 256 unless the data set is digits."""
    gate_learning_rate: float = 1e-3
    """Learning rate of the gates. Adam closes a gate in 1 / rate steps: at .01 before a network has learned."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("latents", "rows", "most_units", "start_width")
        self.require_different("structures")
        for structure in self.structures:
            widths_of(structure)
        self.require_numbers("learning_rate", "gate_learning_rate", "enough", "penalties", above=True)
        self.require_runs((1 + self.noise) * len(self.latents) * (len(self.structures) + 1 + len(self.rows)))


def images(flags: ModelDimensionFlags, form: Form) -> Sequence[Dataset]:
    """Load the data sets, and make noise beside each if the flags ask for it."""
    loaded = load_images(flags, form)
    return [*loaded, *(noise_like(dataset) for dataset in loaded)] if flags.noise else loaded


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "epochs": 8,
        "structures": ("4", "4-4"),
        "latents": (2, 8),
        "rows": (100,),
        "noise": False,
        "penalties": (0.1,),
        "start_width": 16,
        "gate_learning_rate": 0.02,
        "most_units": 4,
    },
    "full": {
        "num_seeds": 6,
        "epochs": 60,
        "structures": ("32", "64", "128", "256", "32-32", "256-256", "128-128", "256-128"),
        "latents": (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024),
        "rows": (100, 1000, 10_000),
    },
}
