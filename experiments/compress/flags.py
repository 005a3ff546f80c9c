"""The flags of `python -m experiments.compress`, their defaults, presets and checks."""

import dataclasses
import math
from typing import Any, ClassVar, Literal, get_args

from experiments.common.scales import batch_size
from experiments.flags.penalty import PenaltyFlags
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.programs import Config
from jaxsize.studies import Setup, TrainingFlags, listing

Arm = Literal["from_scratch", "from_found", "random_widths", "half_widths", "double_widths", "pruned", "group_lasso"]
SHARES = {1: 1.0, 2: 0.6, 3: 0.4, 4: 0.25}  # the source: 10 000, 6 000, 4 000 and 2 500 units


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompressFlags(PenaltyFlags):
    """Does a network that starts far too large, and shrinks while it trains, beat the alternatives?"""

    large: ClassVar = {"num_seeds": 6, "epochs": 20}

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 6 unless the data set is digits."""
    depths: tuple[int, ...] = (1,)
    """Numbers of hidden layers, from 1 to 4; several are compared."""
    start_width: int = 1000
    """Units of the hidden layer before training. Of 2, 3 or 4 hidden layers each has .6, .4 or .25 as many,
    as in the source, which starts with 10000."""
    epochs: int = 30
    """Most passes over the training rows; --time-limit may end a training before. 20 unless the data set is digits."""
    penalties: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    """What an open gate adds to the loss; a network is trained for each number, and always one without a penalty.
    As in the source, the numbers are multiplied by 1e4 for add10 and airfoil (for a sum over the batch).
    For poker they are multiplied by .1."""
    batch_size: int = 0
    """Rows per step. 0: add10 100, airfoil 50, poker 1000, digits, teacher and small own data 32, others 128."""
    penalty_decay: float = 1.0
    """The penalty is divided by this after every epoch.
    The source names 2^(1/10), which halves it in 10 epochs, and used 1."""
    time_limit: float = math.inf
    """Seconds after which no further epoch starts; results then depend on the machine.
    The compressed runs of a depth have this time together, and the runs with a group lasso as well."""
    partners: tuple[Arm, ...] = get_args(Arm)
    """What compressed networks are compared with.
    Of the same widths: from_scratch; from_found (trained on from the compressed weights).
    Also pruned (cut out of the unpenalised network by magnitude, and fine-tuned).
    From scratch, too: half_widths; double_widths; random_widths (of equal total, with two or more hidden layers).
    From the same start: group_lasso."""
    static_epochs: int = 0
    """Most epochs of a network from scratch, which is given the time and the multiply-adds of the compressed one.
    If it is 0: three times --epochs."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("depths", "start_width")
        if max(self.depths) > max(SHARES):
            raise InputError(f"expected 1 to 4 hidden layers, got {listing(self.depths)}", field="depths")
        self.require_runs(len(self.depths))
        decay = self.penalty_decay
        if not (0 < decay < 1e30 and min(decay, 1.0) ** self.epochs > 1e-30):  # in single precision 0 / 0 is near
            raise InputError(f"expected above 0, its power --epochs above 1e-30, got {decay}", field="penalty_decay")
        if not self.time_limit > 0:
            raise InputError(f"expected seconds above 0, got {self.time_limit}", field="time_limit")
        if self.partners:
            self.require_different("partners")
        self.require_numbers("batch_size", "static_epochs")

    def width(self, depth: int) -> int:
        """Return the units of every hidden layer before training."""
        return max(1, round(self.start_width * SHARES[depth]))

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained in the corrected form; see `TrainingFlags.config`."""
        return TrainingFlags(batch_size=self.batch_size or batch_size(dataset)).config(dataset)

    def rates(self, form: str) -> dict[str, float]:
        """Return the hyperparameters that all runs of a form share."""
        return super().rates(form) | {"penalty_decay": self.penalty_decay}


def shared(setup: Setup) -> dict[str, Any]:
    """Return the fields of a batch that compressed networks and their partners share."""
    shuffle = "batches" if setup.form == "original" else "per_run"
    config = dataclasses.replace(setup.flags.config(setup.dataset), shuffle=shuffle)
    return {"config": config, "hparams": setup.flags.rates(setup.form)}


PRESETS = {
    "smoke": {  # 120 steps: at the usual rates, no gate would close, or all would before the weights have learned
        "num_seeds": 2,
        "penalties": (1e-1, 1e-2),
        "depths": (1, 2),
        "start_width": 24,
        "epochs": 3,
        "learning_rate": 0.01,
        "gate_learning_rate": 0.02,
    },
    "full": {
        "num_seeds": 6,
        "penalties": tuple(10.0**-power for power in range(1, 7)),
        "depths": (1, 2, 3, 4),
        "start_width": 10_000,
        "epochs": 60,
    },
}
