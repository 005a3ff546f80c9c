"""Opening what a study reads and writes: its data sets and its results folder."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxsize import data
from jaxsize.data._files.own_names import ENDINGS, ending_of
from jaxsize.errors import InputError, require_package
from jaxsize.programs import run_axis
from jaxsize.results.folder import Folder, open_folder
from jaxsize.studies.flags import Flags, listing
from jaxsize.studies.kinds_of_flags import DatasetFlags


def load_datasets(flags: DatasetFlags, form: data.Form) -> list[data.Dataset]:
    """Load the data sets that the flags name, in their order, with flat rows.

    Args:
        flags: `dataset`, `data_dir` and the flags of the data set teacher and of own data are read.
        form: how the data are prepared.

    Raises:
        InputError: when no name is given, or a name is unknown or given twice; and when files of a data set are missing
            or damaged; for own data in the original form, and as the function that reads them, see `data.load`.
    """
    if len(set(flags.dataset)) < len(flags.dataset) or not flags.dataset:
        raise InputError(f"expected different names, got {listing(flags.dataset)}", field="dataset")
    unknown = [name for name in flags.dataset if name not in (*data.NAMES, *flags.own)]
    if unknown:
        wanted = f"{', '.join(data.NAMES)}, or paths of own data ({', '.join(ENDINGS)}, a folder of images)"
        raise InputError(f"expected some of {wanted}, got {unknown[0]!r}", field="dataset")
    loaded = []
    for path, name in zip(flags.dataset, flags.names, strict=True):
        options: dict[str, Any] = {}
        if path in flags.own:
            options = _own_options(flags, path) | {"name": name}
        elif path == "teacher":
            options = {"width": flags.teacher_width, "task": flags.teacher_task}
        loaded.append(data.flattened(data.load(path, data_dir=flags.data_dir, form=form, **options)))
    return loaded


def _own_options(flags: DatasetFlags, path: str) -> dict[str, Any]:
    """What the flags say of a user's own data, by what the function that reads them takes."""
    ending = ending_of(Path(path))
    if ending == ".npz":
        return {"task": flags.task}
    if not ending:
        return {}
    return {name: getattr(flags, name) for name in ("target", "task", "categorical", "drop")}


def open_results(
    flags: Flags,
    name: str,
    datasets: Sequence[data.Dataset] | Mapping[str, data.Dataset],
    as_text: Callable[[Any], str],
) -> Folder:
    """Open the results folder of a study, new or for going on.

    The folder's config.json holds every setting and a fingerprint of every data set. If the folder holds the finished
    study, its summary is printed.

    Args:
        flags: the flags of the study.
        name: the study's name.
        datasets: the data sets that are trained on; a mapping gives the names that their fingerprints get.
        as_text: turns the summary of a finished study into text.

    Returns:
        The folder; its `status` is "finished" where nothing is left to do.

    Raises:
        InputError: when the folder holds something else, other settings, or an unfinished study and --resume is not
            given.
    """
    # Not found missing when all is trained.
    for package, extra in (("matplotlib", "plots"), ("sklearn", "data"), ("jinja2", "studies")):
        require_package(package, extra)
    named = datasets if isinstance(datasets, Mapping) else {dataset.name: dataset for dataset in datasets}
    prints = {key: dataset.fingerprint() for key, dataset in named.items()}  # --resume must not go on with other rows
    settings = flags.settings() | {"data": prints}
    folder = open_folder(flags.folder(name), settings, resume=flags.resume, device=run_axis.describe_devices())
    if folder.status == "finished":
        print(f"{folder.path} holds the finished run; delete it to run again\n\n{_told(folder, as_text)}")
    return folder


def _told(folder: Folder, as_text: Callable[[Any], str]) -> str:
    summary = folder.read_summary()
    try:
        return as_text(summary)
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # it was edited, or is of another version
        problem = f"{folder.path / 'summary.json'} is no summary of this study ({type(error).__name__}: {error})"
        raise InputError(f"{problem}; delete it, and --resume writes it anew") from error
