"""reading.py on random networks: groups known by construction, and what removal does as a check that knows nothing."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from helpers.groups import closed, scrambled
from helpers.random_networks import Built

from jaxsize.units._program.entries import units_of
from jaxsize.units._program.gate_sets import Gate
from jaxsize.units.compaction import compact
from jaxsize.units.reading import unit_groups

settings = hypothesis.settings(deadline=None, max_examples=25, suppress_health_check=[hypothesis.HealthCheck.too_slow])


@st.composite
def networks(draw, squash=None):
    return Built(draw, squash or draw(st.sampled_from([jax.nn.relu, jnp.tanh])))


@settings
@hypothesis.given(built=networks())
def test_groups_are_those_of_the_construction(built):
    groups = unit_groups(built.apply, built.params, built.inputs)
    free = {name: group for name, group in groups.groups.items() if not group.fixed}
    actual = {}
    for name, group in free.items():
        atom = groups.atoms[name]
        units = {place[:2]: units_of(groups.axes[place.leaf][place.axis], atom) for place in group.places}
        actual[name] = {place: tuple(of_place.tolist()) for place, of_place in units.items()}
    expected = built.removable()
    assert sorted(map(sorted_items, actual.values())) == sorted(map(sorted_items, expected.values()))
    for group, places in expected.items():
        (name,) = [name for name in actual if actual[name] == places]
        for place in groups[name].places:
            units = np.array(places[place[:2]])
            assert place.stride == np.argmax(units == 1) - np.argmax(units == 0)
        check_closing(built, group, groups[name])


def sorted_items(places):
    return sorted(places.items())


def check_closing(built, name, group):
    """A group's sets of gates close it in just those states of all gates in which it is closed by construction."""
    leaves = [leaf for leaf in built.params if "liveness" in leaf]
    choices = list(itertools.islice(itertools.product((1, 0, -1), repeat=len(leaves)), 729))
    for values in choices:
        states = dict(zip(leaves, values, strict=True))
        by_gate_sets = any(
            all(states[gate.leaf] == 0 or (gate.closed_below and states[gate.leaf] < 0) for gate in gate_set)
            for gate_set in group.gates
        )
        assert by_gate_sets == built.is_closed(name, states), (states, str(group))
    assert group.exact == built.is_closed(name, dict.fromkeys(leaves, 0))


@settings
@hypothesis.given(built=networks(), data=st.data())
def test_closed_units_are_not_read_and_can_be_cut(built, data):
    groups = unit_groups(built.apply, built.params, built.inputs)
    apply = jax.jit(built.apply)
    for name in [name for name, group in groups.groups.items() if group.exact]:
        size = groups[name].size
        units = np.array(sorted(data.draw(st.sets(st.integers(0, size - 1), min_size=1, max_size=size - 1))))
        gate_set = data.draw(st.sampled_from(sorted(groups[name].gates, key=sorted)))
        shut = closed(groups, built.params, name, units, gate_set)
        outputs = apply(shut, built.inputs)
        np.testing.assert_array_equal(outputs, apply(scrambled(groups, shut, name, units, 1), built.inputs))
        live = groups.live(shut, quiet=True)[name]
        assert not live[units].any() and live.sum() == size - len(units)
        smaller = compact(groups, shut, {name: live}).params
        np.testing.assert_allclose(apply(smaller, built.inputs), outputs, rtol=1e-3, atol=1e-3)


@settings
@hypothesis.given(built=networks(squash=jnp.tanh))
def test_what_is_not_exact_is_read_past_the_gates(built):
    groups = unit_groups(built.apply, built.params, built.inputs)
    apply = jax.jit(built.apply)
    for name, group in groups.groups.items():
        if group.fixed or group.exact:
            continue
        assert "past every gate" in group.inexact
        gates = {
            leaf for leaf in built.params if "liveness" in leaf and any(place.leaf == leaf for place in group.places)
        }
        shut = closed(groups, built.params, name, np.array([0]), [Gate(leaf) for leaf in gates])
        outputs = apply(shut, built.inputs)
        others = [apply(scrambled(groups, shut, name, [0], seed, 1.0), built.inputs) for seed in range(3)]
        assert any((np.asarray(outputs) != other).any() for other in others), str(group)
