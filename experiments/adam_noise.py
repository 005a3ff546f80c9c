"""Is it Adam that makes the loss noisy late in training, or the large steps of the size?

    python -m experiments.adam_noise                                 digits, 10 seeds, a minute or two
    python -m experiments.adam_noise --dataset mnist --epochs 50        one set, 6 seeds, past epoch 30
    python -m experiments.adam_noise --dataset mnist fashion_mnist --full    J13's scale: 30 seeds, 60 epochs

One hidden layer that starts at size 0 and costs nothing, as in `pretraining` without its first phase (seed
`003_d2c286111c329776.txt`, "Check if Adam is messing up with the training at very low loss" and the two explanations in
"Results of the pretask"; experiment J13, announced and never run). Three arms from the same weights and orders of rows:
Adam, Adamax for weights and size, both at the same rates, and Adam with a smaller rate of the size. `original`: the
journal's data preparation, all rows. `corrected`: statistics of its own, validation rows held out; units are added when
the size comes near the width. Answers the first half of C25.
"""

import dataclasses
import sys
from typing import Any

from experiments import adam_noise_report as report
from experiments.command_line import main
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_study import Question, Setup, answer
from jaxsize.batches import Batch
from jaxsize.flexible import FORMS

NAME = "adam_noise"


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamNoiseFlags(FlexibleFlags):
    """Is it Adam that makes the loss noisy late in training, or the large steps of the size?"""

    epochs: int = 60
    """Passes over the training rows. 15 unless the data set is digits."""
    width: int = 500
    """Hidden units allocated."""
    slow_size_learning_rate: float = 0.1
    """Step size of Adam for the sizes in the third arm, in units."""
    slope: float = 0.4
    """Steepness of the gate, over units."""
    after_epoch: int = 30
    """Noise counts from the next epoch on; from the middle on if fewer than 4 epochs follow."""

    def check(self) -> None:
        super().check()
        self.require_whole("after_epoch")
        self.require_numbers("slope", high=1e4, above=True)
        slow, rate = self.slow_size_learning_rate, self.size_learning_rate
        if not 0 < slow < rate:
            raise ValueError(f"--slow-size-learning-rate: expected a number between 0 and {rate:g}, got {slow}")
        self.require_runs(3)


PRESETS = {
    "smoke": {"num_seeds": 2, "width": 200, "epochs": 6},
    "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
}


def batches(setup: Setup) -> list[Batch]:
    """Adam with both rates of the size, and Adamax: a program each."""
    flags, form = setup.flags, setup.form
    made: list[Batch] = []
    for optimizer in ("adam", "adamax"):
        rates = (flags.size_learning_rate, flags.slow_size_learning_rate)[: 2 if optimizer == "adam" else 1]
        settings = [
            {"slope": flags.slope, "seed": seed, "learning_rate": flags.learning_rate, "size_learning_rate": rate}
            for rate in rates
            for seed in range(flags.num_seeds)
        ]
        flexible = dataclasses.replace(FORMS[form], optimizer=optimizer, size_optimizer=optimizer)
        made.append(setup.flexible(optimizer, flexible, settings, made))
    return made


QUESTION = Question(NAME, batches, report.results, report.claims, report.pictures)


def run(flags: AdamNoiseFlags) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
    return answer(flags, QUESTION)


if __name__ == "__main__":
    sys.exit(main(AdamNoiseFlags, PRESETS, run, NAME))
