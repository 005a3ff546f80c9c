"""MNIST and Fashion-MNIST: where they are looked for, how they are split, and what the real files hold."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.data import FILES, REAL, fake_contents, idx_bytes, write_files

from jaxsize.data import DatasetNotFoundError, load
from jaxsize.data._files.download import DownloadError


def needs_real(name: str):
    """Skips, visibly, unless JAXSIZE_DATA_DIR holds the original files."""
    there = all((REAL / name / f"{file}.gz").is_file() for file in FILES)
    return pytest.mark.skipif(not there, reason=f"JAXSIZE_DATA_DIR holds no {name}")


@pytest.fixture(autouse=True)
def no_real_places(tmp_path_factory, monkeypatch):
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda app: str(cache / app))
    return cache / "jaxsize" / "datasets"


@pytest.fixture
def no_network(monkeypatch):
    def refuse(remote, destination):
        raise DownloadError("no network in this test")

    monkeypatch.setattr("jaxsize.data.sets.mnist.download", refuse)


# ---- splits and scaling


@pytest.mark.parametrize("packed", [True, False])
def test_original_form_keeps_every_row_in_order_with_the_constants_of_mnist(tmp_path, packed):
    contents = fake_contents()
    folder = write_files(tmp_path / "fashion_mnist", contents, packed)
    dataset = load("fashion_mnist", data_dir=tmp_path, form="original")
    assert dataset.validation is None
    assert dataset.train.inputs.tobytes() == contents[FILES[0]][16:]
    assert dataset.test.inputs.tobytes() == contents[FILES[2]][16:]
    assert dataset.train.inputs.dtype == np.uint8
    assert dataset.train.inputs.shape == (300, 784)
    assert dataset.train.targets.tolist() == [row % 10 for row in range(300)]
    assert dataset.train.targets.dtype == np.int32
    assert dataset.source == f"idx files in {folder}"
    pixels = np.arange(256) / 255
    scaled = np.arange(256).astype(np.float32) * dataset.input_scale + dataset.input_shift
    np.testing.assert_allclose(scaled, (pixels - 0.1307) / 0.3081, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("train_rows", "validation_rows"), [(300, 50), (6, 1), (61, 10)])
def test_corrected_form_holds_out_a_sixth_and_standardises_the_rest(tmp_path, train_rows, validation_rows):
    contents = fake_contents(train_rows)
    write_files(tmp_path / "mnist", contents)
    dataset, again, other = (load("mnist", data_dir=tmp_path, seed=seed) for seed in (0, 0, 1))
    assert dataset.validation is not None and again.validation is not None and other.validation is not None
    assert len(dataset.validation) == validation_rows
    assert len(dataset.train) == train_rows - validation_rows

    labelled = [
        (row.tobytes(), label)
        for split in (dataset.train, dataset.validation)
        for row, label in zip(split.inputs, split.targets.tolist(), strict=True)
    ]
    content = contents[FILES[0]][16:]
    expected = [(content[784 * row : 784 * (row + 1)], row % 10) for row in range(train_rows)]
    assert sorted(labelled) == sorted(expected)
    assert len(set(labelled)) == train_rows

    np.testing.assert_array_equal(dataset.validation.inputs, again.validation.inputs)
    if train_rows > 6:
        assert not np.array_equal(dataset.validation.inputs, other.validation.inputs)
    scaled = (dataset.train.inputs.astype(np.float32) * dataset.input_scale + dataset.input_shift).astype(np.float64)
    assert abs(scaled.mean()) < 1e-5
    assert abs(scaled.std() - 1) < 1e-5


def test_too_few_rows_or_pixels_all_alike_are_value_errors(tmp_path):
    write_files(tmp_path / "mnist", fake_contents(train_rows=5))
    with pytest.raises(ValueError, match="mnist: 5 train rows are too few"):
        load("mnist", data_dir=tmp_path)
    flat = fake_contents(train_rows=12) | {FILES[0]: idx_bytes(np.full((12, 28, 28), 9, np.uint8))}
    write_files(tmp_path / "mnist", flat)
    with pytest.raises(ValueError, match="mnist: all pixels of the train images are alike"):
        load("mnist", data_dir=tmp_path)


# ---- places


def test_argument_goes_before_variable_before_cache(tmp_path, monkeypatch, no_real_places):
    for place, rows in ((tmp_path / "argument", 12), (tmp_path / "variable", 24), (no_real_places, 36)):
        write_files(place / "mnist", fake_contents(train_rows=rows))

    def rows_found(**arguments) -> int:
        return len(load("mnist", form="original", **arguments).train)

    assert rows_found() == 36
    monkeypatch.setenv("JAXSIZE_DATA_DIR", "")
    assert rows_found() == 36
    monkeypatch.setenv("JAXSIZE_DATA_DIR", str(tmp_path / "variable"))
    assert rows_found() == 24
    assert rows_found(data_dir=str(tmp_path / "argument")) == 12


def test_a_named_directory_is_searched_instead_of_the_cache(tmp_path, no_real_places, no_network):
    write_files(no_real_places / "mnist", fake_contents())
    with pytest.raises(DatasetNotFoundError):
        load("mnist", data_dir=tmp_path)


def test_files_directly_in_the_directory_count_only_if_it_has_the_name(tmp_path, no_network):
    own = write_files(tmp_path / "mnist", fake_contents())
    assert len(load("mnist", data_dir=own, form="original").train) == 300
    with pytest.raises(DatasetNotFoundError):
        load("fashion_mnist", data_dir=own)
    loose = write_files(tmp_path / "loose", fake_contents())
    with pytest.raises(DatasetNotFoundError):
        load("mnist", data_dir=loose)


def test_a_directory_that_does_not_exist_is_an_error_at_once(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"data_dir: .*nowhere' does not exist"):
        load("mnist", data_dir=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"data_dir: .*file' is not a directory"):
        load("mnist", data_dir=tmp_path / "file")
    monkeypatch.setenv("JAXSIZE_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"JAXSIZE_DATA_DIR: .*nowhere' does not exist"):
        load("mnist")
    load("digits")  # needs no files, so that the variable does not matter


def test_not_found_is_one_line_that_says_what_to_do(tmp_path, no_network):
    with pytest.raises(DatasetNotFoundError) as caught:
        load("fashion_mnist", data_dir=tmp_path)
    message = str(caught.value)
    assert message.startswith("fashion_mnist: ")
    assert "\n" not in message
    for part in (str(tmp_path / "fashion_mnist"), "no network in this test", "connect to the network", *FILES):
        assert part in message

    folder = write_files(tmp_path / "fashion_mnist", fake_contents())
    (folder / f"{FILES[1]}.gz").unlink()
    with pytest.raises(DatasetNotFoundError, match=f"fashion_mnist: {FILES[1]}.gz is not in "):
        load("fashion_mnist", data_dir=tmp_path)


# ---- damaged files


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (FILES[0], idx_bytes(np.zeros((300, 28, 27), np.uint8)), "images of 28 x 27 pixels, not 28 x 28"),
        (FILES[0], idx_bytes(np.zeros((300, 784), np.uint8)), "not an idx file of bytes with 3 axes"),
        (FILES[1], idx_bytes(np.zeros(299, np.uint8)), "299 labels for 300 images"),
        (FILES[3], idx_bytes(np.full(40, 10, np.uint8)), "labels 10..10 are not all in 0..9"),
        (FILES[2], b"<html>moved</html>", "not an idx file"),
    ],
)
def test_damaged_files_are_refused_by_name(tmp_path, file, content, message):
    write_files(tmp_path / "mnist", {**fake_contents(), file: content})
    with pytest.raises(ValueError) as caught:
        load("mnist", data_dir=tmp_path)
    assert message in str(caught.value)
    assert str(tmp_path / "mnist" / f"{file}.gz") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_corrupt_gzip_is_refused_by_name(tmp_path):
    path = write_files(tmp_path / "mnist", fake_contents()) / f"{FILES[0]}.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: .*damaged"):
        load("mnist", data_dir=tmp_path)


def test_tensorflow_is_not_imported(tmp_path):
    write_files(tmp_path / "mnist", fake_contents())
    script = f"""
import sys
from jaxsize.data import load
load("mnist", data_dir={str(tmp_path)!r})
assert not {{"tensorflow", "tensorflow_datasets"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


# ---- the real files


@pytest.mark.parametrize(
    ("name", "first_train", "first_test", "train_counts", "test_counts", "moments"),
    [
        pytest.param(
            "mnist",
            [5, 0, 4, 1, 9],
            [7, 2, 1, 0, 4],
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
            (0.1307, 0.3081),
            marks=needs_real("mnist"),
        ),
        pytest.param(
            "fashion_mnist",
            [9, 0, 0, 3, 0],
            [9, 2, 1, 1, 6],
            [6000] * 10,
            [1000] * 10,
            (0.2860, 0.3530),
            marks=needs_real("fashion_mnist"),
        ),
    ],
)
def test_real_files(monkeypatch, name, first_train, first_test, train_counts, test_counts, moments):
    monkeypatch.setenv("JAXSIZE_DATA_DIR", str(REAL))
    original = load(name, form="original")
    assert original.train.targets[:5].tolist() == first_train
    assert original.test.targets[:5].tolist() == first_test
    assert np.bincount(original.train.targets).tolist() == train_counts
    assert np.bincount(original.test.targets).tolist() == test_counts
    mean, std = original.train.inputs.mean() / 255, original.train.inputs.std() / 255
    assert (round(mean, 4), round(std, 4)) == moments

    corrected = load(name)
    assert corrected.validation is not None
    assert (len(corrected.train), len(corrected.validation), len(corrected.test)) == (50_000, 10_000, 10_000)
    np.testing.assert_allclose(corrected.input_scale, 1 / corrected.train.inputs.std(), rtol=1e-5)
    np.testing.assert_allclose(-corrected.input_shift / corrected.input_scale, corrected.train.inputs.mean(), rtol=1e-5)
