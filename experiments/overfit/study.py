"""How far can an autoencoder be over-fitted on purpose: how near does its loss come to the least possible one?

    python -m experiments.overfit                               digits, 6 seeds, minutes
    python -m experiments.overfit --dataset mnist               all 60 000 images, 1 seed, hours on 2 cores
    python -m experiments.overfit --dataset mnist --latents 256 --no-random    one network, half an hour

Somebody tried to over-fit MNIST on purpose, got no further than a loss of 55, and asked for anybody who did (seed
`000_1e759a4f1a03c71d.txt`, C41). No loss can be below the entropy of the grey pixels; what can reach 0 is the excess.
Networks here have the seed's structure: no activation around the latent units. They start from principal components and
a curve of straight pieces (`start.py`), or at random, and train on all images. Other networks must reproduce every
pixel of few images exactly, after rounding to 8 bits: a price on open gates takes units away at first, and what is left
learns until it is exact (`exact.py`). Networks that were put together without any training stand beside them
(`constructed.py`).
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import optax

from experiments.common.pixels import EXCESS, floor, load_images, middle, prepared, rows_left_out
from experiments.overfit.constructed import constructed
from experiments.overfit.exact import exact, on_a_cosine
from experiments.overfit.flags import PRESETS, OverfitFlags
from experiments.overfit.pictures import PICTURES
from experiments.overfit.start import decoder_widths, excess_before_training, informed
from experiments.overfit.views import LAYERS, first_below, smallest_exact
from jaxsize import studies
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.learners import reconstruction, supervised
from jaxsize.networks import Network, autoencoder
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs
from jaxsize.statistics import Estimate, Part
from jaxsize.studies import Arms, ArmView, Claim, Learned, Setup, each
from jaxsize.sweeps import setting_sweep

TASK = reconstruction("cross_entropy")
LEARNED = "Networks that learned their widths: the smallest that reproduced every pixel of its images"
TOGETHER = "Networks that were put together, not trained, and reproduce every pixel of their images"
UNITS = {
    "encoder.0": "ReLUs of the encoder",
    "latent": "latent units",
    "decoder.0": "linear units of the decoder",
    "decoder.1": "ReLUs of the decoder",
}
SHARE = 0.01
"""C41: over-fitted is a network whose excess is below 1 % of that of one that says .5 for every pixel."""


def network_of(flags: OverfitFlags, dataset: Dataset, latent: int) -> Network:
    """Make the network of so many latent units that is trained on all images, with an encoder of one hidden layer."""
    if flags.encoder < dataset.num_inputs:
        expected = f"at least as many as the {dataset.num_inputs} pixels of {dataset.name}"
        raise InputError(f"expected {expected}, got {flags.encoder}", field="encoder")
    widths = (dataset.num_inputs, flags.encoder)
    return autoencoder(widths, latent, decoder=decoder_widths(dataset, flags.pieces))


def arms(setup: Setup) -> list[Batch]:
    """Make a batch per start and latent size, on all images; and one per number of images that must be exact."""
    flags, dataset, batches = setup.flags, setup.dataset, []
    rates: dict[str, Any] = {"learning_rate": flags.learning_rate}
    for arm in ("informed", "random")[: 1 + flags.random]:
        for latent in flags.latents:
            network = network_of(flags, dataset, latent)
            if arm == "informed":
                network = informed(network, dataset, latent, flags.pieces)
            learner = supervised(network.apply, TASK, lambda hparams: optax.adam(hparams.learning_rate))
            settings = [
                {"seed": seed, **rates, "latent": latent, "rows": len(dataset.train)} for seed in range(flags.num_seeds)
            ]
            fields = setup.after(*batches).fields(arm, latent=latent)
            learner = on_a_cosine(learner, flags.epochs)
            batches.append(setting_sweep(dataset, settings, init=network.init, learner=learner, **fields))
    for rows in flags.rows:
        if rows <= len(dataset.train):
            batches.append(exact(setup.after(*batches), rows))
    return batches


def cannot_be_overfitted(view: ArmView) -> Iterator[Part]:
    """Yield how many runs came below 1 % of the excess of a network that says .5 everywhere; one refutes the claim."""
    blank = view.data.num_inputs * math.log(2) - view.data.info["entropy_floor"]["train"]
    reached = (np.nanmin(view.curve(EXCESS), axis=1, initial=np.inf) < SHARE * blank).astype(float)
    count = Estimate(float(reached.sum()), None, None, 0.95, reached.size, "runs below 1 %")
    part = studies.exactly(0, reached, count, of=f"runs below {SHARE * blank:.3g} nats")
    yield part if reached.any() else studies.still_open(part, "a longer training may come so far")


def one_refutes(parts: Sequence[Mapping[str, Any]]) -> str:
    """Decide that something cannot be done: one network that did it refutes it, and no number that did not shows it."""
    return "refuted" if any(part["verdict"] == "refuted" for part in parts) else "open"


def exact_sizes(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Make the tables of networks that reproduce their images exactly: those that learned, and those put together."""
    arms = Arms.of(Runs(folder, setup.flags.settings())).at(dataset=setup.dataset.name)
    kinds: dict[str, Callable[[ArmView], Any]] = {
        name: lambda view, name=name: smallest_exact(view, name) for name in ("parameters", *LAYERS)
    }
    rows = studies.columns("train_exact_images", arms=("exact",), by=("rows", "penalty"), **kinds)(arms)
    tables = {LEARNED: rows, TOGETHER: list(constructed(setup))}
    return {title: rows for title, rows in tables.items() if rows}


def starts(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Make the table of the excess that components and a curve have before any training."""
    dataset, pieces = setup.dataset, setup.flags.pieces
    rows = [
        {"dataset": dataset.name, "latent": latent, "excess": excess_before_training(dataset, latent, pieces)}
        for latent in setup.flags.latents
    ]
    return {f"Before training: principal components and a curve of {pieces} pieces": rows}


def smallest_networks(arms: Arms) -> Iterator[str]:
    """Say of every number of images which network reproduced them exactly with the fewest parameters."""
    for rows, view in arms["exact"].by("rows").items() if "exact" in arms else []:
        priced = view.by("penalty").values()
        sizes = np.stack([smallest_exact(one, "parameters") for one in priced])
        tried = f"{arms[0].dataset}: of {sizes.size} networks that learned their widths and {rows} images"
        if np.isnan(sizes).all():
            yield f"{tried}, none reproduced every pixel exactly."
            continue
        best, seed = np.unravel_index(np.nanargmin(sizes), sizes.shape)
        units = [f"{smallest_exact(list(priced)[best], layer)[seed]:.0f} {name}" for layer, name in UNITS.items()]
        yield (
            f"{tried}, {np.isfinite(sizes).sum()} reproduced every pixel exactly; the smallest has "
            f"{sizes[best, seed]:.0f} parameters: {', '.join(units)}."
        )


def answer(arms: Arms) -> Iterator[str]:
    """Say what a loss consists of, how near the networks came, and what exact images need."""
    for dataset in arms.datasets:
        here = arms.at(dataset=dataset)
        least = here[0].data.info["entropy_floor"]["train"]
        asker = f"; 55, where the asker stopped, is {55 - least:.3g} above" if dataset == "mnist" else ""
        yield f"{dataset}: no loss can be below {least:.4g} nats per image, the entropy of the grey pixels{asker}."
        for arm in here.like("informed", "random"):
            ends = [f"{middle(one.end(EXCESS)):.3g} with {latent}" for latent, one in arm.by("latent").items()]
            yield f"{dataset}, {arm.name} start: the excess ended at {', '.join(ends)} latent units."
        for bound in (1.0, 0.1):
            reached = [
                latent
                for latent, one in here["informed"].by("latent").items()
                if np.isfinite(first_below(one, bound)).any()
            ]
            fewest = f"{min(reached)} is the smallest" if reached else "there is none"
            yield (
                f"{dataset}, informed start: of these latent sizes {fewest} with which a run came below an excess of "
                f"{bound:g} nat per image."
            )
        yield from smallest_networks(here)


STUDY = studies.Study(
    name="overfit",
    flags=OverfitFlags,
    presets=PRESETS,
    data=load_images,
    prepare=prepared,
    arms=arms,
    cautions=rows_left_out,
    table=studies.columns(
        *("train_loss", EXCESS, "test_excess_loss", "train_exact_pixels", "train_exact_images"),
        arms=("informed", "random"),
        by=("latent",),
        floor=floor,
        epochs_to_1_nat=lambda view: first_below(view, 1.0),
        epochs_to_a_tenth=lambda view: first_below(view, 0.1),
    ),
    checks=[starts, exact_sizes],
    claims={
        "C41": Claim(
            "an autoencoder cannot be over-fitted: its excess stays above 1 % of that of a network that says .5",
            each("informed", "random", by=["latent"]),
            cannot_be_overfitted,
            decide=one_refutes,
            seeds=1,
        ),
    },
    pictures=PICTURES,
    answer=answer,
)
COMMAND = STUDY.command
