"""Folders prepared by tensorflow-datasets, read without tensorflow."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxsize.data import DatasetNotFoundError, load
from jaxsize.data._files.download import DownloadError

REAL = Path(os.environ.get("JAXSIZE_DATA_DIR") or "no-data-dir")
TRAIN_ROWS, TEST_ROWS = 60, 12


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(remote, destination):
        raise DownloadError("no network in this test")

    monkeypatch.setattr("jaxsize.data.sets.mnist.download", refuse)
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)


def fake_images(split: str) -> np.ndarray:
    rows = {"train": TRAIN_ROWS, "test": TEST_ROWS}[split]
    return np.random.default_rng(rows).integers(0, 256, (rows, 28, 28), dtype=np.uint8)


def prepare(folder: Path, file_format: str = "array_record") -> Path:
    """Writes what tensorflow-datasets would: PNG records, the features and, last, dataset_info.json."""
    import tensorflow_datasets as tfds
    from array_record.python import array_record_module  # type: ignore[attr-defined]
    from PIL import Image

    folder.mkdir(parents=True)
    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(shape=(28, 28, 1)), "label": tfds.features.ClassLabel(num_classes=10)}
    )
    features.save_config(str(folder))
    splits = []
    for split in ("train", "test"):
        images = fake_images(split)
        path = folder / f"mnist-{split}.array_record-00000-of-00001"
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for row, image in enumerate(images):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            png.seek(0)
            writer.write(features.serialize_example(features.encode_example({"image": png, "label": row % 10})))
        writer.close()
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        lengths = [str(len(images))]
        splits.append({"name": split, "numBytes": "1", "shardLengths": lengths, "filepathTemplate": template})
    info = {"name": "mnist", "version": folder.name, "fileFormat": file_format, "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


@pytest.mark.parametrize("place", ["mnist", "tfds/mnist"])
def test_prepared_records_are_read_in_order(tmp_path, place):
    folder = prepare(tmp_path / place / "3.0.1")
    dataset = load("mnist", data_dir=tmp_path, form="original")
    assert dataset.source == f"tensorflow-datasets folder {folder}"
    for split, rows in (("train", dataset.train), ("test", dataset.test)):
        images = fake_images(split)
        np.testing.assert_array_equal(rows.inputs, images.reshape(len(images), 784))
        assert rows.targets.tolist() == [row % 10 for row in range(len(images))]
        assert (rows.inputs.dtype, rows.targets.dtype) == (np.uint8, np.int32)
    corrected = load("mnist", data_dir=tmp_path)
    assert corrected.validation is not None
    assert (len(corrected.train), len(corrected.validation)) == (50, 10)


def test_the_newest_prepared_version_is_read(tmp_path):
    prepare(tmp_path / "mnist" / "3.0.1")
    newest = prepare(tmp_path / "mnist" / "3.0.10")
    (tmp_path / "mnist" / "4.0.0").mkdir()  # begun, never finished: no dataset_info.json
    (tmp_path / "mnist" / "5.0.0.incomplete").mkdir()
    assert load("mnist", data_dir=tmp_path / "mnist").source == f"tensorflow-datasets folder {newest}"


def test_a_folder_that_is_not_prepared_or_needs_tensorflow_is_passed_over(tmp_path):
    folder = prepare(tmp_path / "mnist" / "3.0.1", file_format="tfrecord")
    for content in (None, "[]", "{not json", ""):
        if content is not None:
            (folder / "dataset_info.json").write_text(content)
        with pytest.raises(DatasetNotFoundError, match="no array_record folder"):
            load("mnist", data_dir=tmp_path)


@pytest.mark.parametrize("damage", ["half", "flipped", "missing", "no features"])
def test_damaged_records_are_one_line_with_the_folder(tmp_path, damage):
    folder = prepare(tmp_path / "mnist" / "3.0.1")
    path = folder / "mnist-train.array_record-00000-of-00001"
    content = bytearray(path.read_bytes())
    if damage == "half":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        content[10_000] ^= 0xFF
        path.write_bytes(content)
    else:
        (path if damage == "missing" else folder / "features.json").unlink()
    with pytest.raises(ValueError) as caught:
        load("mnist", data_dir=tmp_path)
    assert str(caught.value).startswith(f"{folder}: the train records cannot be read")
    assert "\n" not in str(caught.value)


def test_tensorflow_is_not_imported_and_nothing_is_logged(tmp_path):
    prepare(tmp_path / "mnist" / "3.0.1")
    script = f"""
import sys
from jaxsize.data import load
load("mnist", data_dir={str(tmp_path)!r})
assert "tensorflow" not in sys.modules
"""
    ran = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("", "")


@pytest.mark.skipif(
    not (REAL / "tfds" / "fashion_mnist").is_dir() or not (REAL / "fashion_mnist").is_dir(),
    reason="JAXSIZE_DATA_DIR holds no fashion_mnist both as idx files and prepared in tfds",
)
def test_real_prepared_fashion_mnist_has_the_rows_of_the_idx_files():
    prepared = load("fashion_mnist", data_dir=REAL / "tfds", form="original")
    original = load("fashion_mnist", data_dir=REAL, form="original")
    assert prepared.source.startswith("tensorflow-datasets folder")
    assert original.source.startswith("idx files")
    assert prepared.train.targets[:8].tolist() == [2, 1, 8, 4, 1, 9, 2, 2]
    for a, b in ((prepared.train, original.train), (prepared.test, original.test)):
        rows_a = np.concatenate([a.inputs, a.targets[:, None].astype(np.uint8)], axis=1)
        rows_b = np.concatenate([b.inputs, b.targets[:, None].astype(np.uint8)], axis=1)
        assert sorted(map(bytes, rows_a)) == sorted(map(bytes, rows_b))
