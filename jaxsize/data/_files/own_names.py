"""The names of data sets that are a user's files."""

import re
from collections.abc import Collection
from pathlib import Path

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".npz")
"""Files that hold a data set; it may also be a folder of images."""


def ending_of(path: Path) -> str:
    """The ending that says what a file holds; empty if it is none of `ENDINGS`."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")


def safe_name(path: Path, taken: Collection[str] = ()) -> str:
    """The name of a file or folder without its ending, of letters, digits, - and _ only, and none of those taken.

    A name that is taken gets a number, from 2 on.
    """
    path = path.absolute()
    stem = path.name[: len(path.name) - len(ending_of(path))]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-") or "own"
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)
