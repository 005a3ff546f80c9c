"""`load`: one name, one data set."""

import inspect
import operator
import os
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from jaxsize.data._files.places import data_directory
from jaxsize.data.dataset import Dataset, Form
from jaxsize.data.sets.add10 import load_add10
from jaxsize.data.sets.airfoil import load_airfoil, load_airfoil_iid
from jaxsize.data.sets.census import load_census
from jaxsize.data.sets.cifar10 import load_cifar10
from jaxsize.data.sets.cifar_like import load_cifar_like
from jaxsize.data.sets.digits import load_digits
from jaxsize.data.sets.mnist import load_images
from jaxsize.data.sets.poker import load_poker
from jaxsize.data.sets.teacher import load_teacher
from jaxsize.errors import InputError

# Loaders are called with `seed`, `form` and, where they have that parameter, `directory`. Other parameters are options.
_LOADERS: dict[str, Callable[..., Dataset]] = {
    "digits": load_digits,
    "teacher": load_teacher,
    "add10": load_add10,
    "mnist": partial(load_images, "mnist"),
    "fashion_mnist": partial(load_images, "fashion_mnist"),
    "cifar10": load_cifar10,
    "cifar_like": load_cifar_like,
    "airfoil": load_airfoil,
    "airfoil_iid": load_airfoil_iid,
    "poker": load_poker,
    "census": load_census,
}
NAMES: tuple[str, ...] = tuple(_LOADERS)


def load(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    form: Form = "corrected",
    seed: int = 0,
    **options: Any,
) -> Dataset:
    """Load a data set, the same for the same name, form, seed, options and files.

    `digits`, `teacher`, `add10` and `cifar_like` need no files. The others are read from `data_dir`, else from the
    directory in the environment variable JAXSIZE_DATA_DIR, else from the user's cache directory. Files that are missing
    there are downloaded to there (tables from OpenML), except those of `cifar10`.

    Args:
        name: one of `NAMES`.
        data_dir: an existing directory.
        form: "corrected", or "original" for the splits and scaling of the experiments that are reproduced.
        seed: a whole number, not negative; draws the splits and whatever is synthetic.
        **options: settings of this data set, see `load_teacher`, `load_airfoil`, `load_poker` and `load_cifar10` (whose
            options `cifar_like` has too); the other data sets have none.

    Raises:
        InputError: in one line, when the name, the form or an option is unknown, the seed is no such number, `data_dir`
            does not exist, or files are damaged.
        DatasetNotFoundError: an InputError, when files are missing and cannot be downloaded. Without a network it takes
            less than ten seconds to find that out.

    Example:
        >>> from jaxsize.data import load
        >>> digits = load("digits", seed=1)
        >>> len(digits.train), len(digits.validation), len(digits.test)
        (1258, 180, 359)
        >>> try:
        ...     load("digit")
        ... except ValueError as error:
        ...     print(str(error).split(";")[0])
        unknown data set 'digit'
    """
    if name not in _LOADERS:
        raise InputError(f"unknown data set {name!r}; there are {', '.join(NAMES)}")
    if form not in get_args(Form):
        raise InputError(f"{name}: form must be one of {', '.join(get_args(Form))}, got {form!r}")
    try:
        seed = operator.index(seed)
    except TypeError:
        raise InputError(f"{name}: seed must be a whole number, got {seed!r}") from None
    if seed < 0:
        raise InputError(f"{name}: seed must not be negative, got {seed}")

    loader = _LOADERS[name]
    settings: dict[str, Any] = {"seed": seed, "form": form}
    parameters = inspect.signature(loader).parameters
    needs_files = "directory" in parameters
    known = [parameter for parameter in parameters if parameter not in (*settings, "directory")]
    for option in options:
        if option not in known:
            raise InputError(f"{name}: unknown option {option!r}; its options: {', '.join(known) or 'none'}")
    if needs_files:
        settings["directory"] = data_directory(data_dir)
    elif data_dir is not None:
        data_directory(data_dir)  # a misspelt directory is an error even where it would not be read
    return loader(**settings, **options)
