"""Which rule should say that a unit is dead: a gate that reaches 0, comes near it, or keeps changing its sign?

    python -m experiments.death_rules                        digits, 10 seeds, minutes
    python -m experiments.death_rules --dataset digits mnist    two sets, an hour
    python -m experiments.death_rules --dataset mnist --full    60 epochs from 500 units, hours

The paper that followed the journal says that the sign's variance is the best rule, and compares it with none (C40, D7).
Here all rules train at the same penalty with the same seeds, and once more while gates are flipped at random: a gate
drawn with --flip-rate changes its sign for one step. A flip tells nothing of a unit's worth, so a rule that it makes
kill more units is worse. The first rule is that of relu gates; the others have signed gates.
"""

import dataclasses
import sys
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np

from experiments.common.networks import mlps
from experiments.common.words import median
from experiments.flags.penalty import PenaltyFlags, gates_that_stay, priced_batch
from jaxsize import plots, studies
from jaxsize.errors import InputError
from jaxsize.learners.flips import flip_gates
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.programs import Batch
from jaxsize.statistics import Part, paired_difference
from jaxsize.studies import Arms, ArmView, Claim, Setup, below

DECAYS = (0.0, 0.9, 0.99, 0.999)
RULES = {
    "absorbing": SparsifierConfig(),
    "threshold": SparsifierConfig(gate="signed", death_rule="threshold"),
    "threshold .01": SparsifierConfig(gate="signed", death_rule="threshold", death_level=0.01),
}
for decay in DECAYS:
    rule = SparsifierConfig(gate="signed", death_rule="sign_variance", gate_step="gradient", sign_decay=decay)
    RULES[f"sign variance {decay:g}"] = rule
FLIPS = ", flips"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeathRulesFlags(PenaltyFlags, studies.TrainingFlags):
    """Which rule should say that a unit is dead: a gate that reaches 0, comes near it, or keeps changing its sign?"""

    large: ClassVar = {"epochs": 20, "batch_size": 128}

    penalties: tuple[float, ...] = (1e-2, 1e-3)
    """What an open gate adds to the loss; every rule is trained at each."""
    start_width: int = 100
    """Hidden units before training."""
    flip_rate: float = 1e-3
    """Chance of a gate to be flipped in a step, in the arms with flips."""

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_runs(2 * len(RULES))
        if self.form != ("corrected",):
            raise InputError(f"expected corrected, got {studies.listing(self.form)}", field="form")
        if not 0 < self.flip_rate < 1:
            raise InputError(f"expected a number above 0 and below 1, got {self.flip_rate}", field="flip_rate")


def arms(setup: Setup) -> Iterator[Batch]:
    """Make a batch per rule, without flips and with them; with flips dead units are only masked."""
    flags = setup.flags
    for name, config in RULES.items():
        network = mlps(setup.dataset, gate="signed" if config.gate == "signed" else "liveness")([flags.start_width])
        for flips in ("", FLIPS):
            batch = priced_batch(setup, setup.fields(name + flips), network, config, shrink=not flips)
            setup = setup.after(batch)
            learner = flip_gates(batch.learner, flags.flip_rate) if flips else batch.learner
            yield dataclasses.replace(batch, learner=learner)


def lost(rule: ArmView) -> np.ndarray:
    """Return how many units more died where gates were flipped, [num_seeds]."""
    return rule.end("live_units") - rule.at(arm=rule.name + FLIPS).end("live_units")


def fewer(rule: ArmView, other: ArmView) -> Iterator[Part]:
    """Claim that a rule leaves fewer units than another."""
    yield below(paired_difference(rule.end("live_units"), other.end("live_units")))


def loses_less(rule: ArmView, other: ArmView) -> Iterator[Part]:
    """Claim that flips cost a rule fewer units than another."""
    yield below(paired_difference(lost(rule), lost(other)))


def picture(arms: Arms) -> Any:
    """Draw live units and test scores at the end, without flips and with them: each seed, and the median."""
    penalties = arms["absorbing"].values("penalty")
    figure, panels = plots.subplots(2, len(penalties), width=5.0)
    for column, penalty in zip(panels.T, penalties, strict=True):
        for axes, name in zip(column, ("live_units", arms[0].score()[0]), strict=True):
            for flips, look in zip(("", FLIPS), plots.looks(2), strict=True):
                label = "with flips" if flips else "as trained"
                for x, rule in enumerate(RULES):
                    ends, place = arms[rule + flips].at(penalty=penalty).end(name), x + (0.2 if flips else -0.2)
                    plots.points(axes, place, ends, **look.marks, label="" if x else label)
            axes.set(ylabel=name.replace("_", " "), title=f"penalty {penalty:g}")
            axes.set_xticks(range(len(RULES)), [rule.replace(" ", "\n") for rule in RULES], fontsize=6)
    plots.legend_beside(panels[0, -1])
    figure.suptitle(f"{arms.title}:\nevery seed and the median")
    return figure


def answer(arms: Arms) -> Iterator[str]:
    """Say how many units each rule left, and what flips cost."""
    for (dataset, penalty), chosen in arms.by("dataset", "penalty").items():
        left = {view.name: median(view.end("live_units")) for view in chosen}
        ends = [f"{left[rule]} by {rule} ({left[rule + FLIPS]} with flips)" for rule in RULES]
        yield f"{dataset}, price {penalty:g}: of {arms.settings['start_width']} units were left {', '.join(ends)}."


SIGNS = studies.versus("sign variance *[0-9]", "absorbing", "threshold", by=["penalty"])  # none with flips
MEMORY = studies.versus(f"sign variance {DECAYS[-1]:g}", f"sign variance {DECAYS[0]:g}", by=["penalty"])
STUDY = studies.Study(
    name="death_rules",
    flags=DeathRulesFlags,
    presets={
        "smoke": {"num_seeds": 2, "start_width": 16, "epochs": 3, "gate_learning_rate": 0.02, "flip_rate": 0.01},
        "full": {"num_seeds": 10, "start_width": 500, "epochs": 60, "batch_size": 128},
    },
    arms=arms,
    cautions=gates_that_stay,
    table=studies.columns("live_units", "train_loss", "validation_score", "test_score", by=("penalty",)),
    claims={
        "C40, score": Claim("the sign's variance leaves better scores than a gate's size", SIGNS, studies.better),
        "C40, size": Claim("the sign's variance leaves fewer units than a gate's size", SIGNS, fewer),
        "C40, memory": Claim("a long memory of signs saves units from flips", MEMORY, loses_less),
        "C40, flips": Claim("flips kill fewer by the sign's variance than a gate's size", SIGNS, loses_less),
    },
    pictures={"rules": picture},
    answer=answer,
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
