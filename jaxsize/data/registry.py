"""`load`: one name or path, one data set."""

import inspect
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, get_args

from jaxsize.data._draws import whole_seed
from jaxsize.data._files.own_names import ENDINGS, ending_of, is_own
from jaxsize.data._files.places import data_directory
from jaxsize.data.dataset import Dataset, Form
from jaxsize.data.image_folders import from_image_folder
from jaxsize.data.npz import from_npz
from jaxsize.data.sets.add10 import load_add10
from jaxsize.data.sets.airfoil import load_airfoil, load_airfoil_iid
from jaxsize.data.sets.census import load_census
from jaxsize.data.sets.cifar10 import load_cifar10
from jaxsize.data.sets.cifar_like import load_cifar_like
from jaxsize.data.sets.digits import load_digits
from jaxsize.data.sets.mnist import load_images
from jaxsize.data.sets.poker import load_poker
from jaxsize.data.sets.teacher import load_teacher
from jaxsize.data.tables import from_table
from jaxsize.errors import InputError

# Loaders are called with `seed` and, where they have them, `form` and `directory`. Other parameters are options.
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
    name: str | os.PathLike[str],
    /,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    form: Form = "corrected",
    seed: int = 0,
    **options: Any,
) -> Dataset:
    """Load a data set by its name, or one's own by its path; the same for equal names, forms, seeds, options and files.

    `digits`, `teacher`, `add10` and `cifar_like` need no files. The others are read from `data_dir`, else from the
    directory in the environment variable JAXSIZE_DATA_DIR, else from the user's cache directory. Files that are missing
    there are downloaded to there (tables from OpenML), except those of `cifar10`.

    Own data are a table (.csv, .tsv, or these with .gz: `from_table`), arrays (.npz: `from_npz`), or a folder of images
    (`from_image_folder`). They are in no `original` form: that is what reproduced experiments did with known data.

    Args:
        name: one of `NAMES`, or a path. A folder that is called as a known data set is "./mnist".
        data_dir: an existing directory; own data are not looked for there.
        form: "corrected", or "original" for the splits and scaling of the experiments that are reproduced.
        seed: a whole number, not negative; draws the splits and whatever is synthetic.
        **options: settings of this data set, see `load_teacher`, `load_airfoil`, `load_poker` and `load_cifar10` (whose
            options `cifar_like` has too); the other known ones have none. Own data have those of the function that
            reads them, such as `target`.

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
    name = os.fspath(name)
    if name not in _LOADERS and not is_own(name):
        files = f"{', '.join(ENDINGS)} or a folder of images"
        raise InputError(f"unknown data set {name!r}; there are {', '.join(NAMES)}, and own data: {files}")
    if form not in get_args(Form):
        raise InputError(f"{name}: form must be one of {', '.join(get_args(Form))}, got {form!r}")
    seed = whole_seed(seed, name)

    loader = _LOADERS.get(name) or _own_loader(name, form)
    parameters = inspect.signature(loader).parameters
    settings = {name: value for name, value in {"seed": seed, "form": form}.items() if name in parameters}
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


def _own_loader(name: str, form: Form) -> Callable[..., Dataset]:
    """The function that reads a user's own data."""
    if form == "original":
        raise InputError(f"{name}: own data have no original form, only the corrected one", field="form")
    path = Path(name).expanduser()
    ending = ending_of(path)
    if not ending and not path.is_dir():
        what = "is a file of another kind" if path.exists() else "does not exist"
        raise InputError(f"{name} {what}; expected {', '.join(ENDINGS)} or a folder of images", field="dataset")
    return partial(from_image_folder if path.is_dir() else from_npz if ending == ".npz" else from_table, path)
