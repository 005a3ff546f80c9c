"""What the events say of some runs: layers without units, units removed or added, early stops, programs compiled."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from jaxsize.gates.leaves import read_liveness
from jaxsize.learners.learner import Learner
from jaxsize.results.rows import Rows
from jaxsize.training._team import Team


class Events:
    """The events of the runs of a part, in a file of their own.

    Every event names its kind, its runs and the epoch after which it happened.

    Args:
        file: the file.
        names: index of every run of the part -> what the rows call it; in the order of the runs.
    """

    def __init__(self, file: Rows, names: Mapping[int, Any]):
        self.file, self.names = file, names
        self._collapses: set[tuple[Any, str]] = set()

    @property
    def collapsed(self) -> set[Any]:
        """Names of the runs with a layer all of whose units are dead."""
        return {run for run, _ in self._collapses}

    def resume(self, mark: np.ndarray) -> None:
        """Drop the events after a mark, and read which layers have lost all their units."""
        self.file.resume(mark)
        self._collapses = {(row["runs"][0], row["gate"]) for row in self.file.read() if row["event"] == "collapse"}

    def report_collapses(self, teams: Sequence[Team], learner: Learner, epoch: int) -> None:
        """Write an event, once, for every layer all of whose units are dead.

        The run goes on with what constants are left. A layer whose gates are NaN has diverged and is not reported.
        """
        events = []
        for team in teams:
            gates = read_liveness(team.host.params)
            for gate, live in learner.live(team.host.bookkeeping).items():
                for index in np.flatnonzero(~np.asarray(live).any(axis=-1)):
                    run = self.names[team.cohort.runs[index]]
                    diverged = gate in gates and np.isnan(gates[gate][index]).any()
                    if (run, gate) not in self._collapses and not diverged:
                        events.append({"event": "collapse", "runs": [run], "epoch": epoch, "gate": gate})
        if events:
            self.file.append(events)
            self._collapses |= {(event["runs"][0], event["gate"]) for event in events}

    def report_teams(
        self,
        kind: str,
        epoch: int,
        runs: Iterable[int],
        cohorts: Sequence[tuple[Sequence[int], Mapping[str, int]]],
        *,
        compile_seconds: float,
        seconds: float,
    ) -> None:
        """Write the event that units were removed ("compaction") or layers widened ("widening").

        Args:
            kind: the kind of the event.
            epoch: number of the epoch that has just been trained.
            runs: indices of the runs that go on.
            cohorts: the runs of every new team, and its units by group.
            compile_seconds: seconds for which programs were waited for.
            seconds: seconds that making the teams took, without that.
        """
        rows = [{"runs": self._named(members), "widths": widths} for members, widths in cohorts]
        took = {"compile_seconds": round(compile_seconds, 3), "seconds": round(seconds, 3)}
        self.file.append([self._event(kind, epoch, runs, cohorts=rows, **took)])

    def report_end(self, reason: str, epoch: int, running: Iterable[int], num_programs: int) -> None:
        """Write how many programs were compiled and, where training stopped early, why and for which runs.

        Args:
            reason: why no epoch follows: "epochs" (all are done), "time" or "collapse".
            epoch: number of the last epoch.
            running: indices of the runs that were still trained.
            num_programs: programs compiled by this process.
        """
        early = [] if reason == "epochs" else [self._event("stop", epoch, running, reason=reason)]
        self.file.append([*early, self._event("programs", epoch, self.names, compiled=num_programs)])

    def _event(self, kind: str, epoch: int, runs: Iterable[int], **facts: Any) -> dict[str, Any]:
        return {"event": kind, "runs": self._named(runs), "epoch": epoch} | facts

    def _named(self, runs: Iterable[int]) -> list[Any]:
        return [self.names[run] for run in runs]
