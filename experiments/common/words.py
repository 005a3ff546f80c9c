"""Numbers as the answers of studies tell them."""

from collections.abc import Mapping
from typing import Any

from numpy.typing import ArrayLike

from jaxsize.statistics import describe


def median(values: ArrayLike, form: str = ".3g") -> str:
    """Write the median of the values that are finite, or "no number" where none is.

    Args:
        values: [num_seeds].
        form: how the number is formatted.

    Example:
        >>> from experiments.common.words import median
        >>> median([1.0, 2.0, float("nan")]), median([float("nan")])
        ('1.5', 'no number')
    """
    middle = describe(values)["median"]
    return "no number" if middle is None else format(middle, form)


def medians(values: Mapping[Any, ArrayLike], form: str = ".3g") -> str:
    """List the medians of several arms, each with its name behind it.

    Args:
        values: [num_seeds], by name.
        form: how the numbers are formatted.

    Example:
        >>> from experiments.common.words import medians
        >>> medians({"Adam": [1.0, 2.0], "Adamax": [7.0]})
        '1.5 (Adam), 7 (Adamax)'
    """
    return ", ".join(f"{median(of, form)} ({name})" for name, of in values.items())
