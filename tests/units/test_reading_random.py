"""reading.py on random networks: groups known by construction, and what removal does as a check that knows nothing."""

import itertools

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from helpers.groups import closed, conv, normal, row, scrambled

import jaxsize
from jaxsize.units._program.entries import units_of
from jaxsize.units._program.gate_sets import Gate
from jaxsize.units.compaction import compact
from jaxsize.units.reading import unit_groups

settings = hypothesis.settings(deadline=None, max_examples=25, suppress_health_check=[hypothesis.HealthCheck.too_slow])


class Built:
    """A random network, with its own record of which entry of which parameter belongs to which unit.

    Values are (name, spatial sizes or (), labels, closings): labels[i] = (group, unit) of feature i; closings[group]
    tells, from the states of all gates, whether the unit's entries are 0.
    """

    def __init__(self, draw, squash):
        self.draw, self.squash = draw, squash
        self.steps, self.params, self.labels, self.readers = [], {}, {}, {}
        self.count = 0
        size = draw(st.integers(2, 3))
        value = ("x", draw(st.sampled_from([(), (4, 4), (2, 4)])), [("inputs", i) for i in range(size)], {})
        self.inputs = normal(7, 3, *value[1], size)
        value = self.layer(value)
        for _ in range(draw(st.integers(1, 5))):
            kinds = ["layer", "gate", "gate", "activation", "fork", "residual"]
            kinds += ["pool", "flatten"] if value[1] else []
            value = getattr(self, draw(st.sampled_from(kinds)))(value)
        value = self.flatten(value) if value[1] else value
        self.layer(value, labels=[("outputs", i) for i in range(2)])

    def step(self, apply, value, spatial=None, labels=None, closings=None):
        name = f"v{len(self.steps)}"
        self.steps.append((name, apply))
        return (name, value[1] if spatial is None else spatial, labels or value[2], closings or {})

    def leaf(self, name, shape, labels):
        """A parameter; labels: {axis: labels of its entries}."""
        self.params[name] = normal(len(self.params), *shape)
        self.labels |= {(name, axis): entries for axis, entries in labels.items()}

    def layer(self, value, labels=None):
        name, spatial, inputs, closings = value
        for group in {group for group, _ in inputs}:
            self.readers.setdefault(group, []).append(closings.get(group))
        self.count += 1
        layer = f"layer{self.count}"
        if labels is None:
            labels = [(layer, i) for i in range(self.draw(st.integers(2, 4)))]
        window = (3, 3) if spatial else ()
        self.leaf(
            f"{layer}.kernel", (*window, len(inputs), len(labels)), {len(window): inputs, len(window) + 1: labels}
        )
        self.leaf(f"{layer}.bias", (len(labels),), {0: labels})
        contract = conv if spatial else jnp.matmul

        def apply(p, v):
            return contract(v[name], p[f"{layer}.kernel"]) + row(p[f"{layer}.bias"], v[name].ndim)

        return self.step(apply, value, labels=labels)

    def gate(self, value):
        name, _, labels, closings = value
        self.count += 1
        leaf, kind = f"gate{self.count}.liveness", self.draw(st.sampled_from(["relu", "signed"]))
        self.leaf(leaf, (len(labels),), {0: labels})
        self.params[leaf] = np.float32(0.5) + abs(self.params[leaf])

        def shut(states):
            return states[leaf] == 0 or (states[leaf] < 0 and kind == "relu")

        def closing(old):
            return lambda states: shut(states) or (old is not None and old(states))

        def apply(p, v):
            return v[name] * row(jaxsize.relu(p[leaf]) if kind == "relu" else p[leaf], v[name].ndim)

        return self.step(apply, value, closings={group: closing(closings.get(group)) for group, _ in labels})

    def activation(self, value):
        name = value[0]
        return self.step(lambda p, v: self.squash(v[name]), value, closings=value[3])

    def pool(self, value):
        name, (height, width), _, closings = value
        if self.draw(st.booleans()):
            start, combine = 0.0, jax.lax.add
        else:
            start, combine = -jnp.inf, jax.lax.max
        if height < 2 or width < 2:
            return value

        def apply(p, v):
            return jax.lax.reduce_window(v[name], start, combine, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

        return self.step(apply, value, (height // 2, width // 2), closings=closings)

    def flatten(self, value):
        name, spatial, labels, closings = value
        first = self.draw(st.booleans())  # channels first, or last
        many = int(np.prod(spatial))
        spread = [label for label in labels for _ in range(many)] if first else labels * many

        def apply(p, v):
            moved = jnp.transpose(v[name], (0, 3, 1, 2)) if first else v[name]
            return moved.reshape(len(moved), -1)

        return self.step(apply, value, (), spread, closings)

    def two(self, a, b, combine, labels):
        """The sum or concatenation of two values: closed where both are, or the one that has the group."""
        closings = {}
        for group in dict.fromkeys(group for group, _ in labels):
            parts = [v[3].get(group) for v in (a, b) if any(group == one for one, _ in v[2])]
            if all(parts):
                closings[group] = lambda states, parts=tuple(parts): all(part(states) for part in parts)
        return self.step(lambda p, v: combine(v[a[0]], v[b[0]]), a, labels=labels, closings=closings)

    def fork(self, value):
        other = self.maybe_gated(self.layer(value)) if self.draw(st.booleans()) else self.maybe_gated(value)
        return self.two(value, other, lambda a, b: jnp.concatenate([a, b], -1), value[2] + other[2])

    def residual(self, value):
        return self.two(value, self.maybe_gated(self.layer(value, value[2])), jnp.add, value[2])

    def maybe_gated(self, value):
        return self.gate(value) if self.draw(st.booleans()) else value

    def apply(self, params, x):
        values = {"x": x}
        for name, apply in self.steps:
            values[name] = apply(params, values)
        return values[self.steps[-1][0]]

    def removable(self):
        """{group: {(leaf, axis): unit of every entry}} of all groups that neither inputs nor outputs have."""
        groups = {}
        for place, labels in self.labels.items():
            for group in {group for group, _ in labels} - {"inputs", "outputs"}:
                units = tuple(unit if owner == group else -1 for owner, unit in labels)
                groups.setdefault(group, {})[place] = units
        return {group: places for group, places in groups.items() if max(map(max, places.values())) > 0}

    def is_closed(self, group, states):
        return all(reader is not None and reader(states) for reader in self.readers[group])


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
        live = groups.live(shut)[name]
        assert not live[units].any() and live.sum() == size - len(units)
        smaller = compact(groups, shut, {name: live}).params
        np.testing.assert_allclose(built.apply(smaller, built.inputs), outputs, rtol=1e-3, atol=1e-3)


@settings
@hypothesis.given(built=networks(squash=jnp.tanh))
def test_what_is_not_exact_is_read_past_the_gates(built):
    groups = unit_groups(built.apply, built.params, built.inputs)
    for name, group in groups.groups.items():
        if group.fixed or group.exact:
            continue
        assert "past every gate" in group.inexact
        gates = {
            leaf for leaf in built.params if "liveness" in leaf and any(place.leaf == leaf for place in group.places)
        }
        shut = closed(groups, built.params, name, np.array([0]), [Gate(leaf) for leaf in gates])
        outputs = built.apply(shut, built.inputs)
        others = [built.apply(scrambled(groups, shut, name, [0], seed, 1.0), built.inputs) for seed in range(3)]
        assert any((np.asarray(outputs) != other).any() for other in others), str(group)
