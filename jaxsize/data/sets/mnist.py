"""MNIST and Fashion-MNIST: 28 x 28 grey images in 10 classes, found on disk or downloaded."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from jaxsize.data._draws import generator, hold_out
from jaxsize.data._files.download import DownloadError, download, registered_files
from jaxsize.data._files.idx import read_idx
from jaxsize.data._files.places import folders_of
from jaxsize.data._files.tfds import prepared_folder, read_images
from jaxsize.data._scaling import pixel_moments, standardise
from jaxsize.data.dataset import Dataset, DatasetNotFoundError, Form, Split
from jaxsize.errors import InputError

# The original files, images and labels of each part.
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
    images: np.ndarray
    """[N, 784] uint8."""
    labels: np.ndarray
    """[N] int32."""


def load_images(name: str, *, seed: int, form: Form, directory: Path) -> Dataset:
    """Load MNIST or Fashion-MNIST.

    Inputs are uint8 [N, 784], the pixels of an image row by row; targets are int32 [N].

    The files are read from the first of these places that has them: the four original idx files, `.gz` or unpacked, in
    `directory`/`name` or, if it is called `name`, in `directory`; then a folder VERSION prepared by tensorflow-datasets
    there or in `directory`/tfds/`name`. Otherwise the original files are downloaded to `directory`/`name`. The rows of
    a prepared folder are in another order than those of the original files, so a seed draws other validation rows.

    Args:
        name: "mnist" or "fashion_mnist".
        seed: draws the validation rows.
        form: in the `corrected` form 10 000 train rows (a sixth, if there are fewer than 60 000), drawn by `seed`, are
            validation rows, and inputs are standardised by the mean and standard deviation of all pixels of the rows
            left in train. In the `original` form every row trains, and inputs are standardised by 0.1307 and 0.3081
            (of pixels in 0..1), whichever the data set.
        directory: where the files are, or are written to; it need not exist yet.

    Raises:
        InputError: when files are damaged, or there are too few rows to hold out a sixth.
        DatasetNotFoundError: when there is nothing to read and the download fails.

    Example:
        >>> import struct, tempfile
        >>> from pathlib import Path
        >>> from jaxsize.data import load
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "mnist").mkdir()
        ...     for part in ("train", "t10k"):
        ...         images, labels = (f"{folder}/mnist/{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        ...         _ = Path(images).write_bytes(struct.pack(">4I", 0x803, 2, 28, 28) + bytes(2 * 784))
        ...         _ = Path(labels).write_bytes(struct.pack(">2I", 0x801, 2) + bytes([7, 1]))
        ...     mnist = load("mnist", data_dir=folder, form="original")
        >>> mnist.train.inputs.shape, mnist.test.targets.tolist(), round(mnist.info["pixel_mean"], 2)
        ((2, 784), [7, 1], 33.33)
    """
    train, test, source = _read_local(name, directory) or _read_downloaded(name, directory)
    validation = None
    if form == "original":
        mean, std = 255 * _ORIGINAL_MEAN, 255 * _ORIGINAL_STD
    else:
        num_rows = train.labels.shape[0]
        if num_rows < 6:
            raise InputError(f"{name}: {num_rows} train rows are too few to hold out a sixth for validation ({source})")
        num_held = min(_MOST_VALIDATION_ROWS, num_rows // 6)
        kept, held = hold_out(num_rows, num_held, generator(seed, name, "validation"))
        validation = Split(train.images[held], train.labels[held])
        train = _Rows(train.images[kept], train.labels[kept])
        try:
            mean, std = pixel_moments(train.images)
        except InputError as error:
            raise InputError(f"{name}: {error} ({source})") from None
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
        absent = "the original files are not" if missing == _ALL_FILES else f"{', '.join(missing)} is not"
        raise DatasetNotFoundError(
            f"{name}: {absent} in {folder}, there is no array_record folder VERSION of tensorflow-datasets in {folder}"
            f" or {directory / 'tfds' / name}, and the download failed ({reason}); either put {', '.join(_ALL_FILES)}"
            f" into {folder}, or connect to the network and try again"
        ) from None
    return _read_idx_rows(folder, "train"), _read_idx_rows(folder, "test"), f"idx files in {folder}"


def _path_of(folder: Path, file: str) -> Path | None:
    """Find a file: gzipped, which has a checksum, rather than unpacked; None if there is neither."""
    return next((path for path in (folder / file, folder / file.removesuffix(".gz")) if path.is_file()), None)


def _missing_files(folder: Path) -> list[str]:
    return [file for file in _ALL_FILES if _path_of(folder, file) is None]


def _read_idx_rows(folder: Path, part: str) -> _Rows:
    images_path, labels_path = (_path_of(folder, file) or folder / file for file in FILE_NAMES[part])
    images, labels = read_idx(images_path, num_dims=3), read_idx(labels_path, num_dims=1)
    if images.shape[1:] != _IMAGE_SHAPE[:2]:
        raise InputError(f"{images_path}: images of {images.shape[1]} x {images.shape[2]} pixels, not 28 x 28")
    if images.shape[0] != labels.shape[0]:
        raise InputError(f"{labels_path}: {labels.shape[0]} labels for {images.shape[0]} images of {images_path.name}")
    return _checked(images.reshape(-1, math.prod(_IMAGE_SHAPE)), labels, labels_path)


def _checked(images: np.ndarray, labels: np.ndarray, path: Path) -> _Rows:
    if labels.min() < 0 or labels.max() >= _NUM_CLASSES:
        raise InputError(f"{path}: labels {labels.min()}..{labels.max()} are not all in 0..{_NUM_CLASSES - 1}")
    return _Rows(images, labels.astype(np.int32))
