"""`from_image_folder`: a data set of a folder that has a folder of images for each class."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxsize.data._files.images import read_image
from jaxsize.data._files.own_names import IMAGE_ENDINGS, safe_name
from jaxsize.data.arrays import from_arrays
from jaxsize.data.dataset import Dataset
from jaxsize.data.tables import SPLITS
from jaxsize.errors import InputError, require_path


def from_image_folder(
    path: str | os.PathLike[str],
    *,
    validation: float | None = 0.15,
    test: float = 0.15,
    seed: int = 0,
    standardize: bool = True,
    name: str | None = None,
) -> Dataset:
    """Make a data set of images in folders, whose names are the classes: PATH/cat/*.png, PATH/dog/*.png, ...

    Or PATH holds train, test and perhaps validation (or val, valid), and each of these a folder for each class. Images
    are PNG, JPEG, GIF, BMP, TIFF, WebP or PGM, all of one size: uint8 [N, H, W, C], where C is 1 if all are grey, else
    3. What stands on the disk beside them, without such an ending, is counted in `info["ignored_files"]`.

    Args:
        path: the folder.
        validation: the share of the rows that validates, if no folder says so. None: no rows.
        test: the share of the rows that tests, if no folder says so.
        seed: draws these rows, and the order of the training rows.
        standardize: whether each channel is taken to mean 0 and standard deviation 1 over the training rows; otherwise
            pixels are scaled to 0..1.
        name: names the data set in results and messages. Default: that of the folder.

    Raises:
        InputError: in one line, when there are no folders with images, a file is no image or is transparent, two images
            differ in size (naming both files), and as `from_arrays`.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> import numpy as np
        >>> from PIL import Image
        >>> from jaxsize.data import from_image_folder
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for shade, label in ((10, "dark"), (200, "light")):
        ...         Path(folder, label).mkdir()
        ...         for n in range(10):
        ...             Image.fromarray(np.full((4, 6), shade + n, np.uint8)).save(Path(folder, label, f"{n}.png"))
        ...     shades = from_image_folder(folder, name="shades")
        >>> shades.train.inputs.shape, shades.info["classes"], len(shades.test)
        ((14, 4, 6, 1), ['dark', 'light'], 3)
    """
    require_path(path, "path")
    path = Path(path)
    folders = {folder.name: folder for folder in _folders(path)}
    parts: dict[str, Any] = {"validation": validation, "test": test}
    ignored = 0
    if "train" in folders and folders.keys() <= SPLITS.keys():
        blocks = {}
        for word, folder in folders.items():
            if SPLITS[word] in blocks:
                raise InputError(f"{folder}: expected one folder of {SPLITS[word]} rows, got two")
            blocks[SPLITS[word]] = _list_classes(folder)
    else:
        blocks = {"train": _list_classes(path)}
    files = [file for listed, _, _ in blocks.values() for file in listed]
    ignored = sum(others for _, _, others in blocks.values())
    images = _read(files)
    stop = 0
    arrays = {}
    for part, (listed, labels, _) in blocks.items():
        arrays[part] = images[stop : stop + len(listed)], labels
        stop += len(listed)
    parts |= {part: block for part, block in arrays.items() if part != "train"}
    dataset = from_arrays(
        *arrays["train"],
        **parts,
        seed=seed,
        standardize=standardize,
        name=safe_name(path) if name is None else name,
        source=f"images in folder {path.absolute().name}",
    )
    scale = dataset.input_scale if standardize else np.asarray(1 / 255, np.float32)
    info = dataset.info | {"pixel_max": 255} | ({"ignored_files": ignored} if ignored else {})
    return dataclasses.replace(dataset, input_scale=scale, info=info)


def _folders(path: Path) -> list[Path]:
    try:
        folders = sorted(entry for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not folders:
        raise InputError(f"{path}: expected a folder of images for each class, got no folder")
    return folders


def _list_classes(path: Path) -> tuple[list[Path], list[str], int]:
    """The images below a folder in a fixed order, the class of each, and how many other files there are."""
    files, labels, others = [], [], 0
    for folder in _folders(path):
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        images = [entry for entry in entries if entry.suffix.lower() in IMAGE_ENDINGS]
        if not images:
            raise InputError(f"{folder}: expected images ({', '.join(IMAGE_ENDINGS)}), got none")
        files += images
        labels += [folder.name] * len(images)
        others += len(entries) - len(images)
    return files, labels, others


def _read(files: Sequence[Path]) -> np.ndarray:
    """The images, [N, H, W, C] uint8; grey ones become colour ones if there is a colour one."""
    images = [read_image(file) for file in files]
    for file, image in zip(files, images, strict=True):
        if image.shape[:2] != images[0].shape[:2]:
            sizes = [f"{of.shape[1]} x {of.shape[0]}" for of in (images[0], image)]
            raise InputError(
                f"{files[0]} has {sizes[0]} pixels, but {file} has {sizes[1]}; all must have the same size"
            )
    channels = max(image.shape[2] for image in images)
    return np.stack([np.broadcast_to(image, (*image.shape[:2], channels)) for image in images])
