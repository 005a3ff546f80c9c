"""Airfoil self-noise (UCI, from NASA): the sound level of an airfoil in a wind tunnel, from five numbers; 1503 rows."""

from pathlib import Path

import numpy as np

from jaxsize.datasets._dataset import Dataset, Form, Split
from jaxsize.datasets._draws import generator, hold_out
from jaxsize.datasets._openml import OpenmlTable, Part, openml_parts
from jaxsize.datasets._tables import folder_with, read_numbers, read_rows

FILE_NAME = "airfoil_self_noise.dat"
COLUMNS = {0: "frequency", 1: "angle", 2: "chord", 3: "speed", 4: "thickness", 5: "sound level"}
NUM_INPUTS = 5
TEST_CHORD = 0.1016
# The next larger one. Without it as without the test chord the two nearest chords left in train are 0.0508 and 0.2286
# on either side, so that validation asks of the network what the test asks; and it has about as many rows (271, 263).
VALIDATION_CHORD = 0.1524
_CHORD = 2
_OPENML = OpenmlTable(
    query={"name": "airfoil_self_noise", "version": 1},
    num_fields=6,
    parts=(Part(1503, {0: 4338230, 1: 10193.8, 2: 205.232, 3: 76443.7, 4: 16.743240228, 5: 187628.422}),),
)


def load_airfoil(*, seed: int, form: Form, directory: Path, split: str = "chord") -> Dataset:
    """Sound levels in dB from frequency (Hz), angle of attack (degrees), chord (m), speed (m/s), thickness (m).

    split: "chord" tests on the 263 rows with a chord of 0.1016 m, which no other row has: it asks for sound levels of
    an airfoil that was never seen. "iid" (also the set `airfoil_iid`) tests on 20 % of all rows, drawn by `seed`.
    Inputs float32 [N, 5], raw, with a scale and a shift for each column by the train rows (population standard
    deviation); targets float32 [N], raw dB. `corrected`: validation is another chord, 0.1524 m, or with "iid" 20 % of
    the rows that are no test rows, drawn by `seed`. `original`: no validation, its rows stay in train.
    info: `target_mean` and `target_std` of the train rows, to standardise targets in the loss (0 and 1 in the
    `original` form, which did not); `validation` in words.

    Read from `directory`/airfoil/airfoil_self_noise.dat, else from the rows that were or now are fetched from OpenML.
    Raises ValueError for another split and damaged files, DatasetNotFoundError where there is nothing to read.
    """
    if split not in ("chord", "iid"):
        raise ValueError(f"airfoil: split must be chord or iid, got {split!r}")
    name = "airfoil" if split == "chord" else "airfoil_iid"
    table, source = _read(name, directory)
    validation_words = None
    if split == "chord":
        test = np.flatnonzero(table[:, _CHORD] == TEST_CHORD)
        held = np.flatnonzero(table[:, _CHORD] == VALIDATION_CHORD)
        if form == "corrected":
            validation_words = f"all rows with chord {VALIDATION_CHORD} m"
    else:
        rest, test = hold_out(len(table), len(table) // 5, generator(seed, "airfoil", "test"))
        _, chosen = hold_out(len(rest), len(rest) // 5, generator(seed, "airfoil", "validation"))
        held = rest[chosen]
        if form == "corrected":
            validation_words = "20 % of the rows that are no test rows, drawn"
    if form == "original":
        held = held[:0]
    train = np.setdiff1d(np.arange(len(table)), np.concatenate([test, held]))
    for part, rows in (("train", train), ("test", test), *([("validation", held)] if form == "corrected" else [])):
        if rows.size == 0:
            raise ValueError(f"{name}: no rows are left for {part} ({source})")

    scale, shift = _column_scaling(table[train, :NUM_INPUTS])
    targets = table[train, NUM_INPUTS]
    mean, std = (0.0, 1.0) if form == "original" else (float(targets.mean()), float(targets.std()))
    if std == 0:
        raise ValueError(f"{name}: all sound levels of the train rows are alike ({source})")
    return Dataset(
        name=name,
        task="regression",
        num_outputs=1,
        train=_split(table[train]),
        validation=_split(table[held]) if form == "corrected" else None,
        test=_split(table[test]),
        input_scale=scale,
        input_shift=shift,
        input_shape=(NUM_INPUTS,),
        source=source,
        info={"target_mean": mean, "target_std": std, "validation": validation_words, "file_rows": len(table)},
    )


def load_airfoil_iid(*, seed: int, form: Form, directory: Path) -> Dataset:
    """`load_airfoil` with the split "iid", as a name of its own."""
    return load_airfoil(seed=seed, form=form, directory=directory, split="iid")


def _read(name: str, directory: Path) -> tuple[np.ndarray, str]:
    """The table, [N, 6] float64, and where it came from."""
    if folder := folder_with("airfoil", directory, [FILE_NAME]):
        path = folder / FILE_NAME
        return read_numbers(read_rows(path, num_fields=len(COLUMNS), delimiter=None), COLUMNS), f"file {path}"
    (rows,), path = openml_parts(name, _OPENML, directory / "airfoil", [FILE_NAME])
    return read_numbers(rows, COLUMNS), f"rows from OpenML in {path}"


def _column_scaling(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scale and shift, [D] float32, to mean 0 and standard deviation 1; a constant column becomes 0."""
    mean, std = inputs.mean(axis=0), inputs.std(axis=0)
    std = np.where(inputs.min(axis=0) == inputs.max(axis=0), 1, std)
    return (1 / std).astype(np.float32), (-mean / std).astype(np.float32)


def _split(rows: np.ndarray) -> Split:
    return Split(rows[:, :NUM_INPUTS].astype(np.float32), rows[:, NUM_INPUTS].astype(np.float32))
