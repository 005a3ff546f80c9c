"""Handwritten digits of 8 x 8 pixels that come with scikit-learn: 1797 images, 10 classes, no files to find."""

import gzip
import importlib.util
from pathlib import Path

import numpy as np

from jaxsize.data._draws import generator
from jaxsize.data._scaling import pixel_moments, standardise
from jaxsize.data.dataset import Dataset, Form, Split
from jaxsize.errors import require_package


def _read() -> tuple[np.ndarray, np.ndarray]:
    """Read images uint8 [1797, 64] and labels int32 [1797] from the file that scikit-learn loads them from.

    Importing scikit-learn to call its `load_digits` takes over half a second, a third of the time to the first step.
    """
    require_package("sklearn", "data")
    package = importlib.util.find_spec("sklearn")  # finds, does not import
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.int32)
    return rows[:, :-1].astype(np.uint8), rows[:, -1]


def load_digits(*, seed: int, form: Form) -> Dataset:
    """Load the digits in an order drawn by `seed`: 20 % test, 10 % validation, 70 % train rows.

    Inputs are uint8 [N, 64], values 0..16, standardised by the mean and standard deviation of all pixels of the train
    rows; targets are int32 [N], the digit. Source: `sklearn.datasets.load_digits` (UCI, optical recognition of
    handwritten digits).

    Args:
        seed: draws the order. The test rows of a seed are the same in both forms.
        form: in the `original` form the validation rows stay in train.

    Example:
        >>> from jaxsize.data.sets.digits import load_digits
        >>> digits = load_digits(seed=0, form="original")
        >>> digits.train.inputs.shape, digits.validation, digits.test.inputs.shape
        ((1438, 64), None, (359, 64))
    """
    images, labels = _read()

    num_rows = images.shape[0]
    num_test, num_validation = round(0.2 * num_rows), round(0.1 * num_rows)
    if form == "original":
        num_validation = 0
    order = generator(seed, "digits", "split").permutation(num_rows)
    test, validation, train = np.split(order, [num_test, num_test + num_validation])

    mean, std = pixel_moments(images[train])
    scale, shift = standardise(mean, std)
    return Dataset(
        name="digits",
        task="classification",
        num_outputs=10,
        train=Split(images[train], labels[train]),
        validation=Split(images[validation], labels[validation]) if num_validation else None,
        test=Split(images[test], labels[test]),
        input_scale=scale,
        input_shift=shift,
        input_shape=(8, 8, 1),
        source="embedded in scikit-learn",
        info={"pixel_mean": mean, "pixel_std": std, "pixel_max": 16},
    )
