"""CIFAR-10 from folders prepared by tensorflow-datasets."""

import io
import json
from pathlib import Path

import numpy as np
import pytest

from jaxsize.data import load

ROWS = 20  # per batch in the folders made here; really 10 000


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.delenv("JAXSIZE_DATA_DIR", raising=False)
    monkeypatch.setattr("jaxsize.data.sets.cifar10.BATCH_ROWS", ROWS)


def colour_images(rows: int, seed: int) -> np.ndarray:
    """Random pixels, [rows, height, width, channel]."""
    return np.random.default_rng(seed).integers(0, 256, (rows, 32, 32, 3), dtype=np.uint8)


def prepare(folder: Path, rows: dict[str, int], label: int = 3) -> Path:
    import tensorflow_datasets as tfds
    from array_record.python import array_record_module  # type: ignore[attr-defined]
    from PIL import Image

    folder.mkdir(parents=True)
    parts = {"id": tfds.features.Text(), "image": tfds.features.Image(shape=(32, 32, 3))}
    features = tfds.features.FeaturesDict(parts | {"label": tfds.features.Scalar(np.int64)})
    features.save_config(str(folder))
    splits = []
    for split, num_rows in rows.items():
        path = folder / f"cifar10-{split}.array_record-00000-of-00001"
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for row, image in enumerate(colour_images(num_rows, seed=num_rows)):
            png = io.BytesIO()
            Image.fromarray(image).save(png, "PNG")
            png.seek(0)
            example = {"id": f"{split}_{row}", "image": png, "label": label}
            writer.write(features.serialize_example(features.encode_example(example)))
        writer.close()
        template = "{DATASET}-{SPLIT}.{FILEFORMAT}-{SHARD_X_OF_Y}"
        lengths = [str(num_rows)]
        splits.append({"name": split, "numBytes": "1", "shardLengths": lengths, "filepathTemplate": template})
    info = {"name": "cifar10", "version": folder.name, "fileFormat": "array_record", "splits": splits}
    (folder / "dataset_info.json").write_text(json.dumps(info))
    return folder


@pytest.mark.parametrize("place", ["cifar10", "tfds/cifar10"])
def test_prepared_records_are_made_channel_major(tmp_path, place):
    folder = prepare(tmp_path / place / "3.0.2", {"train": 5 * ROWS, "test": ROWS})
    dataset = load("cifar10", data_dir=tmp_path, form="original")
    assert dataset.source == f"tensorflow-datasets folder {folder}"
    for split, rows in ((dataset.train, 5 * ROWS), (dataset.test, ROWS)):
        expected = [image.transpose(2, 0, 1).tobytes() for image in colour_images(rows, seed=rows)]
        assert [row.tobytes() for row in split.inputs] == expected
        assert split.targets.tolist() == [3] * rows
        assert split.inputs.flags.c_contiguous


@pytest.mark.parametrize(
    ("rows", "label", "message"),
    [
        ({"train": 99, "test": ROWS}, 3, "99 train images, expected 100"),
        ({"train": 100, "test": ROWS}, 10, "record 0 (counted from 0) has label 10, expected 0..9"),
    ],
)
def test_wrong_prepared_records_are_one_line_with_the_folder(tmp_path, rows, label, message):
    folder = prepare(tmp_path / "cifar10" / "3.0.2", rows, label)
    with pytest.raises(ValueError) as caught:
        load("cifar10", data_dir=tmp_path)
    assert str(caught.value) == f"{folder}: {message}"
