"""Teams without dead units: the runs of a cohort cut out of the teams that they are in."""

import dataclasses
from collections.abc import Callable, Sequence

import jax
import numpy as np
import optax

from jaxsize.programs._program import Program
from jaxsize.programs.epoch import TrainState
from jaxsize.programs.run_axis import stack, unstack
from jaxsize.resizing._regrouping import Cohort
from jaxsize.training._team import Team
from jaxsize.trees import Tree
from jaxsize.units.compaction import compact
from jaxsize.units.groups import UnitGroups


def narrower_team(
    cohort: Cohort,
    program: Program,
    groups: UnitGroups,
    names: Sequence[str],
    optimizer: optax.GradientTransformation,
    loss_fn: Callable[[Tree], jax.Array] | None,
    teams: Sequence[Team],
    live: Sequence[dict[str, np.ndarray]],
) -> Team:
    """Make the team of a cohort out of the teams that its runs are in now.

    Args:
        cohort: the runs, and the widths that they are to have; none above their present ones.
        program: compiled for the cohort.
        groups: the unit groups at the cohort's widths.
        names: the groups that can lose units, in the order of the widths.
        optimizer: the learner's optimiser, by which the states are trained.
        loss_fn: what the learner minimises, if exact removal rests on it.
        teams: the present teams.
        live: of each of `teams` the live units by group, bool [runs of the team, width].

    Returns:
        The team; its `counts` are 0, to be filled in.
    """
    widths = dict(zip(names, cohort.widths, strict=True))
    pieces: dict[int, tuple[TrainState, dict[str, np.ndarray]]] = {}
    whole = None
    for team, masks in zip(teams, live, strict=True):
        members = [index for index, run in enumerate(team.cohort.runs) if run in cohort.runs]
        if not members:
            continue
        all_of_them = slice(None) if len(members) == len(team.cohort.runs) else members  # a slice copies nothing
        host: TrainState = jax.tree.map(lambda leaf, index=all_of_them: leaf[index], team.host)
        small = compact(
            team.groups,
            host.params,
            {name: masks[name][members] for name in names},
            optimizer=optimizer,
            loss_fn=loss_fn,
            opt_state=host.opt_state,
            bookkeeping=host.bookkeeping,
            survivors={name: units[members] for name, units in team.survivors.items()},
            widths=widths,
        )
        host = dataclasses.replace(host, params=small.params, opt_state=small.opt_state, bookkeeping=small.bookkeeping)
        survivors = {name: small.survivors[name] for name in names}
        whole = (host, survivors) if len(members) == len(cohort.runs) else None
        if whole is None:
            pieces |= {team.cohort.runs[index]: unstack((host, survivors), n) for n, index in enumerate(members)}
    host, survivors = whole or stack([pieces[run] for run in cohort.runs])
    counts = np.zeros((len(cohort.runs), len(names)), int)  # `Teams.remake` knows them
    return Team(cohort, program, groups, survivors, counts, host, program.axis.put(host))
