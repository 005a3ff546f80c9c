"""_teams.py: which groups can lose units, and teams remade by hand-made deaths."""

import dataclasses

import chex
import jax
import numpy as np
import optax
import pytest
from helpers.shrinking import EAGER, GATED, WIDTHS, learner_of, make_batch, share_programs

from jaxsize.learners.sparsifier import SparsifierConfig
from jaxsize.networks.mlp import mlp
from jaxsize.resizing._regrouping import Cohort
from jaxsize.resizing.shrinking import Shrinking
from jaxsize.training._team import loss_of, removable
from jaxsize.training._teams import Teams
from jaxsize.units.reading import unit_groups

INPUTS = jax.ShapeDtypeStruct((16, WIDTHS[0]), np.float32)
SIGNED = mlp(WIDTHS, gate="signed")


def names_of(network, learner):
    params = jax.eval_shape(lambda: network.init(0))
    loss_fn = loss_of(learner, INPUTS, np.zeros(16, np.int32))
    return removable("batch", learner, unit_groups(network.apply, params, INPUTS), params, loss_fn)


@pytest.mark.parametrize(
    ("network", "config", "expected"),
    [
        (GATED, SparsifierConfig(), ["hidden.0", "hidden.1"]),
        (GATED, SparsifierConfig(gate_step="gradient", weight_decay="coupled"), ["hidden.0", "hidden.1"]),
        (GATED, SparsifierConfig(unit_norm=True), ["hidden.1"]),  # hidden.1 is divided by norms over hidden.0
        (mlp(WIDTHS, gate_inputs=True), SparsifierConfig(), ["hidden.0", "hidden.1"]),
        (SIGNED, SparsifierConfig(gate="signed", death_rule="threshold"), ["hidden.0", "hidden.1"]),
        (
            SIGNED,
            SparsifierConfig(gate="signed", death_rule="sign_variance", gate_step="gradient"),
            ["hidden.0", "hidden.1"],
        ),
        (mlp(WIDTHS, gate=None), SparsifierConfig(), []),
        (mlp(WIDTHS, gate="size", size=4.0), SparsifierConfig(), []),
    ],
)
def test_groups_that_can_lose_units(network, config, expected):
    assert names_of(network, learner_of(network, config)) == (expected, False)


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (optax.sgd(0.1, momentum=0.9), (["hidden.0", "hidden.1"], False)),
        # Its norm is over the gradients of dead units too, of which the loss says that they are 0.
        (optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(1e-3)), (["hidden.0", "hidden.1"], True)),
        (optax.lamb(1e-3), ([], False)),  # a trust ratio is of all weights of a layer, dead units' too
        (optax.lbfgs(), ([], False)),  # nobody knows which leaves belong to which parameter
    ],
    ids=["sgd", "clipped adamw", "lamb", "lbfgs"],
)
def test_an_optimiser_that_mixes_units_is_known_before_training(optimizer, expected):
    learner = learner_of()._replace(optimizer=lambda hparams: optimizer)
    assert names_of(GATED, learner) == expected


# Teams of three runs on four devices, whose units die by hand


@pytest.fixture(scope="module")
def programs():
    with pytest.MonkeyPatch.context() as patch:
        yield share_programs(patch)


@pytest.fixture
def teams(programs):
    return Teams(make_batch(EAGER, runs=(0, 2, 5)), range(3))


def kill(teams, team, run, gate, units):
    """Shuts gates of a run and says so in the bookkeeping, on the host and on the devices."""
    layer = int(gate.removeprefix("hidden."))
    host = jax.tree.map(np.copy, team.host)
    index = team.cohort.runs.index(run)
    host.params["hidden"][layer]["liveness"][index, units] = 0
    host.bookkeeping[gate][index, units] = False
    return dataclasses.replace(team, host=host, state=team.program.axis.put(host))


def networks_of(teams, made):
    return {run: teams.network(team, run) for team in made for run in team.cohort.runs}


def widths_of(made):
    return {run: team.cohort.widths for team in made for run in team.cohort.runs}


def test_teams_part_meet_again_and_keep_the_names_of_their_units(teams):
    (first,) = teams.start()
    assert first.cohort == Cohort((0, 1, 2), (8, 6)) and teams.compiler.num_programs == 1
    assert teams.remake([first], epochs_left=3)[0] is first  # nothing died
    first = kill(teams, first, 1, "hidden.0", [0, 1, 2, 5])
    first = kill(teams, first, 1, "hidden.1", [1, 3])
    first = kill(teams, first, 2, "hidden.0", [7])
    assert teams.remake([first], epochs_left=0)[0] is first
    made = teams.remake([first], epochs_left=3)
    assert widths_of(made) == {0: (8, 6), 1: (4, 4), 2: (8, 6)} and teams.compiler.num_programs == 3
    small = next(team for team in made if team.cohort.runs == (1,))
    assert small.survivors["hidden.0"].tolist() == [[3, 4, 6, 7]]
    assert small.survivors["hidden.1"].tolist() == [[0, 2, 4, 5]]
    large = next(team for team in made if team.cohort.runs == (0, 2))
    assert (large.survivors["hidden.0"] == np.arange(8)).all()

    # The others shrink to the same widths: all three are one team again, with the units that each has kept.
    for run in (0, 2):
        large = kill(teams, large, run, "hidden.1", [run, run + 1])
        large = kill(teams, large, run, "hidden.0", [0, 2, 4, 6])
    (merged,) = teams.remake([small, large], epochs_left=3)
    assert merged.cohort == Cohort((0, 1, 2), (4, 4)) and teams.compiler.num_programs == 4
    assert merged.survivors["hidden.0"].tolist() == [[1, 3, 5, 7], [3, 4, 6, 7], [0, 1, 3, 5]]
    assert merged.survivors["hidden.1"].tolist() == [[2, 3, 4, 5], [0, 2, 4, 5], [0, 1, 4, 5]]
    for run, network in networks_of(teams, [merged]).items():
        draw = teams.batch.init(run)["hidden"][0]["kernel"]
        kept = network.survivors["hidden.0"]
        np.testing.assert_array_equal(network.params["hidden"][0]["kernel"], draw[:, kept])
        assert len(kept) == (3 if run == 2 else 4) and (7 in kept) == (run != 2)
    for team in (small, large, merged):
        chex.assert_trees_all_equal(team.program.axis.fetch(team.state), team.host, strict=True)
        moments = jax.tree.leaves(team.host.opt_state)
        assert {leaf.shape for leaf in moments} >= {leaf.shape for leaf in jax.tree.leaves(team.host.params)}


def test_a_layer_of_dead_units_keeps_one(teams):
    (first,) = teams.start()
    for run in range(3):
        first = kill(teams, first, run, "hidden.0", range(8))
    made = teams.remake([first], epochs_left=3)
    assert {widths[0] for widths in widths_of(made).values()} == {1}
    for team in made:
        state, _, scores = team.program.epoch(team.cohort.runs, team.state, 1)
        chex.assert_tree_all_finite(team.program.axis.fetch(scores))
        team.host = team.program.axis.fetch(state)
        for network in networks_of(teams, [team]).values():
            assert network.params["hidden"][0]["kernel"].shape == (3, 1) and len(network.survivors["hidden.0"]) == 1


def test_units_whose_gate_is_nan_are_kept(teams):
    (first,) = teams.start()
    first = kill(teams, first, 0, "hidden.0", range(8))
    first.host.params["hidden"][0]["liveness"][0, 2:] = np.nan
    made = teams.remake([first], epochs_left=3)
    assert widths_of(made)[0] == (8, 6)
    networks = networks_of(teams, made)
    assert networks[0].survivors["hidden.0"].tolist() == [2, 3, 4, 5, 6, 7]
    assert np.isnan(networks[0].params["hidden"][0]["liveness"]).all()


def test_where_a_program_costs_more_than_it_saves_nothing_moves(programs):
    teams = Teams(make_batch(Shrinking(), runs=(0, 2, 5)), range(3))
    (first,) = teams.start()
    first = kill(teams, first, 1, "hidden.0", range(8))
    assert teams.remake([first], epochs_left=100)[0] is first


def test_programs_read_the_same_rows_and_use_devices_that_are_idle(teams):
    (first,) = teams.start()
    first = kill(teams, first, 1, "hidden.0", [0, 1, 2, 5])
    made = teams.remake([first], epochs_left=3)
    used = [device for team in made for device in team.program.axis.devices]
    assert len(used) == 3 == len(set(used))  # one run each

    def addresses(program):
        rows = program.data.rows.inputs.addressable_shards
        return {shard.device: shard.data.unsafe_buffer_pointer() for shard in rows}

    known = addresses(first.program)
    for team in made:
        assert addresses(team.program).items() <= known.items()


def test_what_the_next_epoch_will_need_is_compiled_ahead(programs):
    teams = Teams(make_batch(dataclasses.replace(EAGER, factor=1, ahead=True), runs=(0,)), range(1))
    (team,) = teams.start()
    seen = []
    for dead in ([], [0, 1, 2, 3], [0, 1]):  # 8, 4 and 2 live units: 2 are expected after 4
        team = kill(teams, team, 0, "hidden.0", dead)
        (team,) = teams.remake([team], epochs_left=9)
        seen.append((team.cohort.widths, teams.compiler.num_programs))
    teams.compiler.close()  # or what is still compiled is counted in another test
    assert seen == [((8, 6), 1), ((4, 6), 3), ((2, 6), 4)]  # (2, 6) was there, (1, 6) is expected next
