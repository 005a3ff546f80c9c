"""Numbers as the answers of studies tell them."""

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
