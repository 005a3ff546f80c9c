"""MNIST and Fashion-MNIST: 28 x 28 grey images in 10 classes, found on disk or downloaded."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxsize.datasets._dataset import Dataset, DatasetNotFoundError, Form, Split
from jaxsize.datasets._draws import generator, hold_out
from jaxsize.datasets._scaling import pixel_moments, standardise
from jaxsize.datasets.download import DownloadError, download, registered_files
from jaxsize.datasets.idx import read_idx
from jaxsize.datasets.places import folders_of
from jaxsize.datasets.tfds_source import prepared_folder, read_images

# The original files: images and labels of each part.
FILE_NAMES = {
    "train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
}
_ALL_FILES = [file for pair in FILE_NAMES.values() for file in pair]
_IMAGE_SHAPE = (28, 28, 1)
_NUM_CLASSES = 10
_MOST_VALIDATION_ROWS = 10_000
_ORIGINAL_MEAN, _ORIGINAL_STD = 0.1307, 0.3081  # MNIST's, for pixels in 0..1; `original` has them for both sets


class _Rows(NamedTuple):
    images: np.ndarray  # [N, 784] uint8
    labels: np.ndarray  # [N] int32


def load_images(name: str, *, seed: int, form: Form, directory: Path) -> Dataset:
    """`mnist` or `fashion_mnist` from `directory`, which need not exist yet.

    Inputs uint8 [N, 784], rows of pixels; targets int32 [N]. `corrected`: 10 000 train rows (a sixth, if there are
    fewer than 60 000) drawn by `seed` are validation rows; scaled by the mean and standard deviation of all pixels of
    the rows left in train. `original`: every row trains; scaled by 0.1307 and 0.3081, whichever the set.

    Looked for, first found first read: the four original idx files, `.gz` or unpacked, in `directory`/`name` or, if
    that is its name, in `directory`; then a folder `name`/VERSION prepared by tensorflow-datasets there or in
    `directory`/tfds. Otherwise the original files are downloaded to `directory`/`name`. The rows of a prepared folder
    are in another order than those of the original files, so a seed draws other validation rows from them.
    Raises DatasetNotFoundError where there is nothing to read or fetch, ValueError where files are damaged.
    """
    train, test, source = _read_local(name, directory) or _read_downloaded(name, directory)
    validation = None
    if form == "original":
        mean, std = 255 * _ORIGINAL_MEAN, 255 * _ORIGINAL_STD
    else:
        num_rows = train.labels.shape[0]
        if num_rows < 6:
            raise ValueError(f"{name}: {num_rows} train rows are too few to hold out a sixth for validation ({source})")
        num_held = min(_MOST_VALIDATION_ROWS, num_rows // 6)
        kept, held = hold_out(num_rows, num_held, generator(seed, name, "validation"))
        validation = Split(train.images[held], train.labels[held])
        train = _Rows(train.images[kept], train.labels[kept])
        try:
            mean, std = pixel_moments(train.images)
        except ValueError as error:
            raise ValueError(f"{name}: {error} ({source})") from None
    scale, shift = standardise(mean, std)
    return Dataset(
        name=name,
        task="classification",
        num_outputs=_NUM_CLASSES,
        train=Split(*train),
        validation=validation,
        test=Split(*test),
        input_scale=scale,
        input_shift=shift,
        input_shape=_IMAGE_SHAPE,
        source=source,
        info={"pixel_mean": mean, "pixel_std": std, "pixel_max": 255},
    )


def _read_local(name: str, directory: Path) -> tuple[_Rows, _Rows, str] | None:
    folders = folders_of(name, directory)
    for folder in folders:
        if not _missing_files(folder):
            return _read_idx_rows(folder, "train"), _read_idx_rows(folder, "test"), f"idx files in {folder}"
    for folder in [*folders, directory / "tfds" / name]:
        if prepared := prepared_folder(folder):
            train, test = (_checked(*read_images(prepared, part, _IMAGE_SHAPE), prepared) for part in FILE_NAMES)
            return train, test, f"tensorflow-datasets folder {prepared}"
    return None


def _read_downloaded(name: str, directory: Path) -> tuple[_Rows, _Rows, str]:
    folder = directory / name
    missing = _missing_files(folder)
    try:
        remote = registered_files(name)
        for file in missing:
            download(remote[file], folder / file)
    except (DownloadError, KeyError) as error:
        reason = f"no registered address of {error}" if isinstance(error, KeyError) else error
        found = "the original files are not" if missing == _ALL_FILES else f"{', '.join(missing)} is not"
        raise DatasetNotFoundError(
            f"{name}: {found} in {folder}, there is no array_record folder VERSION of tensorflow-datasets in {folder}"
            f" or {directory / 'tfds' / name}, and the download failed ({reason}); either put {', '.join(_ALL_FILES)}"
            f" into {folder}, or connect to the network and try again"
        ) from None
    return _read_idx_rows(folder, "train"), _read_idx_rows(folder, "test"), f"idx files in {folder}"


def _path_of(folder: Path, file: str) -> Path | None:
    """The file, gzipped (whose checksum is then compared) rather than unpacked, or None."""
    return next((path for path in (folder / file, folder / file.removesuffix(".gz")) if path.is_file()), None)


def _missing_files(folder: Path) -> list[str]:
    return [file for file in _ALL_FILES if _path_of(folder, file) is None]


def _read_idx_rows(folder: Path, part: str) -> _Rows:
    images_path, labels_path = (_path_of(folder, file) or folder / file for file in FILE_NAMES[part])
    images, labels = read_idx(images_path, num_dims=3), read_idx(labels_path, num_dims=1)
    if images.shape[1:] != _IMAGE_SHAPE[:2]:
        raise ValueError(f"{images_path}: images of {images.shape[1]} x {images.shape[2]} pixels, not 28 x 28")
    if images.shape[0] != labels.shape[0]:
        raise ValueError(f"{labels_path}: {labels.shape[0]} labels for {images.shape[0]} images of {images_path.name}")
    return _checked(images.reshape(-1, math.prod(_IMAGE_SHAPE)), labels, labels_path)


def _checked(images: np.ndarray, labels: np.ndarray, path: Path) -> _Rows:
    if labels.min() < 0 or labels.max() >= _NUM_CLASSES:
        raise ValueError(f"{path}: labels {labels.min()}..{labels.max()} are not all in 0..{_NUM_CLASSES - 1}")
    return _Rows(images, labels.astype(np.int32))
