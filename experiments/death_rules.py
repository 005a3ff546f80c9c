"""Which rule should say that a unit is dead: a gate that reaches 0, comes near it, or keeps changing its sign?

    python -m experiments.death_rules                        digits, 10 seeds, minutes
    python -m experiments.death_rules --dataset digits mnist    two sets, half an hour
    python -m experiments.death_rules --dataset mnist --full    60 epochs from 500 units, hours

The paper that followed the journal says that the sign's variance is the best rule, and compares it with none (C40, D7).
Here all rules train at the same penalty with the same seeds, and once more while gates are flipped at random: a gate
drawn with --flip-rate changes its sign for one step. A flip tells nothing of a unit's worth, so a rule that it makes
kill more units is worse. The first rule is that of relu gates; the others have signed gates.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.common.words import median
from experiments.flags.penalty import PenaltyFlags
from jaxsize import plots
from jaxsize.errors import InputError
from jaxsize.gates import read_liveness, replace_liveness
from jaxsize.learners import Hparams, Learner
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks import mlp
from jaxsize.programs import Batch
from jaxsize.resizing import Shrinking
from jaxsize.statistics import Estimate, Part, paired_difference
from jaxsize.studies import (
    Arms,
    ArmView,
    Claim,
    Setup,
    Study,
    TrainingFlags,
    above,
    below,
    columns,
    each,
    gain,
    listing,
)
from jaxsize.sweeps import penalty_sweep
from jaxsize.trees import Tree

DECAYS = (0.0, 0.9, 0.99, 0.999)
RULES = {
    "absorbing": SparsifierConfig(),
    "threshold": SparsifierConfig(gate="signed", death_rule="threshold"),
    "threshold .01": SparsifierConfig(gate="signed", death_rule="threshold", death_level=0.01),
    **{
        f"sign variance {decay:g}": SparsifierConfig(
            gate="signed", death_rule="sign_variance", gate_step="gradient", sign_decay=decay
        )
        for decay in DECAYS
    },
}
FLIPS = ", flips"


@dataclasses.dataclass(frozen=True, kw_only=True)
class DeathRulesFlags(PenaltyFlags, TrainingFlags):
    """Which rule should say that a unit is dead: a gate that reaches 0, comes near it, or keeps changing its sign?"""

    penalties: tuple[float, ...] = (1e-2, 1e-3)
    """What an open gate adds to the loss; every rule is trained at each."""
    start_width: int = 100
    """Hidden units before training."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    flip_rate: float = 1e-3
    """Chance of a gate to be flipped in a step, in the arms with flips."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"epochs": 20, "batch_size": 128} if self.dataset != ("digits",) else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_runs(2 * len(RULES))
        if self.form != ("corrected",):
            raise InputError(
                f"expected corrected, in which the rules are stated, got {listing(self.form)}", field="form"
            )
        if not 0 < self.flip_rate < 1:
            raise InputError(f"expected a number above 0 and below 1, got {self.flip_rate}", field="flip_rate")


def flipping(learner: Learner, rate: float) -> Learner:
    """Return a learner that flips each gate with this chance per step, for one step."""

    def after_step(params: Tree, bookkeeping: Tree, hparams: Hparams) -> tuple[Tree, Tree]:
        gates, before = read_liveness(params), bookkeeping["flipped"]
        now = before
        if hparams.key is not None:  # None before training, when nothing is drawn
            keys = dict(zip(gates, jax.random.split(hparams.key, len(gates)), strict=True))
            now = {name: jax.random.bernoulli(key, rate, gates[name].shape) for name, key in keys.items()}
        turned = {name: jnp.where(now[name] ^ before[name], -gate, gate) for name, gate in gates.items()}
        params, rule = learner.after_step(replace_liveness(params, turned), bookkeeping["rule"], hparams)
        return params, {"rule": rule, "flipped": now}

    def init(params: Tree) -> Tree:
        unflipped = {name: jnp.zeros(gate.shape, bool) for name, gate in read_liveness(params).items()}
        return {"rule": learner.init_bookkeeping(params), "flipped": unflipped}

    return learner._replace(
        after_step=after_step,
        init_bookkeeping=init,
        observe=lambda bookkeeping: learner.observe(bookkeeping["rule"]),
        live=lambda bookkeeping: learner.live(bookkeeping["rule"]),
    )


def arms(setup: Setup) -> list[Batch]:
    """Make a batch per rule, without flips and with them; with flips dead units are only masked."""
    flags, dataset, batches = setup.flags, setup.dataset, []
    widths = (dataset.num_inputs, flags.start_width, dataset.num_outputs)
    for name, config in RULES.items():
        for flips in ("", FLIPS):
            network = mlp(widths, gate="signed" if config.gate == "signed" else "liveness")
            batch = penalty_sweep(
                dataset,
                network,
                [flags.start_width],
                config,
                penalties=flags.penalties,
                num_seeds=flags.num_seeds,
                hparams=flags.rates(setup.form),
                shrinking=Shrinking() if flags.shrink and not flips else None,
                **setup.after(*batches).fields(name + flips),
            )
            learner = flipping(batch.learner, flags.flip_rate) if flips else batch.learner
            batches.append(dataclasses.replace(batch, learner=learner))
    return batches


def lost(rule: ArmView) -> np.ndarray:
    """Return how many units more died where gates were flipped, [num_seeds]."""
    return rule.end("live_units") - rule.at(arm=rule.name + FLIPS).end("live_units")


def fewer(rule: ArmView, other: ArmView) -> Estimate:
    """Estimate by how many units more a rule leaves than another."""
    return paired_difference(rule.end("live_units"), other.end("live_units"))


def hurt(rule: ArmView, other: ArmView) -> Estimate:
    """Estimate by how many units more flips cost a rule than another."""
    return paired_difference(lost(rule), lost(other))


def against(
    measure: Callable[[ArmView, ArmView], Estimate],
    direction: Callable[..., Part],
    others: Sequence[str] = ("absorbing", "threshold"),
) -> Any:
    """Return a measure that compares a rule with each of some others, those on the gate's size if not told."""

    def parts(rule: ArmView) -> Iterator[Part]:
        for other in others:
            yield direction(measure(rule, rule.at(arm=other)), less=other)

    return parts


def picture(arms: Arms) -> Any:
    """Draw live units and test scores at the end, without flips and with them: each seed, and the median."""
    penalties = arms["absorbing"].values("penalty")
    figure, panels = plots.subplots(2, len(penalties), width=4.2)
    for column, penalty in zip(panels.T, penalties, strict=True):
        for view in arms.at(penalty=penalty):
            flips = view.name.endswith(FLIPS)
            x = list(RULES).index(view.name.removesuffix(FLIPS)) + (0.12 if flips else -0.12)
            look: dict[str, Any] = {"color": plots.colors(2)[flips], "marker": "s" if flips else "o"}
            look["label"] = "" if x > 0.5 else "with flips" if flips else "as trained"
            for axes, name in zip(column, ("live_units", view.score()[0]), strict=True):
                plots.points(axes, x, view.end(name), **look)
                axes.set(ylabel=name.replace("_", " "), title=f"penalty {penalty:g}")
                axes.set_xticks(range(len(RULES)), [rule.replace(" ", "\n") for rule in RULES], fontsize=7)
    plots.legend(figure, panels[0, 0], "")
    figure.suptitle(f"{arms.datasets[0]}, {arms[0].runs.num_seeds} seeds: every seed and the median")
    return figure


def answer(arms: Arms) -> Iterator[str]:
    """Say how many units each rule left, and what flips cost."""
    for (dataset, penalty), chosen in arms.by("dataset", "penalty").items():
        units = {view.name: median(view.end("live_units")) for view in chosen}
        ends = [f"{units[rule]} by {rule} ({units[rule + FLIPS]} with flips)" for rule in RULES]
        yield f"{dataset}, price {penalty:g}: of {arms.settings['start_width']} units were left {', '.join(ends)}."


LONGEST, SIGNS_FIRST = each(f"sign variance {DECAYS[-1]:g}", by=["penalty"]), [f"sign variance {DECAYS[0]:g}"]
SIGNS = each(*(f"sign variance {decay:g}" for decay in DECAYS), by=["penalty"])
STUDY = Study(
    name="death_rules",
    flags=DeathRulesFlags,
    presets={
        "smoke": {"num_seeds": 2, "start_width": 16, "epochs": 3, "penalties": (1e-2,), "flip_rate": 0.01},
        "full": {"num_seeds": 10, "start_width": 500, "epochs": 60, "batch_size": 128},
    },
    arms=arms,
    table=columns("live_units", "train_loss", "validation_score", "test_score", by=("penalty",)),
    claims={
        "C40, score": Claim("the sign's variance leaves better scores than a gate's size", SIGNS, against(gain, above)),
        "C40, size": Claim("the sign's variance leaves fewer units than a gate's size", SIGNS, against(fewer, below)),
        "C40, memory": Claim(
            "a long memory of signs saves units from flips", LONGEST, against(hurt, below, SIGNS_FIRST)
        ),
        "C40, flips": Claim("flips kill fewer by the sign's variance than a gate's size", SIGNS, against(hurt, below)),
    },
    pictures={"rules": picture},
    answer=answer,
)
COMMAND = STUDY.command

if __name__ == "__main__":
    sys.exit(STUDY.main())
