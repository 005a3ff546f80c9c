"""Do the principal components of a layer's outputs tell how many units the layer needs?

    python -m experiments.pca_metric                                 digits, 10 seeds, 5 minutes
    python -m experiments.pca_metric --dataset mnist fashion_mnist      8 widths, 6 seeds, about two hours (an estimate)
    python -m experiments.pca_metric --dataset mnist fashion_mnist --full    accuracies on all training rows, too

Networks with one hidden layer of several widths; after training, the principal components of what the units put out
before their activation, over the training rows (D6): their variances, what the first k of them miss, and the accuracy
of the network with these alone. The journal (seed `003_d2c286111c329776.txt`, experiment J6) found all components
equally important, because it took columns for rows (E1). `original`: the journal's columns, accuracy on training rows,
without centring. `corrected`: the components, test rows. Either form measures both, and random directions beside them.
The journal's conjecture that nothing read off a layer can tell its right size rests on noise that the network labels
itself; that is done here, and what changes on the way is measured (E24). Answers C10 to C12.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from experiments.common.widths import at_width, in_units, plateau, static_widths, widths_of
from experiments.pca_metric.claims import CLAIMS, own_kind
from experiments.pca_metric.flags import PRESETS, PcaMetricFlags
from experiments.pca_metric.layers import KINDS, NUMBERS, measure_components, read_components
from experiments.pca_metric.pictures import PICTURES
from jaxsize import studies
from jaxsize.data import Dataset
from jaxsize.errors import InputError
from jaxsize.studies import Arms


def of_classes(dataset: Dataset, flags: PcaMetricFlags) -> Dataset:
    """Return a data set of classes as it is, and refuse others: accuracies are measured."""
    if dataset.task != "classification":
        raise InputError(f"expected data sets of classes, got {dataset.name} ({dataset.task})", field="dataset")
    return dataset


def answer(arms: Arms) -> Iterator[str]:
    """Say how many directions the widest networks need, what the kinds of directions miss, and what noise changes."""
    for arm in arms:
        numbers = read_components(arm)

        def middle(name: str, form: str = "g", numbers: dict[str, np.ndarray] = numbers) -> str:
            of = numbers[name][:, -1]
            return f"{np.median(of[np.isfinite(of)]):{form}}" if np.isfinite(of).any() else "unknown"

        areas = ", ".join(f"{middle(f'area_{kind}', '.2f')} of {kind}" for kind in KINDS)
        enough = ", ".join(f"{middle(f'enough_{kind}')} of {kind}" for kind in KINDS)
        rows = "training" if arm.form == "original" else "test"
        yield (
            f"{arm.dataset}, {arm.form} form (which takes {own_kind(arm)} for components), medians over seeds of "
            f"networks of {widths_of(arm)[-1]} units: the area under the curve of errors is {areas} (.5: all are "
            f"equally important); 99 % of the accuracy on {rows} rows needs {enough}; the spectrum breaks after "
            f"{middle('break')}, and the inputs have rank {int(numbers['input_rank'])}; the test accuracy has its "
            f"plateau from {in_units(plateau(arm))} units on. On noise, which the network puts into "
            f"{middle('noise_classes')} classes, effective dimensions are {middle('noise_participation', '.1f')} "
            f"instead of {middle('participation', '.1f')}."
        )


HIDDEN = ("area", "noise_accuracy")
"""Numbers that are others again, or 1: they have no column."""
COMPUTED: dict[str, Any] = {name: at_width("components", name) for name in NUMBERS if name not in HIDDEN}
STUDY = studies.Study(
    name="pca_metric",
    flags=PcaMetricFlags,
    presets=PRESETS,
    prepare=of_classes,
    arms=static_widths,
    checks=[measure_components],
    table=studies.columns("train_score", "test_score", by=("width",), **COMPUTED),
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
)
COMMAND = STUDY.command
