"""Census: scaling and encoding against answers made by hand, damaged files, the real files."""

from pathlib import Path

import numpy as np
import pytest
from helpers.data import REAL, census_row, needs_real, refuse_network, write_table

from jaxsize.data import DatasetNotFoundError, load
from jaxsize.data._files.openml import _difference
from jaxsize.data._files.tables import read_rows
from jaxsize.data.sets import census


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr("jaxsize.data._files.openml.arriving_blocks", refuse_network)


def write_census(folder: Path, train: list[list[str]], test: list[list[str]]) -> None:
    write_table(folder / "adult" / "adult.data", [*train, [""]], ", ")
    write_table(folder / "adult" / "adult.test", [*test, [""]], ", ", before="|1x3 Cross validator\n")


def test_census_standardises_numbers_and_encodes_categories(tmp_path):
    write_census(tmp_path, [census_row(row) for row in range(12)], [census_row(row, ".") for row in range(40, 45)])
    dataset = load("census", data_dir=tmp_path, form="original")
    assert dataset.validation is None
    assert (len(dataset.train), len(dataset.test), dataset.num_inputs) == (12, 5, 17)
    assert dataset.train.targets.tolist() == [1, 0, 0, 0] * 3
    assert dataset.test.targets.tolist() == [1, 0, 0, 0, 1]
    assert dataset.train.inputs.dtype == np.float32 and dataset.train.targets.dtype == np.int32
    names = dataset.info["input_names"]
    assert names[:9] == [*census.NUMERIC.values(), "workclass=?", "workclass=Private", "workclass=State-gov"]
    assert names[-2:] == ["native-country=Peru", "native-country=United-States"]
    std = (sum((row - 5.5) ** 2 for row in range(12)) / 12) ** 0.5
    for split, rows in ((dataset.train, range(12)), (dataset.test, range(40, 45))):
        expected = [
            [(row - 5.5) / std, row % 3 == 1, row % 3 == 0, row % 3 == 2, row % 2 == 0, row % 2] for row in rows
        ]
        np.testing.assert_allclose(split.inputs[:, [0, 6, 7, 8, 15, 16]], expected, rtol=1e-6)
        np.testing.assert_array_equal(split.inputs[:, [3, 5]], 0)  # never vary
        np.testing.assert_array_equal(split.inputs[:, 6:].sum(axis=1), 8)


def test_census_validation_is_a_fifth_that_statistics_do_not_see(tmp_path):
    write_census(tmp_path, [census_row(row) for row in range(51)], [census_row(7, ".")])
    first, again, other = (load("census", data_dir=tmp_path, seed=seed) for seed in (0, 0, 1))
    assert first.validation is not None
    assert (len(first.train), len(first.validation)) == (41, 10)
    assert first.fingerprint() == again.fingerprint() != other.fingerprint()
    np.testing.assert_allclose(first.train.inputs[:, :3].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(first.train.inputs[:, :3].std(axis=0), 1, rtol=1e-6)
    ages = np.concatenate([first.train.inputs[:, 0], first.validation.inputs[:, 0]])
    gaps = np.diff(np.sort(ages))  # ages 20 to 70, every one once
    np.testing.assert_allclose(gaps, gaps.mean(), rtol=1e-4)
    write_census(tmp_path, [census_row(row) for row in range(4)], [census_row(0, ".")])
    with pytest.raises(ValueError, match="census: 4 rows are too few to hold out a fifth"):
        load("census", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("file", "column", "text", "message"),
    [
        ("adult.data", 0, "old", "line 3: age 'old' is not a number"),
        ("adult.data", 2, "?", "line 3: fnlwgt '?' is not a number"),
        ("adult.data", 14, "50K", "line 3: class '50K' is none of <=50K, >50K"),
        ("adult.data", 1, "", "line 3: workclass is empty"),
        ("adult.data", 1, None, "line 3: expected 15 fields, got 14"),
        ("adult.test", 12, "nan", "line 4: hours-per-week 'nan' is not a finite float32 number"),
        ("adult.test", 13, "Peri", "line 4: native-country 'Peri' does not occur in the train rows"),
        ("adult.test", 14, ">50K..", "line 4: class '>50K..' is none of <=50K, >50K"),
    ],
)
def test_damaged_census_rows_are_named(tmp_path, file, column, text, message):
    tables = {"adult.data": [census_row(r) for r in range(12)], "adult.test": [census_row(r, ".") for r in range(5)]}
    tables[file][2][column : column + 1] = [] if text is None else [text]
    write_census(tmp_path, *tables.values())
    with pytest.raises(ValueError) as caught:
        load("census", data_dir=tmp_path)
    assert str(caught.value) == f"{tmp_path / 'adult' / file}, {message}"


def test_a_file_of_two_is_not_enough(tmp_path):
    write_table(tmp_path / "adult" / "adult.data", [census_row(row) for row in range(12)], ", ")
    with pytest.raises(DatasetNotFoundError, match=r"^census: adult\.test is not in .*adult, and fetching"):
        load("census", data_dir=tmp_path)


@needs_real("adult", *census.FILE_NAMES)
def test_real_census():
    original, corrected = (load("census", data_dir=REAL, form=form) for form in ("original", "corrected"))
    assert original.num_inputs == 108
    assert np.bincount(original.train.targets).tolist() == [24_720, 7_841]
    assert np.bincount(original.test.targets).tolist() == [12_435, 3_846]
    unknown = [index for index, name in enumerate(original.info["input_names"]) if name.endswith("=?")]
    assert len(unknown) == 3
    assert [int(part.inputs[:, unknown].any(axis=1).sum()) for part in (original.train, original.test)] == [2399, 1221]
    assert corrected.validation is not None
    assert (len(corrected.train), len(corrected.validation), len(corrected.test)) == (26_049, 6_512, 16_281)
    np.testing.assert_allclose(corrected.train.inputs[:, :6].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(corrected.train.inputs[:, :6].std(axis=0), 1, atol=1e-3)
    test, train = (read_rows(REAL / "adult" / file, num_fields=15, delimiter=",") for file in census.FILE_NAMES[::-1])
    assert _difference([row.fields for row in [*test, *train]], census._OPENML) is None
