"""CIFAR-10: 32 x 32 colour images in 10 classes, from the original binary files, packed with xz or not."""

import lzma
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxsize.data._draws import generator, hold_out
from jaxsize.data._files.places import folders_of
from jaxsize.data._files.tables import exists
from jaxsize.data._files.tfds import prepared_folder, read_images
from jaxsize.data._scaling import pixel_moments, standardise
from jaxsize.data.dataset import Dataset, DatasetNotFoundError, Form, Split
from jaxsize.errors import InputError

FILE_NAMES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
IMAGE_SHAPE = (3, 32, 32)  # as the rows lie in the files: channel (red, green, blue), row, column
NUM_INPUTS = 3072
NUM_CLASSES = 10
BATCH_ROWS = 10_000
_CHANNEL_PIXELS = 1024
_UNPACKED_FOLDER = "cifar-10-batches-bin"  # what the published archive unpacks to


class Rows(NamedTuple):
    """Images and their labels."""

    images: np.ndarray
    """[N, 3072] uint8: 1024 red values, row by row, then 1024 green, 1024 blue."""
    labels: np.ndarray
    """[N] int32."""


def load_cifar10(*, seed: int, form: Form, directory: Path, standardize: bool = False) -> Dataset:
    """Load CIFAR-10: 50 000 train and 10 000 test images in 10 classes.

    The classes 0..9 are airplane, automobile, bird, cat, deer, dog, frog, horse, ship, truck. Inputs are uint8
    [N, 3072], channel-major as in the files: 1024 red values, row by row, then green, then blue.

    The files are read from the first of these places that has them: all six batches, `.bin` or `.bin.xz`, in
    `directory`/cifar10, in `directory`/cifar-10-batches-bin or in `directory`; then a folder VERSION prepared by
    tensorflow-datasets in `directory`/cifar10, in `directory` if it is called cifar10, or in `directory`/tfds/cifar10.
    The rows of a prepared folder are made channel-major, but they are in another order. Nothing is downloaded.

    Args:
        seed: draws the validation rows.
        form: in the `corrected` form 20 % of the train rows, drawn by `seed`, are validation rows. In the `original`
            form every row trains, in the order of the files.
        directory: where the files are.
        standardize: whether each channel is scaled to mean 0 and standard deviation 1 by the train rows; otherwise
            pixels are scaled to [0, 1] and not centred.

    Raises:
        DatasetNotFoundError: when a batch is missing.
        InputError: when a file is damaged, `standardize` is no bool, or all pixels of a channel to be standardised are
            alike.
    """
    train, test, source = _read_batches(directory) or _read_prepared(directory)
    return colour_dataset("cifar10", train, test, seed=seed, form=form, standardize=standardize, source=source, info={})


def colour_dataset(
    name: str,
    train: Rows,
    test: Rows,
    *,
    seed: int,
    form: Form,
    standardize: bool,
    source: str,
    info: dict[str, Any],
) -> Dataset:
    """Split and scale images as `load_cifar10` says.

    Args:
        name: the name of the data set.
        train: the train rows; in the `corrected` form a fifth of them is held out.
        test: the test rows.
        seed: as in `load_cifar10`.
        form: as in `load_cifar10`.
        standardize: as in `load_cifar10`.
        source: in words, where the images came from.
        info: facts about the data set; `pixel_max` and, with `standardize`, `channel_mean` and `channel_std` are added.

    Raises:
        InputError: when `standardize` is no bool, or all pixels of a channel to be standardised are alike.

    Example:
        >>> import numpy as np
        >>> from jaxsize.data.sets.cifar10 import Rows, colour_dataset
        >>> rows = Rows(np.tile(np.array([[50], [150]], np.uint8), (1, 3072)), np.array([0, 1], np.int32))
        >>> dataset = colour_dataset(
        ...     "toy", rows, rows, seed=0, form="original", standardize=True, source="typed in", info={}
        ... )
        >>> print(dataset.info)
        {'pixel_max': 255, 'channel_mean': [100.0, 100.0, 100.0], 'channel_std': [50.0, 50.0, 50.0]}
    """
    if not isinstance(standardize, bool):
        raise InputError(f"{name}: standardize must be True or False, got {standardize!r}")
    validation = None
    if form == "corrected":
        num_rows = len(train.labels)
        kept, held = hold_out(num_rows, num_rows // 5, generator(seed, name, "validation"))
        validation = Split(train.images[held], train.labels[held])
        train = Rows(train.images[kept], train.labels[kept])
    scale, shift = np.asarray(1 / 255, np.float32), np.asarray(0, np.float32)
    info = info | {"pixel_max": 255}
    if standardize:
        scale, shift, moments = _channel_scaling(name, train.images, source)
        info |= moments
    return Dataset(
        name=name,
        task="classification",
        num_outputs=NUM_CLASSES,
        train=Split(*train),
        validation=validation,
        test=Split(*test),
        input_scale=scale,
        input_shift=shift,
        input_shape=IMAGE_SHAPE,
        source=source,
        info=info,
        channels_first=True,
    )


def _channel_scaling(name: str, images: np.ndarray, source: str) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Compute the scale and the shift, float32 [3072], that standardise each channel, and the facts for `info`."""
    try:
        moments = [pixel_moments(channel) for channel in np.split(images, 3, axis=1)]
    except InputError as error:
        raise InputError(f"{name}: in one channel {error} ({source})") from None
    scales, shifts = zip(*(standardise(mean, std) for mean, std in moments), strict=True)
    means, stds = (list(column) for column in zip(*moments, strict=True))
    scale, shift = (np.repeat(np.stack(column), _CHANNEL_PIXELS) for column in (scales, shifts))
    return scale, shift, {"channel_mean": means, "channel_std": stds}


def _folders(directory: Path) -> list[Path]:
    return [directory / "cifar10", directory / _UNPACKED_FOLDER, directory]


def _path_of(folder: Path, file: str) -> Path | None:
    """Find a file: unpacked, which is read in less time, rather than packed; None if there is neither."""
    return next((path for path in (folder / file, folder / f"{file}.xz") if exists(path)), None)


def _read_batches(directory: Path) -> tuple[Rows, Rows, str] | None:
    for folder in _folders(directory):
        paths = [path for file in FILE_NAMES if (path := _path_of(folder, file))]
        if len(paths) == len(FILE_NAMES):
            num_train = BATCH_ROWS * (len(paths) - 1)
            images = np.empty((num_train + BATCH_ROWS, NUM_INPUTS), np.uint8)
            labels = np.empty(len(images), np.int32)
            starts = range(0, len(images), BATCH_ROWS)
            batches = [Rows(images[start : start + BATCH_ROWS], labels[start : start + BATCH_ROWS]) for start in starts]
            with ThreadPoolExecutor() as pool:  # unpacking lets other threads run
                list(pool.map(_fill, paths, batches))
            train, test = Rows(images[:num_train], labels[:num_train]), Rows(images[num_train:], labels[num_train:])
            return train, test, f"binary batches in {folder}"
    return None


def _fill(path: Path, rows: Rows) -> None:
    """Read a batch into `rows`. Raises InputError, in one line with the path, unless it is whole and of that size."""
    record_bytes, num_rows = 1 + NUM_INPUTS, len(rows.labels)
    size = num_rows * record_bytes
    try:
        with lzma.open(path) if path.suffix == ".xz" else path.open("rb") as stream:
            content = stream.read(size + 1)  # the byte too many makes lzma compare the checksum at the end
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise InputError(f"{path}: cannot be read, the file may be damaged or cut short ({error})") from None
    if len(content) != size:
        problem = "too long, more than" if len(content) > size else f"cut short, {len(content)} of"
        layout = f"{num_rows} records of {record_bytes}: a label, then 1024 red, 1024 green and 1024 blue values"
        raise InputError(f"{path}: {problem} the {size} bytes expected ({layout})")
    records = np.frombuffer(content, np.uint8).reshape(num_rows, record_bytes)
    _check_labels(records[:, 0], path)
    rows.labels[:], rows.images[:] = records[:, 0], records[:, 1:]


def _check_labels(labels: np.ndarray, path: Path) -> None:
    wrong = np.flatnonzero((labels < 0) | (labels >= NUM_CLASSES))
    if wrong.size:
        problem = f"record {wrong[0]} (counted from 0) has label {labels[wrong[0]]}"
        raise InputError(f"{path}: {problem}, expected 0..{NUM_CLASSES - 1}")


def _read_prepared(directory: Path) -> tuple[Rows, Rows, str]:
    for folder in [*folders_of("cifar10", directory), directory / "tfds" / "cifar10"]:
        if prepared := prepared_folder(folder):
            num_train = BATCH_ROWS * (len(FILE_NAMES) - 1)
            train, test = _prepared(prepared, "train", num_train), _prepared(prepared, "test", BATCH_ROWS)
            return train, test, f"tensorflow-datasets folder {prepared}"
    raise DatasetNotFoundError(_not_found(directory))


def _prepared(folder: Path, part: str, num_rows: int) -> Rows:
    images, labels = read_images(folder, part, (32, 32, 3))
    if len(images) != num_rows:
        raise InputError(f"{folder}: {len(images)} {part} images, expected {num_rows}")
    _check_labels(labels, folder)
    by_channel = images.reshape(num_rows, _CHANNEL_PIXELS, 3).transpose(0, 2, 1)
    return Rows(np.ascontiguousarray(by_channel).reshape(num_rows, NUM_INPUTS), labels.astype(np.int32))


def _not_found(directory: Path) -> str:
    """Say which batches are missing: in the folder that holds most of them, if any holds some."""
    folders, missing = _folders(directory), list(FILE_NAMES)
    for folder in folders:
        absent = [file for file in FILE_NAMES if not _path_of(folder, file)]
        if len(absent) < len(missing):
            folders, missing = [folder], absent
    places = " or ".join(str(folder) for folder in folders)
    verb = "is" if len(missing) == 1 else "are"
    return (
        f"cifar10: {', '.join(missing)} (or with .xz) {verb} not in {places}, and there is no array_record folder"
        f" VERSION of tensorflow-datasets in {directory / 'cifar10'} or {directory / 'tfds' / 'cifar10'}; put the six"
        f" files of cifar-10-binary.tar.gz (https://www.cs.toronto.edu/~kriz/cifar.html) into {folders[0]};"
        " cifar_like is a synthetic set of the same shape"
    )
