"""Add10: a regression with a known noise floor, five inputs that matter and five that do not (Friedman, 1991)."""

import numpy as np

from jaxsize.data._draws import generator
from jaxsize.data.dataset import Dataset, Form, Split

NUM_ROWS = 9792
NUM_INPUTS = 10
_ORIGINAL_TEST_SEED = 0


def add10_target(inputs: np.ndarray) -> np.ndarray:
    """Compute the target without noise, 10 sin(pi x1 x2) + 20 (x3 - 1/2)^2 + 10 x4 + 5 x5.

    Args:
        inputs: floating [N, 10].

    Returns:
        [N], of the inputs' dtype.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data.sets.add10 import add10_target
        >>> add10_target(np.array([[0.5, 1.0, 0.5, 0.1, 0.2, 0, 0, 0, 0, 0]])).round(3).tolist()
        [12.0]
    """
    x1, x2, x3, x4, x5 = inputs.T[:5]
    return 10 * np.sin(np.pi * x1 * x2) + 20 * (x3 - 0.5) ** 2 + 10 * x4 + 5 * x5


def load_add10(*, seed: int, form: Form) -> Dataset:
    """Draw 9792 rows each of train, validation and test: inputs uniform on (0, 1)^10, noise of standard deviation 1.

    Inputs are float32 [N, 10], unscaled; targets and clean_targets are float32 [N], raw. The least possible mean
    squared error is 1 against `targets` and 0 against `clean_targets`. No file is needed.

    Args:
        seed: draws the rows.
        form: `original` has no validation rows, and the same test rows for every seed.

    Example:
        >>> from jaxsize.data.sets.add10 import load_add10
        >>> test = load_add10(seed=0, form="corrected").test
        >>> round(float(((test.targets - test.clean_targets) ** 2).mean()), 1)
        1.0
    """
    test_seed = _ORIGINAL_TEST_SEED if form == "original" else seed
    return Dataset(
        name="add10",
        task="regression",
        num_outputs=1,
        train=_draw(generator(seed, "add10", "train")),
        validation=None if form == "original" else _draw(generator(seed, "add10", "validation")),
        test=_draw(generator(test_seed, "add10", "test")),
        input_scale=np.asarray(1, np.float32),
        input_shift=np.asarray(0, np.float32),
        input_shape=(NUM_INPUTS,),
        source="drawn from its formula",
        info={"noise_std": 1.0, "best_mse": 1.0, "num_relevant_inputs": 5},
    )


def _draw(rng: np.random.Generator) -> Split:
    inputs = rng.random((NUM_ROWS, NUM_INPUTS), dtype=np.float32)
    clean = add10_target(inputs.astype(np.float64))
    noisy = clean + rng.standard_normal(NUM_ROWS)
    return Split(inputs, noisy.astype(np.float32), clean.astype(np.float32))
