"""How many latent units and how many ReLUs does an autoencoder need, and does that depend on the images?

    python -m experiments.model_dimension                       digits, 10 seeds, 20 minutes on 2 cores
    python -m experiments.model_dimension --dataset mnist       6 seeds, 10 epochs as in the seed, about three hours
    python -m experiments.model_dimension --dataset mnist fashion_mnist --full    to convergence, days

Seed `000_1e759a4f1a03c71d.txt` postulates that an autoencoder expresses twice as many dimensions as it has ReLUs,
whatever the data, and looks for the latent size at which the loss no longer falls (S0, C42 to C44). Here every
structure is trained with every latent size; on noise and on few images as well; with a ReLU after the latent units,
without which no latent larger than the last hidden layer can express more (D16). The seed's own algorithm doubles the
latent or the hidden units until nothing is left of the loss; beside it, prices on open gates learn both sizes at once.
What is told is the excess over the entropy of the pixels, the only part of the loss that can reach 0.
"""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import optax

from experiments.common.pixels import EXCESS, floor, middle, prepared, rows_left_out
from experiments.common.structures import widths_of
from experiments.model_dimension.baseline import least_of_one_layer
from experiments.model_dimension.claims import CLAIMS
from experiments.model_dimension.flags import PRESETS, ModelDimensionFlags, images
from experiments.model_dimension.pictures import PICTURES
from experiments.model_dimension.views import LAYERS, by_structure, converged, live, search_path
from jaxsize import studies
from jaxsize.data import as_pixels
from jaxsize.learners import reconstruction, supervised
from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks import autoencoder
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs
from jaxsize.studies import Arms, Learned, Setup
from jaxsize.sweeps import penalty_sweep, setting_sweep

TASK = reconstruction("cross_entropy")
START = 4
"""ReLUs that the search begins with, and one latent unit."""


def sweep(setup: Setup, arm: str, structure: str, latent: int, rows: int | None = None, **options: Any) -> Batch:
    """Make the batch of one structure with one latent size, over seeds; `options` are those of `autoencoder`."""
    flags, dataset = setup.flags, setup.dataset
    dataset = dataset if rows is None else as_pixels(dataset, rows=rows)
    network = autoencoder((dataset.num_inputs, *widths_of(structure)), latent, **options)
    learner = supervised(network.apply, TASK, lambda hparams: optax.adam(hparams.learning_rate))
    shared = {"hidden": structure, "latent": latent, "rows": len(dataset.train)}
    settings = [{"seed": seed, "learning_rate": flags.learning_rate} | shared for seed in range(flags.num_seeds)]
    fields = setup.fields(f"{arm} {structure} {latent} {shared['rows']}")
    fields["label"] = fields["label"] | {"arm": arm}
    config = dataclasses.replace(fields["config"], batch_size=min(flags.batch_size, len(dataset.train)))
    fields |= {"config": config}
    return setting_sweep(dataset, settings, init=network.init, learner=learner, **fields)


def arms(setup: Setup) -> list[Batch]:
    """Make a batch per structure and latent size: on all rows, on few, with a ReLU after the latent; and gated ones."""
    flags, batches = setup.flags, []
    first, total = flags.structures[0], len(setup.dataset.train)
    kinds = [("sweep", structure, None, {}) for structure in flags.structures]
    kinds += [("sweep", first, rows, {}) for rows in flags.rows if rows < total]
    kinds += [("latent ReLU", first, None, {"activate_latent": True})]
    for arm, structure, rows, options in kinds:
        for latent in flags.latents:
            batches.append(sweep(setup.after(*batches), arm, structure, latent, rows, **options))
    batches.append(learned(setup.after(*batches)))
    return batches


def learned(setup: Setup) -> Batch:
    """Make the batch of networks with gates on hidden and latent units, one per price and seed."""
    flags, dataset = setup.flags, setup.dataset
    width = flags.start_width
    network = autoencoder((dataset.num_inputs, width), width, gate="liveness")
    rates = {"learning_rate": flags.learning_rate, "gate_learning_rate": flags.gate_learning_rate}
    fields = setup.fields("learned")
    fields["label"] = fields["label"] | {"hidden": str(width), "latent": width, "rows": len(dataset.train)}
    return penalty_sweep(
        dataset,
        network,
        SparsifierConfig(),
        penalties=flags.penalties,
        num_seeds=flags.num_seeds,
        hparams=rates,
        task=TASK,
        **fields,
    )


def next_step(setup: Setup, learned: Learned) -> Iterator[Batch]:
    """Make the next step of the seed's search: more latent units while 2 x ReLUs are more, else more ReLUs.

    "Enlarge" is doubling, as in the seed's logs. Every seed goes on until its excess is small enough; the seed itself
    has no end for a loss that cannot reach 0.
    """
    flags, steps = setup.flags, [batch for batch in learned if batch.startswith(setup.name("search"))]
    if not steps:
        yield sweep(setup, "search", str(START), 1)
        return
    batch, trained = learned[steps[-1]]
    (units,), latent = widths_of(batch.labels[0]["hidden"]), batch.labels[0]["latent"]
    ends = [row[EXCESS] for row in trained.rows if row["epoch"] == flags.epochs]
    units, latent = (units, 2 * latent) if 2 * units > latent else (2 * units, latent)
    if max(units, latent) <= flags.most_units and any(end is None or end > flags.enough for end in ends):
        yield sweep(setup, "search", str(units), latent)


def answer(arms: Arms) -> Iterator[str]:
    """Say what the least excess of every structure was, how far the search went, and what was learned."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        here = here.at(rows=max(here["sweep"].values("rows")))
        least = {}
        for hidden, one in by_structure(here["sweep"]).items():
            ends = {latent: middle(view.end(EXCESS)) for latent, view in one.by("latent").items()}
            latent = min(ends, key=lambda latent: ends[latent])
            least[hidden] = f"{hidden}: {ends[latent]:.3g} with {latent} latent units"
        level = middle(floor(next(iter(here["sweep"].by("hidden", "latent").values()))))
        yield (
            f"{dataset}: {level:.4g} nats per image of the loss are the entropy of the pixels and stay; the least "
            f"excess over it was, by hidden widths, {'; '.join(least.values())} (medians over seeds)."
        )
        *_, (units, latent, one) = search_path(here["search"])
        left = middle(one.end(EXCESS))
        yield f"{dataset}: the search ended at {units} ReLUs and {latent} latent units, excess {left:.3g}."
        for penalty, view in here["learned"].by("penalty").items():
            units = {layer: f"{middle(live(view, layer)):g}" for layer in LAYERS}
            relus = f"{units['encoder.0']} ReLUs of the encoder, {units['decoder.0']} of the decoder"
            sizes = f"{relus} and {units['latent']} latent units"
            excess = f"an excess of {middle(view.end(EXCESS)):.3g}"
            yield f"{dataset}: a price of {penalty:g} nats per unit left {sizes}, with {excess} (medians over seeds)."


LOSSES = ("train_loss", EXCESS, "test_excess_loss", "train_exact_pixels")


def learned_sizes(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Make the tables of the networks whose sizes were learned, and of logistic principal components."""
    arms = Arms.of(Runs(folder, setup.flags.settings())).at(dataset=setup.dataset.name)
    of_layers = {f"live_{layer}": functools.partial(live, layer=layer) for layer in LAYERS}
    rows = studies.columns(*LOSSES, "parameters", arms=("learned",), by=("penalty",), **of_layers)(arms)
    return {
        "Sizes learned by prices on open gates": rows,
        "Logistic principal components: logits of a limited rank, with free numbers for each image": list(
            least_of_one_layer(setup)
        ),
    }


STUDY = studies.Study(
    name="model_dimension",
    flags=ModelDimensionFlags,
    presets=PRESETS,
    data=images,
    prepare=prepared,
    arms=arms,
    cautions=rows_left_out,
    rounds=next_step,
    table=studies.columns(
        *LOSSES,
        arms=("sweep", "latent ReLU", "search"),
        by=("hidden", "latent", "rows"),
        floor=floor,
        converged_epoch=functools.partial(converged, reading="reference"),
        converged_epoch_consecutive=functools.partial(converged, reading="consecutive"),
    ),
    checks=[learned_sizes],
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
)
COMMAND = STUDY.command
