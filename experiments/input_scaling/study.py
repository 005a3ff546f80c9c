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

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.input_scaling import pictures
from experiments.input_scaling import table as report
from experiments.input_scaling.claims import claims
from experiments.input_scaling.first_steps import first_steps
from experiments.input_scaling.flags import PRESETS, InputScalingFlags
from experiments.input_scaling.recipes import RECIPES, UNSCALED, setting_of
from jaxsize import data
from jaxsize.data import Form
from jaxsize.learners.plain import PlainConfig
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs
from jaxsize.studies import Command
from jaxsize.studies.questions import Learned, Question, Setup, run_question
from jaxsize.sweeps import layer_rate_sweep

NAME = "input_scaling"
UNCENTRED = ("cifar10", "cifar_like")
"""Data sets that are not standardised unless `data.load` is asked to."""


def batches(setup: Setup) -> list[Batch]:
    """Make the batches: every recipe at every scale with every seed, R0 and R2 for longer; and the tuned networks."""
    flags: InputScalingFlags = setup.flags
    if setup.form == "corrected":
        runs = [(name, flags.scales[0], factor) for name in RECIPES for factor in sorted(flags.rate_factors)]
        recipes = _recipes(setup, runs)
        return [recipes, *(_tuned(setup.after(recipes)) if flags.tuned else [])]
    runs = [(name, scale, 1.0) for name in RECIPES for scale in flags.scales]
    swept = [(name, scale, 1.0) for name in report.SWEPT for scale in flags.sweep_scales if scale not in flags.scales]
    return [_recipes(setup, runs + swept, longer=[(name, scale) for name in report.LONG for scale in flags.scales])]


def _recipes(setup: Setup, runs: list[tuple[str, float, float]], longer: Sequence[tuple[str, float]] = ()) -> Batch:
    """The batch of recipes. R0 is the same at any scale and trained once.

    Args:
        setup: the data set and the form.
        runs: recipe, scale, and factor of the learning rates, for each of which every seed is trained.
        longer: recipes and scales that are trained for --long-epochs.
    """
    flags: InputScalingFlags = setup.flags
    different = dict.fromkeys((name, 1.0 if name == UNSCALED else scale, factor) for name, scale, factor in runs)
    settings = [
        setting_of(name, scale, factor * flags.learning_rate, flags.weight_decay)
        | {"rate_factor": factor, "num_classes": setup.dataset.num_outputs, "seed": seed}
        for name, scale, factor in different
        for seed in range(flags.num_seeds)
    ]
    long = {(name, 1.0 if name == UNSCALED else scale) for name, scale in longer}
    epochs_of = [flags.long_epochs if (run["recipe"], run["input_scale"]) in long else flags.epochs for run in settings]
    fields: dict[str, Any] = setup.batch(report.RECIPE_ARM) | {"num_epochs": max(epochs_of), "epochs_of": epochs_of}
    return layer_rate_sweep(setup.dataset, [flags.width], PlainConfig(), settings, **fields)


def _tuned(setup: Setup) -> list[Batch]:
    """Dense networks with biases, a program for every width and depth."""
    flags: InputScalingFlags = setup.flags
    name, made, dataset = setup.dataset.name, [], setup.dataset
    if name in UNCENTRED:
        dataset = data.load(name, data_dir=flags.data_dir, form=setup.form, standardize=True)
    for width in flags.tuned_widths:
        for depth in flags.tuned_depths:
            settings = [
                {"hidden": f"{depth} x {width}", "rate": rate, "decay": decay, "seed": seed}
                | {"learning_rates": rate, "weight_decays": decay}
                for rate in flags.tuned_learning_rates
                for decay in flags.tuned_decays
                for seed in range(flags.num_seeds)
            ]
            fields = setup.after(*made).batch(f"{report.TUNED_ARM}_{depth}_{width}")
            fields["label"] |= {"arm": report.TUNED_ARM}
            adam = PlainConfig(optimizer="adam")
            made.append(layer_rate_sweep(dataset, [width] * depth, adam, settings, bias="pytorch", **fields))
    return made


def also(folder: Folder, flags: Any, learned: Mapping[tuple[str, Form], Learned]) -> dict[str, Any]:
    """Measure first steps, and list the runs whose loss was not finite."""
    runs, tables = Runs(folder, flags.settings()), {}
    for (name, form), trained_batches in learned.items():
        if form == "original":
            (batch, _) = trained_batches[f"{name}.{form}.{report.RECIPE_ARM}"]
            tables[f"{name}: change of the outputs by the first step of each layer, R0's = 1"] = first_steps(batch)
            tables[f"{name}: R8 against R0, largest difference of losses so far"] = report.growth(runs, name)
    overflowed = report.not_finite(runs)
    if overflowed:
        tables["runs whose loss was not finite, and the step at which it was so first"] = overflowed
    return {"tables": tables, "not_finite": overflowed}


QUESTION = Question(NAME, batches, report.results, claims, pictures.pictures, also=also)


def run(flags: InputScalingFlags) -> dict[str, Any]:
    """Train everything, write the results folder, and return the content of its summary.json."""
    return run_question(flags, QUESTION)


COMMAND = Command(NAME, InputScalingFlags, PRESETS, run)
