"""How normal the spreads of a layer's units are: the statistic of Shapiro and Wilk on samples of one size.

The source is seed `003_d2c286111c329776.txt`, "Variance of activations as a proxy metric for network size" (J1, J2).
"""

import warnings
from typing import Any

import numpy as np

from jaxsize.errors import InputError
from jaxsize.measures._checks import floating, require_count
from jaxsize.trees import Array


def shapiro_w(
    values: Array, *, sample_size: int | None = 64, num_draws: int = 200, seed: int | np.random.Generator = 0
) -> np.ndarray:
    """Compute the W of Shapiro and Wilk of random samples of some values.

    W depends on how many values it is computed of, so that layers of different widths are compared by samples of one
    size (E2). The journal computed it of the values of all replicas of a layer together: `sample_size=None`, of the
    values concatenated. It runs on the host (scipy.stats.shapiro), 200 samples of 64 in about 10 ms.

    Args:
        values: such as the spreads of the units of a layer that are not dead, real [U].
        sample_size: how many values a sample has, drawn without replacement; 3 or more. None: all values at once.
        num_draws: how many samples are drawn.
        seed: of the draws, or a generator.

    Returns:
        W of every sample, float64 [num_draws], from 0 to 1: 1 for what could not be more normal. NaN for samples of
        equal values, which have none. If there are no more values than a sample has, W of all of them, [1].

    Raises:
        InputError: when there are fewer than 3 values, all are equal, one is not finite, or a number is out of range.

    Example:
        >>> import numpy as np
        >>> from jaxsize.measures import shapiro_w
        >>> generator = np.random.default_rng(0)
        >>> normal, exponential = generator.normal(size=500), generator.exponential(size=500)
        >>> shapiro_w(normal).shape, bool(np.median(shapiro_w(normal)) > np.median(shapiro_w(exponential)))
        ((200,), True)
    """
    from scipy import stats

    shapiro: Any = stats.shapiro  # its decorator adds the axis, which type checkers do not see
    numbers = np.asarray(floating(values, "values", "[U]"), float)
    if sample_size is not None:
        require_count(sample_size, "sample_size", low=3)
    require_count(num_draws, "num_draws")
    if len(numbers) < 3:
        raise InputError(f"expected at least 3 values, got {len(numbers)}", field="values")
    if np.ptp(numbers) == 0:
        raise InputError(f"expected values that differ, got {len(numbers)} times {numbers[0]:g}", field="values")
    if sample_size is None or len(numbers) <= sample_size:
        samples = numbers[None]
    else:
        draws = np.random.default_rng(seed).random((num_draws, len(numbers)))
        samples = numbers[np.argpartition(draws, sample_size - 1, axis=1)[:, :sample_size]]
    # W has no unit; scipy's sums of squares would overflow, and call small differences none.
    samples = (samples - samples.mean(axis=1, keepdims=True)) / np.ptp(numbers)
    result = np.full(len(samples), np.nan)
    differ = np.ptp(samples, axis=1) > 0
    with warnings.catch_warnings():
        # Beyond 5000 values the p value, which is not used, may be wrong; so may the coefficients of W itself.
        warnings.filterwarnings("ignore", message=".*For N > 5000", category=UserWarning)
        if differ.any():
            result[differ] = shapiro(samples[differ], axis=1).statistic
    return result
