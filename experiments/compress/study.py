"""Does a network that starts far too large, and shrinks while it trains, beat the alternatives?

    python -m experiments.compress                                    digits, 10 seeds, minutes
    python -m experiments.compress --dataset poker census --depths 1 2     two tables, two depths
    python -m experiments.compress --dataset mnist fashion_mnist --full    J16's scale, hours

MLPs of one to four hidden layers with a price on every unit (seed `003_d2c286111c329776.txt`, "Evaluate the system with
very large starting sizes"; experiment J16). Every compressed network is compared with partners that have the same seed
and the same or related widths. The epoch that counts is the one with the best validation score. Answers C33, C34, C39.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from experiments.common.networks import compress_networks, mlps, step_histories
from experiments.common.scales import penalty_scale
from experiments.compress.claims import CLAIMS
from experiments.compress.flags import PRESETS, CompressFlags, shared
from experiments.compress.pictures import PICTURES
from experiments.compress.prices import work
from experiments.compress.tables import answer, comparisons, table
from experiments.flags.penalty import gates_that_stay
from jaxsize.data import Dataset, hold_out_batches
from jaxsize.export import fold_gates
from jaxsize.gates import read_liveness
from jaxsize.learners.sparsifier import FORMS
from jaxsize.networks import with_gates
from jaxsize.programs import Batch
from jaxsize.resizing import Shrinking
from jaxsize.studies import Learned, Setup, Study
from jaxsize.sweeps import Partner, partner_batches, penalty_sweep, random_widths
from jaxsize.sweeps.columns import in_order
from jaxsize.trees import Tree
from jaxsize.units import prune_by_magnitude, unit_groups

COPIED = ("dataset", "form", "depth", "seed", "penalty", "start_width")
"""Columns that a partner has from its compressed network."""


def with_validation(dataset: Dataset, flags: CompressFlags) -> Dataset:
    """Hold validation rows out of the training rows, where a data set has none."""
    return dataset if dataset.validation else hold_out_batches(dataset, flags.config(dataset).batch_size)


def arms(setup: Setup) -> Iterator[Batch]:
    """Make every penalty with every seed, from one start width: compressed networks, and those of a group lasso."""
    flags, dataset, depth = setup.flags, setup.dataset, setup.values["depth"]
    width, config = flags.width(depth), flags.config(dataset)
    for arm in ("compress", *(arm for arm in flags.partners if arm == "group_lasso")):
        lasso, fields = arm == "group_lasso", setup.fields(arm)
        batch = penalty_sweep(
            dataset,
            compress_networks(dataset)([width] * depth),
            dataclasses.replace(FORMS[setup.form], unit_norm=lasso),
            penalties=flags.penalties if lasso else (0.0, *flags.penalties),
            num_seeds=flags.num_seeds,
            penalty_scale=penalty_scale(dataset, config.batch_size),
            # group lasso prices a unit by a norm over its weights, dead or not: they are only masked
            shrinking=Shrinking() if flags.shrink and not lasso else None,
            select=f"validation_{'error' if dataset.task == 'regression' else 'accuracy'}",
            time_limit=flags.time_limit,
            stop_on_collapse=True,
            histories=step_histories(depth),
            **fields | shared(setup) | {"label": fields["label"] | {"start_width": width}},
        )
        setup = setup.after(batch)
        yield batch


def widths(arm: str, row: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the hidden units of a partner of the compressed network that a row describes."""
    own = tuple(row["live_units_per_layer"])
    others = {
        "half_widths": tuple(max(1, width // 2) for width in own),
        "double_widths": tuple(2 * width for width in own),
        "random_widths": random_widths(sum(own), len(own), row["run"]),
    }
    return others.get(arm, own)


def fits(params: Tree, hidden: Sequence[int]) -> bool:
    """Tell whether a network has at least this many units in every layer."""
    gates = read_liveness(params)
    return all(units <= gates[name].size for name, units in zip(in_order(gates), hidden, strict=True))


def pruned(dataset: Dataset, params: Tree, hidden: Sequence[int]) -> Tree:
    """Fold the gates into the weights, and keep the units of every layer that have the largest ones."""
    folded, layers = fold_gates(params), in_order(read_liveness(params))
    groups = unit_groups(mlps(dataset, gate=None)([]).apply, folded, dataset.network_inputs(1))
    return prune_by_magnitude(groups, folded, dict(zip(layers, hidden, strict=True)))


def partners(setup: Setup, learned: Learned) -> list[Batch]:
    """Make the partners of every penalised run whose loss stayed finite and whose layers all kept units.

    In the original form all partners have gates, which are trained as scales, as in the source.
    """
    flags, dataset, gated = setup.flags, setup.dataset, setup.form == "original"
    batch, trained = learned[setup.name("compress")]
    rows = {(row["run"], row["epoch"]): row for row in trained.rows if row["train_loss"] is not None}
    pairs = zip(batch.labels, trained.networks, strict=True)
    ends = [(rows.get((label["run"], end.epoch)), end.params) for label, end in pairs]
    networks = {row["run"]: (row, params) for row, params in ends if row and min(row["live_units_per_layer"]) > 0}
    dense = {row["seed"]: params for row, params in networks.values() if not row["penalty"]}
    compressed = {run: network for run, network in networks.items() if network[0]["penalty"]}
    longest = flags.epochs  # in which networks from scratch do the multiply-adds of the compressed ones
    for run, (row, _) in compressed.items():
        path = [other for other in trained.rows if other["run"] == run]
        longest = max(longest, -(-sum(work(dataset, path)) // row["multiply_adds"]))
    static_epochs = min(longest, flags.static_epochs or 3 * flags.epochs)

    def start(arm: str, hidden: Sequence[int], row: Mapping[str, Any]) -> Tree:
        if arm in ("from_found", "pruned"):  # a compressed network may still hold dead units (--no-shrink)
            params = networks[row["run"]][1] if arm == "from_found" else dense[row["seed"]]
            first = pruned(dataset, params, hidden)
        else:
            first = compress_networks(dataset, gated=False)(hidden).init(row["seed"])
        return with_gates(first) if gated else first

    made: list[Partner] = []
    for run, (row, _) in compressed.items():
        for arm in flags.partners:
            hidden, epochs = widths(arm, row), static_epochs if arm == "from_scratch" else flags.epochs
            if arm == "group_lasso" or (arm == "random_widths" and len(hidden) == 1):
                continue  # no partner; the only width of equal total is the one found
            if arm == "pruned" and not (row["seed"] in dense and fits(dense[row["seed"]], hidden)):
                continue
            label = {"arm": arm, "run": setup.first_run + len(made), "partner": run} | {key: row[key] for key in COPIED}
            made.append(Partner(label, hidden, functools.partial(start, arm, hidden, row), epochs))
    return partner_batches(
        made,
        dataset,
        FORMS[setup.form],
        compress_networks(dataset, gated=gated),
        name=setup.name("partners"),
        **shared(setup),
    )


STUDY = Study(
    name="compress",
    flags=CompressFlags,
    presets=PRESETS,
    split={"depth": "depths"},
    prepare=with_validation,
    arms=arms,
    followers=partners,
    cautions=gates_that_stay,
    table=table,
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
    checks=[comparisons],
    save_networks=lambda setup, batch: {} if batch.labels[0]["arm"] == "compress" else None,
    keep_networks=lambda batch: False,
)
COMMAND = STUDY.command
