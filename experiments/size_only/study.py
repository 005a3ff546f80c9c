"""Does a trained network ask for more units when its weights stand still and only its size may move?

    python -m experiments.size_only                                 digits, 10 seeds, a minute
    python -m experiments.size_only --dataset mnist fashion_mnist      two sets, 6 seeds
    python -m experiments.size_only --dataset mnist fashion_mnist --full    10 seeds, longer training

One hidden layer (seed `003_d2c286111c329776.txt`, "Try training only the size on a thoroughly trained network", and the
end of "Two phase training"; experiment J13, which the source announced and never ran). First the weights train at a
fixed size. Then the size is trained, by a fresh Adam and without a penalty, in three arms: with the trained weights
frozen; with the random initial weights frozen; and, as a control, with the trained weights training on. `original` and
`corrected` differ in the preparation of the data; `corrected` also adds units when the size comes near the width.
Answers the second half of C25.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np

from experiments.common.sizes import cuts, trained_sizes
from experiments.common.words import median
from experiments.flags.flexible import FlexibleFlags
from experiments.size_only.claims import CLAIMS, MOVING, TABLE, change
from experiments.size_only.unit_terms import measure_terms, read_terms, require_frozen
from jaxsize import plots
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.gates import gray_zone
from jaxsize.learners.flexible import FORMS
from jaxsize.programs import Batch
from jaxsize.results import Folder
from jaxsize.studies import Arm, Arms, ArmView, Learned, Setup, Study, before_and_after
from jaxsize.trees import Tree


@dataclasses.dataclass(frozen=True, kw_only=True)
class SizeOnlyFlags(FlexibleFlags):
    """Does a trained network ask for more units when its weights stand still and only its size may move?"""

    large: ClassVar = {"epochs": 3, "fixed_size_epochs": 5}

    epochs: int = 3
    """Passes over the training rows while the size moves."""
    fixed_size_epochs: int = 20
    """Passes over the training rows before that, at a fixed size. 5 unless the data set is digits."""
    start_size: float | None = None
    """The fixed size. Default: a quarter of the width."""
    slopes: tuple[float, ...] = (0.4, 1.0)
    """Steepness of the gates."""
    gentle_rate: float = 0.1
    """A second, smaller step size of Adam for the sizes, in units; both are trained."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("fixed_size_epochs")
        self.require_numbers("slopes", above=True, high=1e4)
        self.require_numbers("gentle_rate", above=True)
        self.require_numbers("start_size", high=self.width)
        if (rate := self.size_learning_rate) <= self.gentle_rate:
            expected = f"expected less than the size learning rate {rate}, got {self.gentle_rate}"
            raise InputError(expected, field="gentle_rate")
        self.require_runs(len(self.slopes) * (1 + 2 * len(MOVING)))

    @property
    def start(self) -> float:
        """The fixed size, in units."""
        return self.width / 4 if self.start_size is None else self.start_size


def arms(setup: Setup) -> Iterator[Arm]:
    """Declare the first phase, an arm per slope: the weights train, the size does not."""
    flags: SizeOnlyFlags = setup.flags
    make = trained_sizes(setup, FORMS[setup.form], width=flags.width, widen=False, num_epochs=flags.fixed_size_epochs)
    settings = {"start_size": flags.start, "learning_rate": flags.learning_rate, "size_learning_rate": 0.0}
    for slope in flags.slopes:
        yield Arm("fixed size", settings | {"slope": slope}, make)


def followers(setup: Setup, learned: Learned) -> Iterator[Arm]:
    """Declare the second phase, in which the size moves, with every slope and both step sizes: one program."""
    flags: SizeOnlyFlags = setup.flags
    ((batch, trained),) = learned.values()
    ends = {(label["slope"], label["seed"]): index for index, label in enumerate(batch.labels)}

    def make(dataset: Dataset, *, settings: Sequence[Mapping[str, Any]], **fields: Any) -> Batch:
        def start(index: int) -> Tree:
            end = ends[settings[index]["slope"], settings[index]["seed"]]
            return batch.init(end) if settings[index]["arm"] == "frozen random" else trained.networks[end].params

        sizes = trained_sizes(setup, FORMS[setup.form], width=flags.width, start=start)
        return sizes(dataset, settings=settings, **fields)

    for name, slope, rate in itertools.product(MOVING, flags.slopes, (flags.size_learning_rate, flags.gentle_rate)):
        settings = {"slope": slope, "start_size": flags.start, "size_learning_rate": rate}
        yield Arm(name, settings | {"learning_rate": flags.learning_rate if name == "training" else 0.0}, make)


def frozen(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Check that frozen weights did not move while sizes did."""
    _, moving = learned.values()
    row = {"dataset": setup.dataset.name, "form": setup.form, "networks": require_frozen(*moving)}
    return {"Networks whose frozen weights are what they were, bit for bit": [row]}


def path(arm: ArmView, slope: float, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the steps from 0 on, and the sizes after them, [num_seeds, 1 + steps]."""
    runs = arm.at(slope=slope, size_learning_rate=rate)
    sizes = np.concatenate([runs.end("start_size")[:, None], runs.steps("size_0")], 1)
    return np.arange(sizes.shape[1]), sizes


def paths(arms: Arms) -> Any:
    """Draw size against steps after the weights were trained at a fixed size: the median over seeds, and the range.

    A row of panels per form, a column per slope and step size; a line per kind of weights.
    """
    cells = arms.like(*MOVING)[0].by("slope", "size_learning_rate")
    panels = {f"slope {slope:g}, step size {rate:g}": partial(path, slope=slope, rate=rate) for slope, rate in cells}
    figure, grid = plots.grid(arms.by_form(*MOVING), panels, xlabel="step", title="weights")
    for axes in grid[:, 0]:
        axes.set_ylabel("size")
    figure.suptitle(f"{arms.title}, no penalty: median and range")
    return figure


def near_edge(arm: ArmView, slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Return how far units up to a gray zone from the edge lie beyond it, [n], and their terms, [num_seeds, n]."""
    by_unit, distance = read_terms(arm.at(slope=slope))
    near = np.abs(distance) <= gray_zone(slope)
    return distance[near], by_unit[:, near]


def terms(arms: Arms) -> Any:
    """Draw what each unit adds to -dL/dsize before the size moves, against its distance from the edge.

    Median over seeds, and the range; above 0 a unit asks for a larger size. The edge, at 0, is the unit whose position
    is the size; units up to a gray zone from it are drawn. A row of panels per form, a column per slope; a line for
    trained weights and one for random ones.
    """
    panels = {f"slope {slope:g}": partial(near_edge, slope=slope) for slope in arms[0].values("slope")}
    figure, grid = plots.grid(arms.by_form("frozen*"), panels, xlabel="unit less size", width=4.2, title="weights")
    for axes in grid.ravel():
        axes.axvline(0, color="0.3", linewidth=0.8, linestyle=":")
        axes.axhline(0, color="0.3", linewidth=0.8)
    for axes in grid[:, 0]:
        axes.set_ylabel("unit's part of -dL/dsize")
    figure.suptitle(f"{arms.title}, before the size moves: median and range")
    return figure


def answer(arms: Arms) -> Iterator[str]:
    """Say how far sizes moved at the larger step size, by what the weights were and by slope."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        moved, rate = [], arms.settings["size_learning_rate"]
        for name in MOVING:
            runs = chosen[name].at(size_learning_rate=rate).by("slope")
            changes = [f"{median(change(arm), '+.3g')} at slope {slope:g}" for slope, arm in runs.items()]
            moved.append(f"{' and '.join(changes)} (weights {name})")
        start, epochs = chosen[0].values("start_size")[0], arms.settings["epochs"]
        yield f"{dataset}, {form} form: from {start:g} units the size moved in {epochs} epochs by {', '.join(moved)}."


STUDY = Study(
    name="size_only",
    flags=SizeOnlyFlags,
    presets={
        "smoke": {"num_seeds": 2, "width": 80, "epochs": 2, "fixed_size_epochs": 2},
        "full": {"num_seeds": 10, "width": 500, "epochs": 5, "fixed_size_epochs": 15, "batch_size": 128},
    },
    arms=arms,
    followers=followers,
    table=TABLE,
    claims=CLAIMS,
    pictures={"size": paths, "terms": terms},
    answer=answer,
    checks=[before_and_after("terms", measure_terms, arms="fixed size"), frozen, cuts],
)
COMMAND = STUDY.command
