"""`load`: one name, one data set."""

import inspect
import operator
import os
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from jaxsize.datasets._dataset import Dataset, Form
from jaxsize.datasets.add10 import load_add10
from jaxsize.datasets.airfoil import load_airfoil, load_airfoil_iid
from jaxsize.datasets.census import load_census
from jaxsize.datasets.cifar10 import load_cifar10
from jaxsize.datasets.cifar_like import load_cifar_like
from jaxsize.datasets.embedded import load_digits
from jaxsize.datasets.images import load_images
from jaxsize.datasets.places import data_directory
from jaxsize.datasets.poker import load_poker
from jaxsize.datasets.teacher import load_teacher

# Called with `seed`, `form`, and `directory` where they have that parameter; their other parameters are options.
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
    """Loads a data set, the same for the same name, form, seed, options and files.

    name: one of `NAMES`. `digits`, `teacher`, `add10` and `cifar_like` need no files; the others are read from
    `data_dir`, else from the directory in the environment variable JAXSIZE_DATA_DIR, else from the user's cache
    directory, and but for `cifar10` downloaded to there if they are missing (tables from OpenML).
    form: "corrected", or "original" for the splits and scaling of the experiments that are reproduced.
    seed: not negative; draws the splits and whatever is synthetic.
    options: settings of the one data set, see `load_teacher`, `load_airfoil`, `load_poker` and `load_cifar10` (whose
    options `cifar_like` has too); the others have none.

    Raises ValueError, in one line, for an unknown name, form or option, a `data_dir` that does not exist and damaged
    files; its subclass DatasetNotFoundError where the files are missing and cannot be downloaded. Without a network
    that takes less than ten seconds.
    """
    if name not in _LOADERS:
        raise ValueError(f"unknown data set {name!r}; there are {', '.join(NAMES)}")
    if form not in get_args(Form):
        raise ValueError(f"{name}: form must be one of {', '.join(get_args(Form))}, got {form!r}")
    try:
        seed = operator.index(seed)
    except TypeError:
        raise ValueError(f"{name}: seed must be a whole number, got {seed!r}") from None
    if seed < 0:
        raise ValueError(f"{name}: seed must not be negative, got {seed}")

    loader = _LOADERS[name]
    settings: dict[str, Any] = {"seed": seed, "form": form}
    parameters = inspect.signature(loader).parameters
    needs_files = "directory" in parameters
    known = [parameter for parameter in parameters if parameter not in (*settings, "directory")]
    for option in options:
        if option not in known:
            raise ValueError(f"{name}: unknown option {option!r}; its options: {', '.join(known) or 'none'}")
    if needs_files:
        settings["directory"] = data_directory(data_dir)
    elif data_dir is not None:
        data_directory(data_dir)  # a misspelt directory is an error even where it would not be read
    return loader(**settings, **options)
