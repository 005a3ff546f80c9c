"""Does a gate whose steepness changes at every step let a network find its size, and what do random gates learn?

    python -m experiments.random_slope                                  digits, 10 seeds, a minute or two
    python -m experiments.random_slope --dataset mnist fashion_mnist       two sets, 6 seeds
    python -m experiments.random_slope --dataset mnist fashion_mnist --full    J10's scale: 30 seeds, 60 epochs

One hidden layer starts at size 0, and a unit costs nothing (the journal, seed `003_d2c286111c329776.txt`, "Random slope
variation" and "Making every unit on/off independently"; experiments J10, J11). `original`: slope .4 against gray zones
drawn from U(1, 20), as the journal ran it. `corrected`: against slopes of the same mean gray zone (10.5) and of the
same mean slope, which are not the same thing; units are added when the size comes near the width. Answers C21 to C23.
"""

import dataclasses
import sys
from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np

from experiments.common.sizes import cuts, growth, trained_sizes
from experiments.common.words import median
from experiments.flags.flexible import FlexibleFlags
from jaxsize import studies
from jaxsize.gates import slope_of
from jaxsize.gates.ramp import ODDS
from jaxsize.learners.flexible import FORMS
from jaxsize.statistics import Part, fit_laws, median_interval, paired_difference
from jaxsize.studies import Arm, Arms, ArmView, Claim, Setup, above, below, each

LOW, HIGH = 1.0, 20.0  # gray zones, in units
CONTROLS = {
    "original": {"slope .4": 0.4, "slope 1": 1.0},  # as run, and as the text says
    "corrected": {"mean gray zone": slope_of((LOW + HIGH) / 2), "mean slope": ODDS * np.log(HIGH / LOW) / (HIGH - LOW)},
}
ESTIMATORS = {"original": ("none",), "corrected": ("none", "straight_through", "score_function")}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RandomSlopeFlags(FlexibleFlags):
    """Does a gate whose steepness changes at every step let a network find its size?"""

    large: ClassVar = {"epochs": 30}

    epochs: int = 60
    """Passes over the training rows. 30 unless the data set is digits."""
    start_size: float = 0.0
    """Units that are on before training."""
    gates: tuple[Literal["fixed", "random", "bernoulli"], ...] = ("fixed", "random", "bernoulli")
    """Which gates are trained. fixed: with fixed slopes. random: with a slope drawn for every step.
    bernoulli: units are on or off at random."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_numbers("start_size", high=1e6)
        self.require_different("gates")
        self.require_runs(max(map(len, CONTROLS.values())) + 1 + max(map(len, ESTIMATORS.values())))


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare fixed slopes, random slopes, and Bernoulli gates with every estimator."""
    flags, form, config = setup.flags, setup.form, FORMS[setup.form]
    shared = {"start_size": flags.start_size, **flags.rates()}
    first = shared | {"slope": next(iter(CONTROLS[form].values()))}
    if "fixed" in flags.gates:
        make = trained_sizes(setup, config)
        for name, slope in CONTROLS[form].items():
            yield Arm(f"fixed, {name}", shared | {"slope": slope}, make)
    if "random" in flags.gates:
        drawn = dataclasses.replace(config, slope="random", gray_zones=(LOW, HIGH))
        yield Arm("random", first, trained_sizes(setup, drawn))
    for name in ESTIMATORS[form] if "bernoulli" in flags.gates else ():
        on_or_off = dataclasses.replace(config, gate="bernoulli", estimator=name)
        yield Arm(f"bernoulli {name}", first, trained_sizes(setup, on_or_off))


def grows_as_logarithm(arm: ArmView) -> Iterator[Part]:
    """Yield how far the AIC of a logarithm is below that of other laws, and how much sizes still grow at the end."""
    sizes = arm.curve("size")
    epochs = np.arange(1, sizes.shape[1] + 1)
    if len(epochs) < 4:
        return
    fits = [fit_laws(epochs, line) if np.isfinite(line).all() else None for line in sizes]
    for law in ("saturating", "power"):
        less = [np.nan if fit is None else fit[law]["aic"] - fit["logarithmic"]["aic"] for fit in fits]
        yield above(median_interval(less), aic_less_logarithm=law)
    late = sizes[:, -1 - len(epochs) // 3]
    yield above(median_interval((sizes[:, -1] - late) / sizes[:, -1]), growth="last third")


def log_noise(arm: ArmView) -> np.ndarray:
    """Return the log of the size gradient's variance within an epoch, its mean over epochs, [num_seeds]."""
    return np.log(np.maximum(arm.steps_by_epoch("size_gradient_0").var(-1), 1e-30)).mean(-1)


def random_is_worse(random: ArmView, fixed: ArmView) -> Iterator[Part]:
    """Yield differences of size and loss at the end, and of the size gradient's variance."""
    losses = (arm.steps_by_epoch("loss")[:, -1].mean(-1) for arm in (random, fixed))
    yield below(paired_difference(random.end("size"), fixed.end("size")), of="end size")
    yield above(paired_difference(*losses), of="loss")
    yield above(paired_difference(log_noise(random), log_noise(fixed)), of="log variance of gradient")


def no_gradient(arm: ArmView) -> Iterator[Part]:
    """Yield the largest gradient of the size, which is exactly 0 unless an estimator gives one."""
    largest = np.abs(arm.steps("size_gradient_0")).max(-1)
    part = studies.exactly(0, largest, median_interval(largest), of="largest |gradient|")
    yield part if arm.name == "bernoulli none" else studies.listed(part, "this estimator exists to have one")


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes ended with random slopes and with fixed ones."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        sizes = ", ".join(f"{median(arm.end('size'))} ({arm.name})" for arm in chosen)
        yield f"{dataset}, {form} form: where a unit costs nothing, sizes ended at {sizes}."


STUDY = studies.Study(
    name="random_slope",
    flags=RandomSlopeFlags,
    presets={
        "smoke": {"num_seeds": 2, "width": 40, "epochs": 3},
        "full": {"num_seeds": 30, "width": 500, "epochs": 60, "batch_size": 128},
    },
    arms=arms,
    table=studies.columns("size", "live_units", "train_loss", "test_loss", "test_score"),
    claims={
        "C21": Claim(
            "without a penalty, size grows as a logarithm and reaches no plateau",
            each("fixed*", "random"),
            grows_as_logarithm,
            "needs at least 4 epochs",
        ),
        "C22": Claim(
            "a random slope means a noisier gradient, slower growth and a higher loss",
            studies.versus("random", "fixed*"),
            random_is_worse,
            "needs --gates fixed random",
        ),
        "C23": Claim("Bernoulli gates give the size no gradient", each("bernoulli*"), no_gradient, seeds=1),
    },
    pictures={"slopes": growth},
    answer=answer,
    checks=[cuts],
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
