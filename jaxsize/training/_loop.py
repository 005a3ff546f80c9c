"""Some runs of a batch, trained together from the first epoch to the last, on the host between epochs.

After every epoch: rows, histories, events, dead units removed and runs regrouped where that pays, a checkpoint. The
order of what is written is such that a kill at any moment loses at most the epochs since the last checkpoint, and a
resumed part ends with the same numbers.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.run_axis import Device, unstack
from jaxsize.results import checkpoints
from jaxsize.results.folder import Folder
from jaxsize.training._best import Best
from jaxsize.training._events import Events
from jaxsize.training._histories import Histories
from jaxsize.training._team import FinalNetwork, Team
from jaxsize.training._teams import Teams
from jaxsize.training.progress import Progress
from jaxsize.trees import Tree

SAVE_SECONDS = 1.0
"""Epochs that together take fewer seconds are written together; so are epochs that together take less than ten times as
long as writing does."""
NOTHING = np.zeros(2, np.int64)
"""The mark of an empty file of rows."""


class TrainingLoop:
    """The training of a part of a batch: of some of its runs, together.

    Args:
        batch: the batch.
        runs: indices into the batch of the runs to train.
        folder: the results folder; rows, events, histories and checkpoints are written to it.
        devices: JAX devices to train on; by default all.
        program: a program for all of the runs at full width, if there is one yet.
    """

    def __init__(
        self, batch: Batch, runs: range, folder: Folder, devices: Sequence[Device] = (), program: Program | None = None
    ):
        self.batch, self.runs, self.folder = batch, runs, folder
        self.directory = folder.checkpoints / batch.name / f"runs_{runs.start}"
        self.labels = {run: batch.labels[run] for run in runs}
        self.names = {run: label["run"] for run, label in self.labels.items()}
        self.teams = Teams(batch, runs, devices, program)
        self.num_devices = len(tuple(devices) or jax.devices())
        self.manifest = {
            "batch": batch.name,
            "labels": list(self.labels.values()),
            "config": batch.config,
            "num_epochs": batch.num_epochs,
            "shrinking": batch.shrinking,
            "units": self.teams.named(self.teams.full),  # the checkpoint may be of fewer
            "select": batch.select,
        }
        if batch.epochs_of is not None:
            self.manifest["epochs_of"] = [batch.epochs(run) for run in runs]
        self.num_epochs = max(map(batch.epochs, runs))
        self.best = None if batch.select is None and batch.epochs_of is None else Best(batch.select)
        name = batch.name if runs.start == 0 else f"{batch.name}.runs_{runs.start}"  # further parts have their own
        self.rows = folder.rows.of(name)
        self.events = Events(folder.events.of(name), self.names)
        self.histories = Histories(folder.path / "steps", batch, runs)
        self._unsaved: list[dict[str, Any]] = []

    def train(self, progress: Progress) -> list[FinalNetwork]:
        """Train the runs to their last epoch, on from the checkpoint if there is one.

        Args:
            progress: is told of every epoch, those that were done before included.

        Returns:
            The network of every run, in the order of the runs.

        Raises:
            InputError: when the checkpoint is of other shapes or settings, or rows or events are not those that were
                saved with it.
            OSError: when something cannot be written.
        """
        done, before = checkpoints.latest(self.directory) or 0, 0.0
        if done:
            teams = self._restored(done)
            before = max(row["seconds"] for row in self.rows.read())
        else:
            teams = self.teams.start()
            self._reset(NOTHING, NOTHING)
        progress.advance(self.batch.name, done)
        clock, epoch = time.perf_counter(), done
        saved_at, elapsed, wait = clock, before, SAVE_SECONDS
        while (stop := self._stop(epoch, elapsed)) is None:
            epoch += 1
            rows, steps = self._train_epoch(teams, epoch)
            elapsed = round(before + time.perf_counter() - clock, 3)
            self.histories.write(epoch, steps)
            ordered = [rows[run] | {"seconds": elapsed} for run in sorted(rows)]
            self._unsaved += ordered
            self.events.report_collapses(teams, self.batch.learner, epoch)
            self._keep(teams, rows, epoch)
            teams = self._remake(teams, epoch)
            if (start := time.perf_counter()) - saved_at >= wait and self._stop(epoch, elapsed) is None:
                self._save(teams, epoch)
                saved_at = time.perf_counter()
                wait = SAVE_SECONDS * max(1, 10 * (saved_at - start))
            progress.advance(self.batch.name, 1, ordered)
        if done < epoch:  # of this process: a resumed one compiles its programs again
            self.events.report_end(stop, epoch, _running(teams), self.teams.compiler.num_programs)
            self._save(teams, epoch)
        progress.advance(self.batch.name, self.batch.num_epochs - epoch)
        self.teams.compiler.close()
        networks = {run: self.teams.network(team, run) for team in teams for run in team.cohort.runs}
        networks |= self.best.networks if self.best else {}
        return [networks[run] for run in self.runs]

    def _train_epoch(self, teams: list[Team], epoch: int) -> tuple[dict[int, dict[str, Any]], dict[int, Tree]]:
        """Train all teams at the same time: the row of every run, and its history, in the order of the runs."""
        start = time.perf_counter()
        results = [team.program.epoch(team.cohort.runs, team.state, epoch) for team in teams]
        rows: dict[int, dict[str, Any]] = {}
        steps: dict[int, Tree] = {}
        for team, (team.state, history, scores) in zip(teams, results, strict=True):
            team.host, history, scores = team.program.axis.fetch((team.state, history, scores))
            for index, run in enumerate(team.cohort.runs):
                steps[run] = unstack(history, index)
                rows[run] = self._row(run, epoch, steps[run], unstack(scores, index), team)
        self._share(time.perf_counter() - start, teams, rows)
        return rows, dict(sorted(steps.items()))

    def _save(self, teams: list[Team], epoch: int) -> None:
        """Write histories and rows, then the checkpoint that they belong to."""
        self.histories.flush()
        self.rows.append(self._unsaved)
        self._unsaved.clear()
        tree = {str(number): team.on_host() for number, team in enumerate(teams)}
        tree |= {"rows": self.rows.mark(), "events": self.events.file.mark(), "steps": self.histories.crcs}
        tree |= self.best.on_host() if self.best else {}
        checkpoints.save(self.directory, tree, step=epoch, manifest=self.manifest)

    def _stop(self, epoch: int, seconds: float) -> str | None:
        """Why no epoch follows this one, None if one does."""
        if epoch == self.num_epochs:
            return "epochs"
        if epoch and seconds >= self.batch.time_limit:
            return "time"
        if self.batch.stop_on_collapse:
            left = [run for run in self.runs if self.batch.epochs(run) > epoch]
            if self.events.collapsed.issuperset(self.names[run] for run in left):
                return "collapse"
        return None

    def _reset(self, rows: np.ndarray, events: np.ndarray) -> None:
        """Go on from marks: drop what was written after them."""
        self.rows.check(rows)  # nothing is dropped from a file when another one is refused
        self.events.resume(events)
        self.rows.resume(rows)

    def _restored(self, done: int) -> list[Team]:
        """The teams of the checkpoint; rows, events, histories and the best networks are restored with them."""
        params, names = self.teams.params_shape, self.teams.names

        def also(shapes: Mapping[str, tuple[int, ...]]) -> Tree:
            best = self.best.template(self.runs, params, names, shapes) if self.best else {}
            return {
                "rows": NOTHING,
                "events": NOTHING,
                "steps": dict.fromkeys(self.batch.histories, np.int64(0)),
            } | best

        teams, saved = self.teams.restore(self.directory, self.manifest, also)
        if self.best:
            self.best.restore(saved)
        self.histories.restore(done, saved["steps"])
        self._reset(saved["rows"], saved["events"])
        return teams

    def _share(self, seconds: float, teams: list[Team], rows: dict[int, dict[str, Any]]) -> None:
        """Divide the seconds of an epoch, training and evaluation, among the runs by what their widths cost.

        Devices that the runs leave idle are not charged to them.
        """
        costs = {run: self.teams.share(team) for team in teams for run in team.cohort.runs}
        used = {device for team in teams for device in team.program.axis.devices}
        seconds *= len(used) / self.num_devices
        for run, row in rows.items():
            row["run_seconds"] = round(seconds * costs[run] / sum(costs.values()), 6)

    def _keep(self, teams: list[Team], rows: dict[int, dict[str, Any]], epoch: int) -> None:
        """Keep the networks that no later state of the teams holds: the best ones, or those of runs that end here."""
        if self.best is None:
            return
        collapsed = self.events.collapsed
        for team in teams:
            for run in team.cohort.runs:
                better = self.names[run] not in collapsed and self.best.improves(run, rows[run])
                if better or (self._ends(run, epoch) and run not in self.best.networks):
                    self.best.keep(run, rows[run], self.teams.network(team, run))

    def _ends(self, run: int, epoch: int) -> bool:
        """Whether the epoch is the last of the run, and others go on."""
        return self.batch.epochs(run) == epoch < self.num_epochs

    def _row(self, run: int, epoch: int, history: Tree, scores: Tree, team: Team) -> dict[str, Any]:
        """The row of a run after an epoch, but for its seconds."""
        allocated = {"allocated_units": sum(team.cohort.widths)} if team.cohort.widths else {}
        names = team.program.score_names
        named = {f"{split}_{name}": float(values[name]) for split, values in scores.items() for name in names}
        measured = {
            name: values.tolist() if np.isfinite(values).any() else None for name, values in history["of_epoch"].items()
        }
        columns = self.batch.columns(history["observed_before"], history["observed"][-1])
        return self.labels[run] | {"epoch": epoch} | named | measured | columns | allocated

    def _remake(self, teams: list[Team], epoch: int) -> list[Team]:
        """The teams of the next epoch, without runs that have ended.

        That units were removed, or layers widened, is an event.
        """
        clock, compiling = time.perf_counter(), self.teams.compiler.seconds_waited
        if ended := {run for run in self.runs if self._ends(run, epoch)}:
            teams = self.teams.without(teams, ended)
        remade = self.teams.remake(teams, self.num_epochs - epoch)
        if remade is not teams:
            waited = self.teams.compiler.seconds_waited - compiling
            cohorts = [(team.cohort.runs, self.teams.named(team.cohort.widths)) for team in remade]
            kind = "compaction" if self.batch.widening is None else "widening"
            took = time.perf_counter() - clock - waited
            self.events.report_teams(kind, epoch, _running(teams), cohorts, compile_seconds=waited, seconds=took)
        return remade


def _running(teams: Sequence[Team]) -> list[int]:
    return sorted(run for team in teams for run in team.cohort.runs)
