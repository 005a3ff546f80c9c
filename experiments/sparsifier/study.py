"""How many units does a network keep when every unit has a price, and is it the better for it?

    python -m experiments.sparsifier                              digits, 10 seeds, a minute or two
    python -m experiments.sparsifier --dataset mnist fashion_mnist    two sets compared, 8 seeds, 40 minutes on 2 cores
    python -m experiments.sparsifier --dataset mnist fashion_mnist --full    J14's scale: 30 seeds, 60 epochs; a day

One hidden layer with a trained gate per unit (seed `003_d2c286111c329776.txt`, "Implement the first version of a
Sparsifier Network"; experiment J14). All combinations of penalty and seed are trained at once, the unpenalised network
among them. Then every size that a run ended with is trained from scratch with the same seed. Answers C26 to C30.
"""

import functools
from collections.abc import Iterator
from typing import Any

from experiments.common.networks import mlps
from experiments.flags.penalty import gates_that_stay
from experiments.sparsifier import pictures
from experiments.sparsifier.claims import CLAIMS
from experiments.sparsifier.flags import PRESETS, SparsifierFlags
from jaxsize.programs import Batch
from jaxsize.resizing import Shrinking
from jaxsize.statistics import Estimate, describe
from jaxsize.studies import Arms, ArmView, Learned, Setup, Study, columns, gain
from jaxsize.sweeps import Partner, partner_batches, penalty_sweep


def learned(setup: Setup) -> list[Batch]:
    """Make a batch per start width: every penalty with every seed, the unpenalised runs first."""
    flags, dataset, batches = setup.flags, setup.dataset, []
    for width in flags.start_widths:
        networks = mlps(
            dataset,
            gate="signed" if flags.gate == "signed" else "liveness",
            gate_inputs=flags.gate_inputs,
            liveness=1.0 if flags.liveness_start == "one" else flags.liveness_start,
        )
        batch = penalty_sweep(
            dataset,
            networks([width]),
            flags.sparsifier(setup.form),
            penalties=(0.0, *flags.penalties),
            num_seeds=flags.num_seeds,
            hparams=flags.rates(setup.form),
            shrinking=Shrinking() if flags.shrink else None,
            **setup.after(*batches).fields("learned", start_width=width),
        )
        batches.append(batch)
    return batches


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


def over_unpenalised(one: ArmView) -> Estimate | None:
    """Estimate by how much a penalty's test score is better than that without a penalty."""
    return gain(one, one.at(penalty=0.0)) if one.where["penalty"] else None


def over_from_scratch(one: ArmView) -> Estimate:
    """Estimate by how much a learned network's test score is better than that of its width trained from scratch."""
    return gain(one, one.at(arm="from_scratch"))


def table(arms: Arms) -> list[dict[str, Any]]:
    """Make a row per start width and penalty: size and scores, and paired gains over the two controls."""
    scores = [f"{split}_score" for split in ("train", "validation", "test") if getattr(arms[0].data, split) is not None]
    noiseless = ["test_noiseless_error"] if arms[0].data.test.clean_targets is not None else []
    rows = columns(
        *("live_units", "parameters", *scores, *noiseless),
        arms=("learned",),
        by=("start_width", "penalty"),
        gain_over_unpenalised=over_unpenalised,
        gain_over_from_scratch=over_from_scratch,
    )
    return rows(arms)


def answer(arms: Arms) -> Iterator[str]:
    """Say how many units were left at every price, and what the networks were worth."""
    for (dataset, form, width), (one, *_) in arms.by("dataset", "form", "start_width").items():
        score, _ = one.score()
        left = []
        for penalty, view in one.by("penalty").items():
            units, worth = (describe(view.end(column))["median"] for column in ("live_units", score))
            end = "all runs diverged" if units is None else f"{units:.4g} ({score.replace('_', ' ')} {worth:.4g})"
            left.append(f"{end} {f'at a price of {penalty:g} per unit' if penalty else 'without a price'}")
        yield f"{dataset}, {form} form, units left of {width} (medians over seeds): {', '.join(left)}."


def cautions(setup: Setup) -> list[str]:
    """Say that no gate closes; nothing is known beforehand of gates that start near 0, or that SGD moves."""
    known = setup.flags.liveness_start == "one" and setup.flags.gate_optimizer == "adam"
    return gates_that_stay(setup) if known else []


STUDY = Study(
    name="sparsifier",
    flags=SparsifierFlags,
    presets=PRESETS,
    arms=learned,
    followers=controls,
    cautions=cautions,
    table=table,
    claims=CLAIMS,
    pictures=pictures.PICTURES,
    answer=answer,
    keep_networks=of_learned,
    save_networks=lambda setup, batch: {"signed": setup.flags.gate == "signed"} if of_learned(batch) else None,
)
COMMAND = STUDY.command
