"""Teams in wider networks: the states of runs whose layers get more units."""

import dataclasses
from collections.abc import Sequence

import jax
import numpy as np

from jaxsize.programs._program import Program
from jaxsize.programs.epoch import TrainState
from jaxsize.programs.run_axis import stack, unstack
from jaxsize.resizing.shrinking import Widths
from jaxsize.resizing.widening import Widening, widen
from jaxsize.training._team import Team
from jaxsize.trees import Tree
from jaxsize.units.groups import UnitGroups


def widened_state(state: TrainState, fresh_params: Tree, shapes: TrainState) -> TrainState:
    """Put the state of a run into a wider network, so that training goes on.

    Args:
        state: of one run, NumPy arrays.
        fresh_params: the first parameters of the wider network, from which the new units come.
        shapes: of a state of the wider network; what only training fills, such as moments, starts at 0.
    """
    zeros = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), (shapes.opt_state, shapes.bookkeeping))
    opt_state, bookkeeping = widen((state.opt_state, state.bookkeeping), zeros)
    return dataclasses.replace(
        state, params=widen(state.params, fresh_params), opt_state=opt_state, bookkeeping=bookkeeping
    )


def wider_widths(team: Team, widening: Widening) -> Widths:
    """Choose the widths of a team's layers for the next epoch: its present ones where they suffice."""
    runs = range(len(team.cohort.runs))
    return widening.widths_for(team.cohort.widths, [unstack(team.host.params, index) for index in runs])


def wider_team(
    team: Team, widths: Widths, program: Program, groups: UnitGroups, names: Sequence[str], widening: Widening
) -> Team:
    """Make the team of the same runs in a network of these widths.

    Args:
        team: as it is now.
        widths: units of each of the groups `names`, none below the present ones.
        program: compiled for the team's runs at these widths.
        groups: the unit groups at these widths.
        names: the groups that get more units.
        widening: says what the new units start from.
    """
    runs = team.cohort.runs
    fresh = [widening.init(run, widths) for run in runs]
    states = [unstack(team.host, index) for index in range(len(runs))]
    host = stack(
        [widened_state(state, params, program.state_shape) for state, params in zip(states, fresh, strict=True)]
    )
    survivors = {name: np.tile(np.arange(width), (len(runs), 1)) for name, width in zip(names, widths, strict=True)}
    counts = np.tile(np.array(widths, int), (len(runs), 1))
    return Team(team.cohort._replace(widths=widths), program, groups, survivors, counts, host, program.axis.put(host))
