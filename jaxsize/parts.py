"""Some runs of a batch, trained together from the first epoch to the last, on the host between epochs.

After every epoch: rows, histories, events, dead units removed and runs regrouped where that pays, a checkpoint. What is
written is ordered so that a kill at any moment loses at most that epoch, and a resumed part ends with the same numbers.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jaxsize import checkpoint
from jaxsize.batches import Batch, Program
from jaxsize.liveness import read_liveness
from jaxsize.progress import Progress
from jaxsize.records import Folder
from jaxsize.runs import Device, unstack
from jaxsize.selection import Best
from jaxsize.step_array import StepArray
from jaxsize.team import FinalNetwork, Team
from jaxsize.teams import Teams

Tree = Any
SAVE_SECONDS = 1.0
"""Epochs that together take less are written together; so are those that take less than ten times what writing does."""


class Part:
    """The training of `runs`, indices into a batch. program: one for all of them at full width, if there is one yet."""

    def __init__(
        self, batch: Batch, runs: range, folder: Folder, devices: Sequence[Device] = (), program: Program | None = None
    ):
        self.batch, self.runs, self.folder = batch, runs, folder
        self.directory = folder.checkpoints / batch.name / f"runs_{runs.start}"
        self.labels = {run: batch.labels[run] for run in runs}
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
        self._histories: dict[str, StepArray] = {}
        self._unsaved: list[dict[str, Any]] = []
        self._known_collapses: set[tuple[Any, str]] = set()

    def train(self, progress: Progress) -> list[FinalNetwork]:
        """Trains to the last epoch, on from a checkpoint if there is one; the networks, in the order of runs."""
        done, before = checkpoint.latest(self.directory) or 0, 0.0
        if done:
            teams, before = self._restored(), self._seconds(done)
        else:
            teams = self.teams.start()
        names = set(self._names(self.runs))
        self.folder.rows.truncate(lambda row: row.get("run") not in names or row["epoch"] <= done)
        self.folder.events.truncate(lambda row: not names.issuperset(row["runs"]) or row["epoch"] <= done)
        self.folder.events.append([])  # the file is there, whether or not anything happens
        self._known_collapses = self._read_collapses()
        progress.advance(self.batch.name, done)
        clock, epoch = time.perf_counter(), done
        saved_at, saved, elapsed, wait = clock, done, before, SAVE_SECONDS
        while (stop := self._stop(epoch, elapsed)) is None:
            epoch += 1
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
            elapsed = round(before + time.perf_counter() - clock, 3)
            self._write_histories(epoch, dict(sorted(steps.items())))
            ordered = [rows[run] | {"seconds": elapsed} for run in sorted(rows)]
            self._unsaved += ordered
            self._report_collapses(teams, epoch)
            self._keep(teams, rows, epoch)
            teams = self._remake(teams, epoch)
            if (start := time.perf_counter()) - saved_at >= wait:
                self._save(teams, epoch)
                saved_at, saved = time.perf_counter(), epoch
                wait = SAVE_SECONDS * max(1, 10 * (saved_at - start))
            progress.advance(self.batch.name, 1, ordered)
        if epoch > saved:
            self._save(teams, epoch)
        progress.advance(self.batch.name, self.batch.num_epochs - epoch)
        if done < epoch:  # of this process: a resumed one compiles its programs again
            compiled = {"compiled": self.teams.compiler.num_programs}
            early = [] if stop == "epochs" else [self._event("stop", epoch, self._running(teams), reason=stop)]
            self.folder.events.append([*early, self._event("programs", epoch, self.runs, **compiled)])
        self.teams.compiler.close()
        networks = {run: self.teams.network(team, run) for team in teams for run in team.cohort.runs}
        networks |= self.best.networks if self.best else {}
        return [networks[run] for run in self.runs]

    def _save(self, teams: list[Team], epoch: int) -> None:
        """Histories and rows, then the checkpoint that they belong to."""
        for history in self._histories.values():
            history.flush()
        self.folder.rows.append(self._unsaved)
        self._unsaved.clear()
        tree = {str(number): team.on_host() for number, team in enumerate(teams)}
        tree |= self.best.on_host() if self.best else {}
        checkpoint.save(self.directory, tree, step=epoch, manifest=self.manifest)

    def _stop(self, epoch: int, seconds: float) -> str | None:
        """Why no epoch follows, None if one does."""
        if epoch == self.num_epochs:
            return "epochs"
        if epoch and seconds >= self.batch.time_limit:
            return "time"
        if self.batch.stop_on_collapse:
            collapsed = {run for run, _ in self._known_collapses}
            left = [run for run in self.runs if self.batch.epochs(run) > epoch]
            if collapsed.issuperset(self._names(left)):
                return "collapse"
        return None

    def _restored(self) -> list[Team]:
        params, names = self.teams.params_shape, self.teams.names

        def also(shapes: Mapping[str, tuple[int, ...]]) -> Tree:
            return self.best.template(self.runs, params, names, shapes) if self.best else {}

        teams, saved = self.teams.restore(self.directory, self.manifest, also)
        if self.best:
            self.best.restore(saved)
        return teams

    def _share(self, seconds: float, teams: list[Team], rows: dict[int, dict[str, Any]]) -> None:
        """The seconds of an epoch, training and evaluation, divided among the runs by what their widths cost. Devices
        that the runs leave idle are not charged to them."""
        costs = {run: self.teams.share(team) for team in teams for run in team.cohort.runs}
        used = {device for team in teams for device in team.program.axis.devices}
        seconds *= len(used) / self.num_devices
        for run, row in rows.items():
            row["run_seconds"] = round(seconds * costs[run] / sum(costs.values()), 6)

    def _keep(self, teams: list[Team], rows: dict[int, dict[str, Any]], epoch: int) -> None:
        """The networks that no later state of the teams tells: the best ones, or those of runs that end here."""
        if self.best is None:
            return
        collapsed = {run for run, _ in self._known_collapses}
        for team in teams:
            for run in team.cohort.runs:
                better = self.labels[run]["run"] not in collapsed and self.best.improves(run, rows[run])
                if better or (self._ends(run, epoch) and run not in self.best.networks):
                    self.best.keep(run, rows[run], self.teams.network(team, run))

    def _ends(self, run: int, epoch: int) -> bool:
        """Whether the epoch is the last of the run, and others go on."""
        return self.batch.epochs(run) == epoch < self.num_epochs

    def _write_histories(self, epoch: int, steps: dict[int, Tree]) -> None:
        batch, start = self.batch, (epoch - 1) * self.batch.steps_per_epoch
        if batch.histories:
            (self.folder.path / "steps").mkdir(exist_ok=True)
        for key, of in batch.histories.items():
            values = np.stack([of(history) for history in steps.values()])
            if key not in self._histories:
                path = self.folder.path / "steps" / f"{batch.name}.{key}.npy"
                whole = {"dtype": np.int32, "fill": -1} if values.dtype.kind in "iu" else {}
                shape = (len(batch), batch.num_epochs * batch.steps_per_epoch)
                self._histories[key] = StepArray(path, *shape, **whole)
            self._histories[key].write(start, values, list(steps))

    def _seconds(self, done: int) -> float:
        """What the epochs done took. ValueError if their rows are not all there."""
        names = set(self._names(self.runs))
        rows = [row for row in self.folder.rows.read() if row.get("run") in names and row["epoch"] <= done]
        num_rows = sum(min(done, self.batch.epochs(run)) for run in self.runs)
        if len(rows) != num_rows:
            expected = f"{num_rows} rows of {len(self.runs)} runs and {done} epochs"
            path = self.folder.rows.path
            raise ValueError(f"{path} does not fit {self.directory}: expected {expected}, found {len(rows)}")
        return max(row["seconds"] for row in rows)

    def _row(self, run: int, epoch: int, history: Tree, scores: Tree, team: Team) -> dict[str, Any]:
        allocated = {"allocated_units": sum(team.cohort.widths)} if team.cohort.widths else {}
        named = {f"{split}_{name}": float(value) for split, values in scores.items() for name, value in values.items()}
        columns = self.batch.columns(history["observed_before"], history["observed"][-1])
        return self.labels[run] | {"epoch": epoch} | named | columns | allocated

    def _report_collapses(self, teams: list[Team], epoch: int) -> None:
        """A layer all of whose units are dead is an event, once: the run goes on with what constants are left."""
        events = []
        for team in teams:
            gates = read_liveness(team.host.params)
            for gate, live in self.batch.learner.live(team.host.bookkeeping).items():
                for index in np.flatnonzero(~np.asarray(live).any(axis=-1)):
                    run = self.labels[team.cohort.runs[index]]["run"]
                    diverged = gate in gates and np.isnan(gates[gate][index]).any()
                    if (run, gate) not in self._known_collapses and not diverged:
                        events.append({"event": "collapse", "runs": [run], "epoch": epoch, "gate": gate})
        if events:
            self.folder.events.append(events)
            self._known_collapses |= {(event["runs"][0], event["gate"]) for event in events}

    def _read_collapses(self) -> set[tuple[Any, str]]:
        """(run, gate) of every layer whose units are all dead."""
        names = set(self._names(self.runs))
        events = [row for row in self.folder.events.read() if row["event"] == "collapse"]
        return {(row["runs"][0], row["gate"]) for row in events if row["runs"][0] in names}

    def _remake(self, teams: list[Team], epoch: int) -> list[Team]:
        """The teams of the next epoch, without runs that have ended; that units were removed, or layers widened, is an
        event."""
        clock, compiling = time.perf_counter(), self.teams.compiler.seconds_waited
        if ended := {run for run in self.runs if self._ends(run, epoch)}:
            teams = self.teams.without(teams, ended)
        remade = self.teams.remake(teams, self.num_epochs - epoch)
        if remade is not teams:
            waited = self.teams.compiler.seconds_waited - compiling
            cohorts = [
                {"runs": self._names(team.cohort.runs), "widths": self.teams.named(team.cohort.widths)}
                for team in remade
            ]
            event = "compaction" if self.batch.widening is None else "widening"
            seconds = {
                "compile_seconds": round(waited, 3),
                "seconds": round(time.perf_counter() - clock - waited, 3),
            }
            self.folder.events.append([self._event(event, epoch, self._running(teams), cohorts=cohorts, **seconds)])
        return remade

    def _running(self, teams: list[Team]) -> list[int]:
        return sorted(run for team in teams for run in team.cohort.runs)

    def _event(self, event: str, epoch: int, runs: Sequence[int], **told: Any) -> dict[str, Any]:
        return {"event": event, "runs": self._names(runs), "epoch": epoch} | told

    def _names(self, runs: Sequence[int]) -> list[Any]:
        return [self.labels[run]["run"] for run in runs]
