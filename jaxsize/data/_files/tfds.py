"""Folders prepared by tensorflow-datasets, read without tensorflow."""

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.errors import InputError, require_package

_BATCH_ROWS = 4096  # reading record by record is three times slower
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def prepared_folder(parent: Path) -> Path | None:
    """Find the newest version folder in `parent` that is fully prepared in the array_record format, or None.

    Such a folder is named like 3.0.1 and has a dataset_info.json (which is written last) that names the format. Folders
    in the tfrecord format, which cannot be read without tensorflow, are skipped.
    """
    if not parent.is_dir():
        return None
    versions = [folder for folder in parent.iterdir() if _VERSION.fullmatch(folder.name)]
    for folder in sorted(versions, key=lambda folder: [int(part) for part in folder.name.split(".")], reverse=True):
        try:
            info = json.loads((folder / "dataset_info.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(info, dict) and info.get("fileFormat") == "array_record":
            return folder
    return None


def read_images(folder: Path, split: str, shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Read all records of a split in file order.

    Args:
        folder: a folder that `prepared_folder` found.
        split: "train" or "test".
        shape: height, width, channels of an image.

    Returns:
        Images [N, height * width * channels] uint8 and labels [N] int64.

    Raises:
        InputError: in one line with the folder, when the records cannot be read or are of another shape or dtype.
    """
    require_package("tensorflow_datasets", "data")
    try:
        with _without_decoder_advice():
            images, labels = _read_records(folder, split)
    except Exception as error:  # whatever the readers below raise: they have no common base
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise InputError(f"{folder}: the {split} records cannot be read ({reason})") from error
    if images.ndim != 4 or images.shape[1:] != shape or images.dtype != np.uint8:
        kind = f"{images.dtype} {list(images.shape[1:])}"
        raise InputError(f"{folder}: {split} images are {kind}, not uint8 {list(shape)}")
    return images.reshape(images.shape[0], -1), labels


def _read_records(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(str(folder))
    source = builder.as_data_source(split=split)
    batches = []
    for start in range(0, len(source), _BATCH_ROWS):
        rows = source.__getitems__(range(start, min(start + _BATCH_ROWS, len(source))))
        batches.append((np.stack([row["image"] for row in rows]), np.array([row["label"] for row in rows], np.int64)))
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


@contextlib.contextmanager
def _without_decoder_advice() -> Iterator[None]:
    """Drop the log line that recommends another image decoder: no user of this library can act on it."""
    logger = logging.getLogger("absl")

    def keep(record: logging.LogRecord) -> bool:
        return "OpenCV" not in record.getMessage()

    logger.addFilter(keep)
    try:
        yield
    finally:
        logger.removeFilter(keep)
