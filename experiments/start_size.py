"""Does it matter how large a network is when it starts to shrink, and what does starting large cost?

    python -m experiments.start_size                            digits, 10 seeds, minutes
    python -m experiments.start_size --dataset mnist            10 seeds, 30 epochs, at most half an hour on 2 cores
    python -m experiments.start_size --dataset mnist --full     starts of 500, 1000 and 10000 units, half a day

Answers C30 (end sizes from several starts are equal within 15 %) and the half of C32 that is about shrinking (seconds
per epoch, and the share of removal in them; not whether growing ends worse), and measures C37 on trained networks
(death is for good; removing units and folding gates change no output). One hidden layer, otherwise as in J16 (seed
`003_d2c286111c329776.txt`).
"""

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import jax
import numpy as np

from experiments.common.networks import compress_networks
from experiments.common.scales import batch_size, penalty_scale
from experiments.common.start_widths import START_DOES_NOT_MATTER
from experiments.common.words import median
from experiments.flags.penalty import PenaltyFlags, gates_that_stay, priced_batch
from jaxsize import plots, studies
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.export import fold_gates
from jaxsize.learners.sparsifier import FORMS
from jaxsize.programs import Batch, Config
from jaxsize.statistics import Estimate, Part, median_interval
from jaxsize.studies import Arms, ArmView, Claim, Setup, below, listed
from jaxsize.units import compact, unit_groups

TIMED = 6
"""How many early and late epochs are compared: as few as a 95 % statement about a median allows."""
EARLY, LATE = slice(1, 1 + TIMED), slice(-TIMED, None)
"""Which epochs these are; the very first one also warms up caches."""
TOLERANCE = 1e-5
"""Largest relative difference of outputs that is put down to float32 sums in another order."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class StartSizeFlags(PenaltyFlags):
    """Does it matter how large a network is when it starts to shrink, and what does starting large cost?"""

    large: ClassVar = {"epochs": 30}

    epochs: int = 100
    """Passes over the training rows. 30 unless the data set is digits."""
    start_widths: tuple[int, ...] = (250, 500, 1000)
    """Hidden units before training; two or more numbers, which are compared."""
    penalties: tuple[float, ...] = (1e-1, 1e-2)
    """What an open gate adds to the loss; no network is trained without a penalty.
    As in the study compress, the numbers are multiplied by 1e4 for add10 and airfoil, and by .1 for poker."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("start_widths")
        self.require_runs(len(self.start_widths))
        if len(self.start_widths) < 2:
            expected = f"expected at least two to compare, got {studies.listing(self.start_widths)}"
            raise InputError(expected, field="start_widths")

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained."""
        return Config(batch_size=batch_size(dataset))


def arms(setup: Setup) -> Iterator[Batch]:
    """Make a batch per start width, of every penalty with every seed, and one whose dead units are never removed."""
    widths, networks = setup.flags.start_widths, compress_networks(setup.dataset)
    scale = penalty_scale(setup.dataset, batch_size(setup.dataset))
    for arm, width in [*(("learned", width) for width in widths), ("masked", max(widths))]:
        fields, shrink = setup.fields(arm, start_width=width), arm == "learned"
        config = FORMS[setup.form]
        batch = priced_batch(setup, fields, networks([width]), config, shrink=shrink, penalty_scale=scale)
        setup = setup.after(batch)
        yield batch


def seconds(one: ArmView, epochs: slice) -> np.ndarray:
    """Read the median seconds of some epochs of every run."""
    return np.median(one.curve("run_seconds")[:, epochs], axis=1)


def share(one: ArmView, what: str) -> float:
    """Compute the share of removing units in the seconds of all runs that were trained together with these.

    Args:
        one: the runs.
        what: "seconds", or "compile_seconds" for the share of compiling alone.
    """
    together = {name: value for name, value in one.where.items() if name != "penalty"}
    runs = set(one.runs.values("run", **together))
    events = [event for event in one.runs.folder.events.read() if event["event"] == "compaction"]
    spent = sum(row["run_seconds"] for run in runs for row in one.runs.paths[run])
    return sum(event[what] for event in events if runs >= set(event["runs"])) / spent


def removal_is_cheap(one: ArmView) -> Iterator[Part]:
    """Yield the log of each late epoch's seconds over the median of early ones, whatever the number of seeds.

    Runs are trained together and share the seconds of an epoch: epochs are what was measured more than once. Where
    removing units would not have paid, this says nothing.
    """
    spent, width = one.curve("run_seconds").mean(axis=0), one.where["start_width"]
    if len(spent) > 2 * TIMED:
        ratios = median_interval(np.log(spent[LATE] / np.median(spent[EARLY])), what="epochs")
        removed = np.nanmin(one.end("allocated_units"), initial=width) < width
        part = below(ratios, over="epochs")
        yield part if removed else listed(part, "no unit was removed: it would not have paid")


def output_changes(masked: ArmView, learned: ArmView) -> dict[str, np.ndarray]:
    """Measure how far outputs on test rows move, relative to the largest, [runs]; NaN where a run diverged.

    Returns:
        The changes by `removal` of the dead units of the masked network, by `folding` of its gates after that, and by
        `training` with removal instead of masks.
    """
    data, (width,), changes = masked.data, masked.values("start_width"), []
    rows, network = jax.numpy.asarray(data.as_inputs(data.test.inputs[:1000])), compress_networks(data)([width])
    groups, apply = unit_groups(network.apply, network.shapes(), rows), jax.jit(network.apply)
    for penalty, twins in masked.by("penalty").items():
        for twin, trained in zip(twins.networks, learned.at(penalty=penalty, start_width=width).networks, strict=True):
            expected, small = np.asarray(apply(twin, rows)), compact(groups, twin, groups.live(twin)).params
            moved = [np.abs(np.asarray(apply(other, rows)) - expected) for other in (small, fold_gates(small), trained)]
            changes.append([float(of.max() / np.abs(expected).max()) for of in moved])
    return dict(zip(("removal", "folding", "training"), np.array(changes).T, strict=True))


def death_is_for_good(masked: ArmView, learned: ArmView) -> Iterator[Part]:
    """Yield how many steps had a unit more than before, and the largest changes of outputs; both are counted exactly.

    The tests show the same for networks made by hand, whenever their units die.
    """

    def counted(values: np.ndarray, wrong: np.ndarray, how: str, **label: Any) -> Part:
        return studies.exactly(0, wrong, Estimate(float(values.max()), None, None, 0.95, values.size, how), **label)

    live = np.concatenate([one.steps("observed") for one in learned.by("start_width", "penalty").values()])
    rises, deaths = np.sum(np.diff(live, axis=1) > 0, axis=1), int(np.nansum(live[:, 0] - live[:, -1]))
    parts = [counted(rises, rises, "the most of all runs", of="steps with a unit more", deaths=deaths)]
    for name, values in output_changes(masked, learned).items():
        beyond = np.where(values <= TOLERANCE, 0.0, values)
        of = f"change of outputs above {TOLERANCE:g} by {name}"
        parts.append(counted(values, beyond, "the largest of all runs", of=of))
    parts[-1] = listed(parts[-1], "rounding grows while networks are trained")
    yield from parts if deaths else [studies.still_open(part, "no unit died") for part in parts]


def answer(arms: Arms) -> Iterator[str]:
    """Say where networks ended from every start, and how much faster their late epochs were."""
    for (dataset, form, penalty), (one, *_) in arms.by("dataset", "form", "penalty").items():
        starts = one.by("start_width")
        units = ", ".join(median(view.end("live_units")) for view in starts.values())
        times = ", ".join(median(seconds(view, LATE) / seconds(view, EARLY)) for view in starts.values())
        yield (
            f"{dataset}, {form} form, at a price of {penalty:g} per unit: of {', '.join(map(str, starts))} units, "
            f"{units} were left in the median over seeds; the last epochs took {times} times as long as the first."
        )


@studies.per("dataset", "form")
def starts(arms: Arms) -> Any:
    """Live units, and the seconds of an epoch and run, against epochs: a column per penalty, a line per start width.

    Lines are medians over seeds, in the range.
    """
    priced, names = arms["learned"].by("penalty"), ("live_units", "run_seconds")
    figure, panels = plots.subplots(2, len(priced), width=4)
    for column, (penalty, one) in zip(panels.T, priced.items(), strict=True):
        plots.curves(column, one.by("start_width"), names, log=names)
        for axes, title in zip(column, ("live units", "seconds per epoch and run"), strict=True):
            axes.set_title(f"{title}, penalty {penalty:g}")
    plots.legend(figure, panels[0, -1], "start width")
    figure.suptitle(f"{arms.title}: median and range")
    return figure


STUDY = studies.Study(
    name="start_size",
    flags=StartSizeFlags,
    presets={
        "smoke": {"num_seeds": 2, "start_widths": (16, 24), "epochs": 3, "gate_learning_rate": 0.02},
        "full": {"num_seeds": 10, "start_widths": (500, 1000, 10_000), "penalties": (1e-2, 1e-3, 1e-4), "epochs": 60},
    },
    arms=arms,
    cautions=gates_that_stay,
    table=studies.columns(
        *("live_units", "test_score"),
        arms=("learned",),
        by=("start_width", "penalty"),
        seconds_of_early_epochs=lambda one: seconds(one, EARLY),
        seconds_of_late_epochs=lambda one: seconds(one, LATE),
        seconds=lambda one: one.curve("run_seconds").sum(axis=1),
        removal_share=lambda one: share(one, "seconds"),
        compile_share=lambda one: share(one, "compile_seconds"),
    ),
    claims={
        "C30": START_DOES_NOT_MATTER,
        "C32": Claim(
            "of C32 the half that needs no growing: removal is cheap, so that epochs become faster while units die "
            "(log of late seconds over early ones)",
            studies.each("learned", by=["start_width", "penalty"]),
            removal_is_cheap,
            f"needs more than {2 * TIMED} epochs",
            seeds=1,
        ),
        "C37": Claim(
            "dead units stay dead; removing them and folding gates leave the outputs as they are",
            studies.versus("masked", "learned"),
            death_is_for_good,
            seeds=1,
        ),
    },
    pictures={"starts": starts},
    answer=answer,
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
