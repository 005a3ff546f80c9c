"""Drawing all pictures of a study into its results folder."""

import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jaxsize import plots
from jaxsize.studies.arms import Arms
from jaxsize.studies.pictures import Draw, Picture


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
                if picture.title:
                    text = f"{chosen.title}: {picture.title}"
                    figure.suptitle(text, x=0.01, horizontalalignment="left")  # the legend is on the right
                names = [title, *(_text(value) for value in values)]
                plots.save(figure, folder / f"{'_'.join(names)}.png")
            caption = " ".join((inspect.getdoc(picture.draw) or title).split())
            yield {"file": f"{'_'.join(names)}.png", "title": ", ".join(names), "caption": caption}


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
