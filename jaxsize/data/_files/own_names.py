"""The names of data sets that are a user's files."""

import gzip
import itertools
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np

ENDINGS = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".npz")
"""Files that hold a data set; it may also be a folder of images."""
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm")


def ending_of(path: Path) -> str:
    """The ending that says what a file holds; empty if it is none of `ENDINGS`."""
    return next((ending for ending in ENDINGS if path.name.lower().endswith(ending)), "")


def is_own(name: str) -> bool:
    """Whether a name that is none of a known data set can be the path of a user's data."""
    path = Path(name)
    return bool(ending_of(path)) or len(path.parts) > 1 or path.is_dir()


def count_rows(path: Path, most: int) -> int:
    """Count the rows of a data set without reading more of it than that takes; `most` if it has more.

    Lines of a table, images in a folder and its folders, the length of the longest array of a .npz. What cannot be read
    has no rows: reading it says why.
    """
    ending = ending_of(path)
    try:
        if ending == ".npz":
            return min(most, max(_array_lengths(path), default=0))
        if ending:
            with (gzip.open if ending.endswith(".gz") else open)(path, "rb") as file:
                return sum(1 for _ in itertools.islice(file, most))
        images = (file for file in path.rglob("*") if file.suffix.lower() in IMAGE_ENDINGS)
        return sum(1 for _ in itertools.islice(images, most))
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error):
        return 0


def _array_lengths(path: Path) -> Iterator[int]:
    """The lengths of the arrays of a .npz, of which only the first bytes are read."""
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                version = np.lib.format.read_magic(file)
                read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
                shape, _, _ = read(file)
                yield shape[0] if shape else 1


def safe_name(path: Path, taken: Collection[str] = ()) -> str:
    """The name of a file or folder without its ending, of letters, digits, - and _ only, and none of those taken.

    A name that is taken gets a number, from 2 on.
    """
    path = path.absolute()
    stem = path.name[: len(path.name) - len(ending_of(path))]
    name = re.sub(r"[^A-Za-z0-9_-]+", "_", stem).strip("_-") or "own"
    numbered = (name if number == 1 else f"{name}_{number}" for number in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)
