"""What the six experiments on flexible sizes share: training in both forms, the results folder, tables and answers.

A `Question` says which runs it needs and what they answer; everything else is here.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments.command_line import load_datasets, open_results
from experiments.flexible_flags import FlexibleFlags
from experiments.flexible_runs import Runs
from jaxsize import plots
from jaxsize.batches import Batch
from jaxsize.datasets import Dataset, Form
from jaxsize.flexible import FlexibleConfig
from jaxsize.flexible_sweep import cut, first_width, flexible_batch
from jaxsize.progress import Progress
from jaxsize.records import Folder
from jaxsize.statistics import describe
from jaxsize.study import Trained, require_room, train
from jaxsize.tables import format_table, spread

Learned = Mapping[str, tuple[Batch, Trained]]
"""What has been trained of a data set in a form, by the name of the batch."""


class Setup(NamedTuple):
    """One data set in one form, to make batches for. Their runs are numbered from first_run on."""

    flags: Any
    dataset: Dataset
    form: Form
    first_run: int = 0

    def batch(self, arm: str) -> dict[str, Any]:
        """Fields that all batches share: `name`, `label`, `first_run`, `config`, `num_epochs`."""
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
        """A batch numbered after those already made. In the corrected form units are added when a size comes near the
        width, and so many allocated at first as the starts need; in the original --width units are."""
        widen = self.form == "corrected"
        width = first_width(settings) if widen else self.flags.width
        fields: dict[str, Any] = self.after(*made).batch(arm) | {"hidden": [width] * depth} | more
        return flexible_batch(self.dataset, flexible=flexible, settings=settings, widen=widen, **fields)

    def after(self, *batches: Batch) -> "Setup":
        """The same, numbering on after these."""
        return self._replace(first_run=self.first_run + sum(map(len, batches)))


class Question(NamedTuple):
    """What an experiment adds."""

    name: str
    batches: Callable[[Setup], list[Batch]]
    results: Callable[[Runs, str, Form], list[dict[str, Any]]]
    """(runs, data set, form) -> rows of the table: settings, and columns as of `statistics.describe`."""
    claims: Callable[[Runs, Form], dict[str, dict[str, Any]]]
    """By name, as of `verdicts.claim`."""
    pictures: Callable[[Runs, str], dict[str, Any]]
    """(runs, data set) -> figures by name."""
    followers: Callable[[Setup, Learned], list[Batch]] = lambda setup, learned: []
    """Batches that need what the first ones ended with."""
    also: Callable[[Folder, FlexibleFlags, Mapping[tuple[str, Form], Learned]], dict[str, Any]] = lambda *args: {}
    """Further content of the summary (its `tables`, by title, are lists of rows and are printed), and files, written
    before the claims are judged and the pictures drawn."""


def answer(flags: FlexibleFlags, question: Question) -> dict[str, Any]:
    """Trains everything, writes the results folder and returns what is in its summary.json."""
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
        mine = {batch.name: (batch, train(batch, folder, progress)) for batch in batches}
        later = question.followers(setup._replace(first_run=first_run), mine)
        first_run += sum(map(len, later))
        progress.expect(sum(batch.num_epochs for batch in later))
        mine |= {batch.name: (batch, train(batch, folder, progress)) for batch in later}
        learned[setup.dataset.name, setup.form] = mine
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
    print(
        f"{as_text(summary)}\n\n{folder.path}: config.json, metrics.jsonl, events.jsonl, steps, summary.json, pictures"
    )
    return summary


def _cuts(dataset: Dataset, name: str, form: Form, learned: Learned) -> dict[str, Any]:
    """How far outputs on test rows move when every network is cut to the units that are on (flexible_sweep.cut)."""
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


def as_text(summary: dict[str, Any]) -> str:
    """The tables and the answers in words."""
    blocks = []
    for key, rows in itertools.groupby(summary["results"], lambda row: (row["dataset"], row["form"])):
        blocks.append(_table(" ".join(key), list(rows), summary["settings"]["num_seeds"]))
    for form, claims in summary["claims"].items():
        for name, found in claims.items():
            reason = f" ({found['reason']})" if "reason" in found else ""
            blocks.append(f"{name}, {form}: {found['claim']}: {found['verdict']}{reason}")
            if found["parts"]:
                blocks[-1] += "\n" + _parts(found["parts"])
    for title, rows in summary.get("tables", {}).items():
        blocks.append(f"{title}\n{_listed(rows)}")
    for row in summary["cuts"]:
        if row["largest"] is not None:
            blocks.append(
                "{dataset}, {form}: cut to ceil(size + gray zone), outputs move by at most {largest:.1e}".format(**row)
            )
    return "\n\n".join(blocks)


def _table(title: str, rows: list[dict[str, Any]], num_seeds: int) -> str:
    listed = _listed([{key: value for key, value in row.items() if key not in ("dataset", "form")} for row in rows])
    return f"{title}, {num_seeds} seeds: median [95 % interval, or range]\n{listed}"


def _listed(rows: list[dict[str, Any]]) -> str:
    """A row may lack columns that others have."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    return format_table([name.replace("_", " ") for name in names], cells)


def _cell(name: str, value: Any) -> str:
    if isinstance(value, dict):
        return spread(value, ".4f" if "accuracy" in name else ".0f" if "units" in name else ".4g")
    return f"{value:g}" if isinstance(value, (int, float)) else "-" if value is None else str(value)


def _parts(parts: list[dict[str, Any]]) -> str:
    told = (
        "estimate",
        "low",
        "high",
        "confidence",
        "n",
        "test",
        "p_value",
        "p_value_holm",
        "note",
        "verdict",
        "reason",
    )
    cells = []
    for part in parts:
        label = ", ".join(f"{key} {_cell(key, value)}" for key, value in part.items() if key not in told)
        number = "-" if part["estimate"] is None else f"{part['estimate']:.4g}"
        interval = "-" if part["low"] is None else f"[{part['low']:.4g} .. {part['high']:.4g}]"
        p_value = "-" if part["p_value"] is None else f"{part['p_value']:.2g}"
        cells.append([label, number, interval, str(part["n"]), p_value, part["verdict"]])
    return format_table(["", "estimate", "95 % interval", "n", "p", "verdict"], cells)
