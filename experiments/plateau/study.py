"""Where does the size of a flexible network come to rest without a price, and is it weight decay that holds it there?

    python -m experiments.plateau                                 digits, 10 seeds, minutes
    python -m experiments.plateau --dataset mnist fashion_mnist      two sets, 6 seeds, hours
    python -m experiments.plateau --dataset mnist fashion_mnist --full    30 seeds

One hidden layer (the journal, seed `003_d2c286111c329776.txt`, "Investigate the origin of the network size plateau";
experiment J8). `original`: as the journal ran it, trained on the TEST rows, so that columns of train and test are of
the same rows; slope 1, the start size ignored, Adam with L2 1e-3 or none, no penalty. `corrected`: training rows, the
start size used, every weight decay with every penalty under three optimisers: SGD + L2, Adam + L2 (coupled) and AdamW
(decoupled). Adam moves the size under all of them, and the size itself is never decayed; units are added when it comes
near the width. Answers C19 and C20, and tells after how many steps a weight without a gradient is gone (E7).
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any, ClassVar

from experiments.common.sizes import cuts, trained_sizes
from experiments.common.words import median
from experiments.flags.flexible import FlexibleFlags
from experiments.plateau.claims import CLAIMS, JOURNAL, JOURNAL_DECAY, growth, table
from experiments.plateau.pictures import sizes, units
from experiments.plateau.weights import outgoing, steps_to_a_tenth
from jaxsize.data import Dataset, Form
from jaxsize.errors import InputError
from jaxsize.learners.flexible import FlexibleConfig
from jaxsize.results import Folder
from jaxsize.studies import Arm, Arms, Learned, Setup, Study, before_and_after, listing
from jaxsize.studies.opening import load_datasets

OPTIMIZERS = {
    "SGD + L2": FlexibleConfig(optimizer="sgd", weight_decay="coupled"),
    JOURNAL: FlexibleConfig(weight_decay="coupled"),
    "AdamW": FlexibleConfig(),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class PlateauFlags(FlexibleFlags):
    """Where does the size of a flexible network come to rest without a price, and does weight decay hold it there?"""

    large: ClassVar = {"original_epochs": 15}

    original_epochs: int = 60
    """Passes over the test rows in the original form. 15 unless the data set is digits."""
    weight_decays: tuple[float, ...] = (0.0, 1e-4, 1e-3, 1e-2)
    """Weight decays of the corrected form; 0 and 0.001 among them."""
    penalties: tuple[float, ...] = (0.0, 1e-6, 1e-5, 1e-4)
    """What a unit adds to the loss, in the corrected form; 0 among them."""
    start_size: float | None = None
    """Units that are on before training, in the corrected form. Default: half the width."""
    slope: float = 0.4
    """Steepness of the gates over units, in the corrected form."""
    sgd_learning_rate: float = 0.1
    """Step size of SGD for the weights."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("original_epochs")
        for name in ("weight_decays", "penalties"):
            self.require_numbers(name)
        for name in ("slope", "sgd_learning_rate"):
            self.require_numbers(name, above=True, high=1e4)
        self.require_numbers("start_size", high=self.width)
        for name, needed in (("weight_decays", (0.0, JOURNAL_DECAY)), ("penalties", (0.0,))):
            if not set(needed) <= set(given := getattr(self, name)):
                wanted = " and ".join(f"{number:g}" for number in needed)
                raise InputError(f"expected {wanted} among them, got {listing(given)}", field=name)
        self.require_runs(len(OPTIMIZERS) * len(self.weight_decays) * len(self.penalties))

    @property
    def start(self) -> float:
        """Units that are on before training, in the corrected form."""
        return self.width / 2 if self.start_size is None else self.start_size

    def weight_rate(self, config: FlexibleConfig) -> float:
        """Return the step size of the weights under an optimiser."""
        return self.sgd_learning_rate if config.optimizer == "sgd" else self.learning_rate


def data(flags: PlateauFlags, form: Form) -> list[Dataset]:
    """Load the data sets; in the original form their test rows are those that train."""
    loaded = load_datasets(flags, form)
    return [dataclasses.replace(one, train=one.test) for one in loaded] if form == "original" else loaded


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare the journal's layer with and without L2, or every decay with every penalty for each optimiser."""
    flags: PlateauFlags = setup.flags
    shared = flags.rates() | {"start_size": flags.start}
    if setup.form == "original":
        make = trained_sizes(setup, OPTIMIZERS[JOURNAL], ignore_start=True, num_epochs=flags.original_epochs)
        for decay in (JOURNAL_DECAY, 0.0):
            yield Arm(JOURNAL, shared | {"weight_decay": decay}, make)
        return
    for name, config in OPTIMIZERS.items():
        make = trained_sizes(setup, config, width=flags.width)
        own = shared | {"slope": flags.slope, "learning_rate": flags.weight_rate(config)}
        for decay, penalty in itertools.product(flags.weight_decays, flags.penalties):
            yield Arm(name, own | {"weight_decay": decay, "penalty": penalty}, make)


def lifetimes(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Count the steps that a weight without a gradient lives: once, as they are the same on all data sets."""
    flags: PlateauFlags = setup.flags
    if (setup.dataset.name, setup.form) != (flags.names[0], flags.form[0]):
        return {}
    rows, decays = [], [decay for decay in flags.weight_decays if decay]
    for name, config in OPTIMIZERS.items():
        rate = flags.weight_rate(config)
        for decay, steps in zip(decays, steps_to_a_tenth(config, rate, decays, flags.width), strict=True):
            rows.append({"optimizer": name, "learning_rate": rate, "weight_decay": decay, "steps": steps})
    return {"Steps until a weight without a gradient has shrunk to a tenth": rows}


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes ended without a penalty, without and with the journal's decay, and how much they still grew."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        ends = []
        for arm in chosen:
            plain, decayed = (arm.at(penalty=0.0, weight_decay=decay) for decay in (0.0, JOURNAL_DECAY))
            late = " and ".join(median(100 * growth(one), ".2g") for one in (plain, decayed))
            ends.append(
                f"{median(plain.end('size'))} without weight decay and {median(decayed.end('size'))} with "
                f"{JOURNAL_DECAY:g} under {arm.name} (growth in the last third of the epochs: {late} %)"
            )
        yield f"{dataset}, {form} form: at no price a unit, sizes ended at {'; '.join(ends)}."


STUDY = Study(
    name="plateau",
    flags=PlateauFlags,
    data=data,
    presets={
        "smoke": {
            "num_seeds": 2,
            "width": 40,
            "epochs": 3,
            "original_epochs": 4,
            "weight_decays": (0.0, 1e-3),
            "penalties": (0.0, 1e-5),
        },
        "full": {"num_seeds": 30, "width": 500, "epochs": 15, "batch_size": 128},
    },
    arms=arms,
    table=table,
    claims=CLAIMS,
    pictures={"units": units, "decay": sizes},
    answer=answer,
    checks=[before_and_after("outgoing", outgoing), lifetimes, cuts],
)
COMMAND = STUDY.command
