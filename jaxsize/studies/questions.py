"""A study in both forms: a `Question` says which runs it needs and what they answer; everything else is done here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxsize import plots
from jaxsize.data import Dataset, Form
from jaxsize.learners.flexible import FlexibleConfig
from jaxsize.programs.batch import Batch
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.statistics.estimates import describe
from jaxsize.studies.kinds_of_flags import FormsFlags
from jaxsize.studies.opening import load_datasets, open_results
from jaxsize.studies.questions_text import as_text
from jaxsize.sweeps.cutting import cut
from jaxsize.sweeps.sizes import first_width, size_sweep
from jaxsize.training._train import Trained, require_room, train
from jaxsize.training.progress import Progress

Learned = Mapping[str, tuple[Batch, Trained]]
"""The trained batches of one data set in one form, by name of the batch: each with the results of its training."""


class Setup(NamedTuple):
    """One data set in one form, for which batches are made.

    The runs of a study are numbered without gaps, from 0 on.
    """

    flags: Any
    """The flags of the study; at least `epochs` and `config(dataset)` are used."""
    dataset: Dataset
    form: Form
    first_run: int = 0
    """The number of the next batch's first run."""

    def batch(self, arm: str) -> dict[str, Any]:
        """Return the fields of a `Batch` that are made alike for all arms of a study.

        Args:
            arm: the name of a group of runs that are compared with others.

        Returns:
            `name`, `label` (the columns `dataset`, `form`, `arm` and `batch`), `first_run`, `config`, `num_epochs`.
        """
        name = f"{self.dataset.name}.{self.form}.{arm}"
        label = {"dataset": self.dataset.name, "form": self.form, "arm": arm, "batch": name}
        return {
            "name": name,
            "label": label,
            "first_run": self.first_run,
            "config": self.flags.config(self.dataset),
            "num_epochs": self.flags.epochs,
        }

    def flexible(
        self,
        arm: str,
        flexible: FlexibleConfig,
        settings: Sequence[Mapping[str, Any]],
        made: Sequence[Batch] = (),
        depth: int = 1,
        **more: Any,
    ) -> Batch:
        """Make a batch of networks with trained sizes.

        In the corrected form as many units are allocated at first as the start sizes need, and units are added when a
        size comes near the width. In the original form --width units are allocated, and none are added.

        Args:
            arm: see `batch`.
            flexible: how gates, sizes and weights are trained.
            settings: a run each: see `size_sweep`.
            made: the batches of this setup that were made before; the runs are numbered after theirs.
            depth: the number of hidden layers.
            **more: further arguments of `size_sweep`, and fields of `Batch`.
        """
        widen = self.form == "corrected"
        width = first_width(settings) if widen else self.flags.width
        fields: dict[str, Any] = self.after(*made).batch(arm) | {"hidden": [width] * depth} | more
        return size_sweep(self.dataset, flexible=flexible, settings=settings, widen=widen, **fields)

    def after(self, *batches: Batch) -> "Setup":
        """Return the same setup, with its runs numbered after those of these batches."""
        return self._replace(first_run=self.first_run + sum(map(len, batches)))


class Question(NamedTuple):
    """What one study adds to the frame of `run_question`."""

    name: str
    """The study's name, in its command and in the path of its results folder."""
    batches: Callable[[Setup], list[Batch]]
    """The batches to train of a data set in a form."""
    results: Callable[[Runs, str, Form], list[dict[str, Any]]]
    """(runs, name of the data set, form) -> rows of the table: settings, and columns made by `statistics.describe`."""
    claims: Callable[[Runs, Form], dict[str, dict[str, Any]]]
    """(runs, form) -> the claims of the study by their marks, made by `statistics.claim`."""
    pictures: Callable[[Runs, str], dict[str, Any]]
    """(runs, name of the data set) -> figures by name."""
    followers: Callable[[Setup, Learned], list[Batch]] = lambda setup, learned: []
    """Further batches, which need the results of the first ones: (setup, trained batches) -> batches."""
    also: Callable[[Folder, Any, Mapping[tuple[str, Form], Learned]], dict[str, Any]] = lambda *args: {}
    """(folder, flags, trained batches by data set and form) -> further content of the summary. Under the key `tables`
    are lists of rows by title, which are printed. It may also write files: it is called before the claims are judged
    and the pictures drawn."""


def run_question(flags: FormsFlags, question: Question) -> dict[str, Any]:
    """Train everything that a question needs, answer it, and write the results folder.

    Returns:
        The content of summary.json. Where the folder holds the finished study already, nothing is trained.

    Raises:
        InputError: see `load_datasets` and `open_results`.
        MemoryError: when one run of a batch does not fit into memory, or the histories of a batch not onto the disk.
        OSError: when the disk fails or is full on the way.
    """
    data: dict[tuple[str, Form], Dataset] = {
        (dataset.name, form): dataset for form in flags.form for dataset in load_datasets(flags, form)
    }
    setups: list[tuple[Setup, list[Batch]]] = []
    first_run = 0
    for (_, form), dataset in data.items():
        setup = Setup(flags, dataset, form, first_run)
        setups.append((setup, question.batches(setup)))
        for batch in setups[-1][1]:
            first_run += len(batch)
            require_room(batch, flags.folder(question.name))
    named = {f"{name}.{form}": dataset for (name, form), dataset in data.items()}
    folder = open_results(flags, question.name, named, as_text)
    if folder.status == "finished":
        return folder.read_summary()

    progress = Progress(sum(batch.num_epochs for _, batches in setups for batch in batches))
    learned: dict[tuple[str, Form], dict[str, tuple[Batch, Trained]]] = {}
    for setup, batches in setups:
        trained_batches = {batch.name: (batch, train(batch, folder, progress)) for batch in batches}
        later = question.followers(setup._replace(first_run=first_run), trained_batches)
        first_run += sum(map(len, later))
        progress.expect(sum(batch.num_epochs for batch in later))
        trained_batches |= {batch.name: (batch, train(batch, folder, progress)) for batch in later}
        learned[setup.dataset.name, setup.form] = trained_batches
    progress.close()

    runs = Runs(folder, flags.settings())
    further = question.also(folder, flags, learned)
    summary = {
        "settings": flags.settings(),
        "data": {name: {"source": dataset.source} | dataset.info for name, dataset in named.items()},
        "results": [row for key in data for row in question.results(runs, *key)],
        "claims": {form: question.claims(runs, form) for form in flags.form},
        "cuts": [_cuts(dataset, *key, learned[key]) for key, dataset in data.items()],
        **further,
    }
    with plots.style():
        for name in flags.dataset:
            for title, figure in question.pictures(runs, name).items():
                plots.save(figure, folder.path / f"{title}_{name}.png")
    folder.write_summary(summary)
    print(f"{as_text(summary)}\n\n{folder.path}: config.json, rows, events, steps, summary.json, pictures")
    return summary


def _cuts(dataset: Dataset, name: str, form: Form, learned: Learned) -> dict[str, Any]:
    """How far outputs on test rows move when every network is cut to the units that are on (`sweeps.sizes.cut`)."""
    rows = np.asarray(dataset.test.inputs[:1000], np.float32) * dataset.input_scale + dataset.input_shift
    moved = [
        cut(network.params, rows)[1]
        for batch, trained in learned.values()
        for network in trained.networks
        if "specimen" not in batch.labels[0] and "size" in network.params["hidden"][0] and _finite(network.params)
    ]
    return {"dataset": name, "form": form, "output_change": describe(moved), "largest": max(moved, default=None)}


def _finite(params: Any) -> bool:
    return all(np.isfinite(layer[leaf]).all() for layer in params["hidden"] for leaf in layer)
