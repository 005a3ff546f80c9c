"""The runs of a part in teams: those that train at the same widths, by one program, until units are removed again."""

import dataclasses
import functools
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.tree_util import DictKey

from jaxsize import checkpoint
from jaxsize.batches import Batch, Program, place_data
from jaxsize.compaction import compact
from jaxsize.groups import UnitGroups, unit_groups
from jaxsize.resizing import shapes_with
from jaxsize.runs import Device, RunAxis, stack, unstack
from jaxsize.shrinking import Cohort, Widths, regroup
from jaxsize.training import Hparams, TrainState

Tree = Any


class FinalNetwork(NamedTuple):
    """Where a run ended: NumPy parameters, without dead units unless the batch only masks them, and the original
    index of every unit that is left, by group."""

    params: Tree
    survivors: dict[str, np.ndarray]


@dataclasses.dataclass
class Team:
    """A cohort with its program and its state, on the devices and, after every epoch, on the host."""

    cohort: Cohort
    program: Program
    groups: UnitGroups
    survivors: dict[str, np.ndarray]
    """Per group that can lose units [runs of the cohort, width]."""
    host: TrainState
    state: TrainState

    def on_host(self) -> dict[str, Tree]:
        """What a checkpoint holds of it."""
        return {"runs": np.array(self.cohort.runs), "survivors": self.survivors, "state": self.host}


class Teams:
    """Makes the teams of `runs`, indices into a batch, and remakes them as units die.

    program: one for all of them at full width, if there is one yet.
    """

    def __init__(self, batch: Batch, runs: range, devices: Sequence[Device] = (), program: Program | None = None):
        self.batch, self.runs, self.devices = batch, runs, tuple(devices)
        self.params_shape = jax.eval_shape(lambda: batch.init(0)) if program is None else program.state_shape.params
        self.groups = unit_groups(batch.trainer.outputs, self.params_shape, batch.input_shape)
        removable = [name for name, group in self.groups.groups.items() if group.gates and group.exact]
        self.names = removable if batch.shrinking is not None else []
        """The groups that can lose units, in the order of `Widths`."""
        self.full: Widths = tuple(self.groups[name].size for name in self.names)
        self.optimizer = batch.trainer.optimizer(Hparams())
        self._programs = {} if program is None else {(len(runs), self.full): program}
        self._cost = functools.cache(self._multiply_adds)

    @property
    def num_programs(self) -> int:
        """Programs compiled so far."""
        return len(self._programs)

    def start(self) -> list[Team]:
        """One team of all runs, before training."""
        cohort = Cohort(tuple(self.runs), self.full)
        (program,) = self._compiled([cohort])
        state = program.start(self.runs)
        survivors = {n: np.tile(np.arange(w), (len(self.runs), 1)) for n, w in self.named(self.full).items()}
        return [Team(cohort, program, self.groups, survivors, program.axis.fetch(state), state)]

    def named(self, widths: Widths) -> dict[str, int]:
        return dict(zip(self.names, widths, strict=True))

    def restore(self, directory: Path, manifest: Any) -> list[Team]:
        """The teams of the last checkpoint. Errors as `checkpoint.restore`."""
        shapes = checkpoint.shapes(directory)

        def shape_of(*keys: str) -> tuple[int, ...] | None:
            return shapes.get(jax.tree_util.keystr(tuple(map(DictKey, keys))))

        cohorts = []
        while runs := shape_of(number := str(len(cohorts)), "runs"):
            widths = [shape_of(number, "survivors", name) for name in self.names]
            if None in widths:
                raise ValueError(f"{directory} does not fit: expected units of {', '.join(self.names)}")
            cohorts.append(Cohort((0,) * runs[0], tuple(shape[-1] for shape in widths if shape)))
        programs = self._compiled(cohorts)
        pairs = list(zip(cohorts, programs, strict=True))
        template = {str(number): self._template(*pair) for number, pair in enumerate(pairs)}
        saved = checkpoint.restore(directory, template, manifest=manifest)
        teams = []
        for number, (cohort, program) in enumerate(pairs):
            team = saved[str(number)]
            cohort = Cohort(tuple(team["runs"].tolist()), cohort.widths)  # which runs they are, the checkpoint knows
            groups = self.groups.resized(self.named(cohort.widths))
            teams.append(
                Team(cohort, program, groups, team["survivors"], team["state"], program.axis.put(team["state"]))
            )
        return teams

    def _template(self, cohort: Cohort, program: Program) -> dict[str, Tree]:
        num_runs = len(cohort.runs)

        def stacked(leaf: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            return jax.ShapeDtypeStruct((num_runs, *leaf.shape), leaf.dtype)

        survivors = {name: np.zeros((num_runs, width), int) for name, width in self.named(cohort.widths).items()}
        return {
            "runs": np.zeros(num_runs, int),
            "survivors": survivors,
            "state": jax.tree.map(stacked, program.state_shape),
        }

    def live(self, team: Team) -> dict[str, np.ndarray]:
        """Live units per group that can lose units, bool [runs of the team, width]."""
        return team.groups.live_by_gate(self.batch.trainer.live(team.host.bookkeeping))

    def _multiply_adds(self, widths: Widths) -> float:
        """Of one epoch of one run: forward, backward and evaluation of every row, and the optimiser's passes."""
        sizes = self.named(widths)
        rows = len(self.batch.dataset.train)
        per_row = self.groups.num_multiply_adds(sizes) / self.batch.input_shape.shape[0]
        return 4 * rows * per_row + 32 * self.batch.steps_per_epoch * self.groups.num_parameters(sizes)

    def remake(self, teams: list[Team], epochs_left: int) -> list[Team]:
        """The teams of the next epoch: as they are, or without dead units and regrouped by size where that pays."""
        shrinking = self.batch.shrinking
        if shrinking is None or not self.names:
            return teams
        wanted, live = {}, [self.live(team) for team in teams]
        for team, masks in zip(teams, live, strict=True):
            counts = np.stack([masks[name].sum(-1) for name in self.names], axis=-1)
            for run, count in zip(team.cohort.runs, counts.tolist(), strict=True):
                wanted[run] = shrinking.widths_for(count, team.cohort.widths, self.batch.steps_per_epoch)
        before = [team.cohort for team in teams]
        num_devices = len(RunAxis(len(self.runs), self.devices).devices)
        cohorts = regroup(shrinking, before, wanted, cost=self._cost, epochs_left=epochs_left, num_devices=num_devices)
        if set(cohorts) == set(before):
            return teams
        return [self._moved(*pair, teams, live) for pair in zip(cohorts, self._compiled(cohorts), strict=True)]

    def _moved(
        self, cohort: Cohort, program: Program, teams: Sequence[Team], live: Sequence[dict[str, np.ndarray]]
    ) -> Team:
        """The team of a cohort, its runs cut out of the teams they are in."""
        for team in teams:
            if team.cohort == cohort:
                return team
        widths = self.named(cohort.widths)
        pieces: dict[int, tuple[TrainState, dict[str, np.ndarray]]] = {}
        for team, masks in zip(teams, live, strict=True):
            mine = [index for index, run in enumerate(team.cohort.runs) if run in cohort.runs]
            if not mine:
                continue
            host: TrainState = jax.tree.map(lambda leaf, mine=mine: leaf[mine], team.host)
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
            for number, index in enumerate(mine):
                survivors = {name: small.survivors[name][number] for name in self.names}
                pieces[team.cohort.runs[index]] = unstack(host, number), survivors
        host, survivors = stack([pieces[run] for run in cohort.runs])
        groups = self.groups.resized(widths)
        return Team(cohort, program, groups, survivors, host, program.axis.put(host))

    def _compiled(self, cohorts: Sequence[Cohort]) -> list[Program]:
        """Their programs; those that are new are compiled side by side."""
        keys = [(len(cohort.runs), cohort.widths) for cohort in cohorts]
        new = [key for key in dict.fromkeys(keys) if key not in self._programs]
        data = next((program.shared for program in self._programs.values()), None)
        if data is None:  # on all devices, for programs on any of them
            data = place_data(self.batch, RunAxis(len(self.runs), self.devices))

        def compiled(key: tuple[int, Widths]) -> Program:
            num_runs, widths = key
            sizes = {self.groups.atoms[name]: width for name, width in self.named(widths).items()}
            params = None if widths == self.full else shapes_with(self.params_shape, self.groups.axes, sizes)
            return Program(self.batch, num_runs, self.devices, params=params, data=data)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            self._programs |= dict(zip(new, pool.map(compiled, new), strict=True))
        return [self._programs[key] for key in keys]

    def final(self, team: Team) -> Iterator[tuple[int, FinalNetwork]]:
        live = self.live(team) if self.names else {}
        for index, run in enumerate(team.cohort.runs):
            params = unstack(team.host.params, index)
            survivors = {name: ids[index] for name, ids in team.survivors.items()}
            if self.names:
                masks = {name: live[name][index] for name in self.names}
                small = compact(team.groups, params, masks, survivors=survivors)
                params, survivors = small.params, {name: small.survivors[name] for name in self.names}
            yield run, FinalNetwork(params, survivors)
