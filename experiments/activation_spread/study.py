"""Do the spreads of a layer's activations tell whether the layer is too large?

    python -m experiments.activation_spread                                 digits, 10 seeds, minutes
    python -m experiments.activation_spread --dataset mnist fashion_mnist      14 widths, 6 seeds
    python -m experiments.activation_spread --dataset mnist fashion_mnist --full    J1's scale: 20 widths, 11 seeds

Networks with one hidden layer of many widths; after training, the standard deviation of every unit's output over the
training rows (D3), how normal its distribution over units is, and mixtures of useless and useful units (D4, D5). The
journal (seed `003_d2c286111c329776.txt`, experiments J1 to J5) hoped to read off the right width there, and gave it up.
`original`: the journal's pass over batches, dead units exactly 0, W of all models' units together, accuracy on training
rows. `corrected`: exact moments, dead units relative to the layer, W on samples of 64 units of one model, test rows.
Beside them the loss without each unit, which the journal called ideal and too expensive. Answers C1 to C9.
"""

from collections.abc import Iterator
from typing import Any

from experiments.activation_spread.claims import CLAIMS, crossing, peak_of_w
from experiments.activation_spread.flags import PRESETS, ActivationSpreadFlags
from experiments.activation_spread.layers import measure_layers
from experiments.activation_spread.pictures import PICTURES
from experiments.common.widths import at_width, in_units, plateau, static_widths
from jaxsize import studies
from jaxsize.studies import Arms


def answer(arms: Arms) -> Iterator[str]:
    """Say where the accuracy had its plateau, and what width each metric would have chosen."""

    for arm in arms:
        yield (
            f"{arm.dataset}, {arm.form} form: the test accuracy has its plateau from {in_units(plateau(arm))} units "
            f"on; W is largest at {in_units(peak_of_w(arm))}; the shares of useless units stay above .025 from "
            f"{in_units(crossing(arm, 'exponential_share'))} (exponential and normal) and "
            f"{in_units(crossing(arm, 'gamma_share'))} (two gammas) on (medians over seeds)."
        )


NUMBERS = ("median_spread", "total_spread", "dead", "constant", "w", "pooled_w", "exponential_share", "gamma_share")
COMPUTED: dict[str, Any] = {name: at_width("layers", name) for name in (*NUMBERS, "unneeded", "bic_difference")}
STUDY = studies.Study(
    name="activation_spread",
    flags=ActivationSpreadFlags,
    presets=PRESETS,
    arms=static_widths,
    checks=[measure_layers],
    table=studies.columns("train_score", "test_score", by=("width",), **COMPUTED),
    claims=CLAIMS,
    pictures=PICTURES,
    answer=answer,
)
COMMAND = STUDY.command
