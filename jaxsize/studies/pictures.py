"""Which pictures a study draws: one per data set, or per combination of other columns."""

import dataclasses
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxsize import plots
from jaxsize.studies.arms import Arms

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw = Callable[[Arms], "Figure | None"]
"""Arms -> a picture of them; None where there is nothing to draw. The docstring is the caption."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture that is drawn once for every combination of values of some columns; see `per`."""

    draw: Draw
    columns: tuple[str, ...]


def per(*columns: str) -> Callable[[Draw], Picture]:
    """Have a picture drawn for every combination of values of columns; without any, once for all arms.

    A picture that is given to a study as it is, is drawn per data set, with all forms in it.

    Args:
        *columns: columns of the rows, such as "dataset", "form" and settings.

    Returns:
        A decorator of functions that draw.

    Example:
        >>> from jaxsize.studies import per
        >>> @per("dataset", "form")
        ... def sizes(arms):
        ...     '''Draw sizes against epochs.'''
        >>> sizes.columns
        ('dataset', 'form')
    """
    return lambda draw: Picture(draw, columns)


def draw_all(pictures: Mapping[str, Draw | Picture], arms: Arms, folder: Path) -> list[dict[str, str]]:
    """Draw the pictures of a study, and write them as PNG files.

    Args:
        pictures: by title, which is also the first part of the files' names.
        arms: all arms of the study.
        folder: the results folder.

    Returns:
        For every picture its `file`, `title` and `caption`.
    """
    return list(_drawn(pictures, arms, folder))


def _drawn(pictures: Mapping[str, Draw | Picture], arms: Arms, folder: Path) -> Iterator[dict[str, str]]:
    for title, given in pictures.items():
        picture = given if isinstance(given, Picture) else Picture(given, ("dataset",))
        for values, chosen in arms.by(*picture.columns).items() if picture.columns else [((), arms)]:
            with plots.style():
                if (figure := picture.draw(chosen)) is None:
                    continue
                names = [title, *(_text(value) for value in values)]
                plots.save(figure, folder / f"{'_'.join(names)}.png")
            caption = " ".join((inspect.getdoc(picture.draw) or title).split())
            yield {"file": f"{'_'.join(names)}.png", "title": ", ".join(names), "caption": caption}


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
