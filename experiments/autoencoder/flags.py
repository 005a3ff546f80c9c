"""The flags of the study of how autoencoders are trained, and its presets."""

import dataclasses
from typing import ClassVar, Literal

from experiments.autoencoder.curvature.flags import SpectraFlags
from experiments.common.structures import widths_of
from jaxsize.errors import InputError
from jaxsize.studies import DatasetFlags, TrainingFlags

Optimizer = Literal["SGD", "RMSprop", "Adam", "Hessian-free"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class AutoencoderFlags(SpectraFlags, DatasetFlags, TrainingFlags):
    """Which optimiser trains an autoencoder fastest, does depth delay gradient descent, what do two latent units show?

    Learning rates are chosen on validation rows, for every optimiser and structure.
    """

    group: ClassVar[str] = "autoencoders"
    large: ClassVar = {
        "num_seeds": 6,
        "epochs": 33,
        "batch_size": 100,
        "train_rows": 5000,
        "structures": ("2", "200-2", "400-200-2"),
        "deeper": (),
        "tuning_seeds": 2,
        "sgd_rates": (0.01, 0.03),
        "rates": (1e-3, 3e-3),
        "beyond": 2,
        "dampings": (1.0,),
        "hessian_free_epochs": 3,
        "hessian_free_batch_size": 500,
        "grid_rates": (1e-3, 3e-3, 1e-2, 3e-2),
        "grid_batch_sizes": (100, 1000, 5000),
        "grid_seeds": 5,
    }

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ... 6 unless the data set is digits."""
    epochs: int = 60
    """Passes over the training rows. 33, as in the seed, unless the data set is digits."""
    batch_size: int = 16
    """Rows per step. 100 unless the data set is digits."""
    train_rows: int | None = None
    """Training rows, the first ones; of validation and test rows half as many are used, at most.
    5000 unless the data set is digits, whose rows are all used. 50000 are all of MNIST, of which 10000 validate."""
    structures: tuple[str, ...] = ("2", "32-2", "64-32-2")
    """Widths from the images to the latent units; the decoder has them in reverse. 2, 200-2 and 400-200-2, as in the
    seed, unless the data set is digits."""
    deeper: tuple[str, ...] = ("32-32-2", "32-32-32-2")
    """Structures that gradient descent trains as well, as deeper ones of the width of the second of the structures.
    None unless the data set is digits, or with --full."""
    optimizers: tuple[Optimizer, ...] = ("SGD", "RMSprop", "Adam", "Hessian-free")
    """The optimisers that are compared. Hessian-free is not in the seed."""
    activation: Literal["relu", "leaky_relu"] = "relu"
    """The activation of hidden layers; leaky_relu has the slope .01 below 0."""
    momentum: float = 0.0
    """Momentum of SGD, such as .9."""
    sgd_rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)
    """Learning rates that are tried for SGD, in half decades. Where the best one is at an end, more are tried beyond.
    .01 and .03 unless the data set is digits."""
    rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2, 3e-2)
    """The same for RMSprop and Adam. .001 and .003 unless the data set is digits."""
    tuning_seeds: int = 3
    """Seeds with which rates are tried; the rate of the least median validation loss after the last epoch is chosen.
    2 unless the data set is digits."""
    beyond: int = 6
    """At most so many rates are tried beyond the ends of those that are named, half a decade each. With 0, a
    single rate is taken as it is. 2 unless the data set is digits."""
    dampings: tuple[float, ...] = (0.1, 1.0, 10.0)
    """What is tried for Hessian-free in place of a rate: the damping before the first step. 1 unless the data set is
    digits."""
    hessian_free_epochs: int = 30
    """Epochs of Hessian-free. 3 unless the data set is digits."""
    hessian_free_batch_size: int = 256
    """Rows per step of Hessian-free, which needs more of them. 500 unless the data set is digits."""
    grid: bool = True
    """Adam is also trained with every rate and batch size of a grid. --no-grid leaves it out."""
    grid_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    """Learning rates of the grid. .001 to .03 unless the data set is digits."""
    grid_batch_sizes: tuple[int, ...] = (4, 16, 64, 256, 1024)
    """Batch sizes of the grid. 100 1000 5000 unless the data set is digits."""
    grid_seeds: int = 6
    """Seeds of every cell of the grid, at most --num-seeds. 5 unless the data set is digits."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        for name in ("structures", "optimizers"):
            self.require_different(name)
        for structure in (*self.structures, *self.deeper):
            widths_of(structure)
        if shared := set(self.structures) & set(self.deeper):
            raise InputError(f"expected others than those of --structures, got {min(shared)}", field="deeper")
        self.require_whole("beyond", low=0)
        self.require_whole("tuning_seeds", "hessian_free_epochs", "hessian_free_batch_size", "grid_seeds")
        self.require_whole("grid_batch_sizes", *(["train_rows"] if self.train_rows is not None else []))
        self.require_numbers("sgd_rates", "rates", "dampings", "grid_rates", above=True)
        self.require_numbers("momentum", high=1)
        if self.tuning_seeds > self.num_seeds:
            raise InputError(
                f"expected at most the {self.num_seeds} seeds, got {self.tuning_seeds}", field="tuning_seeds"
            )
        values = 1 + max(len(self.rates), len(self.sgd_rates)) + self.beyond
        tried = len(self.structures) * len(self.optimizers) * values
        self.require_runs(tried + len(self.grid_rates) * len(self.grid_batch_sizes) * self.grid)


PRESETS = {
    "smoke": {
        "num_seeds": 2,
        "epochs": 3,
        "curvature": False,
        "train_rows": 300,
        "batch_size": 50,
        "structures": ("2", "8-2"),
        "deeper": (),
        "optimizers": ("SGD", "Adam", "Hessian-free"),
        "sgd_rates": (0.1, 0.3),
        "rates": (0.03,),
        "beyond": 0,
        "dampings": (1.0,),
        "tuning_seeds": 1,
        "hessian_free_epochs": 2,
        "hessian_free_batch_size": 100,
        "grid_rates": (0.003, 0.01),
        "grid_batch_sizes": (50, 150),
    },
    "full": {
        "num_seeds": 10,
        "epochs": 33,
        "batch_size": 100,
        "train_rows": 50_000,
        "structures": ("2", "200-2", "400-200-2"),
        "deeper": ("200-200-2", "200-200-200-2"),
        "sgd_rates": (1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        "rates": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2),
        "dampings": (0.1, 1.0, 10.0),
        "tuning_seeds": 3,
        "hessian_free_epochs": 33,
        "hessian_free_batch_size": 1000,
        "grid_rates": (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1),
        "grid_batch_sizes": (10, 100, 1000, 10_000),
        "grid_seeds": 6,
    },
}
