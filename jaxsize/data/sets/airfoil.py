"""Airfoil self-noise (UCI, from NASA): the sound level of an airfoil in a wind tunnel, from five numbers; 1503 rows."""

from pathlib import Path

import numpy as np

from jaxsize.data._draws import generator, hold_out
from jaxsize.data._files.openml import OpenmlTable, Part, openml_parts
from jaxsize.data._files.tables import folder_with, read_numbers, read_rows
from jaxsize.data.dataset import Dataset, Form, Split
from jaxsize.errors import InputError

FILE_NAME = "airfoil_self_noise.dat"
COLUMNS = {0: "frequency", 1: "angle", 2: "chord", 3: "speed", 4: "thickness", 5: "sound level"}
NUM_INPUTS = 5
TEST_CHORD = 0.1016
# The next larger chord. With both held out, the nearest chords left in train are 0.0508 m below and 0.2286 m above, for
# either of them, so that validation asks of the network what the test asks. It has 271 rows, the test chord 263.
VALIDATION_CHORD = 0.1524
_CHORD = 2
_OPENML = OpenmlTable(
    query={"name": "airfoil_self_noise", "version": 1},
    num_fields=6,
    parts=(Part(1503, {0: 4338230, 1: 10193.8, 2: 205.232, 3: 76443.7, 4: 16.743240228, 5: 187628.422}),),
)


def load_airfoil(*, seed: int, form: Form, directory: Path, split: str = "chord") -> Dataset:
    """Load sound levels in dB, to be predicted from frequency, angle of attack, chord, speed and thickness.

    Inputs are float32 [N, 5], raw: Hz, degrees, m, m/s, m. Scale and shift standardise each column by the train rows
    (population standard deviation). Targets are float32 [N], raw dB. `info` has `target_mean` and `target_std` of the
    train rows, to standardise targets in the loss (0 and 1 in the `original` form, which did not standardise them), and
    `validation`, which says in words what the validation rows are.

    The rows are read from `directory`/airfoil/airfoil_self_noise.dat, else from openml.csv beside it, in which rows
    fetched from OpenML are kept.

    Args:
        seed: draws the test rows of the split "iid" and the validation rows.
        form: in the `corrected` form the validation rows are those of another chord, 0.1524 m, or with "iid" 20 % of
            the rows that are no test rows, drawn by `seed`. In the `original` form these rows stay in train.
        directory: where the files are, or are written to.
        split: "chord" tests on the 263 rows with a chord of 0.1016 m, which no other row has: it asks for sound levels
            of an airfoil that was never seen. "iid" (also the data set `airfoil_iid`) tests on 20 % of all rows, drawn
            by `seed`.

    Raises:
        InputError: when the split is another one, files are damaged, no rows are left for a part, or all sound levels
            of the train rows are alike.
        DatasetNotFoundError: when there is nothing to read and fetching the rows from OpenML fails.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxsize.data import load
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "airfoil", "airfoil_self_noise.dat")
        ...     path.parent.mkdir()
        ...     chords = (0.3048, 0.2286, 0.1524, 0.1016)
        ...     lines = [f"800 {i} {chord} 71.3 0.0027 {126 + i}\\n" for i, chord in enumerate(chords)]
        ...     _ = path.write_text("".join(lines))
        ...     airfoil = load("airfoil", data_dir=folder)
        >>> airfoil.train.targets.tolist(), airfoil.validation.targets.tolist(), airfoil.test.targets.tolist()
        ([126.0, 127.0], [128.0], [129.0])
    """
    if split not in ("chord", "iid"):
        raise InputError(f"airfoil: split must be chord or iid, got {split!r}")
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
            raise InputError(f"{name}: no rows are left for {part} ({source})")

    scale, shift = _column_scaling(table[train, :NUM_INPUTS])
    targets = table[train, NUM_INPUTS]
    mean, std = (0.0, 1.0) if form == "original" else (float(targets.mean()), float(targets.std()))
    if std == 0:
        raise InputError(f"{name}: all sound levels of the train rows are alike ({source})")
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
    """Load what `load_airfoil` loads with the split "iid": that split is a data set with a name of its own.

    Args:
        seed: as in `load_airfoil`.
        form: as in `load_airfoil`.
        directory: as in `load_airfoil`.

    Raises:
        InputError: as `load_airfoil`.
        DatasetNotFoundError: as `load_airfoil`.
    """
    return load_airfoil(seed=seed, form=form, directory=directory, split="iid")


def _read(name: str, directory: Path) -> tuple[np.ndarray, str]:
    """Read the table, [N, 6] float64; say also where it came from."""
    if folder := folder_with("airfoil", directory, [FILE_NAME]):
        path = folder / FILE_NAME
        return read_numbers(read_rows(path, num_fields=len(COLUMNS), delimiter=None), COLUMNS), f"file {path}"
    (rows,), path = openml_parts(name, _OPENML, directory / "airfoil", [FILE_NAME])
    return read_numbers(rows, COLUMNS), f"rows from OpenML in {path}"


def _column_scaling(inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute the scale and the shift, [D] float32, to mean 0 and standard deviation 1; constant columns become 0."""
    mean, std = inputs.mean(axis=0), inputs.std(axis=0)
    std = np.where(inputs.min(axis=0) == inputs.max(axis=0), 1, std)
    return (1 / std).astype(np.float32), (-mean / std).astype(np.float32)


def _split(rows: np.ndarray) -> Split:
    return Split(rows[:, :NUM_INPUTS].astype(np.float32), rows[:, NUM_INPUTS].astype(np.float32))
