"""The runs of a part in teams: the runs of a team train at the same widths, until units are removed again."""

import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxsize.programs._program import Program
from jaxsize.programs.batch import Batch
from jaxsize.programs.run_axis import Device, unstack
from jaxsize.resizing._regrouping import Cohort, regroup, serves
from jaxsize.resizing.shrinking import Widths
from jaxsize.resizing.widening import Widening
from jaxsize.results import checkpoints
from jaxsize.training._compiler import Compiler
from jaxsize.training._narrowing import narrower_team
from jaxsize.training._restoring import saved_cohorts, team_template
from jaxsize.training._team import FinalNetwork, Team, loss_of, removable
from jaxsize.training._widening import wider_team, wider_widths
from jaxsize.trees import Tree
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups
from jaxsize.units.reading import unit_groups


class Teams:
    """The maker of the teams of some runs: at the start, from a checkpoint, and anew as units die or layers widen.

    Args:
        batch: the batch.
        runs: indices of the runs into the batch.
        devices: JAX devices to train on; by default as many of `jax.devices()` as there are runs.
        program: a program for all of the runs at full width, if there is one yet.
    """

    def __init__(self, batch: Batch, runs: range, devices: Sequence[Device] = (), program: Program | None = None):
        self.batch, self.runs = batch, runs
        self.params_shape = _shapes_of(batch.init(0)) if program is None else program.state_shape.params
        self.groups = UnitGroups({}, {}, {}, ())
        if batch.learner.outputs is not None:
            self.groups = unit_groups(batch.learner.outputs, self.params_shape, batch.input_shape)
        self.loss_fn = None
        self.names: list[str] = []
        """The groups that can lose units, or get more, in the order of `Widths`."""
        if batch.widening is not None:
            self.names = [name for name, group in self.groups.groups.items() if group.ordered and not group.fixed]
        elif batch.shrinking is not None:
            loss_fn = loss_of(batch.learner, batch.input_shape, batch.dataset.train.targets)
            self.names, by_loss = removable(batch.name, batch.learner, self.groups, self.params_shape, loss_fn)
            self.loss_fn = loss_fn if by_loss else None
        self.full: Widths = tuple(self.groups[name].size for name in self.names)
        self.optimizer = batch.learner.optimizer(batch.learner.hparams())
        self._cost = functools.cache(self._multiply_adds)
        start = Cohort(tuple(runs), self.full)
        self.compiler = Compiler(batch, start, devices, program, cost=self._cost, shapes=self._shapes)

    def _shapes(self, widths: Widths) -> Tree:
        return self.groups.shapes(self.params_shape, self.named(widths))

    def start(self) -> list[Team]:
        """Make the team of all runs, before training."""
        cohort = self.compiler.start
        (program,) = self.compiler.finish([cohort], {})
        state = program.start(self.runs)
        survivors = {n: np.tile(np.arange(w), (len(self.runs), 1)) for n, w in self.named(self.full).items()}
        counts = np.tile(np.array(self.full, int), (len(self.runs), 1))
        return [Team(cohort, program, self.groups, survivors, counts, program.axis.fetch(state), state)]

    def named(self, widths: Widths) -> dict[str, int]:
        """Name the group that each of some widths belongs to."""
        return dict(zip(self.names, widths, strict=True))

    def restore(
        self, directory: Path, manifest: Any, also: Callable[[Mapping[str, tuple[int, ...]]], Tree]
    ) -> tuple[list[Team], Tree]:
        """Make the teams of the last checkpoint.

        Args:
            directory: where the checkpoint lies.
            manifest: the manifest that it must have.
            also: shapes of the checkpoint's leaves -> a template of what it holds beside the teams.

        Returns:
            The teams, and the whole checkpoint.

        Raises:
            InputError: when there is no checkpoint, or it is damaged or of other shapes or settings.
        """
        shapes = checkpoints.shapes(directory)
        cohorts = saved_cohorts(directory, shapes, self.names)
        programs = self.compiler.finish(cohorts, {})
        pairs = list(zip(cohorts, programs, strict=True))
        template = {str(number): team_template(*pair, self.names) for number, pair in enumerate(pairs)}
        saved = checkpoints.restore(directory, template | also(shapes), manifest=manifest)
        teams = []
        for number, (cohort, program) in enumerate(pairs):
            team = saved[str(number)]
            cohort = Cohort(tuple(team["runs"].tolist()), cohort.widths)  # which runs they are, the checkpoint knows
            groups, state = self._groups_at(cohort.widths), program.axis.put(team["state"])
            teams.append(Team(cohort, program, groups, team["survivors"], team["counts"], team["state"], state))
        return teams, saved

    def live(self, team: Team) -> dict[str, np.ndarray]:
        """Find the live units of a team, by group that can lose units: bool [runs of the team, width].

        Units whose gate is NaN, dead by the bookkeeping, count as well: without them a run that has diverged would look
        as if it had not.
        """
        live = team.groups.live_by_gate(self.batch.learner.live(team.host.bookkeeping))
        opened = team.groups.live(team.host.params, quiet=True)  # `removable` has warned
        return {name: live[name] | opened[name] for name in self.names}

    def _multiply_adds(self, widths: Widths) -> float:
        """The cost of one epoch of one run, as multiply-adds.

        It counts forward, backward and evaluation of every row, the optimiser's passes over the parameters, and what
        every step takes however small the network is.
        """
        sizes = self.named(widths)
        rows = len(self.batch.dataset.train)
        per_row = self.groups.num_multiply_adds(sizes) / self.batch.input_shape.shape[0]
        per_step = 32 * self.groups.num_parameters(sizes) + 2e6
        return 4 * rows * per_row + self.batch.steps_per_epoch * per_step

    def without(self, teams: list[Team], ended: Collection[int]) -> list[Team]:
        """Make the same teams without the runs that have ended, given by their indices into the batch."""
        left = {
            number: [i for i, run in enumerate(team.cohort.runs) if run not in ended]
            for number, team in enumerate(teams)
        }
        stay = [team for number, team in enumerate(teams) if len(left[number]) == len(team.cohort.runs)]
        smaller = [
            (team, left[number]) for number, team in enumerate(teams) if 0 < len(left[number]) < len(team.cohort.runs)
        ]
        cohorts = [Cohort(tuple(team.cohort.runs[i] for i in index), team.cohort.widths) for team, index in smaller]
        programs = self.compiler.finish(cohorts, _devices(stay))
        for (team, index), cohort, program in zip(smaller, cohorts, programs, strict=True):
            host, survivors = jax.tree.map(lambda leaf, index=index: leaf[index], (team.host, team.survivors))
            state = program.axis.put(host)
            stay.append(Team(cohort, program, team.groups, survivors, team.counts[index], host, state))
        return sorted(stay, key=lambda team: team.cohort)

    def remake(self, teams: list[Team], epochs_left: int) -> list[Team]:
        """Make the teams of the next epoch: widened, or without dead units and regrouped by size, where that pays.

        Args:
            teams: the teams after an epoch, with their states on the host.
            epochs_left: epochs still to train.

        Returns:
            The new teams; the very list `teams` where nothing changes.
        """
        if self.batch.widening is not None:
            return self._widened(teams, self.batch.widening) if epochs_left else teams
        shrinking = self.batch.shrinking
        if shrinking is None or not self.names:
            return teams
        live = [self.live(team) for team in teams]
        counts = {
            run: np.array([masks[name][index].sum() for name in self.names])
            for team, masks in zip(teams, live, strict=True)
            for index, run in enumerate(team.cohort.runs)
        }
        before = {run: count for team in teams for run, count in zip(team.cohort.runs, team.counts, strict=True)}
        epochs = serves(self._work(before), self._work(counts), epochs_left)
        new, stay = self._planned(teams, counts, epochs)
        if new:
            programs = self.compiler.finish(new, _devices(stay))
            made = [
                narrower_team(
                    cohort,
                    program,
                    self._groups_at(cohort.widths),
                    self.names,
                    self.optimizer,
                    self.loss_fn,
                    teams,
                    live,
                )
                for cohort, program in zip(new, programs, strict=True)
            ]
            teams = sorted(stay + made, key=lambda team: team.cohort)
        for team in teams:
            team.counts = np.stack([counts[run] for run in team.cohort.runs])
        if shrinking.ahead:  # in the next epoch the same share of units may die as in this one
            expected = {run: -(-count * count // np.maximum(before[run], 1)) for run, count in counts.items()}
            new, stay = self._planned(teams, expected, min(epochs, epochs_left - 1))
            self.compiler.begin(new, _devices(stay))
        return teams

    def _widened(self, teams: list[Team], widening: Widening) -> list[Team]:
        """The same teams; a team with a layer whose size comes near its width is put into a wider network."""
        result = []
        for team in teams:
            widths = wider_widths(team, widening)
            if widths != team.cohort.widths:
                others = [other for other in teams if other is not team]
                (program,) = self.compiler.finish([team.cohort._replace(widths=widths)], _devices(others))
                team = wider_team(team, widths, program, self._groups_at(widths), self.names, widening)
            result.append(team)
        return teams if all(a is b for a, b in zip(teams, result, strict=True)) else result

    def _groups_at(self, widths: Widths) -> UnitGroups:
        return self.groups.resized(self.named(widths))

    def _work(self, counts: Mapping[int, np.ndarray]) -> float:
        """Multiply-adds of an epoch of all runs, each at exactly its live units."""
        return sum(self._cost(tuple(count.tolist())) for count in counts.values())

    def _planned(
        self, teams: Sequence[Team], counts: Mapping[int, np.ndarray], epochs: int
    ) -> tuple[list[Cohort], list[Team]]:
        """The cohorts to make for so many live units per run and group, and the teams that stay as they are."""
        shrinking = self.batch.shrinking
        assert shrinking is not None
        wanted = {
            run: shrinking.widths_for(counts[run].tolist(), team.cohort.widths, self._cost)
            for team in teams
            for run in team.cohort.runs
        }
        before = [team.cohort for team in teams]
        num_devices = len(self.compiler.axis.devices)
        cohorts = regroup(shrinking, before, wanted, cost=self._cost, epochs=epochs, num_devices=num_devices)
        return [cohort for cohort in cohorts if cohort not in before], [t for t in teams if t.cohort in cohorts]

    def network(self, team: Team, run: int) -> FinalNetwork:
        """Take the present network of a run out of its team, without dead units where they can be removed."""
        index = team.cohort.runs.index(run)
        host = unstack(team.host, index)
        survivors = {name: units[index] for name, units in team.survivors.items()}
        if not self.names or self.batch.widening is not None:
            return FinalNetwork(host.params, survivors, int(host.epoch))
        masks = {name: mask[index] for name, mask in self.live(team).items()}
        small = compact(team.groups, host.params, masks, survivors=survivors)
        return FinalNetwork(small.params, {name: small.survivors[name] for name in self.names}, int(host.epoch))

    def share(self, team: Team) -> float:
        """Count the multiply-adds of an epoch of one run of a team, by which the seconds of an epoch are shared."""
        return self._cost(team.cohort.widths)


def _devices(teams: Sequence[Team]) -> dict[Cohort, tuple[Device, ...]]:
    return {team.cohort: team.program.axis.devices for team in teams}


def _shapes_of(params: Tree) -> Tree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
