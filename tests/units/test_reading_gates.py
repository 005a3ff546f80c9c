"""Gates by what they do, names of groups for any kind of pytree, and what is said where nothing can be cut."""

import re
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers.groups import gates, normal, places, random_params, row, shape

import jaxsize

UNITS = 6
PARAMS = {"kernel": shape(4, UNITS), "alive": shape(UNITS), "other": shape(UNITS), "output": shape(UNITS, 3)}
X = shape(5, 4)


def network(middle):
    """A dense layer, middle(its units [5, 6], a parameter [1, 6], another one [1, 6]), a dense layer."""

    def apply(params, x):
        return middle(x @ params["kernel"], row(params["alive"]), row(params["other"])) @ params["output"]

    return apply


def in_a_loop(h, g, o):
    return jax.lax.scan(lambda carry, _: (jnp.tanh(carry) * jax.nn.relu(g), None), h * g, length=3)[0]


# middle -> what closes its units
TAKEN = {
    "itself": (lambda h, g, o: h * g + 0 * o, {"alive == 0"}),
    "relu": (lambda h, g, o: h * jax.nn.relu(g), {"alive <= 0"}),
    "jaxsize's relu": (lambda h, g, o: jnp.tanh(h) * jaxsize.relu(g), {"alive <= 0"}),
    "maximum with zeros": (lambda h, g, o: h * jnp.maximum(g, jnp.zeros_like(g)), {"alive <= 0"}),
    "clipped": (lambda h, g, o: h * jnp.clip(g, 0, 1), {"alive <= 0"}),
    "squared": (lambda h, g, o: h * g**2, {"alive == 0"}),
    "a mask": (lambda h, g, o: jnp.where(g > 0, jnp.cos(h), 0), {"alive <= 0"}),
    "twice": (lambda h, g, o: jnp.tanh(h * g) * jax.nn.relu(g), {"alive <= 0"}),
    "two": (lambda h, g, o: h * jax.nn.relu(g) * o, {"alive <= 0", "other == 0"}),
    "in a loop": (in_a_loop, {"alive == 0"}),
    "beside a bias": (lambda h, g, o: (h + o) * g, {"alive == 0"}),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_closes_units_and_only_multiplies_is_a_gate(name):
    middle, expected = TAKEN[name]
    apply, params = network(middle), random_params(1, PARAMS)
    params["alive"], params["other"] = abs(params["alive"]) + 0.5, abs(params["other"]) + 0.5
    groups = jaxsize.unit_groups(apply, params, X)
    group = groups["alive"]
    assert gates(group) == expected and group.recognised == {gate.split()[0] for gate in expected}
    assert "taken for a gate, as it closes these units and only multiplies: alive" in str(group)
    x = normal(2, *X.shape)
    params["alive"][[1, 4]] = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small = jaxsize.compact(groups, params, groups.live(params))
    assert small.params["kernel"].shape == (4, 4)
    np.testing.assert_allclose(apply(small.params, x), apply(params, x), rtol=1e-5, atol=1e-5)


NOT_TAKEN = {
    "added": lambda h, g, o: jnp.tanh(h) + g,
    "multiplied before a bias": lambda h, g, o: h * g + o,
    "multiplied, and added elsewhere": lambda h, g, o: h * g + g,
    "a slope": lambda h, g, o: jnp.maximum(h, 0) + g * jnp.minimum(h, 0),
    "never 0": lambda h, g, o: h * jax.nn.sigmoid(g),
    "before what opens": lambda h, g, o: jnp.cos(h * g),
    "a divisor": lambda h, g, o: h / g,
    "its sum": lambda h, g, o: h * g * g.sum(),
    "carried": lambda h, g, o: h * jax.lax.fori_loop(0, 3, lambda i, c: c * 2, g),
}


@pytest.mark.parametrize("name", NOT_TAKEN)
def test_what_does_anything_else_is_none(name):
    groups = jaxsize.unit_groups(network(NOT_TAKEN[name]), PARAMS, X)
    assert not any(group.recognised for group in groups.groups.values()), str(groups)
    assert "gates: none; no parameter is named liveness, or closes units and only multiplies" in str(groups)


def test_gates_by_name_and_those_that_are_asked_for_come_first():
    def apply(params, x):
        units = jnp.tanh(x @ params["kernel"]) * row(params["scale"]) * row(jax.nn.relu(params["liveness"]))
        return units @ params["output"]

    shapes = {"kernel": shape(4, 6), "scale": shape(6), "liveness": shape(6), "output": shape(6, 3)}
    groups = jaxsize.unit_groups(apply, shapes, X)
    assert gates(groups["liveness"]) == {"liveness <= 0"} and not groups["liveness"].recognised
    asked = jaxsize.unit_groups(apply, shapes, X, is_gate=lambda leaf: leaf == "scale")
    assert gates(asked["scale"]) == {"scale == 0"} and not asked["scale"].recognised
    none = jaxsize.unit_groups(apply, shapes, X, is_gate=lambda leaf: False)
    assert not any(group.gates for group in none.groups.values())


def test_a_gate_by_what_it_does_counts_as_a_parameter_and_has_bookkeeping_by_its_whole_path():
    def apply(params, x):
        layer = params["layer"]
        return (x @ layer["kernel"]) * row(jax.nn.relu(layer["alive"])) @ params["output"]

    params = {
        "layer": {"kernel": normal(1, 4, 6), "alive": np.arange(6.0, dtype=np.float32)},
        "output": normal(2, 6, 3),
    }
    groups = jaxsize.unit_groups(apply, params, X)
    assert "layer.alive" in groups.groups
    sizes = jaxsize.units.network_sizes(groups, {})
    assert sizes["parameters"] == 4 * 6 + 6 + 6 * 3
    bookkeeping = {"layer.alive": np.arange(6), "layer": np.arange(2)}
    small = jaxsize.compact(groups, params, groups.live(params), bookkeeping=bookkeeping)
    assert small.bookkeeping["layer.alive"].tolist() == [1, 2, 3, 4, 5] and small.bookkeeping["layer"].size == 2


def test_a_scale_is_not_mistaken_for_the_gate_beside_it():
    """A layer with a gate of its units, and a scale of its inputs, which are units of the layer before."""

    def apply(params, x):
        layer = params["layer"]
        inputs = jnp.tanh(x @ params["first"]) * row(layer["scale"])
        return jnp.tanh(inputs @ layer["kernel"]) * row(jax.nn.relu(layer["liveness"])) @ params["last"]

    layer = {"kernel": shape(7, 6), "liveness": shape(6), "scale": shape(7)}
    groups = jaxsize.unit_groups(apply, {"first": shape(4, 7), "layer": layer, "last": shape(6, 3)}, X)
    assert groups["layer"].size == 6 and groups["layer.scale"].recognised == {"layer.scale"}
    live = np.arange(6) > 1
    (by_gate,) = groups.live_by_gate({"layer": live}).items()
    assert by_gate[0] == "layer" and by_gate[1].tolist() == live.tolist()
    assert jaxsize.units.network_sizes(groups, {"layer": 2})["parameters"] == 4 * 7 + 7 + 7 * 2 + 2 * 3
    assert not jaxsize.units.are_signed(groups, ["layer"])
    jaxsize.units.require_closing_gates(groups, ["layer"])


# Names

ARRAYS = [shape(4, UNITS), shape(UNITS), shape(UNITS, 3)]


class Fields(NamedTuple):
    first: Any
    alive: Any
    second: Any


@jax.tree_util.register_pytree_node_class
class Keyless:
    """A tree of one's own, whose leaves have numbers only."""

    def __init__(self, *leaves):
        self.leaves = leaves

    def tree_flatten(self):
        return self.leaves, None

    @classmethod
    def tree_unflatten(cls, _, leaves):
        return cls(*leaves)


TREES = {
    "a list": (ARRAYS, ["params.1", "params.0[0]", "params.2[1]"]),
    "fields": (Fields(*ARRAYS), ["alive", "first[0]", "second[1]"]),
    "without keys": (Keyless(*ARRAYS), ["params.1", "params.0[0]", "params.2[1]"]),
    "as Haiku has it": (
        {"mlp/~/linear_0": {"w": ARRAYS[0]}, "mlp/~/linear_1": {"g": ARRAYS[1], "w": ARRAYS[2]}},
        ["mlp/linear_1.g", "mlp/linear_0.w[0]", "mlp/linear_1.w[1]"],
    ),
}


@pytest.mark.parametrize("name", TREES)
def test_groups_have_readable_names_in_any_tree(name):
    tree, expected = TREES[name]

    def apply(params, x):
        first, alive, second = jax.tree.leaves(params)
        return jnp.tanh(x @ first) * row(jax.nn.relu(alive)) @ second

    groups = jaxsize.unit_groups(apply, tree, X)
    assert set(groups.groups) == set(expected) and gates(groups[expected[0]]) == {f"{expected[0]} <= 0"}


def test_names_of_nnx_leave_out_what_it_adds():
    class Net(nnx.Module):
        def __init__(self):
            self.first, self.second = nnx.Linear(4, 6, rngs=nnx.Rngs(0)), nnx.Linear(6, 3, rngs=nnx.Rngs(1))

        def __call__(self, x):
            return self.second(jnp.tanh(self.first(x)))

    graph, state = nnx.split(Net())
    groups = jaxsize.unit_groups(lambda p, x: nnx.merge(graph, p)(x), state, X)
    assert list(groups.groups) == ["first.kernel[1]", "first.kernel[0]", "second.kernel[1]"]
    assert ".value" not in str(groups) and "reads first.kernel past every gate" in str(groups)
    assert set(places(groups["first.kernel[1]"])) == {"first.bias.value", "first.kernel.value", "second.kernel.value"}


# What is said


def gated(then):
    """Two gated layers; then(the units of the second)."""

    def apply(params, x):
        first = jnp.tanh(x @ params["a"]["kernel"]) * row(jax.nn.relu(params["a"]["liveness"]))
        second = jnp.tanh(first @ params["b"]["kernel"]) * row(jax.nn.relu(params["b"]["liveness"]))
        return then(second) @ params["output"]

    return apply


LAYERS = {
    "a": {"kernel": normal(1, 4, 7), "liveness": np.ones(7, np.float32)},
    "b": {"kernel": normal(2, 7, 6), "liveness": np.ones(6, np.float32)},
    "output": normal(3, 6, 3),
}


def test_what_is_left_out_is_told_with_the_reason():
    groups = jaxsize.unit_groups(gated(jnp.cos), LAYERS, X)
    message = (
        "live: units that cannot be removed are left out: b.liveness: dot_general at .* reads output past every gate"
    )
    with pytest.warns(UserWarning, match=message):
        assert list(groups.live(LAYERS)) == ["a"]
    assert list(groups.live(LAYERS, quiet=True)) == ["a"]
    lines = str(groups).splitlines()[:4]
    assert lines == [
        "1 of 4 groups can lose units exactly: a (7)",
        "gates: a.liveness, b.liveness",
        "the others: 1 not exact (b.kernel[1]), 2 fixed (a.kernel[0], output[1])",
        "",
    ]


def test_a_fixed_size_is_told_as_well():
    groups = jaxsize.unit_groups(gated(lambda h: jnp.sort(h, 1)), LAYERS, X)
    (line,) = groups.obstacles()
    assert line == f"b.liveness: {groups['b.kernel[1]'].fixed}" and "sorts its entries" in line


def test_a_size_that_the_function_fixes_itself_is_told_as_well():
    groups = jaxsize.unit_groups(gated(lambda h: h.reshape(-1, 6)), LAYERS, X)
    assert groups.obstacles() == [] and "fixes this size itself" in groups["b"].own_size
    assert "the function fixes this size itself: with fewer units, `apply` of the groups runs it" in str(groups["b"])


def test_nothing_to_cut_is_told_by_live_and_by_compact():
    params = {"kernel": normal(1, 4, 6), "output": normal(2, 6, 3)}
    groups = jaxsize.unit_groups(lambda p, x: jnp.tanh(x @ p["kernel"]) @ p["output"], params, X)
    reason = "no parameter is a gate; kernel[1]: dot_general at test_reading_gates.py"
    with pytest.warns(UserWarning, match=re.escape(f"live: units that cannot be removed are left out: {reason}")):
        live = groups.live(params)
    with pytest.warns(
        UserWarning, match=re.escape(f"compact: `live` names no group, so that nothing is removed: {reason}")
    ):
        assert jaxsize.compact(groups, params, live).params["kernel"].shape == (4, 6)
    unread = jaxsize.unit_groups(lambda p, x: x @ p["kernel"] @ p["output"], params | {"liveness": np.ones(5)}, X)
    with pytest.warns(UserWarning, match="left out: liveness: no step sums over these units"):
        unread.live(params | {"liveness": np.ones(5)})


def test_gates_of_inputs_are_no_reason_to_warn():
    network = jaxsize.mlp((4, 6, 3), gate_inputs=True)
    groups = jaxsize.unit_groups(network.apply, network.init(0), X)
    assert groups.obstacles() == [] and list(groups.live(network.init(0))) == ["hidden.0"]


def test_many_names_are_counted():
    network = jaxsize.mlp((4, *[6] * 8, 3))
    first, second, _ = str(jaxsize.unit_groups(network.apply, network.init(0), X)).split("\n", 2)
    assert first.endswith("hidden.3 (6), hidden.4 (6), and 3 more") and second.endswith("hidden.4.liveness, and 3 more")
