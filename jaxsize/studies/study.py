"""A study: what is trained, and what is made of it. `Study.run` is the only orchestration there is."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jaxsize.data import Dataset, Form
from jaxsize.errors import InputError
from jaxsize.programs.batch import Batch
from jaxsize.results.folder import Folder
from jaxsize.results.runs import Runs
from jaxsize.studies._drawing import draw_all
from jaxsize.studies.arms import Arms
from jaxsize.studies.claims import Claim
from jaxsize.studies.command_line import Command
from jaxsize.studies.flags import Flags
from jaxsize.studies.opening import load_datasets, open_results
from jaxsize.studies.pictures import Draw, Picture
from jaxsize.studies.report import write_report
from jaxsize.studies.setup import Arm, Setup
from jaxsize.studies.summary import FORMAT, as_text
from jaxsize.studies.tables import Table
from jaxsize.sweeps.penalties import save_networks
from jaxsize.training._train import Trained, require_room, train
from jaxsize.training.progress import Progress
from jaxsize.trees import Tree

Learned = Mapping[str, tuple[Batch, Trained]]
"""The trained batches of one setup, by name of the batch: each with the results of its training."""
Check = Callable[[Folder, Setup, Learned], Mapping[str, list[dict[str, Any]]]]
"""(the results folder, a setup, its trained batches) -> rows of further tables, by title of the table. It may also
write files. It is called once per setup, when all of it is trained."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """One question: which arms are trained, what is told of them, and which claims they settle.

    Example:
        >>> from jaxsize.studies import FormsFlags, Study, columns
        >>> study = Study(
        ...     name="nothing", flags=FormsFlags, presets={}, arms=lambda setup: [], table=columns("size"), claims={}
        ... )
        >>> study.command.name
        'nothing'
    """

    name: str
    """The study's name, in its command and in the path of its results folder."""
    flags: type[Flags]
    """The class of its flags; the first line of its docstring is the question that the study answers."""
    presets: Mapping[str, Mapping[str, Any]]
    """Values of flags that "smoke" and "full" set."""
    arms: Callable[[Setup], Iterable[Arm | Batch]]
    """What is trained on a data set in a form; batches that are made already are numbered by `setup.after`."""
    followers: Callable[[Setup, Learned], Iterable[Arm | Batch]] = lambda setup, learned: []
    """What is trained after that, from what has been learned."""
    rounds: Callable[[Setup, Learned], Iterable[Arm | Batch]] = lambda setup, learned: []
    """What is trained next, after the followers, from all that has been learned so far: it is asked again after every
    round, until there is nothing more. For a search, whose every step depends on the one before."""
    table: Table
    """The rows of the table of a data set in a form; see `columns`."""
    claims: Mapping[str, Claim]
    """The claims that the study judges, by their marks."""
    pictures: Mapping[str, Draw | Picture] = dataclasses.field(default_factory=dict)
    """The pictures by their titles."""
    answer: Callable[[Arms], Iterable[str]] = lambda arms: []
    """One or two plain sentences with the numbers that answer the question, from all arms."""
    cautions: Callable[[Setup], Iterable[str]] = lambda setup: []
    """What is known before training to leave the question open, a line each, which is printed: such as steps too few
    for any unit to die."""
    checks: Sequence[Check] = ()
    """Further tables and files."""
    split: Sequence[str] | Mapping[str, str] = ()
    """Flags with several values for each of which arms, followers and checks are made apart; see `Setup.values`. A
    mapping gives every flag the column that holds one of its values, as in {"depth": "depths"}."""
    data: Callable[[Any, Form], Sequence[Dataset]] = load_datasets
    """(flags, form) -> the data sets that are trained on; those that --dataset names, unless the study has its own."""
    prepare: Callable[[Dataset, Any], Dataset] = lambda dataset, flags: dataset
    """(data set, flags) -> the data set that is trained on."""
    save_networks: Callable[[Setup, Batch], Mapping[str, Any] | None] = lambda setup, batch: None
    """Further arguments of `sweeps.save_networks` for a batch whose trained networks are saved, for
    `jaxsize.load_network`; None for one whose networks are not."""
    keep_networks: Callable[[Batch], bool] = lambda batch: True
    """Whether the trained networks of a batch stay in memory to the end, for `ArmView.networks`: those of a large study
    may not all fit. An example is `lambda batch: batch.labels[0]["arm"] == "learned"`."""

    @property
    def command(self) -> Command:
        """The study as a command."""
        return Command(self.name, self.flags, self.presets, self.run)

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Run the study as a command; see `Command.main`."""
        return self.command.main(arguments)

    def run(self, flags: Any) -> dict[str, Any]:
        """Train everything, judge it, and write the results folder.

        Args:
            flags: an instance of `Study.flags`, checked.

        Returns:
            The content of summary.json. Where the folder holds the finished study already, nothing is trained.

        Raises:
            InputError: see `load_datasets` and `open_results`.
            MemoryError: when one run of a batch does not fit into memory, or the histories of a batch not onto the
                disk.
            OSError: when the disk fails or is full on the way.
        """
        data = {
            (dataset.name, form): self.prepare(dataset, flags)
            for form in flags.forms
            for dataset in self.data(flags, form)
        }
        setups, batches, first_run = self._setups(flags, data), [], 0
        for index, setup in enumerate(setups):
            setups[index] = dataclasses.replace(setup, first_run=first_run)
            batches.append(setups[index].batches(self.arms(setups[index])))
            first_run += sum(map(len, batches[-1]))
            for batch in batches[-1]:
                require_room(batch, flags.folder(self.name))
        if not first_run:
            raise InputError(f"{self.name}: expected one run or more, these flags ask for none")
        named = {f"{name}.{form}" if len(flags.forms) > 1 else name: one for (name, form), one in data.items()}
        folder = open_results(flags, self.name, named, as_text)
        if folder.status == "finished":
            return folder.read_summary()
        cautions = dict.fromkeys(line for setup in setups for line in self.cautions(setup))  # each once
        for line in [*self._cannot_be_settled(flags), *cautions]:
            print(line, flush=True)

        progress = Progress(sum(batch.num_epochs for made in batches for batch in made))
        tables: dict[str, list[dict[str, Any]]] = {}
        networks: dict[int, Tree] = {}
        for setup in setups:
            made = batches.pop(0)  # a batch holds the first weights of its networks in memory
            learned = {batch.name: (batch, train(batch, folder, progress)) for batch in made}
            for number, stage in enumerate(itertools.chain([self.followers], itertools.repeat(self.rounds))):
                after = dataclasses.replace(setup, first_run=first_run)
                later = after.batches(stage(after, learned))
                if number and not later:
                    break
                first_run += sum(map(len, later))
                progress.expect(sum(batch.num_epochs for batch in later))
                learned |= {batch.name: (batch, train(batch, folder, progress)) for batch in later}
            for batch, trained in learned.values():
                if self.keep_networks(batch):
                    pairs = zip(batch.labels, trained.networks, strict=True)
                    networks |= {label["run"]: network.params for label, network in pairs}
                if (options := self.save_networks(after, batch)) is not None:
                    save_networks(batch, trained, folder.path / "networks", **options)
            for check in self.checks:
                for title, rows in check(folder, after, learned).items():
                    tables.setdefault(title, []).extend(rows)
        progress.close()

        runs = Runs(folder, flags.settings())
        arms = Arms.of(runs, data=data, networks=networks)
        summary = self._summary(flags, arms, named, folder) | {"tables": tables}
        summary |= {"pictures": draw_all(self.pictures, arms, folder.path)}
        write_report(folder.path, summary)
        folder.write_summary(summary)
        names = sorted(path.name for path in folder.path.iterdir() if path.name[0] != "." and path.suffix != ".png")
        beside = ", ".join(name for name in names if name != "report.html")
        pictures = f", {len(summary['pictures'])} pictures" if summary["pictures"] else ""
        print(f"{as_text(summary)}\n\n{folder.path}: open report.html; beside it {beside}{pictures}")
        return summary

    def _setups(self, flags: Any, data: Mapping[tuple[str, Form], Dataset]) -> list[Setup]:
        columns = self.split if isinstance(self.split, Mapping) else {name: name for name in self.split}
        grid = [
            dict(zip(columns, values, strict=True))
            for values in itertools.product(*(getattr(flags, name) for name in columns.values()))
        ]
        return [
            Setup(flags=flags, dataset=dataset, form=form, values=values)
            for (_, form), dataset in data.items()
            for values in grid
        ]

    def _summary(self, flags: Any, arms: Arms, data: Mapping[str, Dataset], folder: Folder) -> dict[str, Any]:
        ends = [path[-1] for path in arms[0].runs.paths.values()]
        lost = [row for row in ends if row.get("train_loss") is None]
        collapses = [event for event in folder.events.read() if event["event"] == "collapse"]
        collapsed = {row["run"] for row in ends if row.get("live_units") == 0 and row not in lost}
        identifying = ("run", "dataset", "form", "arm", "seed")
        judged = {
            form: {name: self._judged(claim, arms, form, flags) for name, claim in self.claims.items()}
            for form in flags.forms
        }
        return {
            "format": FORMAT,
            "study": self.name,
            "question": self.question,
            "command": flags.command(self.command.program),
            "answer": list(self.answer(arms)),
            "settings": flags.settings(),
            "data": {name: {"source": dataset.source} | dataset.info for name, dataset in data.items()},
            "results": [row for chosen in arms.by("dataset", "form").values() for row in self.table(chosen)],
            "claims": judged,
            "not_finite": [{name: row[name] for name in identifying} for row in lost],
            "collapsed": sorted(collapsed | {run for event in collapses for run in event["runs"]}),
        }

    @property
    def question(self) -> str:
        """The question that the study answers: the first paragraph of the docstring of its flags."""
        return " ".join((self.flags.__doc__ or self.name).split("\n\n")[0].split())

    def _cannot_be_settled(self, flags: Any) -> list[str]:
        """Say which claims have too few seeds, by the number that they need."""
        short: dict[int, list[str]] = {}
        for name, claim in self.claims.items():
            if (needed := claim.needed(flags)) > flags.num_seeds:
                short.setdefault(needed, []).append(name)
        few = f"cannot be settled with {flags.num_seeds} seeds (where tested)"
        return [f"{', '.join(names)}: {few}; --num-seeds {needed} can" for needed, names in sorted(short.items())]

    def _judged(self, claim: Claim, arms: Arms, form: Form, flags: Any) -> dict[str, Any]:
        judged = claim.judge(arms.at(form=form), form)
        settle = claim.settling(judged, flags)
        return judged | ({"settle": settle} if settle else {})
