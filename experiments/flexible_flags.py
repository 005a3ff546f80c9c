"""The flags that the experiments on flexible-size networks share."""

import dataclasses
import math
from typing import Any, Literal

from experiments.command_line import Flags, flag, told
from experiments.penalty_flags import MOST_RUNS
from jaxsize.datasets import Dataset
from jaxsize.training import Config


@dataclasses.dataclass(frozen=True, kw_only=True)
class FlexibleFlags(Flags):
    form: tuple[Literal["original", "corrected"], ...] = ("original", "corrected")
    """original: as the journal did it, data preparation included. corrected: with its flaws mended. Both side by side
    by default."""
    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 6 unless the data set is digits."""
    epochs: int = 20
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 200
    """Hidden units allocated. 500 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    learning_rate: float = 1e-3
    """Step size of Adam for the weights."""
    size_learning_rate: float = 1.0
    """Step size of Adam for the sizes, in units."""

    def defaults(self) -> dict[str, Any]:
        large = {"num_seeds": 6, "epochs": 15, "width": 500, "batch_size": 128}
        return large if self.dataset != ("digits",) else {}

    def check(self) -> None:
        super().check()
        self.require_whole("epochs", "batch_size")
        if self.width < 2:
            raise ValueError(f"--width: expected a whole number from 2 on, got {self.width}")
        if not self.form or len(set(self.form)) < len(self.form):
            raise ValueError(f"--form: expected different forms, got {told(self.form)}")
        for name in ("learning_rate", "size_learning_rate"):
            if not 0 < getattr(self, name) < 1e30:
                raise ValueError(f"{flag(name)}: expected a finite number above 0, got {getattr(self, name)}")

    def require_numbers(self, name: str, *, low: float = 0.0, high: float = 1e30, above: bool = False) -> None:
        """ValueError unless the flag holds different numbers from low (or above it) to high."""
        values = getattr(self, name)
        values = values if isinstance(values, tuple) else (values,)
        fine = all(math.isfinite(value) and low <= value <= high and not (above and value == low) for value in values)
        if not values or not fine or len(set(values)) < len(values):
            bound = (f"above {low:g}" if above else f"from {low:g} on") + (f", up to {high:g}" if high < 1e30 else "")
            raise ValueError(f"{flag(name)}: expected different finite numbers {bound}, got {told(values)}")

    def require_runs(self, settings: int) -> None:
        """ValueError if so many settings, with every seed, are more runs than anyone can want."""
        num_runs = self.num_seeds * settings * len(self.dataset) * len(self.form)
        if num_runs > MOST_RUNS:
            raise ValueError(f"--num-seeds: these flags ask for {num_runs} runs, at most {MOST_RUNS} are possible")

    def config(self, dataset: Dataset) -> Config:
        if self.batch_size > len(dataset.train):
            raise ValueError(f"--batch-size: {dataset.name} has {len(dataset.train)} train rows, got {self.batch_size}")
        return Config(batch_size=self.batch_size)

    def rates(self) -> dict[str, float]:
        """Settings of every run."""
        return {"learning_rate": self.learning_rate, "size_learning_rate": self.size_learning_rate}
