"""Why does a network stop training when its inputs are multiplied by 255, and what makes up for it?

    python -m experiments.input_scaling                         synthetic images like CIFAR-10, 6 seeds, minutes
    python -m experiments.input_scaling --dataset cifar10 --full    S1's scale and a tuned dense network, hours on a CPU

One hidden layer of 300 units without biases, gradient descent with momentum and L2 (seed `001_b29bdd91c7bd24d8.txt`;
experiment S1). The author of that question, the asker, tried the recipes R1 to R7. They are trained here beside the
unscaled R0 and beside R8, which is the exact twin of R0; all from the same weights and orders of rows, in one program.
There are 6 seeds, because a 95 % statement about a median needs 6. `original`: the asker's learning rates, all rows
train. `corrected`: validation rows are held out; on them one factor for both rates of every recipe is chosen and, with
--tuned, the best of several dense networks with biases. Answers C45 to C47.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.networks import mlps
from experiments.input_scaling.claims import CLAIMS
from experiments.input_scaling.first_steps import first_steps
from experiments.input_scaling.flags import PRESETS, InputScalingFlags
from experiments.input_scaling.pictures import PICTURES
from experiments.input_scaling.recipes import RECIPES, UNSCALED, setting_of
from experiments.input_scaling.table import accuracy, best_factor, growth, not_finite, table
from jaxsize import data
from jaxsize.learners.plain import PlainConfig
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs
from jaxsize.studies import Arms, Learned, Setup, Study
from jaxsize.sweeps import layer_rate_sweep

UNCENTRED = ("cifar10", "cifar_like")
"""Data sets that are not standardised unless `data.load` is asked to."""
SWEPT = ("R1", "R2", "R8")
"""The recipes that are trained at further scales."""
LONG = (UNSCALED, "R2")
"""The recipes that are trained for --long-epochs; what they are after --epochs does not depend on it."""


def arms(setup: Setup) -> Iterator[Batch]:
    """Make the batches: every recipe with every seed; and the tuned networks."""
    flags = setup.flags
    recipes = _recipes(setup)
    yield recipes
    after = setup.after(recipes)
    if flags.tuned and setup.form == "corrected":
        for width, depth in itertools.product(flags.tuned_widths, flags.tuned_depths):
            yield (batch := _tuned(after, width, depth))
            after = after.after(batch)


def _recipes(setup: Setup) -> Batch:
    """Make the batch of recipes, an arm each: at several scales, or at one with several factors of the rates.

    R0 is the same at any scale and trained once.
    """
    flags, original = setup.flags, setup.form == "original"
    tried: tuple[float, ...] = flags.scales if original else flags.scales[:1]
    scales = dict.fromkeys(RECIPES, tried) | {UNSCALED: (1.0,)}
    factors = (1.0,) if original else sorted(flags.rate_factors)
    cells = [(name, scale, factor) for name in RECIPES for scale in scales[name] for factor in factors]
    if original:
        further = [scale for scale in flags.sweep_scales if scale not in flags.scales]
        cells += itertools.product(SWEPT, further, factors)
    settings = [
        setting_of(name, scale, factor * flags.learning_rate, flags.weight_decay)
        | {"rate_factor": factor, "num_classes": setup.dataset.num_outputs, "seed": seed}
        | {"num_epochs": flags.long_epochs if original and name in LONG and scale in scales[name] else flags.epochs}
        for name, scale, factor in cells
        for seed in range(flags.num_seeds)
    ]
    epochs_of = [setting["num_epochs"] for setting in settings]
    fields: dict[str, Any] = setup.fields("recipes") | {"num_epochs": max(epochs_of), "epochs_of": epochs_of}
    return layer_rate_sweep(
        setup.dataset, mlps(setup.dataset, gate=None, bias=None)([flags.width]), PlainConfig(), settings, **fields
    )


def _tuned(setup: Setup, width: int, depth: int) -> Batch:
    """Make the batch of dense networks of one shape, with biases, trained by Adam on standardised inputs."""
    flags, dataset = setup.flags, setup.dataset
    if dataset.name in UNCENTRED:
        dataset = data.load(dataset.name, data_dir=flags.data_dir, form=setup.form, standardize=True)
    settings = [
        {"arm": "tuned", "hidden": f"{depth} x {width}", "learning_rate": rate, "weight_decay": decay, "seed": seed}
        | {"learning_rates": rate, "weight_decays": decay}
        for rate in flags.tuned_learning_rates
        for decay in flags.tuned_weight_decays
        for seed in range(flags.num_seeds)
    ]
    adam, fields = PlainConfig(optimizer="adam"), setup.fields(f"tuned {depth} x {width}")
    network = mlps(dataset, gate=None, bias="pytorch")([width] * depth)
    return layer_rate_sweep(dataset, network, adam, settings, **fields)


def checks(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Measure first steps, compare R8 with R0 step by step, and list the runs whose loss was not finite."""
    runs, where = Runs(folder, setup.flags.settings()), {"dataset": setup.dataset.name, "form": setup.form}
    tables = {"Loss not finite: the first such step": not_finite(runs, **where)}
    if setup.form == "original":
        title = "Change of the outputs by the first step of each layer, R0's = 1"
        tables[title] = first_steps(learned[setup.name("recipes")][0])
        tables["R8 against R0: largest difference of losses so far"] = growth(Arms.of(runs).at(**where))
    return tables


def answer(arms: Arms) -> Iterator[str]:
    """Say how accurate networks are without the factor, with it, and with what should make up for it."""
    for (dataset, form), chosen in arms.by("dataset", "form").items():
        c = chosen.settings["scales"][0]
        best = {arm.name: best_factor(arm.at(input_scale=c)) for arm in chosen.like("R1", "R2", "R8")}
        best[UNSCALED] = best_factor(chosen[UNSCALED])
        of = {name: f"{np.median(accuracy(arm)):.4f}" for name, arm in best.items()}
        how = "as the asker had them" if form == "original" else "one factor each chosen on validation rows"
        yield (
            f"{dataset}, {form} form: the network's test accuracy was {of[UNSCALED]} with inputs as they are, and "
            f"{of['R1']} with inputs times c = {c:g}. With both learning rates / c it was {of['R2']}; with the first "
            f"layer's initial weights / c, its rate / c^2 and its weight decay x c^2, {of['R8']} (rates: {how})."
        )


STUDY = Study(
    name="input_scaling",
    flags=InputScalingFlags,
    presets=PRESETS,
    arms=arms,
    table=table,
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
    checks=[checks],
)
COMMAND = STUDY.command
