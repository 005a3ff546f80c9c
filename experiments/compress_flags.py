"""The flags of `python -m experiments.compress`, their defaults, presets and checks."""

import dataclasses
import math
from typing import Any, Literal, get_args

from experiments.command_line import told
from experiments.penalty_flags import PenaltyFlags
from jaxsize.compress import BATCH_SIZES, START_WIDTHS
from jaxsize.datasets import Dataset
from jaxsize.sparsifier import FORMS, SparsifierConfig

PartnerArm = Literal["from_scratch", "from_found", "random_widths", "half_widths", "double_widths", "pruned"]
Arm = Literal[PartnerArm, "group_lasso"]
ARMS: tuple[Arm, ...] = (*get_args(PartnerArm), "group_lasso")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CompressFlags(PenaltyFlags):
    """Does a network that starts far too large, and shrinks while it trains, beat the alternatives?"""

    depth: tuple[int, ...] = (1,)
    """Numbers of hidden layers, from 1 to 4; several are compared."""
    start_width: tuple[int, ...] = ()
    """Units of every hidden layer before training, one number per depth. By default 1000, 600, 400, 250 for 1 to 4
    layers, and with --full the journal's 10000, 6000, 4000, 2500."""
    epochs: int = 30
    """Passes over the training rows, at most. 20 unless the data set is digits."""
    penalties: tuple[float, ...] = (1e-2, 1e-3, 1e-4)
    """Costs of an open gate in the loss, on the journal's scale: times 1e4 where it sums a loss over a batch (add10,
    airfoil), times .1 for poker. The unpenalised network is always trained beside them."""
    batch_size: int = 0
    """Rows per step. 0: add10 100, airfoil 50, poker 1000, digits and teacher 32, others 128."""
    penalty_decay: float = 1.0
    """What the penalty is divided by after every epoch; the journal names 2^(1/10) and used 1."""
    time_limit: float = math.inf
    """Seconds after which no epoch starts, for all compressed runs of a depth together, and for those with a group
    lasso. Not reproducible: it depends on the machine."""
    partners: tuple[Arm, ...] = ARMS
    """What is compared: the widths found, trained from scratch, on from the weights found, or cut out of the
    unpenalised network by magnitude and fine-tuned; random widths of equal total (from two layers on), half and twice
    the widths; and a group lasso from the same start."""
    static_epochs: int = 0
    """Epochs that networks from scratch may take to reach the time and the multiply-adds of the compressed one. 0:
    three times --epochs."""

    def defaults(self) -> dict[str, Any]:
        large = {"num_seeds": 6, "epochs": 20} if self.dataset != ("digits",) else {}
        scale = "smoke" if self.smoke else "journal" if self.full else ""
        widths = tuple(START_WIDTHS[scale].get(depth, 1) for depth in self.depth) if scale else ()
        return super().defaults() | large | {"start_width": widths}

    def check(self) -> None:
        super().check()
        self.require_whole(
            "depth", *(["start_width"] if len(set(self.start_width)) == len(self.start_width) > 0 else [])
        )
        if max(self.depth) > 4:
            raise ValueError(f"--depth: expected 1 to 4 hidden layers, got {told(self.depth)}")
        if self.start_width and (len(self.start_width) != len(self.depth) or min(self.start_width) < 1):
            raise ValueError(f"--start-width: expected a width above 0 per --depth, got {told(self.start_width)}")
        self.require_few(len(self.depth))
        decay = self.penalty_decay
        if not (0 < decay < 1e30 and min(decay, 1.0) ** self.epochs > 1e-30):  # in single precision 0 / 0 is near
            raise ValueError(f"--penalty-decay: expected above 0, its power --epochs above 1e-30, got {decay}")
        if not self.time_limit > 0:
            raise ValueError(f"--time-limit: expected seconds above 0, got {self.time_limit}")
        if len(set(self.partners)) < len(self.partners):
            raise ValueError(f"--partners: expected different ones, got {told(self.partners)}")
        for name in ("batch_size", "static_epochs"):
            if getattr(self, name) < 0:
                raise ValueError(f"--{name.replace('_', '-')}: expected 0 or more, got {getattr(self, name)}")

    def width(self, depth: int) -> int:
        """Units of every hidden layer before training."""
        return self.start_width[self.depth.index(depth)] if self.start_width else START_WIDTHS["laptop"][depth]

    def rows_per_step(self, dataset: Dataset) -> int:
        """ValueError if there are fewer."""
        batch_size = self.batch_size or BATCH_SIZES.get(dataset.name, 128)
        if batch_size > len(dataset.train):
            raise ValueError(f"--batch-size: {dataset.name} has {len(dataset.train)} train rows, got {batch_size}")
        return batch_size

    def config(self, *, unit_norm: bool = False) -> SparsifierConfig:
        return dataclasses.replace(FORMS[self.form], unit_norm=unit_norm)

    def rates(self) -> dict[str, float]:
        return super().rates() | {"penalty_decay": self.penalty_decay}


PRESETS = {
    "smoke": {"num_seeds": 2, "penalties": (1e-1, 1e-2), "depth": (1, 2), "epochs": 3},
    "full": {
        "num_seeds": 6,
        "penalties": tuple(10.0**-power for power in range(1, 7)),
        "depth": (1, 2, 3, 4),
        "epochs": 60,
    },
}
