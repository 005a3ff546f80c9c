"""groups.py: the unit groups of networks that people write, and what is told where units cannot be removed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import assert_exact, conv, gates, normal, places, random_params, row, shape

from jaxsize.networks.mlp import mlp
from jaxsize.units.reading import unit_groups


def relu_gate(params):
    return row(jax.nn.relu(params["liveness"]))


def test_the_network_of_this_library():
    network = mlp((6, 5, 4, 3))
    params = random_params(0, network.init(0))
    x = normal(1, 8, 6)
    groups = unit_groups(network.apply, params, x)
    assert {name: group.size for name, group in groups.groups.items() if group.exact} == {"hidden.0": 5, "hidden.1": 4}
    group = groups["hidden.0"]
    assert gates(group) == {"hidden.0.liveness <= 0"} and not (group.fixed or group.inexact or group.ordered)
    assert places(group) == {"hidden.0.bias": 0, "hidden.0.kernel": 1, "hidden.0.liveness": 0, "hidden.1.kernel": 0}
    assert groups["hidden.0.kernel[0]"].fixed == "belongs to the inputs"
    assert groups["output.kernel[1]"].fixed == "reaches the outputs"
    for name in ("hidden.0", "hidden.1"):
        assert_exact(network.apply, groups, params, name, x, units=[1, 3])


def test_kinds_of_gates():
    def only(gate):
        network = mlp((6, 5, 3), gate=gate)
        return next(g for g in unit_groups(network.apply, network.init(0), shape(2, 6)).groups.values() if g.size == 5)

    assert gates(only("liveness")) == {"hidden.0.liveness <= 0"}
    assert gates(only("signed")) == {"hidden.0.liveness == 0"}
    # A ramp is nowhere 0, and counts its units.
    size = only("size")
    assert not size.exact and not size.fixed and "iota at" in size.ordered and "past every gate" in size.inexact
    ungated = only(None)
    assert not ungated.exact and not ungated.ordered and "reads hidden.0.kernel past every gate" in ungated.inexact


def test_gated_inputs_stay_fixed():
    network = mlp((6, 5, 3), gate_inputs=True)
    groups = unit_groups(network.apply, network.init(0), shape(2, 6))
    assert groups["inputs"].fixed == "belongs to the inputs" and groups["hidden.0"].exact


def test_a_signed_gate_written_by_hand_under_another_name():
    def apply(params, x):
        return (jnp.tanh(x @ params["a"]) * row(params["mask"])) @ params["b"]

    params = {"a": shape(4, 5), "mask": shape(5), "b": shape(5, 3)}
    groups = unit_groups(apply, params, shape(2, 4), is_gate=lambda name: name == "mask")
    (group,) = [group for group in groups.groups.values() if group.exact]
    assert gates(group) == {"mask == 0"}
    (seen,) = [group for group in unit_groups(apply, params, shape(2, 4)).groups.values() if group.exact]
    assert gates(seen) == {"mask == 0"}  # it is known by what it does


def conv_network(params, images):
    units = conv(images, params["conv"]["kernel"]) + row(params["conv"]["bias"], 4)
    norm = params["norm"]
    units = (units - row(norm["mean"], 4)) * row(norm["scale"] / jnp.sqrt(norm["var"] ** 2 + 1e-5), 4) + row(
        norm["bias"], 4
    )
    units = jax.nn.relu(units) * row(jax.nn.relu(params["conv"]["liveness"]), 4)
    units = jax.lax.reduce_window(units, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "SAME")
    return units.reshape(len(units), -1) @ params["output"]


def test_convolution_normalisation_pooling_flattening():
    norm = dict.fromkeys(("mean", "scale", "var", "bias"), shape(6))
    params = {"conv": {"kernel": shape(3, 3, 2, 6), "bias": shape(6), "liveness": shape(6)}, "norm": norm}
    params = random_params(0, params | {"output": shape(4 * 3 * 6, 5)})
    images = normal(1, 2, 8, 6, 2)
    groups = unit_groups(conv_network, params, images)
    flat = next(place for place in groups["conv"].places if place.leaf == "output")
    assert (flat.axis, flat.stride, flat.layout) == (0, 1, "4 * 3 * [6]")
    assert set(places(groups["conv"])) == {"output"} | {f"conv.{k}" for k in params["conv"]} | {
        f"norm.{k}" for k in norm
    }
    assert_exact(conv_network, groups, params, "conv", images, units=[0, 5])


@pytest.mark.parametrize(("inputs", "exact"), [(1, True), (3, False)])
def test_grouped_convolutions(inputs, exact):
    def apply(params, images):
        units = conv(images, params["first"]) * row(params["liveness"], 4)
        return conv(units, params["grouped"], 2 if inputs > 1 else units.shape[-1]).mean((1, 2)) @ params["output"]

    params = {
        "first": shape(3, 3, 2, 6),
        "liveness": shape(6),
        "grouped": shape(3, 3, inputs, 6),
        "output": shape(6, 3),
    }
    groups = unit_groups(apply, params, shape(2, 4, 4, 2))
    group = next(group for group in groups.groups.values() if "first" in places(group) and places(group)["first"] == 3)
    if exact:  # a depthwise convolution keeps its channels: one group through both
        assert group.exact and places(group) == {"first": 3, "liveness": 0, "grouped": 3, "output": 0}
        arrays = random_params(0, params)
        assert_exact(apply, groups, arrays, group.name, normal(1, 2, 4, 4, 2))
    else:
        assert not any(
            group.exact and "grouped" in places(group) and group.size == 6 for group in groups.groups.values()
        )
        (by_group,) = [group for group in groups.groups.values() if group.size == 2 and "grouped" in places(group)]
        assert by_group.own_size.startswith("the function fixes this size itself (") or by_group.fixed


RESIDUAL = {"stem": shape(4, 6), "branch": shape(6, 6), "a": {"liveness": shape(6)}, "b": {"liveness": shape(6)}}
RESIDUAL |= {"output": shape(6, 3)}


def residual(params, x, gated):
    stream = x @ params["stem"]
    stream = stream * relu_gate(params["a"]) if "a" in gated else stream
    branch = jnp.tanh(stream @ params["branch"])
    stream = stream + (branch * relu_gate(params["b"]) if "b" in gated else branch)
    return (stream * relu_gate(params["a"]) if "after" in gated else stream) @ params["output"]


@pytest.mark.parametrize(
    ("gated", "expected", "open_parameter"),
    [
        ("a b", {"a.liveness <= 0 and b.liveness <= 0"}, ""),
        ("a", set(), "branch"),
        ("b", set(), "stem"),
        ("after", set(), "stem"),  # the branch reads the stream before
    ],
)
def test_a_residual_sum_is_closed_where_all_its_terms_are(gated, expected, open_parameter):
    def apply(params, x):
        return residual(params, x, gated.split())

    params = random_params(0, RESIDUAL)
    groups = unit_groups(apply, params, normal(1, 5, 4))
    group = next(group for group in groups.groups.values() if "stem" in places(group) and places(group)["stem"] == 1)
    assert gates(group) == expected
    if expected:
        assert_exact(apply, groups, params, group.name, normal(1, 5, 4), units=[2, 4])
    else:
        assert not group.exact and f"reads {open_parameter} past every gate" in group.inexact


def test_one_gate_after_a_sum_closes_all_its_terms():
    def apply(params, x):
        return ((x @ params["left"] + jnp.tanh(x @ params["right"])) * relu_gate(params)) @ params["output"]

    params = {"left": shape(4, 6), "right": shape(4, 6), "liveness": shape(6), "output": shape(6, 3)}
    groups = unit_groups(apply, params, shape(5, 4))
    (group,) = [group for group in groups.groups.values() if group.exact]
    assert places(group) == {"left": 1, "right": 1, "liveness": 0, "output": 0}


def test_concatenated_layers_are_groups_of_their_own():
    def apply(params, x):
        parts = [jnp.tanh(x @ part["kernel"]) * relu_gate(part) for part in params["parts"]]
        return jnp.concatenate(parts, -1) @ params["output"]

    sizes = (3, 4, 2)
    params = {"parts": [{"kernel": shape(5, n), "liveness": shape(n)} for n in sizes], "output": shape(9, 2)}
    groups = unit_groups(apply, params, shape(6, 5))
    layouts = [next(p.layout for p in groups[f"parts.{i}"].places if p.leaf == "output") for i in range(3)]
    assert layouts == ["[3] + 4 + 2", "3 + [4] + 2", "3 + 4 + [2]"]
    arrays = random_params(0, params)
    for name in ("parts.0", "parts.1", "parts.2"):
        assert_exact(apply, groups, arrays, name, normal(1, 6, 5))


def stacked(params, x):
    def block(stream, layer):
        return stream + (jnp.tanh(stream @ layer["up"]) * relu_gate(layer)) @ layer["down"], None

    return jax.lax.scan(block, x @ params["stem"], params["blocks"])[0] @ params["output"]


def test_layers_stacked_in_a_loop():
    blocks = {"up": shape(3, 4, 6), "liveness": shape(3, 6), "down": shape(3, 6, 4)}
    params = random_params(0, {"stem": shape(5, 4), "blocks": blocks, "output": shape(4, 2)})
    x = normal(1, 7, 5)
    groups = unit_groups(stacked, params, x)
    hidden, stream = groups["blocks"], groups["blocks.down[2]"]
    assert gates(hidden) == {"blocks.liveness <= 0"} and hidden.exact and hidden.size == 6
    assert places(hidden) == {"blocks.up": 2, "blocks.liveness": 1, "blocks.down": 1}
    assert places(stream) == {"stem": 1, "blocks.up": 1, "blocks.down": 2, "output": 0} and not stream.exact
    assert any("scan at" in group.fixed and group.size == 3 for group in groups.groups.values())
    assert_exact(stacked, groups, params, "blocks", x, units=[1, 2])
    params["blocks"]["liveness"][:2, 3] = -1  # dead in two of three layers
    assert groups.live(params)["blocks"].all()
    params["blocks"]["liveness"][2, 3] = 0
    np.testing.assert_array_equal(groups.live(params)["blocks"], np.arange(6) != 3)


@pytest.mark.parametrize("scale", ["computed", "given"])
def test_attention(scale):
    def apply(params, x, given):
        queries, keys, values = (jnp.einsum("btd,dhk->bthk", x, params[name]) for name in "qkv")
        queries, values = (v * row(params[f"{n}_gate"]["liveness"], 4) for n, v in (("q", queries), ("v", values)))
        factor = queries.shape[-1] ** -0.5 if scale == "computed" else given
        weights = jax.nn.softmax(jnp.einsum("bqhk,bthk->bhqt", queries, keys) * factor)
        heads = jnp.einsum("bhqt,bthv->bqhv", weights, values) * row(params["head_gate"]["liveness"][:, None], 4)
        return jnp.einsum("bqhv,hvd->bqd", heads, params["o"])

    params = {"q": shape(5, 2, 4), "k": shape(5, 2, 4), "v": shape(5, 2, 3), "o": shape(2, 3, 6)}
    params |= {f"{name}_gate": {"liveness": shape(2, n)} for name, n in (("q", 4), ("v", 3))}
    params |= {"head_gate": {"liveness": shape(2)}}
    params = random_params(0, params)
    inputs = normal(1, 2, 7, 5), np.float32(0.5)
    groups = unit_groups(apply, params, *inputs)
    by_size = {group.size: group for group in groups.groups.values() if not group.fixed}
    heads, queries, values = by_size[2], by_size[4], by_size[3]
    assert gates(values) == {"v_gate.liveness == 0"} and gates(queries) == {"q_gate.liveness == 0"}
    assert "head_gate.liveness == 0" in gates(heads)
    assert queries.exact == (scale == "given") and values.exact and heads.exact
    if scale == "computed":
        assert "a constant computed from the number of units: 0.5 becomes" in queries.inexact
    for group in by_size.values():
        if group.exact:
            assert_exact(apply, groups, params, group.name, *inputs)


@pytest.mark.parametrize(
    "call", ["jit", "checkpoint", "custom_vjp", "custom_jvp", "cond", "vmap", "grad", "nested jit"]
)
def test_calls_are_opened_up(call):
    def layer(x, kernel, gate):
        return jnp.tanh(x @ kernel) * row(jax.nn.relu(gate), x.ndim)

    if call == "jit":
        layer = jax.jit(layer)
    elif call == "nested jit":
        layer = jax.jit(jax.jit(layer), inline=False)
    elif call == "checkpoint":
        layer = jax.checkpoint(layer)
    elif call == "custom_vjp":
        layer = jax.custom_vjp(layer)
        layer.defvjp(lambda *a: (a[0], a), lambda saved, ct: saved)
    elif call == "custom_jvp":
        layer = jax.custom_jvp(layer)
        layer.defjvp(lambda primals, tangents: (primals[0], tangents[0]))

    def apply(params, x):
        def both(x):
            units = layer(x, params["a"], params["b"]["liveness"])
            if call == "cond":
                units = jax.lax.cond(x.sum() > 0, lambda: units, lambda: units * 2)
            return units @ params["output"]

        if call == "vmap":
            return jax.vmap(both)(x)
        return jax.grad(lambda x: both(x).sum())(x) if call == "grad" else both(x)

    params = random_params(0, {"a": shape(4, 5), "b": {"liveness": shape(5)}, "output": shape(5, 3)})
    x = normal(1, 6, 4)
    groups = unit_groups(apply, params, x)
    assert gates(groups["b"]) == {"b.liveness <= 0"}
    assert_exact(apply, groups, params, "b", x, units=[1, 4])
