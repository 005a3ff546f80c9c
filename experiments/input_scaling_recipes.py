"""What was tried in seed `001_b29bdd91c7bd24d8.txt`, as numbers: recipes R0 to R8 of REFERENCE S1, and what each is
when seen from unscaled inputs (D11)."""

import math
from typing import Any, NamedTuple


class Recipe(NamedTuple):
    """Inputs times c; everything else is the power of c by which the unscaled network's setting is multiplied."""

    what: str
    a1: float
    """First weights of layer 1, and so on."""
    a2: float
    r1: float
    """Learning rate of layer 1."""
    r2: float
    d1: float = 0
    """Weight decay of layer 1; layer 2 keeps its own."""
    reported: str = ""
    """By the asker."""


RECIPES = {
    "R0": Recipe("inputs as they are", 0, 0, 0, 0, 0, "about 50 %"),
    "R1": Recipe("inputs x c only", 0, 0, 0, 0, 0, "outputs all 0"),
    "R2": Recipe("both rates / c", 0, 0, -1, -1, 0, "about 43 %"),
    "R3": Recipe("both rates and inits / c", -1, -1, -1, -1, 0, "as R0"),
    "R4": Recipe("first init / c", -1, 0, 0, 0, 0, "trouble"),
    "R5": Recipe("first init / c, both rates / c", -1, 0, -1, -1, 0, "trouble"),
    "R6": Recipe("first init / c, first rate / c", -1, 0, -1, 0, 0, "did not help"),
    "R6b": Recipe("first rate / c", 0, 0, -1, 0, 0, "did not help"),
    "R7": Recipe("first init / c, both rates / c^2", -1, 0, -2, -2, 0, "works"),
    "R7b": Recipe("both rates / c^2", 0, 0, -2, -2, 0, "works"),
    "R8": Recipe("first init / c, first rate / c^2, first decay x c^2", -1, 0, -2, 0, 2, "not tried"),
}
UNSCALED = "R0"
"""The one recipe with c = 1, whatever the scale."""


def setting_of(name: str, c: float, learning_rate: float, weight_decay: float) -> dict[str, Any]:
    """A recipe as a setting of `plain_sweep`. ValueError for an R0 at a scale other than 1."""
    if name == UNSCALED and c != 1:
        raise ValueError(f"R0: expected scale 1, got {c}")
    a1, a2, r1, r2, d1 = (c**power for power in RECIPES[name][1:6])
    return {
        "recipe": name,
        "input_scale": c,
        "init_scales": [a1, a2],
        "learning_rates": [learning_rate * r1, learning_rate * r2],
        "weight_decays": [weight_decay * d1, weight_decay],
    }


class Twin(NamedTuple):
    """The unscaled network with one learning rate that trains exactly as a recipe does: factors of the rate, of the
    first weights, and of the decays."""

    rate: float
    inits: tuple[float, float]
    decays: tuple[float, float]


def twin_of(name: str, c: float) -> Twin:
    """Seen from unscaled inputs the recipe has first weights c a1, first rate c^2 r1 and first decay d1 / c^2; then
    weights are moved from one layer to the other until both have the same rate."""
    a1, a2, r1, r2, d1 = (c**power for power in RECIPES[name][1:6])
    rate = c * math.sqrt(r1 * r2)
    up = math.sqrt(math.sqrt(r2 / (c**2 * r1)))
    return Twin(rate, (up * c * a1, a2 / up), (d1 * r1 / rate, r2 / rate))


def predicted_changes(name: str, c: float) -> tuple[float, float]:
    """How many times as far the first step of layer 1, and of layer 2, moves the outputs as it does without a scale:
    rate x (what the gradient reads from the other layer, and its inputs) squared, at the same error signal."""
    a1, a2, r1, r2, _ = (c**power for power in RECIPES[name][1:6])
    return c**2 * r1 * a2**2, c**2 * r2 * a1**2
