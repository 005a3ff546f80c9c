"""CIFAR-10 from its binary batches: what is read, how it is split and scaled, and what is refused."""

import functools
import lzma
import os
from pathlib import Path

import numpy as np
import pytest

from jaxsize.data import DatasetNotFoundError, Split, load
from jaxsize.data.sets import cifar10

FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
REAL = Path(os.environ.get("JAXSIZE_DATA_DIR") or "no-data-dir")
ROWS = 20  # per batch in the files made here; really 10 000


@pytest.fixture(autouse=True)
def no_real_places(monkeypatch):
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr("jaxsize.data.sets.cifar10.BATCH_ROWS", ROWS)


def colour_images(rows: int, seed: int) -> np.ndarray:
    """Random pixels, [rows, height, width, channel], the last axis red, green, blue."""
    return np.random.default_rng(seed).integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)


def record(label: int, image: np.ndarray) -> bytes:
    return bytes([label]) + b"".join(image[:, :, channel].tobytes() for channel in range(3))


def fake_contents() -> dict[str, bytes]:
    """The six files, unpacked; label of row i in batch b: (i + b) modulo 10."""
    return {
        file: b"".join(record((row + batch) % 10, image) for row, image in enumerate(colour_images(ROWS, batch)))
        for batch, file in enumerate(FILES)
    }


def write_files(folder: Path, contents: dict[str, bytes], packed: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in contents.items():
        path = folder / (f"{file}.xz" if packed else file)
        path.write_bytes(lzma.compress(content, preset=0) if packed else content)
    return folder


def pixels_of(split: Split | None) -> list[bytes]:
    assert split is not None
    return [row.tobytes() for row in split.inputs]


# ---- what is read


@pytest.mark.parametrize("place", ["cifar10", "cifar-10-batches-bin", "."])
@pytest.mark.parametrize("packed", [False, True])
def test_original_form_is_the_files_row_by_row(tmp_path, small_batches, place, packed):
    contents = fake_contents()
    folder = write_files(tmp_path / place, contents, packed)
    dataset = load("cifar10", data_dir=tmp_path, form="original")
    assert dataset.validation is None
    assert dataset.source == f"binary batches in {folder}"
    assert (dataset.num_outputs, dataset.input_shape, dataset.info) == (10, (3, 32, 32), {"pixel_max": 255})
    assert dataset.train.inputs.shape == (5 * ROWS, 3072)
    assert (dataset.train.inputs.dtype, dataset.train.targets.dtype) == (np.uint8, np.int32)
    assert dataset.train.targets.tolist() == [(row + batch) % 10 for batch in range(5) for row in range(ROWS)]
    assert dataset.test.targets.tolist() == [(row + 5) % 10 for row in range(ROWS)]
    images = np.concatenate([colour_images(ROWS, batch) for batch in range(6)])
    by_shape = np.concatenate([dataset.train.inputs, dataset.test.inputs]).reshape(-1, *dataset.input_shape)
    for row, channel, height, width in ((0, 0, 0, 1), (21, 1, 31, 0), (99, 2, 4, 7), (119, 0, 31, 31)):
        assert by_shape[row, channel, height, width] == images[row, height, width, channel]
    np.testing.assert_array_equal(by_shape, np.moveaxis(images, 3, 1))

    scaled = np.arange(256).astype(np.float32) * dataset.input_scale + dataset.input_shift
    np.testing.assert_allclose(scaled, np.arange(256) / 255, rtol=1e-6)


def test_corrected_form_holds_out_a_fifth_by_the_seed_and_keeps_the_scaling(tmp_path, small_batches):
    write_files(tmp_path / "cifar10", fake_contents())
    original = load("cifar10", data_dir=tmp_path, form="original")
    first, again, other = (load("cifar10", data_dir=tmp_path, seed=seed) for seed in (0, 0, 1))
    assert (len(first.train), len(pixels_of(first.validation)), len(first.test)) == (80, 20, 20)
    assert sorted(pixels_of(first.train) + pixels_of(first.validation)) == sorted(pixels_of(original.train))
    label_of = dict(zip(pixels_of(original.train), original.train.targets.tolist(), strict=True))
    for split in (first.train, first.validation):
        assert split is not None
        assert [label_of[row] for row in pixels_of(split)] == split.targets.tolist()
    assert first.fingerprint() == again.fingerprint()
    assert pixels_of(first.validation) != pixels_of(other.validation)
    assert pixels_of(first.test) == pixels_of(original.test)
    assert (first.input_scale, first.input_shift) == (original.input_scale, original.input_shift)


@pytest.mark.parametrize("form", ["original", "corrected"])
def test_standardize_takes_each_channel_of_the_train_rows(tmp_path, small_batches, form):
    write_files(tmp_path / "cifar10", fake_contents())
    plain = load("cifar10", data_dir=tmp_path, form=form)
    dataset = load("cifar10", data_dir=tmp_path, form=form, standardize=True)
    assert dataset.fingerprint() == plain.fingerprint()
    assert dataset.input_scale.shape == dataset.input_shift.shape == (3072,)
    scaled = dataset.train.inputs.astype(np.float32) * dataset.input_scale + dataset.input_shift
    channels = scaled.astype(np.float64).reshape(-1, 3, 1024)
    np.testing.assert_allclose(channels.mean(axis=(0, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(channels.std(axis=(0, 2)), 1, atol=1e-5)
    raw = dataset.train.inputs.reshape(-1, 3, 1024).astype(np.float64)
    np.testing.assert_allclose(dataset.info["channel_mean"], raw.mean(axis=(0, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.info["channel_std"], raw.std(axis=(0, 2)), rtol=1e-12)


def test_packed_and_unpacked_batches_may_be_mixed_and_both_be_there(tmp_path, small_batches):
    contents = fake_contents()
    folder = write_files(tmp_path / "cifar10", {file: contents[file] for file in FILES[:3]})
    write_files(folder, {file: contents[file] for file in FILES[2:]}, packed=True)
    mixed = load("cifar10", data_dir=tmp_path)
    write_files(tmp_path / "whole" / "cifar10", contents)
    assert mixed.fingerprint() == load("cifar10", data_dir=tmp_path / "whole").fingerprint()
    assert load("cifar10", data_dir=folder).fingerprint() == mixed.fingerprint()  # named itself


# ---- bad input


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        (FILES[0], lambda content: content[:-1], "cut short, 61459 of the 61460 bytes expected (20 records of 3073"),
        (FILES[5], lambda content: content[:-3073], "cut short, 58387 of the 61460 bytes expected"),
        (FILES[2], lambda content: b"", "cut short, 0 of the 61460 bytes expected"),
        (FILES[1], lambda content: content + b"x" * ROWS, "too long, more than the 61460 bytes expected"),
        (FILES[4], lambda content: content[:3073] + b"\n" + content[3074:], "record 1 (counted from 0) has label 10"),
    ],
)
def test_damaged_batches_are_refused_by_name(tmp_path, small_batches, file, change, message, packed):
    contents = fake_contents()
    folder = write_files(tmp_path / "cifar10", contents | {file: change(contents[file])}, packed)
    with pytest.raises(ValueError) as caught:
        load("cifar10", data_dir=tmp_path)
    assert str(caught.value).startswith(f"{folder / file}{'.xz' if packed else ''}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["half", "flipped", "checksum", "no xz", "empty"])
def test_damaged_xz_is_refused_by_name(tmp_path, small_batches, damage):
    path = write_files(tmp_path / "cifar10", fake_contents(), packed=True) / "data_batch_4.bin.xz"
    content = bytearray(path.read_bytes())
    if damage == "half":
        content = content[: len(content) // 2]
    elif damage == "no xz":
        content[:] = b"<html>moved</html>"
    elif damage == "empty":
        content.clear()
    else:
        content[len(content) // 2 if damage == "flipped" else -5] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ValueError) as caught:
        load("cifar10", data_dir=tmp_path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "the file may be damaged or cut short" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_batches_are_named_with_the_folder_that_lacks_them(tmp_path, small_batches):
    with pytest.raises(DatasetNotFoundError) as caught:
        load("cifar10", data_dir=tmp_path)
    for part in (*FILES, str(tmp_path / "cifar10"), str(tmp_path / "cifar-10-batches-bin"), "cifar_like"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)

    folder = write_files(tmp_path / "cifar-10-batches-bin", fake_contents(), packed=True)
    (folder / "data_batch_3.bin.xz").unlink()
    with pytest.raises(DatasetNotFoundError) as caught:
        load("cifar10", data_dir=tmp_path)
    assert str(caught.value).startswith(f"cifar10: data_batch_3.bin (or with .xz) is not in {folder}, and there")


def test_a_channel_of_equal_pixels_cannot_be_standardised(tmp_path, small_batches):
    flat = {file: (bytes([1]) + bytes(3072)) * ROWS for file in FILES}
    write_files(tmp_path / "cifar10", flat)
    assert load("cifar10", data_dir=tmp_path).train.inputs.max() == 0
    with pytest.raises(ValueError, match=r"^cifar10: in one channel all pixels .* are alike"):
        load("cifar10", data_dir=tmp_path, standardize=True)


# ---- the real files


@pytest.mark.skipif(
    not all((REAL / "cifar10" / f"{file}.xz").is_file() for file in FILES), reason="JAXSIZE_DATA_DIR holds no cifar10"
)
def test_real_files(monkeypatch):
    monkeypatch.setattr(cifar10, "_read_batches", functools.cache(cifar10._read_batches))  # unpacked once for both
    original, corrected = (load("cifar10", data_dir=REAL, form=form) for form in ("original", "corrected"))
    per_batch = [
        [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981],
        [984, 1007, 1010, 995, 1010, 988, 1008, 1026, 987, 985],
        [994, 1042, 965, 997, 990, 1029, 978, 1015, 961, 1029],
        [1003, 963, 1041, 976, 1004, 1021, 1004, 981, 1024, 983],
        [1014, 1014, 952, 1016, 997, 1025, 980, 977, 1003, 1022],
    ]
    batches = original.train.targets.reshape(5, 10_000)
    assert [np.bincount(batch).tolist() for batch in batches] == per_batch
    assert np.bincount(original.test.targets).tolist() == [1000] * 10
    for split, means, stds in (
        (original.train, [0.4914, 0.4822, 0.4465], [0.2470, 0.2435, 0.2616]),
        (original.test, [0.4942, 0.4851, 0.4504], [0.2467, 0.2429, 0.2616]),
    ):
        channels = np.split(split.inputs, 3, axis=1)
        assert [round(float(channel.mean()) / 255, 4) for channel in channels] == means
        assert [round(float(channel.std()) / 255, 4) for channel in channels] == stds
    assert (len(corrected.train), len(pixels_of(corrected.validation)), len(corrected.test)) == (40_000, 10_000, 10_000)
