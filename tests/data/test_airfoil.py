"""Airfoil: splits and scaling against answers made by hand, tables that are damaged, the real file."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from helpers.data import REAL, airfoil_rows, needs_real, refuse_network, write_table

from jaxsize.data import Dataset, Form, Split, load
from jaxsize.data._files.openml import _difference
from jaxsize.data._files.tables import read_rows
from jaxsize.data.sets import airfoil


@pytest.fixture(autouse=True)
def no_real_places(tmp_path_factory, monkeypatch):
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda app: str(tmp_path_factory.mktemp("cache") / app))
    monkeypatch.setattr("jaxsize.data._files.openml.arriving_blocks", refuse_network)


def scaled(dataset: Dataset, split: Split) -> np.ndarray:
    return split.inputs.astype(np.float64) * dataset.input_scale + dataset.input_shift


# ---- airfoil: sound level = row number, frequency = 100 * row number, chords in turn


def write_airfoil(folder: Path, rows: list[list[str]]) -> Path:
    return write_table(folder / "airfoil" / airfoil.FILE_NAME, rows, "\t", end="\r\n")


@pytest.mark.parametrize("form", get_args(Form))
def test_airfoil_tests_on_one_chord_and_validates_on_its_neighbour(tmp_path, form):
    path = write_airfoil(tmp_path, airfoil_rows())
    dataset = load("airfoil", data_dir=tmp_path, form=form)
    corrected = form == "corrected"
    train = [row for row in range(40) if row % 4 in ((0, 1) if corrected else (0, 1, 3))]
    assert dataset.test.targets.tolist() == [row + 0.5 for row in range(2, 40, 4)]
    assert dataset.train.targets.tolist() == [row + 0.5 for row in train]
    assert dataset.train.targets.dtype == dataset.train.inputs.dtype == np.float32
    np.testing.assert_array_equal(dataset.train.inputs[:, 0], [100 * row for row in train])
    np.testing.assert_allclose(dataset.train.inputs[:, 4], np.array(train) / 1000)
    standardised = scaled(dataset, dataset.train)
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(standardised.std(axis=0), 1, rtol=1e-6)
    assert (dataset.name, dataset.source) == ("airfoil", f"file {path}")
    if corrected:
        assert dataset.validation is not None
        assert dataset.validation.targets.tolist() == [row + 0.5 for row in range(3, 40, 4)]
        mean = sum(train) / 20 + 0.5
        std = (sum((row + 0.5 - mean) ** 2 for row in train) / 20) ** 0.5
        assert dataset.info["target_mean"] == pytest.approx(mean)
        assert dataset.info["target_std"] == pytest.approx(std)
        assert dataset.info["validation"] == "all rows with chord 0.1524 m"
    else:
        assert dataset.validation is None
        assert (dataset.info["target_mean"], dataset.info["target_std"]) == (0, 1)
        assert dataset.info["validation"] is None


def test_airfoil_iid_draws_a_fifth_twice_by_seed(tmp_path):
    write_airfoil(tmp_path, airfoil_rows(41))
    first, again = (
        load("airfoil_iid", data_dir=tmp_path, seed=3),
        load("airfoil", data_dir=tmp_path, seed=3, split="iid"),
    )
    other, original = (
        load("airfoil_iid", data_dir=tmp_path, seed=4),
        load("airfoil_iid", data_dir=tmp_path, seed=3, form="original"),
    )
    assert first.fingerprint() == again.fingerprint() and first.name == again.name == "airfoil_iid"
    assert first.fingerprint() != other.fingerprint()
    assert first.fingerprint()["test"] == original.fingerprint()["test"]
    assert first.validation is not None and original.validation is None
    assert (len(first.train), len(first.validation), len(first.test)) == (27, 6, 8)
    assert len(original.train) == 33
    targets = np.concatenate([first.train.targets, first.validation.targets, first.test.targets])
    assert sorted(targets.tolist()) == [row + 0.5 for row in range(41)]


def test_airfoil_columns_that_do_not_vary_become_zero_and_parts_may_not_be_empty(tmp_path):
    rows = airfoil_rows()
    write_airfoil(tmp_path, [[*row[:3], "39.6", *row[4:]] for row in rows])
    dataset = load("airfoil", data_dir=tmp_path)
    np.testing.assert_allclose(scaled(dataset, dataset.test)[:, 3], 0, atol=1e-5)
    for chord, part in (("0.1016", "test"), ("0.1524", "validation")):
        write_airfoil(tmp_path, [row for row in rows if row[2] != chord])
        with pytest.raises(ValueError, match=f"airfoil: no rows are left for {part}"):
            load("airfoil", data_dir=tmp_path)
    write_airfoil(tmp_path, [[*row[:5], "120"] for row in rows])
    with pytest.raises(ValueError, match="airfoil: all sound levels of the train rows are alike"):
        load("airfoil", data_dir=tmp_path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("800\t0\t0.3048\t71.3\t0.002", "line 3: expected 6 fields, got 5"),
        ("800\t0\t0.3048\t71.3\t0.002\t126\t1", "line 3: expected 6 fields, got 7"),
        ("800\t0\t0.3048\tfast\t0.002\t126", "line 3: speed 'fast' is not a number"),
        ("8_00\t0\t0.3048\t71.3\t0.002\t126", "line 3: frequency '8_00' is not a number"),
        ("800\tnan\t0.3048\t71.3\t0.002\t126", "line 3: angle 'nan' is not a finite float32 number"),
        ("800\t0\t0.3048\t71.3\t0.002\t-inf", "line 3: sound level '-inf' is not a finite float32 number"),
        ("1e39\t0\t0.3048\t71.3\t0.002\t126", "line 3: frequency '1e39' is not a finite float32 number"),
    ],
)
def test_damaged_airfoil_rows_are_named(tmp_path, line, message):
    rows = airfoil_rows()
    path = write_airfoil(tmp_path, [*rows[:2], line.split("\t"), *rows[2:]])
    with pytest.raises(ValueError) as caught:
        load("airfoil", data_dir=tmp_path)
    assert str(caught.value) == f"{path}, {message}"


def test_files_that_cannot_be_read_are_value_errors(tmp_path, monkeypatch):
    path = write_airfoil(tmp_path, [])
    with pytest.raises(ValueError, match="holds no rows"):
        load("airfoil", data_dir=tmp_path)
    path.write_bytes(b"800\xff")
    with pytest.raises(ValueError, match="not a text file"):
        load("airfoil", data_dir=tmp_path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    for method in ("open", "is_file"):
        with monkeypatch.context() as patch, pytest.raises(ValueError, match=r"cannot be read \(Permission denied\)"):
            patch.setattr(Path, method, refuse)
            load("airfoil", data_dir=tmp_path)


def test_an_unknown_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="airfoil: split must be chord or iid, got 'speed'"):
        load("airfoil", data_dir=tmp_path, split="speed")
    with pytest.raises(ValueError, match="airfoil_iid: unknown option 'split'; its options: none"):
        load("airfoil_iid", data_dir=tmp_path, split="chord")


# ---- the real files


@needs_real("airfoil", airfoil.FILE_NAME)
def test_real_airfoil():
    corrected, original = (load("airfoil", data_dir=REAL, form=form) for form in ("corrected", "original"))
    assert corrected.validation is not None
    assert (len(original.train), len(original.test)) == (1240, 263)
    assert (len(corrected.train), len(corrected.validation), len(corrected.test)) == (969, 271, 263)
    whole = np.concatenate([np.column_stack([part.inputs, part.targets]) for part in (original.train, original.test)])
    expected = [2886.38, 6.7823, 0.13655, 50.861, 0.011140, 124.836]
    np.testing.assert_allclose(whole.mean(axis=0, dtype=np.float64), expected, rtol=1e-4)
    assert set(corrected.train.inputs[:, 2]) == {np.float32(chord) for chord in (0.0254, 0.0508, 0.2286, 0.3048)}
    assert set(corrected.validation.inputs[:, 2]) == {np.float32(0.1524)}
    iid = load("airfoil_iid", data_dir=REAL)
    assert iid.validation is not None
    assert (len(iid.train), len(iid.validation), len(iid.test)) == (963, 240, 300)
    rows = read_rows(REAL / "airfoil" / airfoil.FILE_NAME, num_fields=6, delimiter=None)
    assert _difference([row.fields for row in rows], airfoil._OPENML) is None
