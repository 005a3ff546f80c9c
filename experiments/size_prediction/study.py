"""Does anything that is read off one trained layer predict how many units the layer needs?

    python -m experiments.size_prediction                                 24 teachers, 7 minutes (an estimate)
    python -m experiments.size_prediction --teacher-inputs 10                fewer inputs than the widest have units
    python -m experiments.size_prediction --dataset digits --num-seeds 6     a data set of which only the curve is known

The journal (seed `003_d2c286111c329776.txt`, experiments J1 to J6) measured trained layers in the hope to read off how
large they should be. On one data set this cannot be tried: whatever grows with the width of a layer agrees with "too
large". So here students of one width learn from many random teachers whose widths are known, and a measure is asked
which teacher was the wider one. Beside the width of the teacher, three sizes are found in other ways: from the accuracy
curve over widths, by the sparsifier at a stated price, and by leaving out units one by one. The control is the loss on
training rows, which knows something of the teacher without looking at the layer.
"""

from collections.abc import Iterator
from typing import Any

import optax

from experiments.common.networks import mlps
from experiments.common.widths import widths_of
from experiments.size_prediction.agreement import agrees, says_table, table, truths_of
from experiments.size_prediction.claims import CLAIMS
from experiments.size_prediction.flags import PRESETS, SizePredictionFlags
from experiments.size_prediction.layers import MEASURES, UNITS, measure_sizes, read_sizes
from experiments.size_prediction.pictures import PICTURES
from experiments.size_prediction.teachers import WIDTHS, columns_of, datasets, task_for, with_own_teachers
from jaxsize.learners import Learner, cannot_close, sparsifier, supervised
from jaxsize.networks import Network
from jaxsize.programs import Batch
from jaxsize.results import Folder, Runs
from jaxsize.studies import Arms, Learned, Setup, Study
from jaxsize.sweeps import setting_sweep

DECAY = 1e-2
"""Weight decay of the sparsifier, decoupled, as in its own study."""


def runs_of_all(setup: Setup, arm: str, width: int, network: Network, learner: Learner, **options: Any) -> Batch:
    """Make a batch of every seed for every teacher; on data sets without teachers, of every seed."""
    flags, dataset = setup.flags, setup.dataset
    settings = options.pop("settings", {}) | {"learning_rate": flags.learning_rate}
    runs = [{"seed": seed, **settings, **own} for own in columns_of(dataset) for seed in range(flags.num_seeds)]
    options |= setup.fields(arm, width=width)
    batch = setting_sweep(dataset, runs, init=network.init, learner=learner, **options)
    return with_own_teachers(batch) if WIDTHS in dataset.info else batch


def arms(setup: Setup) -> Iterator[Batch]:
    """Make a batch per width of the students, and one of sparsifiers that start with the widest."""
    flags, dataset = setup.flags, setup.dataset
    task = task_for(dataset)
    for width in flags.widths:
        network = mlps(dataset, gate=None)((width,))
        learner = supervised(network.apply, task, lambda hparams: optax.adam(hparams.learning_rate))
        batch = runs_of_all(setup, "static", width, network, learner)
        setup = setup.after(batch)
        yield batch
    widest = max(flags.widths)
    network = mlps(dataset, gate="liveness")((widest,))
    learner = sparsifier.make_learner(network, task, sparsifier.SparsifierConfig())
    settings = {"penalty_weight": flags.price, "weight_decay": DECAY, "gate_learning_rate": flags.learning_rate}
    yield runs_of_all(
        setup,
        "learned",
        widest,
        network,
        learner,
        settings=settings,
        columns=lambda before, after: {"live_units": int(after.sum())},
    )


def cautions(setup: Setup) -> list[str]:
    """Say that the sparsifier's gates cannot close in the steps that are planned."""
    flags, dataset = setup.flags, setup.dataset
    num_steps = flags.epochs * flags.config(dataset).steps_per_epoch(len(dataset.train))
    problem = cannot_close(num_steps, flags.learning_rate, cure="raise --learning-rate or --epochs")
    return [f"{dataset.name}: {problem}"] if problem else []


def what_they_say(folder: Folder, setup: Setup, learned: Learned) -> dict[str, list[dict[str, Any]]]:
    """Make the table of what every measure says."""
    (arm,) = Arms.of(Runs(folder, setup.flags.settings())).at(dataset=setup.dataset.name).like("static")
    return {f"What measures say of students, {setup.dataset.name}": says_table(arm)}


def answer(arms: Arms) -> Iterator[str]:
    """Say which measures put teachers into the order of their widths, and what the control does."""
    for arm in arms.like("static"):
        numbers, widths = read_sizes(arm), widths_of(arm)
        truths = truths_of(numbers, widths)
        if "teacher" not in truths:
            says = ", ".join(f"{numbers[name][0, :, -1].mean():.3g} {words}" for name, words in UNITS.items())
            needed = ", ".join(f"{of[0]:.3g} by {name}" for name, of in truths.items())
            yield f"{arm.dataset}: needed are {needed}; of {widths[-1]} units the measures say: {says} (means)."
            continue
        taus = {words: agrees(numbers, widths, name)["teacher"].estimate for name, words in MEASURES.items()}
        known = sorted(((tau, words) for words, tau in taus.items() if tau is not None), key=lambda one: -abs(one[0]))
        order = ", ".join(f"{words} {tau:.2f}" for tau, words in known)
        yield (
            f"{arm.dataset}, {len(numbers[WIDTHS])} teachers, students of {widths[-1]} units: how well each measure "
            f"puts the teachers into the order of their widths (Kendall's tau, 1 always right, 0 a guess): {order}."
        )


STUDY = Study(
    name="size_prediction",
    flags=SizePredictionFlags,
    presets=PRESETS,
    data=datasets,
    arms=arms,
    cautions=cautions,
    checks=[measure_sizes, what_they_say],
    table=table,
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
    keep_networks=lambda batch: False,
)
COMMAND = STUDY.command
