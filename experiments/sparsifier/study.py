"""How many units does a network keep when every unit has a price, and is it the better for it?

    python -m experiments.sparsifier                              digits, 10 seeds, a minute or two
    python -m experiments.sparsifier --dataset mnist fashion_mnist    two sets compared, 8 seeds, 40 minutes on 2 cores
    python -m experiments.sparsifier --dataset mnist fashion_mnist --full    J14's scale: 30 seeds, 60 epochs; a day

One hidden layer with a trained gate per unit (seed `003_d2c286111c329776.txt`, "Implement the first version of a
Sparsifier Network"; experiment J14). All combinations of penalty and seed are trained at once, the unpenalised network
among them. Then every size that a run ended with is trained from scratch with the same seed. Answers C26 to C30.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import numpy as np

from experiments.common.networks import mlps
from experiments.common.words import median
from experiments.flags.penalty import PenaltyFlags, gates_that_stay, priced_batch
from experiments.sparsifier import pictures
from experiments.sparsifier.claims import CLAIMS
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners.sparsifier import FORMS, SparsifierConfig
from jaxsize.programs import Batch, Config
from jaxsize.studies import Arms, Learned, Setup, Study, TrainingFlags, columns, gain_over
from jaxsize.sweeps import Partner, partner_batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class SparsifierFlags(PenaltyFlags, TrainingFlags):
    """How many units does a network keep when every unit has a price, and is it the better for it?"""

    large: ClassVar = {"num_seeds": 8, "start_widths": (500,), "epochs": 30, "batch_size": 128}

    num_seeds: int = 10
    """Runs per setting, with seeds 0, 1, ...; 8 unless the data set is digits.
    Fewer cannot settle whether one of four penalties helps, as the four tests are adjusted together."""
    epochs: int = 100
    """Passes over the training rows. 30 unless the data set is digits."""
    start_widths: tuple[int, ...] = (100,)
    """Hidden units before training; several numbers are compared. 500 unless the data set is digits."""
    batch_size: int = 32
    """Rows per step. 128 unless the data set is digits."""
    gate: Literal["relu", "signed"] = "relu"
    """What a unit's activation is multiplied by. relu: relu of its gate. signed: the gate itself, below 0 as well."""
    death_rule: Literal["absorbing", "threshold", "sign_variance"] = "absorbing"
    """When a unit dies. absorbing: its relu gate reaches 0. sign_variance: its signed gate keeps changing its sign.
    threshold: its gate comes within 1e-5 of 0; this is the default with signed gates."""
    sign_decay: float = 0.99
    """How slowly the death rule sign_variance forgets, from 0 (the first change of sign kills) to below 1."""
    gate_step: Literal["proximal", "gradient"] | None = None
    """How gates move. gradient: the optimiser's plain step; the default in the original form and with sign_variance.
    proximal: a step on the penalised loss that is cut at 0, so that closed gates are exactly 0; the default else."""
    gate_optimizer: Literal["adam", "sgd"] = "adam"
    """Optimiser of the gates."""
    unit_norm: bool = False
    """Keep the norm of every unit's incoming weights at 1, so that its gate holds its scale."""
    liveness_start: Literal["one", "uniform"] = "one"
    """Gates before training. one: all 1. uniform: drawn from (0, 1]."""
    gate_inputs: bool = False
    """Put a gate on every input as well, so that inputs can die too."""
    shuffle: Literal["per_run", "shared"] = "per_run"
    """Order of the training rows. per_run: every seed has its own. shared: all runs have the same."""

    def defaults(self) -> dict[str, Any]:
        """Return the defaults that depend on other flags; see `Flags.defaults`."""
        return super().defaults() | ({"death_rule": "threshold"} if self.gate == "signed" else {})

    def check(self) -> None:
        """Refuse values that make no sense; see `Flags.check`."""
        super().check()
        self.require_whole("start_widths")
        self.require_runs(len(self.start_widths))
        if not (0 <= self.sign_decay < 1 and np.float32(self.sign_decay) < 1):
            raise InputError(f"expected a number from 0 to below 1, got {self.sign_decay}", field="sign_decay")
        for form in self.form:
            self.sparsifier(form)  # raises where gate, steps and death rule do not fit, naming the field

    def config(self, dataset: Dataset) -> Config:
        """Return how a data set's runs are trained; see `TrainingFlags.config`."""
        return dataclasses.replace(super().config(dataset), shuffle=self.shuffle)

    def sparsifier(self, form: str) -> SparsifierConfig:
        """Return a form's configuration with the flags in place of its choices.

        Raises:
            InputError: when gate, gate step and death rule do not fit together.
        """
        names = ("gate", "gate_optimizer", "unit_norm", "death_rule", "sign_decay")
        by_sign = self.death_rule == "sign_variance"  # a step that ends at 0 shows no change of sign
        step = self.gate_step or ("gradient" if by_sign else FORMS[form].gate_step)
        return dataclasses.replace(FORMS[form], gate_step=step, **{name: getattr(self, name) for name in names})


def learned(setup: Setup) -> Iterator[Batch]:
    """Make a batch per start width: every penalty with every seed, the unpenalised runs first."""
    flags = setup.flags
    networks = mlps(
        setup.dataset,
        gate="signed" if flags.gate == "signed" else "liveness",
        gate_inputs=flags.gate_inputs,
        liveness=1.0 if flags.liveness_start == "one" else flags.liveness_start,
    )
    for width in flags.start_widths:
        fields, config = setup.fields("learned", start_width=width), flags.sparsifier(setup.form)
        batch = priced_batch(setup, fields, networks([width]), config, penalties=(0.0, *flags.penalties))
        setup = setup.after(batch)
        yield batch


def controls(setup: Setup, trained: Learned) -> list[Batch]:
    """Make the controls: the width that a learned run ended with, trained from scratch without gates, with its seed.

    A run that ended without units, or with a loss that is not finite, has no control.
    """
    flags, dataset, partners = setup.flags, setup.dataset, []
    ends = [row for _, result in trained.values() for row in result.rows if row["epoch"] == flags.epochs]
    static, shared = mlps(dataset, gate=None), setup.fields("from_scratch")
    for row in ends:
        if row["live_units"] > 0 and row["train_loss"] is not None:
            label = shared["label"] | {name: row[name] for name in ("start_width", "seed", "penalty")}
            label |= {"run": setup.first_run + len(partners), "partner": row["run"]}
            init = functools.partial(static([row["live_units"]]).init, row["seed"])
            partners.append(Partner(label, (row["live_units"],), init, flags.epochs))
    return partner_batches(
        partners,
        dataset,
        flags.sparsifier(setup.form),
        static,
        name=shared["name"],
        config=shared["config"],
        hparams=flags.rates(setup.form),
    )


def of_learned(batch: Batch) -> bool:
    """Tell whether a batch is one of learned networks, which are saved and drawn."""
    return batch.labels[0]["arm"] == "learned"


def answer(arms: Arms) -> Iterator[str]:
    """Say how many units were left at every price, and what the networks were worth."""
    for (dataset, form, width), (one, *_) in arms.by("dataset", "form", "start_width").items():
        score, _ = one.score()
        left = []
        for penalty, view in one.by("penalty").items():
            units, worth = (median(view.end(column), ".4g") for column in ("live_units", score))
            price = f"at a price of {penalty:g} per unit" if penalty else "without a price"
            left.append(f"{units} ({score.replace('_', ' ')} {worth}) {price}")
        yield f"{dataset}, {form} form, units left of {width} (medians over seeds): {', '.join(left)}."


def cautions(setup: Setup) -> list[str]:
    """Say that no gate closes; nothing is known beforehand of gates that start near 0, or that SGD moves."""
    known = setup.flags.liveness_start == "one" and setup.flags.gate_optimizer == "adam"
    return gates_that_stay(setup) if known else []


STUDY = Study(
    name="sparsifier",
    flags=SparsifierFlags,
    presets={
        "smoke": {  # 120 steps: at the usual rates, no gate would close, or all would before the weights have learned
            "num_seeds": 2,
            "penalties": (1e-1, 1e-2),
            "start_widths": (16,),
            "epochs": 3,
            "learning_rate": 0.01,
            "gate_learning_rate": 0.02,
        },
        "full": {
            "num_seeds": 30,
            "penalties": tuple(10.0**-power for power in range(8)),
            "start_widths": (500, 1000),
            "epochs": 60,
            "batch_size": 128,
        },
    },
    arms=learned,
    followers=controls,
    cautions=cautions,
    table=columns(
        *("live_units", "parameters", "train_score", "validation_score", "test_score", "test_noiseless_error"),
        arms=("learned",),
        by=("start_width", "penalty"),
        gain_over_unpenalised=gain_over(penalty=0.0),
        gain_over_from_scratch=gain_over(arm="from_scratch"),
    ),
    claims=CLAIMS,
    pictures=pictures.PICTURES,
    answer=answer,
    keep_networks=of_learned,
    save_networks=lambda setup, batch: {"signed": setup.flags.gate == "signed"} if of_learned(batch) else None,
)
COMMAND = STUDY.command
