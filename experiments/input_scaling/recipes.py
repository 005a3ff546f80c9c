"""The recipes R0 to R8 for training on inputs times c (S1), as numbers, and what each is for unscaled inputs (D11).

R1 to R7 are what the author of seed `001_b29bdd91c7bd24d8.txt`, the asker, tried; R6b and R7b are other readings of
that text.
"""

from typing import Any, NamedTuple

from jaxsize.errors import InputError


class Recipe(NamedTuple):
    """A way to train on inputs times c: the powers of c that the unscaled network's settings are multiplied by."""

    what: str
    """The recipe in words."""
    a1: float
    a2: float
    """Powers of the initial weights of both layers."""
    r1: float
    r2: float
    """Powers of their learning rates."""
    d1: float = 0
    """Power of the weight decay of layer 1; layer 2 keeps its decay."""


RECIPES = {
    "R0": Recipe("inputs as they are", 0, 0, 0, 0),
    "R1": Recipe("inputs x c only", 0, 0, 0, 0),
    "R2": Recipe("both rates / c", 0, 0, -1, -1),
    "R3": Recipe("both rates and inits / c", -1, -1, -1, -1),
    "R4": Recipe("first init / c", -1, 0, 0, 0),
    "R5": Recipe("first init / c, both rates / c", -1, 0, -1, -1),
    "R6": Recipe("first init / c, first rate / c", -1, 0, -1, 0),
    "R6b": Recipe("first rate / c", 0, 0, -1, 0),
    "R7": Recipe("first init / c, both rates / c^2", -1, 0, -2, -2),
    "R7b": Recipe("both rates / c^2", 0, 0, -2, -2),
    "R8": Recipe("first init / c, rate / c^2, decay x c^2", -1, 0, -2, 0, 2),
}
UNSCALED = "R0"
"""The recipe that is always trained at c = 1."""


def setting_of(name: str, c: float, learning_rate: float, weight_decay: float) -> dict[str, Any]:
    """Return a recipe as a setting of `layer_rate_sweep`.

    Args:
        name: a key of `RECIPES`.
        c: the factor of the inputs.
        learning_rate: of the unscaled network.
        weight_decay: of the unscaled network.

    Raises:
        InputError: when R0 is asked for at a scale other than 1.
    """
    if name == UNSCALED and c != 1:
        raise InputError(f"R0: expected scale 1, got {c}")
    a1, a2, r1, r2, d1 = (c**power for power in RECIPES[name][1:6])
    return {
        "arm": name,
        "input_scale": c,
        "init_scales": [a1, a2],
        "learning_rates": [learning_rate * r1, learning_rate * r2],
        "weight_decays": [weight_decay * d1, weight_decay],
    }


def predicted_changes(name: str, c: float) -> tuple[float, float]:
    """Predict how many times as far as in R0 the first step of layer 1, and of layer 2, moves the outputs.

    At the same error signal, that is the factor of the rate times the square of what multiplies the gradient: the scale
    of the inputs and the weights of the other layer.
    """
    a1, a2, r1, r2, _ = (c**power for power in RECIPES[name][1:6])
    return c**2 * r1 * a2**2, c**2 * r2 * a1**2
