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
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import jax
import numpy as np

from experiments.common.networks import compress_networks
from experiments.common.scales import batch_size, penalty_scale
from experiments.common.start_widths import START_DOES_NOT_MATTER
from experiments.flags.penalty import PenaltyFlags, gates_that_stay
from jaxsize import plots, studies
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.export import fold_gates
from jaxsize.learners.sparsifier import FORMS
from jaxsize.programs import Batch, Config
from jaxsize.resizing import Shrinking
from jaxsize.statistics import Estimate, Part, describe, median_interval
from jaxsize.studies import Arms, ArmView, Claim, Setup, below, listed
from jaxsize.sweeps import penalty_sweep
from jaxsize.units import compact, unit_groups

TIMED = 6
"""How many early and late epochs are compared: as few as a 95 % statement about a median allows."""
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
            raise InputError(
                f"expected at least two to compare, got {studies.listing(self.start_widths)}", field="start_widths"
            )

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained."""
        return Config(batch_size=batch_size(dataset))


def arms(setup: Setup) -> list[Batch]:
    """Make a batch per start width, of every penalty with every seed, and one whose dead units are never removed."""
    flags, dataset, batches = setup.flags, setup.dataset, []
    for arm, width in [*(("learned", width) for width in flags.start_widths), ("masked", max(flags.start_widths))]:
        fields = setup.after(*batches).fields(arm, start_width=width)
        batch = penalty_sweep(
            dataset,
            compress_networks(dataset)([width]),
            FORMS[setup.form],
            penalties=flags.penalties,
            num_seeds=flags.num_seeds,
            penalty_scale=penalty_scale(dataset, fields["config"].batch_size),
            hparams=flags.rates(setup.form),
            shrinking=Shrinking() if flags.shrink and arm == "learned" else None,
            **fields,
        )
        batches.append(batch)
    return batches


def early(one: ArmView) -> np.ndarray:
    """Read the median seconds of epochs 2 to 7 of every run; the first epoch also warms up caches."""
    return np.median(one.curve("run_seconds")[:, 1 : 1 + TIMED], axis=1)


def late(one: ArmView) -> np.ndarray:
    """Read the median seconds of the last six epochs of every run."""
    return np.median(one.curve("run_seconds")[:, -TIMED:], axis=1)


def removed(one: ArmView) -> bool:
    """Tell whether any of these runs ended with fewer units in its arrays than it started with."""
    width = one.where["start_width"]
    return bool(np.nanmin(one.end("allocated_units"), initial=width) < width)


def share(one: ArmView, seconds: str) -> float:
    """Compute the share of removing units in the seconds of all runs that were trained together with these."""
    together = {name: value for name, value in one.where.items() if name != "penalty"}
    runs = set(one.runs.values("run", **together))
    events = [event for event in one.runs.folder.events.read() if event["event"] == "compaction"]
    spent = sum(row["run_seconds"] for run in runs for row in one.runs.paths[run])
    return sum(event[seconds] for event in events if runs >= set(event["runs"])) / spent


def removal_is_cheap(one: ArmView) -> Iterator[Part]:
    """Yield the log of each late epoch's seconds over the median of early ones, whatever the number of seeds.

    Runs are trained together and share the seconds of an epoch: epochs are what was measured more than once. Where
    removing units would not have paid, this says nothing.
    """
    seconds = one.curve("run_seconds").mean(axis=0)
    if len(seconds) > 2 * TIMED:
        ratios = np.log(seconds[-TIMED:] / np.median(seconds[1 : 1 + TIMED]))
        part = below(median_interval(ratios, what="epochs"), over="epochs")
        yield part if removed(one) else listed(part, "no unit was removed: it would not have paid")


def output_changes(masked: ArmView, learned: ArmView) -> dict[str, np.ndarray]:
    """Measure how far outputs on test rows move, relative to the largest, [runs]; NaN where a run diverged.

    Returns:
        The changes by `removal` of the dead units of the masked network, by `folding` of its gates after that, and by
        `training` with removal instead of masks.
    """
    data, changes = masked.data, {"removal": [], "folding": [], "training": []}
    rows = jax.numpy.asarray(data.test.inputs[:1000], np.float32) * data.input_scale + data.input_shift
    apply = compress_networks(data)(masked.values("start_width")).apply
    for penalty, twins in masked.by("penalty").items():
        trained = learned.at(penalty=penalty, start_width=masked.values("start_width")[0]).networks
        for twin, params in zip(twins.networks, trained, strict=True):
            groups = unit_groups(apply, twin, rows)
            small = compact(groups, twin, groups.live(twin)).params
            expected = np.asarray(apply(twin, rows))
            for name, other in (("removal", small), ("folding", fold_gates(small)), ("training", params)):
                difference = np.abs(np.asarray(apply(other, rows)) - expected).max()
                changes[name].append(float(difference / np.abs(expected).max()))
    return {name: np.array(values) for name, values in changes.items()}


def death_is_for_good(masked: ArmView, learned: ArmView) -> Iterator[Part]:
    """Yield how many steps had a unit more than before, and the largest changes of outputs; both are counted exactly.

    The tests show the same for networks made by hand, whenever their units die.
    """
    settings = learned.by("start_width", "penalty")
    live = np.concatenate([one.steps("observed") for one in settings.values()])
    rises, deaths = np.sum(np.diff(live, axis=1) > 0, axis=1), int(np.nansum(live[:, 0] - live[:, -1]))
    most = Estimate(float(rises.max()), None, None, 0.95, rises.size, "the most of all runs")
    parts = [studies.exactly(0, rises, most, of="steps with a unit more", deaths=deaths)]
    for name, values in output_changes(masked, learned).items():
        largest = Estimate(float(values.max()), None, None, 0.95, values.size, "the largest of all runs")
        beyond = np.where(values <= TOLERANCE, 0.0, values)
        parts.append(studies.exactly(0, beyond, largest, of=f"change of outputs above {TOLERANCE:g} by {name}"))
    parts[-1] = listed(parts[-1], "rounding grows while networks are trained")
    yield from parts if deaths else [studies.still_open(part, "no unit died") for part in parts]


def medians(columns: Iterable[np.ndarray]) -> str:
    """List the medians over seeds; a dash where all runs diverged."""
    middles = [describe(values)["median"] for values in columns]
    return ", ".join("-" if middle is None else f"{middle:.3g}" for middle in middles)


def answer(arms: Arms) -> Iterator[str]:
    """Say where networks ended from every start, and how much faster their late epochs were."""
    for (dataset, form, penalty), (one, *_) in arms.by("dataset", "form", "penalty").items():
        starts = one.by("start_width")
        units = medians(view.end("live_units") for view in starts.values())
        times = medians(late(view) / early(view) for view in starts.values())
        yield (
            f"{dataset}, {form} form, at a price of {penalty:g} per unit: of {', '.join(map(str, starts))} units, "
            f"{units} were left in the median over seeds; the last epochs took {times} times as long as the first."
        )


@studies.per("dataset", "form")
def starts(arms: Arms) -> Any:
    """Live units, and the seconds of an epoch and run, against epochs: a column per penalty, a line per start width.

    Lines are medians over seeds, in the range.
    """
    learned = arms["learned"]
    priced, names = learned.by("penalty"), ("live_units", "run_seconds")
    figure, panels = plots.subplots(2, len(priced), width=4)
    for column, (penalty, one) in zip(panels.T, priced.items(), strict=True):
        plots.curves(column, one.by("start_width"), names, log=names)
        for axes, title in zip(column, ("live units", "seconds per epoch and run"), strict=True):
            axes.set_title(f"{title}, penalty {penalty:g}")
    plots.legend(figure, panels[0, -1], "start width")
    seeds = learned.runs.num_seeds
    figure.suptitle(f"{learned.dataset}, {learned.form} form, {seeds} seeds: median and range")
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
        seconds_of_early_epochs=early,
        seconds_of_late_epochs=late,
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
