"""Census income (UCI "Adult"): whether a person earned over 50 000 dollars in 1994, from 6 numbers and 8 categories."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.data._draws import generator, hold_out
from jaxsize.data._files.openml import OpenmlTable, Part, openml_parts
from jaxsize.data._files.tables import Row, folder_with, read_numbers, read_rows
from jaxsize.data.dataset import Dataset, Form, Split
from jaxsize.errors import InputError, require_package

FILE_NAMES = ("adult.data", "adult.test")
NUMERIC = {
    0: "age",
    2: "fnlwgt",
    4: "education-num",
    10: "capital-gain",
    11: "capital-loss",
    12: "hours-per-week",
}
CATEGORICAL = {
    1: "workclass",
    3: "education",
    5: "marital-status",
    6: "occupation",
    7: "relationship",
    8: "race",
    9: "sex",
    13: "native-country",
}
LABELS = {"<=50K": 0, ">50K": 1}
_NUM_FIELDS = 15
# OpenML has both files in one table, the test file first.
_OPENML = OpenmlTable(
    query={"data_id": 1590},
    num_fields=_NUM_FIELDS,
    parts=(
        Part(16_281, {0: 631173, 2: 3084202270, 4: 163997, 10: 17614497, 11: 1431088, 12: 657626}),
        Part(32_561, {0: 1256257, 2: 6179373392, 4: 328237, 10: 35089324, 11: 2842700, 12: 1316684}),
    ),
)


def load_census(*, seed: int, form: Form, directory: Path) -> Dataset:
    """Load the two files as shipped: 32 561 train and 16 281 test rows; class 1 is over 50 000 dollars.

    Inputs are float32 [N, 108]: the 6 numbers, standardised by the train rows, then the 8 categories, one-hot. The
    categories are those of the whole train file in alphabetical order; "?" (unknown) is a category like others. Targets
    are int32 [N]. `info` has `train_file_rows`, `test_file_rows`, and `input_names`, a name for each of the columns.

    The rows are read from `directory`/adult/adult.data and adult.test, else from openml.csv beside them, in which rows
    fetched from OpenML are kept.

    Args:
        seed: draws the validation rows.
        form: in the `corrected` form 20 % of the train file's rows, drawn by `seed`, are validation rows; they do not
            enter the standardisation. In the `original` form (no such experiment was run) every row of the train file
            trains.
        directory: where the files are, or are written to.

    Raises:
        InputError: when files are damaged, the test file has a category that the train file has not, or there are too
            few rows to hold out a fifth.
        DatasetNotFoundError: when there is nothing to read and fetching the rows from OpenML fails.
    """
    train_rows, test_rows, source = _read(directory)
    categories = _categories(train_rows, test_rows)
    kept, held = np.arange(len(train_rows)), np.arange(0)
    if form == "corrected":
        if len(train_rows) < 5:
            raise InputError(
                f"census: {len(train_rows)} rows are too few to hold out a fifth for validation ({source})"
            )
        kept, held = hold_out(len(train_rows), len(train_rows) // 5, generator(seed, "census", "validation"))

    table, labels = _table(train_rows), _labels(train_rows)
    encoder = _encoder(categories).fit(table[kept])

    def split(table: np.ndarray, labels: np.ndarray) -> Split:
        return Split(encoder.transform(table).astype(np.float32), labels)

    names = [*NUMERIC.values(), *(f"{CATEGORICAL[c]}={value}" for c, values in categories.items() for value in values)]
    return Dataset(
        name="census",
        task="classification",
        num_outputs=len(LABELS),
        train=split(table[kept], labels[kept]),
        validation=split(table[held], labels[held]) if form == "corrected" else None,
        test=split(_table(test_rows), _labels(test_rows)),
        input_scale=np.asarray(1, np.float32),
        input_shift=np.asarray(0, np.float32),
        input_shape=(len(names),),
        source=source,
        info={"train_file_rows": len(train_rows), "test_file_rows": len(test_rows), "input_names": names},
    )


def _read(directory: Path) -> tuple[list[Row], list[Row], str]:
    if folder := folder_with("adult", directory, FILE_NAMES):
        train, test = (read_rows(folder / file, num_fields=_NUM_FIELDS, delimiter=",") for file in FILE_NAMES)
        return train, test, f"files {' and '.join(FILE_NAMES)} in {folder}"
    (test, train), path = openml_parts("census", _OPENML, directory / "adult", FILE_NAMES)
    return train, test, f"rows from OpenML in {path}"


def _categories(train_rows: list[Row], test_rows: list[Row]) -> dict[int, list[str]]:
    """List the values of each categorical column of the train rows, sorted.

    Raises InputError where the test rows have other values, or a field is empty.
    """
    for row in [*train_rows, *test_rows]:
        for column, name in CATEGORICAL.items():
            if not row.fields[column]:
                raise InputError(f"{row.place}: {name} is empty")
    categories = {column: sorted({row.fields[column] for row in train_rows}) for column in CATEGORICAL}
    for column, values in categories.items():
        known = set(values)
        for row in test_rows:
            if row.fields[column] not in known:
                problem = f"{CATEGORICAL[column]} {row.fields[column]!r} does not occur in the train rows"
                raise InputError(f"{row.place}: {problem}")
    return categories


def _table(rows: list[Row]) -> np.ndarray:
    """Make a table [N, 14] of objects, float numbers and str categories, in the order of the file's columns."""
    table = np.array([row.fields[:-1] for row in rows], dtype=object)
    table[:, list(NUMERIC)] = read_numbers(rows, NUMERIC)
    return table


def _labels(rows: list[Row]) -> np.ndarray:
    """Read the labels, [N] int32; in the test file every label ends with a dot."""
    for row in rows:
        if row.fields[-1].removesuffix(".") not in LABELS:
            raise InputError(f"{row.place}: class {row.fields[-1]!r} is none of {', '.join(LABELS)}")
    return np.array([LABELS[row.fields[-1].removesuffix(".")] for row in rows], np.int32)


def _encoder(categories: dict[int, list[str]]) -> Any:
    require_package("sklearn", "data")
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    values: Any = list(categories.values())  # scikit-learn's own hint allows only a str
    one_hot = OneHotEncoder(categories=values, sparse_output=False)
    return ColumnTransformer(
        [("numeric", StandardScaler(), list(NUMERIC)), ("categorical", one_hot, list(CATEGORICAL))]
    )
