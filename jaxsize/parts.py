"""Some runs of a batch, trained together from the first epoch to the last, on the host between epochs.

After every epoch: rows, histories, events, dead units removed and runs regrouped where that pays, a checkpoint. What is
written is ordered so that a kill at any moment loses at most that epoch, and a resumed part ends with the same numbers.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxsize import checkpoint
from jaxsize.batches import Batch, Program
from jaxsize.liveness import read_liveness
from jaxsize.progress import Progress
from jaxsize.records import Folder
from jaxsize.runs import Device, unstack
from jaxsize.step_array import StepArray
from jaxsize.teams import FinalNetwork, Team, Teams

Tree = Any


class Part:
    """The training of `runs`, indices into a batch. program: one for all of them at full width, if there is one yet."""

    def __init__(
        self, batch: Batch, runs: range, folder: Folder, devices: Sequence[Device] = (), program: Program | None = None
    ):
        self.batch, self.runs, self.folder = batch, runs, folder
        self.directory = folder.checkpoints / batch.name / f"runs_{runs.start}"
        self.labels = {run: batch.labels[run] for run in runs}
        self.teams = Teams(batch, runs, devices, program)
        self.manifest = {
            "batch": batch.name,
            "labels": list(self.labels.values()),
            "config": batch.config,
            "num_epochs": batch.num_epochs,
            "shrinking": batch.shrinking,
            "units": self.teams.named(self.teams.full),  # the checkpoint may be of fewer
        }

    def train(self, progress: Progress) -> list[FinalNetwork]:
        """Trains to the last epoch, on from a checkpoint if there is one; the final networks, in the order of runs."""
        done, before = checkpoint.latest(self.directory) or 0, 0.0
        if done:
            teams, before = self.teams.restore(self.directory, self.manifest), self._seconds(done)
        else:
            teams = self.teams.start()
        names = set(self._names(self.runs))
        self.folder.rows.truncate(lambda row: row.get("run") not in names or row["epoch"] <= done)
        self.folder.events.truncate(lambda row: not names.issuperset(row["runs"]) or row["epoch"] <= done)
        self.folder.events.append([])  # the file is there, whether or not anything happens
        histories = _open_histories(self.batch, self.folder)
        progress.advance(self.batch.name, done)
        clock = time.perf_counter()
        for epoch in range(done + 1, self.batch.num_epochs + 1):
            results = [team.program.epoch(team.cohort.runs, team.state, epoch) for team in teams]
            rows: dict[int, dict[str, Any]] = {}
            steps: dict[int, Tree] = {}
            for team, (team.state, history, scores) in zip(teams, results, strict=True):
                team.host, history, scores = team.program.axis.fetch((team.state, history, scores))
                for index, run in enumerate(team.cohort.runs):
                    steps[run] = unstack(history, index)
                    rows[run] = self._row(run, epoch, steps[run], unstack(scores, index), team)
            seconds = {"seconds": round(before + time.perf_counter() - clock, 3)}
            for name, array in histories.items():
                values = np.stack([steps[run][name] for run in self.runs])
                total = values if name == "loss" else self.batch.total(values)
                array.write((epoch - 1) * self.batch.steps_per_epoch, total, slice(self.runs.start, self.runs.stop))
                array.flush()
            ordered = [rows[run] | seconds for run in self.runs]
            self.folder.rows.append(ordered)
            self._report_collapses(teams, epoch)
            teams = self._remake(teams, epoch)
            tree = {str(number): team.on_host() for number, team in enumerate(teams)}
            checkpoint.save(self.directory, tree, step=epoch, manifest=self.manifest)
            progress.advance(self.batch.name, 1, ordered)
        if done < self.batch.num_epochs:  # of this process: a resumed one compiles its programs again
            compiled = {"compiled": self.teams.num_programs}
            self.folder.events.append([self._event("programs", self.batch.num_epochs, **compiled)])
        self.teams.close()
        networks = {run: network for team in teams for run, network in self.teams.final(team)}
        return [networks[run] for run in self.runs]

    def _seconds(self, done: int) -> float:
        """What the epochs done took. ValueError if their rows are not all there."""
        names = set(self._names(self.runs))
        rows = [row for row in self.folder.rows.read() if row.get("run") in names and row["epoch"] <= done]
        if len(rows) != done * len(self.runs):
            expected = f"{done * len(self.runs)} rows of {len(self.runs)} runs and {done} epochs"
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
        known = {(row["runs"][0], row["gate"]) for row in self.folder.events.read() if row["event"] == "collapse"}
        events = []
        for team in teams:
            gates = read_liveness(team.host.params)
            for gate, live in self.batch.trainer.live(team.host.bookkeeping).items():
                for index in np.flatnonzero(~np.asarray(live).any(axis=-1)):
                    run = self.labels[team.cohort.runs[index]]["run"]
                    diverged = gate in gates and np.isnan(gates[gate][index]).any()
                    if (run, gate) not in known and not diverged:
                        events.append({"event": "collapse", "runs": [run], "epoch": epoch, "gate": gate})
        if events:
            self.folder.events.append(events)

    def _remake(self, teams: list[Team], epoch: int) -> list[Team]:
        """The teams of the next epoch; that units were removed is an event."""
        clock, compiling = time.perf_counter(), self.teams.compile_seconds
        remade = self.teams.remake(teams, self.batch.num_epochs - epoch)
        if remade is not teams:
            waited = self.teams.compile_seconds - compiling
            cohorts = [
                {"runs": self._names(team.cohort.runs), "widths": self.teams.named(team.cohort.widths)}
                for team in remade
            ]
            seconds = {
                "compile_seconds": round(waited, 3),
                "seconds": round(time.perf_counter() - clock - waited, 3),
            }
            self.folder.events.append([self._event("compaction", epoch, cohorts=cohorts, **seconds)])
        return remade

    def _event(self, event: str, epoch: int, **told: Any) -> dict[str, Any]:
        return {"event": event, "runs": self._names(self.runs), "epoch": epoch} | told

    def _names(self, runs: Sequence[int]) -> list[Any]:
        return [self.labels[run]["run"] for run in runs]


def _open_histories(batch: Batch, folder: Folder) -> dict[str, StepArray]:
    if not batch.keep_history:
        return {}
    (folder.path / "steps").mkdir(exist_ok=True)
    shape = (len(batch), batch.num_epochs * batch.steps_per_epoch)
    settings = {"loss": {}, "observed": {"dtype": np.int32, "fill": -1}}
    return {
        name: StepArray(folder.path / "steps" / f"{batch.name}.{name}.npy", *shape, **kind)
        for name, kind in settings.items()
    }
