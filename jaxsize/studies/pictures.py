"""Which pictures a study draws: one per data set, or per combination of other columns."""

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxsize.studies.arms import Arms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Arms], "Figure | None"]
"""Arms -> a picture of them; None where there is nothing to draw. The docstring is the caption."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that is drawn once for every combination of values of some columns; `per` makes one.

    Example:
        >>> from jaxsize.studies import Picture
        >>> Picture(lambda arms: None, ("dataset",)).columns
        ('dataset',)
    """

    draw: Draw
    columns: tuple[str, ...]
    title: str = ""
    """What is said above it, behind the data set, the form and the number of seeds; "" where `draw` says it."""


def per(*columns: str, title: str = "") -> Callable[[Draw], Picture]:
    """Have a picture drawn for every combination of values of columns; without any, once for all arms.

    A picture that is given to a study as it is, is drawn per data set, with all forms in it.

    Args:
        *columns: columns of the rows, such as "dataset", "form" and settings.
        title: such as "median and range"; see `Picture.title`.

    Returns:
        A decorator of functions that draw.

    Example:
        >>> from jaxsize.studies import per
        >>> @per("dataset", "form", title="median and range")
        ... def sizes(arms):
        ...     '''Draw sizes against epochs.'''
        >>> sizes.columns
        ('dataset', 'form')
    """
    return lambda draw: Picture(draw, columns, title)
