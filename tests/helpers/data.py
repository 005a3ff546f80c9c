"""Data sets for tests: where the real files lie, rows and files made by hand."""

import gzip
import os
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from jaxsize.data._files.download import DownloadError

REAL = Path(os.environ.get("JAXSIZE_DATA_DIR") or "no-data-dir")  # read before the fixture below clears it


def needs_real(folder: str, *files: str):
    there = all((REAL / folder / file).is_file() for file in files)
    return pytest.mark.skipif(not there, reason=f"JAXSIZE_DATA_DIR holds no {folder}")


def refuse_network(url):
    raise DownloadError("no network in this test")
    yield


def write_table(path: Path, rows: list[list[str]], delimiter: str, before: str = "", end: str = "\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((before + "".join(delimiter.join(row) + end for row in rows)).encode())
    return path


CHORDS = ("0.0254", "0.0508", "0.1016", "0.1524")


def airfoil_rows(num_rows: int = 40) -> list[list[str]]:
    return [
        [str(100 * row), str(row % 7), CHORDS[row % 4], ("39.6", "71.3")[row % 3 == 0], f"{row}e-3", f"{row}.5"]
        for row in range(num_rows)
    ]


def census_row(row: int, dot: str = "") -> list[str]:
    jobs, countries = ("Private", "?", "State-gov"), ("Peru", "United-States")
    fields = [str(20 + row), jobs[row % 3], str(1000 * row), "Masters", str(row % 5), "Divorced", "Sales", "Wife"]
    return [
        *fields,
        "White",
        "Male",
        "0",
        str(row % 2),
        "40",
        countries[row % 2],
        ("<=50K", ">50K")[row % 4 == 0] + dot,
    ]


def slow_class(hand: list[tuple[int, int]]) -> int:
    """Rank frequencies, most frequent first, and a search of the ten straights; hand: (suit, rank) of five cards."""
    flush = len({suit for suit, _ in hand}) == 1
    ranks = {rank for _, rank in hand}
    straights = [{(low + step - 1) % 13 + 1 for step in range(5)} for low in range(1, 11)]
    if ranks in straights:
        return (9 if ranks == straights[-1] else 8) if flush else 4
    if flush:
        return 5
    frequencies = sorted(Counter(rank for _, rank in hand).values(), reverse=True)
    return {(4, 1): 7, (3, 2): 6, (3, 1, 1): 3, (2, 2, 1): 2, (2, 1, 1, 1): 1}.get(tuple(frequencies), 0)


def training_rows(num_rows: int = 60) -> list[list[str]]:
    """Random hands; every tenth row is the one before it with its cards in another order."""
    rng = np.random.default_rng(0)
    rows, cards = [], []
    for row in range(num_rows):
        cards = cards[::-1] if row % 10 == 9 else rng.choice(52, 5, replace=False).tolist()
        hand = [(card // 13 + 1, card % 13 + 1) for card in cards]
        rows.append([*(str(value) for card in hand for value in card), str(slow_class(hand))])
    return rows


FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def idx_bytes(array: np.ndarray) -> bytes:
    return struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def fake_contents(train_rows: int = 300, test_rows: int = 40, seed: int = 0) -> dict[str, bytes]:
    """The four files, unpacked, with random pixels; label of row i: i modulo 10."""
    rng = np.random.default_rng(seed)
    contents = {}
    for part, rows in (("train", train_rows), ("t10k", test_rows)):
        contents[f"{part}-images-idx3-ubyte"] = idx_bytes(rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8))
        contents[f"{part}-labels-idx1-ubyte"] = idx_bytes((np.arange(rows) % 10).astype(np.uint8))
    return contents


def write_files(folder: Path, contents: dict[str, bytes], packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        (folder / f"{file}.gz" if packed else folder / file).write_bytes(gzip.compress(content) if packed else content)
    return folder
