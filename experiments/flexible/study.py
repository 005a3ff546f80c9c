"""Does a trained size forget where it started, and is a network of a learned size as good as a static one of that size?

    python -m experiments.flexible                                 digits, 10 seeds, minutes
    python -m experiments.flexible --dataset mnist fashion_mnist      two sets, 6 seeds, a quarter of an hour
    python -m experiments.flexible --dataset mnist fashion_mnist --full    the journal's scale: 20 starts, 11 penalties

One hidden layer with a trained size (the journal, seed `003_d2c286111c329776.txt`, from "Implement a metric-less
resizing" to "Improve numerical stability", "Analyse the behavior of flexible netowkrs" and "Erratum"; experiments J7,
J9 and, as options, J13). First many start sizes at one penalty, then many penalties from one start size. Then, with the
same seeds, static networks of the sizes that the runs ended with, and a wide one. `original`: as the journal ran it,
which ignored every start size (so only the smallest and the largest are trained, and they are the same run), with L2 on
flexible networks; static ones have none, as in the journal, or, in an arm that it lacked, the same. `corrected`: start
sizes are used, units are added when a size comes near the width, and decay is decoupled and the same in static
networks. Answers C15 to C18; and C13 and C14, with the broken forms in `specimens`.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from experiments.common.networks import mlps
from experiments.common.sizes import cuts, trained_sizes
from experiments.common.words import median
from experiments.flags.flexible import FlexibleFlags
from experiments.flexible import pictures, specimens
from experiments.flexible.claims import CLAIMS, ends
from jaxsize.data import Form
from jaxsize.errors import InputError
from jaxsize.learners import sparsifier
from jaxsize.learners.flexible import FORMS, FlexibleConfig, Optimizer, make_optimizer
from jaxsize.learners.importance import Measure
from jaxsize.programs import Batch
from jaxsize.studies import Arm, Arms, Learned, Setup, Study, columns, listing
from jaxsize.sweeps import Partner, partner_batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class LearnedSizeFlags(FlexibleFlags):
    """Does a trained size forget where it started, and is a network of a learned size as good as a static one?"""

    large: ClassVar = {"epochs": 5, "start_sizes": (0.0, 150.0, 300.0, 450.0), "penalties": (1e-3, 1e-5, 1e-7)}

    epochs: int = 20
    """Passes over the training rows. 5 unless the data set is digits."""
    start_sizes: tuple[float, ...] = tuple(np.arange(0.0, 200, 20).tolist())
    """Units per layer that are on before training. 0, 150, 300, 450 unless the data set is digits."""
    penalty: float = 1e-5
    """What a unit adds to the loss where networks start at different sizes."""
    penalties: tuple[float, ...] = tuple(10.0 ** -(power / 2) for power in range(5, 16))
    """What a unit adds to the loss where networks start at half the width.
    With data sets other than digits: 1e-3, 1e-5, 1e-7."""
    slopes: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates over units. The original form and the runs with several penalties use the first number.
    The others are compared in the corrected form, at its first weight decay."""
    original_weight_decays: tuple[float, ...] = (1e-3, 0.0)
    """Weight decays of the original form (coupled), of flexible networks; of static ones, these and none."""
    weight_decays: tuple[float, ...] = (1e-2, 0.0)
    """Weight decays of the corrected form (decoupled), of flexible and static networks."""
    depth: int = 1
    """Number of hidden layers, each with a trained size."""
    order: Literal["none", Measure] = "none"
    """Which units are moved to the front of their layer after every epoch.
    spread: those whose outputs spread most over rows. leave_one_out: those whose absence costs most."""
    optimizer: Optimizer = "adam"
    """Optimiser of the weights of flexible and static networks; Adam moves the sizes."""
    slope_mode: Literal["fixed", "trained", "random"] = "fixed"
    """fixed: slopes stay as given. trained: they are trained, too.
    random: a slope is drawn for every step, so that 1 to 20 units are in the gray zone."""
    specimen_epochs: int = 3
    """Passes of the runs with broken gates or prices, of at most 50 steps each."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("depth", "specimen_epochs")
        self.require_numbers("start_sizes", "penalty", "penalties", "original_weight_decays", "weight_decays")
        self.require_numbers("slopes", above=True, high=1e4)
        if len(self.start_sizes) < 2 or max(self.start_sizes) > self.width:
            expected = f"two or more numbers up to the width {self.width}"
            raise InputError(f"expected {expected}, got {listing(self.start_sizes)}", field="start_sizes")
        most = max(len(self.original_weight_decays), len(self.weight_decays)) + len(self.slopes)
        self.require_runs(most * (len(self.start_sizes) + 3 * len(self.penalties)))

    def decays(self, form: Form) -> tuple[float, ...]:
        """Return the weight decays of a form."""
        return self.original_weight_decays if form == "original" else self.weight_decays

    def flexible(self, form: Form) -> FlexibleConfig:
        """Return the form's configuration with the flags in place of its choices."""
        return dataclasses.replace(FORMS[form], order=self.order, optimizer=self.optimizer, slope=self.slope_mode)


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare all start sizes, then all penalties, then the broken forms.

    The original form ignores start sizes: it has the smallest and the largest. The corrected form has the other slopes,
    too, with the first decay.
    """
    flags, form, ignored = setup.flags, setup.form, setup.form == "original"
    decays, slope = flags.decays(form), flags.slopes[0]
    start_sizes = (min(flags.start_sizes), max(flags.start_sizes)) if ignored else flags.start_sizes
    gates = [{"slope": slope, "weight_decay": decay} for decay in decays]
    other_gates = [{"slope": other, "weight_decay": decays[0]} for other in flags.slopes[1:]]
    starts, penalties = (
        trained_sizes(setup, flags.flexible(form), depth=flags.depth, ignore_start=ignored) for _ in range(2)
    )
    for gate, start in itertools.product(gates if ignored else gates + other_gates, start_sizes):
        yield Arm("starts", {"start_size": start, "penalty": flags.penalty} | gate | flags.rates(), starts)
    for gate, penalty in itertools.product(gates, flags.penalties):
        yield Arm("penalties", {"start_size": flags.width / 2, "penalty": penalty} | gate | flags.rates(), penalties)
    yield from specimens.arms(setup)


def followers(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the static networks: those of the median end size of every decay and penalty, and a wide one per decay.

    Their weights are trained by the optimiser of the flexible networks.
    """
    flags, form = setup.flags, setup.form
    sizes: dict[tuple[float, float], list[list[float]]] = {}
    for row in (row for _, trained in learned.values() for row in trained.rows):
        if row["arm"] == "penalties" and row["epoch"] == flags.epochs:
            sizes.setdefault((row["weight_decay"], row["penalty"]), []).append(row["size_per_layer"])
    wanted: list[tuple[dict[str, Any], tuple[int, ...]]] = [
        ({"arm": arm, "weight_decay": decay, "own_weight_decay": own, "penalty": penalty}, widths)
        for (decay, penalty), of_runs in sizes.items()
        if (widths := static_widths(of_runs))
        for arm, own in static_decays(form, decay).items()
    ]
    for own in dict.fromkeys(static_decays(form, decay)["static"] for decay in flags.decays(form)):
        label = {"arm": "static wide", "weight_decay": own, "own_weight_decay": own}
        wanted.append((label, (2 * flags.width,) * flags.depth))

    static, fields, partners = mlps(setup.dataset, gate=None), setup.fields("static"), []
    for (own, widths), seed in itertools.product(wanted, range(flags.num_seeds)):
        label = fields["label"] | own | {"seed": seed, "run": setup.first_run + len(partners)}
        init, decay = functools.partial(static(widths).init, seed), {"weight_decay": own["own_weight_decay"]}
        partners.append(Partner(label, widths, init, flags.epochs, decay))
    return partner_batches(
        partners,
        setup.dataset,
        sparsifier.FORMS[form],
        static,
        name=fields["name"],
        hparams={"learning_rate": flags.learning_rate},
        optimizer=lambda hparams: make_optimizer(flags.flexible(form), hparams.replace(size_learning_rate=0.0)),
        config=fields["config"],
    )


def static_decays(form: Form, decay: float) -> dict[str, float]:
    """Return the decays of the static networks beside flexible ones, by arm: in the original form none, and the same.

    The journal's had none. Beside them, those with the same decay tell what is the gate's doing and what is L2's.
    """
    if form == "corrected":
        return {"static": decay}
    return {"static": 0.0} | ({"static L2": decay} if decay else {})


def static_widths(sizes: Sequence[Sequence[float | None]]) -> tuple[int, ...]:
    """Return the widths of static networks: per layer int(median size over runs), at least 1.

    Only runs with finite sizes count; () if there are none.

    Args:
        sizes: the sizes of each run, one per layer; None where one is not finite.
    """
    lines = np.array(sizes, float)  # None, as rows have it, becomes NaN
    finite = lines[np.isfinite(lines).all(axis=1)]
    return tuple(max(1, int(size)) for size in np.median(finite, axis=0).tolist()) if len(finite) else ()


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make the table: flexible networks by gate, penalty and start, then static ones, then wide ones."""
    scores, units = ("train_score", "test_score"), lambda arm: arm.end("live_units")
    flexible = columns(
        "size", *scores, arms=["starts", "penalties"], by=["slope", "weight_decay", "penalty", "start_size"]
    )
    static = columns(*scores, arms=["static", "static L2"], by=["weight_decay", "penalty"], size=units)
    wide = columns(*scores, arms=["static wide"], by=["weight_decay"], size=units)
    return [*flexible(arms), *static(arms), *wide(arms)]


def answer(arms: Arms) -> Iterator[str]:
    """Say where sizes ended, by where they started, and what a price left beside a static network of that size."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        (slope, decay), view = next(iter(chosen["starts"].by("slope", "weight_decay").items()))
        starts = view.values("start_size")
        began = f"{starts[0]:g} to {starts[-1]:g} units" if form == "corrected" else "1 unit, whatever was asked for,"
        ended = " to ".join(dict.fromkeys(median(size, ".3g") for size in ends(view)[:, [0, -1]].T))
        penalty, kind = max(chosen["penalties"].values("penalty")), view.score()[0]
        cell = chosen.at(weight_decay=decay, penalty=penalty)
        size = median(cell["penalties"].end("size"), ".3g")
        scores = [median(one.end(kind), ".4f") for one in (cell["penalties"], *cell.like("static"))]
        yield (
            f"{dataset}, {form} form, slope {slope:g}, weight decay {decay:g}: "
            f"layers that started with {began} ended with {ended}."
        )
        yield (
            f"A price of {penalty:g} per unit left a size of {size}; {kind.replace('_', ' ')} "
            f"{', of static networks of that size '.join(scores)}."
        )


STUDY = Study(
    name="flexible",
    flags=LearnedSizeFlags,
    presets={
        "smoke": {
            "num_seeds": 2,
            "width": 100,
            "epochs": 2,
            "start_sizes": (0.0, 30.0, 60.0),
            "penalties": (1e-3, 1e-5),
            "specimen_epochs": 1,
        },
        "full": {
            "num_seeds": 10,
            "width": 500,
            "epochs": 15,
            "batch_size": 128,
            "start_sizes": tuple(np.arange(0.0, 500, 25).tolist()),
            "penalties": tuple(10.0 ** -(power / 2) for power in range(5, 16)),
        },
    },
    arms=arms,
    followers=followers,
    table=table,
    claims=CLAIMS,
    pictures={"starts": pictures.starts, "frontier": pictures.frontier, "prices": pictures.prices},
    answer=answer,
    checks=[functools.partial(cuts, arms=("starts", "penalties"))],
)
COMMAND = STUDY.command
