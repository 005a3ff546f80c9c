"""The runs of a part in teams: those that train at the same widths, by one program, until units are removed again."""

import dataclasses
import functools
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.tree_util import DictKey

from jaxsize import checkpoint
from jaxsize.batches import Batch, Program
from jaxsize.compaction import compact
from jaxsize.compiling import Compiler
from jaxsize.groups import unit_groups
from jaxsize.resizing import shapes_with
from jaxsize.runs import Device, stack, unstack
from jaxsize.shrinking import Cohort, Widths, regroup, serves
from jaxsize.team import FinalNetwork, Team, removable
from jaxsize.training import Hparams, TrainState
from jaxsize.widening import Widening, widened_state

Tree = Any


class Teams:
    """Makes the teams of `runs`, indices into a batch, and remakes them as units die.

    program: one for all of them at full width, if there is one yet.
    """

    def __init__(self, batch: Batch, runs: range, devices: Sequence[Device] = (), program: Program | None = None):
        self.batch, self.runs = batch, runs
        self.params_shape = _shapes_of(batch.init(0)) if program is None else program.state_shape.params
        self.groups = unit_groups(batch.learner.outputs, self.params_shape, batch.input_shape)
        self.names: list[str] = []
        """The groups that can lose units, or get more, in the order of `Widths`."""
        if batch.widening is not None:
            self.names = [name for name, group in self.groups.groups.items() if group.ordered and not group.fixed]
        elif batch.shrinking is not None:
            self.names = removable(batch.learner, self.groups, self.params_shape)
        self.full: Widths = tuple(self.groups[name].size for name in self.names)
        self.optimizer = batch.learner.optimizer(Hparams())
        self._cost = functools.cache(self._multiply_adds)
        start = Cohort(tuple(runs), self.full)
        self.compiler = Compiler(batch, start, devices, program, cost=self._cost, shapes=self._shapes)

    def _shapes(self, widths: Widths) -> Tree:
        sizes = {self.groups.atoms[name]: width for name, width in self.named(widths).items()}
        return shapes_with(self.params_shape, self.groups.axes, sizes)

    def start(self) -> list[Team]:
        """One team of all runs, before training."""
        cohort = self.compiler.start
        (program,) = self.compiler.finish([cohort], {})
        state = program.start(self.runs)
        survivors = {n: np.tile(np.arange(w), (len(self.runs), 1)) for n, w in self.named(self.full).items()}
        counts = np.tile(np.array(self.full, int), (len(self.runs), 1))
        return [Team(cohort, program, self.groups, survivors, counts, program.axis.fetch(state), state)]

    def named(self, widths: Widths) -> dict[str, int]:
        return dict(zip(self.names, widths, strict=True))

    def restore(
        self, directory: Path, manifest: Any, also: Callable[[Mapping[str, tuple[int, ...]]], Tree]
    ) -> tuple[list[Team], Tree]:
        """The teams of the last checkpoint, and the whole of it. Errors as `checkpoint.restore`.

        also: from the shapes saved to a template of what else is in it.
        """
        shapes = checkpoint.shapes(directory)

        def shape_of(*keys: str) -> tuple[int, ...] | None:
            return shapes.get(jax.tree_util.keystr(tuple(map(DictKey, keys))))

        cohorts = []
        while runs := shape_of(number := str(len(cohorts)), "runs"):
            widths = [shape_of(number, "survivors", name) for name in self.names]
            if None in widths:
                raise ValueError(f"{directory} does not fit: expected units of {', '.join(self.names)}")
            cohorts.append(Cohort((0,) * runs[0], tuple(shape[-1] for shape in widths if shape)))
        programs = self.compiler.finish(cohorts, {})
        pairs = list(zip(cohorts, programs, strict=True))
        template = {str(number): self._template(*pair) for number, pair in enumerate(pairs)}
        saved = checkpoint.restore(directory, template | also(shapes), manifest=manifest)
        teams = []
        for number, (cohort, program) in enumerate(pairs):
            team = saved[str(number)]
            cohort = Cohort(tuple(team["runs"].tolist()), cohort.widths)  # which runs they are, the checkpoint knows
            groups = self.groups.resized(self.named(cohort.widths))
            state = program.axis.put(team["state"])
            teams.append(Team(cohort, program, groups, team["survivors"], team["counts"], team["state"], state))
        return teams, saved

    def _template(self, cohort: Cohort, program: Program) -> dict[str, Tree]:
        num_runs = len(cohort.runs)

        def stacked(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((num_runs, *leaf.shape), leaf.dtype)

        survivors = {name: np.zeros((num_runs, width), int) for name, width in self.named(cohort.widths).items()}
        return {
            "runs": np.zeros(num_runs, int),
            "survivors": survivors,
            "counts": np.zeros((num_runs, len(self.names)), int),
            "state": jax.tree.map(stacked, program.state_shape),
        }

    def live(self, team: Team) -> dict[str, np.ndarray]:
        """Live units per group that can lose units, bool [runs of the team, width]. Units whose gate is NaN, dead by
        the bookkeeping, count as well: without them a run that has diverged would look as if it had not."""
        live = team.groups.live_by_gate(self.batch.learner.live(team.host.bookkeeping))
        opened = team.groups.live(team.host.params)
        return {name: live[name] | opened[name] for name in self.names}

    def _multiply_adds(self, widths: Widths) -> float:
        """What one epoch of one run costs, as multiply-adds: forward, backward and evaluation of every row, the
        optimiser's passes over the parameters, and what every step takes however small the network is."""
        sizes = self.named(widths)
        rows = len(self.batch.dataset.train)
        per_row = self.groups.num_multiply_adds(sizes) / self.batch.input_shape.shape[0]
        per_step = 32 * self.groups.num_parameters(sizes) + 2e6
        return 4 * rows * per_row + self.batch.steps_per_epoch * per_step

    def without(self, teams: list[Team], ended: Collection[int]) -> list[Team]:
        """The same teams without the runs that have ended."""
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
        """The teams of the next epoch: as they are, widened, or without dead units and regrouped by size where that
        pays."""
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
            made = [self._moved(*pair, teams, live) for pair in zip(new, programs, strict=True)]
            teams = sorted(stay + made, key=lambda team: team.cohort)
        for team in teams:
            team.counts = np.stack([counts[run] for run in team.cohort.runs])
        if shrinking.ahead:  # in the next epoch the share may die that did in this one
            expected = {run: -(-count * count // np.maximum(before[run], 1)) for run, count in counts.items()}
            new, stay = self._planned(teams, expected, min(epochs, epochs_left - 1))
            self.compiler.begin(new, _devices(stay))
        return teams

    def _widened(self, teams: list[Team], widening: Widening) -> list[Team]:
        """The same teams, those with a layer that comes near its width in a wider network."""
        wider = []
        for team in teams:
            runs = [unstack(team.host, index) for index in range(len(team.cohort.runs))]
            widths = widening.widths_for(team.cohort.widths, [run.params for run in runs])
            if widths == team.cohort.widths:
                wider.append(team)
                continue
            cohort = Cohort(team.cohort.runs, widths)
            (program,) = self.compiler.finish([cohort], _devices([other for other in teams if other is not team]))
            fresh = [widening.init(run, widths) for run in cohort.runs]
            host = stack(
                [widened_state(run, params, program.state_shape) for run, params in zip(runs, fresh, strict=True)]
            )
            survivors = {name: np.tile(np.arange(n), (len(runs), 1)) for name, n in self.named(widths).items()}
            counts = np.tile(np.array(widths, int), (len(runs), 1))
            groups = self.groups.resized(self.named(widths))
            wider.append(Team(cohort, program, groups, survivors, counts, host, program.axis.put(host)))
        return teams if all(a is b for a, b in zip(teams, wider, strict=True)) else wider

    def _work(self, counts: Mapping[int, np.ndarray]) -> float:
        """Of an epoch at exactly the live units."""
        return sum(self._cost(tuple(count.tolist())) for count in counts.values())

    def _planned(
        self, teams: Sequence[Team], counts: Mapping[int, np.ndarray], epochs: int
    ) -> tuple[list[Cohort], list[Team]]:
        """The cohorts to make for so many live units per run, and the teams that stay as they are."""
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

    def _moved(
        self, cohort: Cohort, program: Program, teams: Sequence[Team], live: Sequence[dict[str, np.ndarray]]
    ) -> Team:
        """The team of a cohort, its runs cut out of the teams they are in."""
        widths = self.named(cohort.widths)
        pieces: dict[int, tuple[TrainState, dict[str, np.ndarray]]] = {}
        whole = None
        for team, masks in zip(teams, live, strict=True):
            mine = [index for index, run in enumerate(team.cohort.runs) if run in cohort.runs]
            if not mine:
                continue
            all_of_them = slice(None) if len(mine) == len(team.cohort.runs) else mine  # a slice copies nothing
            host: TrainState = jax.tree.map(lambda leaf, index=all_of_them: leaf[index], team.host)
            small = compact(
                team.groups,
                host.params,
                {name: masks[name][mine] for name in self.names},
                optimizer=self.optimizer,
                opt_state=host.opt_state,
                bookkeeping=host.bookkeeping,
                survivors={name: ids[mine] for name, ids in team.survivors.items()},
                widths=widths,
            )
            host = dataclasses.replace(
                host, params=small.params, opt_state=small.opt_state, bookkeeping=small.bookkeeping
            )
            found = {name: small.survivors[name] for name in self.names}
            whole = (host, found) if len(mine) == len(cohort.runs) else None
            if whole is None:
                pieces |= {team.cohort.runs[index]: unstack((host, found), n) for n, index in enumerate(mine)}
        host, survivors = whole or stack([pieces[run] for run in cohort.runs])
        groups = self.groups.resized(widths)
        counts = np.zeros((len(cohort.runs), len(self.names)), int)  # `remake` knows them
        return Team(cohort, program, groups, survivors, counts, host, program.axis.put(host))

    def network(self, team: Team, run: int) -> FinalNetwork:
        """Where a run of the team is now, without its dead units."""
        index = team.cohort.runs.index(run)
        host = unstack(team.host, index)
        survivors = {name: ids[index] for name, ids in team.survivors.items()}
        if not self.names or self.batch.widening is not None:
            return FinalNetwork(host.params, survivors, int(host.epoch))
        masks = {name: mask[index] for name, mask in self.live(team).items()}
        small = compact(team.groups, host.params, masks, survivors=survivors)
        return FinalNetwork(small.params, {name: small.survivors[name] for name in self.names}, int(host.epoch))

    def share(self, team: Team) -> float:
        """Multiply-adds of an epoch of one of its runs, to share the seconds of an epoch by."""
        return self._cost(team.cohort.widths)


def _devices(teams: Sequence[Team]) -> dict[Cohort, tuple[Device, ...]]:
    return {team.cohort: team.program.axis.devices for team in teams}


def _shapes_of(params: Tree) -> Tree:
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), params)
