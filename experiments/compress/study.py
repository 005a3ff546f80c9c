"""Does a network that starts far too large, and shrinks while it trains, beat the alternatives?

    python -m experiments.compress                                    digits, 10 seeds, minutes
    python -m experiments.compress --dataset poker census --depths 1 2     two tables, two depths
    python -m experiments.compress --dataset mnist fashion_mnist --full    J16's scale, hours

MLPs of one to four hidden layers with a price on every unit (seed `003_d2c286111c329776.txt`, "Evaluate the system with
very large starting sizes"; experiment J16). Every compressed network is compared with partners that have the same seed
and the same or related widths. The epoch that counts is the one with the best validation score. Answers C33, C34, C39.
"""

from collections.abc import Iterator

from experiments.common.networks import compress_networks, step_histories
from experiments.common.scales import penalty_scale
from experiments.compress.claims import CLAIMS
from experiments.compress.flags import PRESETS, CompressFlags, shared
from experiments.compress.partners import partners
from experiments.compress.pictures import PICTURES
from experiments.compress.tables import answer, comparisons, table
from experiments.flags.penalty import gates_that_stay
from jaxsize.data import Dataset, hold_out_batches
from jaxsize.programs import Batch
from jaxsize.resizing import Shrinking
from jaxsize.studies import Setup, Study
from jaxsize.sweeps import penalty_sweep


def arms(setup: Setup) -> Iterator[Batch]:
    """Make every penalty with every seed, from one start width: compressed networks, and those of a group lasso."""
    flags, dataset, depth = setup.flags, setup.dataset, setup.values["depth"]
    width, config = flags.width(depth), flags.config(dataset)
    network = compress_networks(dataset)([width] * depth)
    for arm in ("compress", *(arm for arm in flags.partners if arm == "group_lasso")):
        lasso, fields = arm == "group_lasso", setup.fields(arm)
        batch = penalty_sweep(
            dataset,
            network,
            flags.sparsifier(setup.form, unit_norm=lasso),
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


def with_validation(dataset: Dataset, flags: CompressFlags) -> Dataset:
    """Hold validation rows out of the training rows, where a data set has none."""
    return dataset if dataset.validation else hold_out_batches(dataset, flags.config(dataset).batch_size)


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
