"""axis_rules.py and zero_rules.py on what moves, cuts, sorts and counts entries: cut, a network equals its masked twin.

Each case is what a function does with six hidden units between two layers. Every group that closes is cut, and every
value of the closed units is replaced by large numbers first: neither changes the outputs.
"""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.groups import assert_cut_equals_twin, assert_exact, closed, conv, gates, normal, random_params, row, shape

from jaxsize.units.compaction import compact
from jaxsize.units.reading import unit_groups

UNITS = 6
PARAMS = {"kernel": shape(5, UNITS), "liveness": shape(UNITS), "output": shape(UNITS, 3)}
X = (4, 5)


def gate(params, ndim=2):
    return row(jax.nn.relu(params["liveness"]), ndim)


def network(middle):
    """A layer; middle(its units [4, 6], their gate [1, 6], parameters); the layer that reads them."""

    def apply(params, x):
        return middle(x @ params["kernel"], gate(params), params) @ params["output"]

    return apply


def by_time(middle):
    """The same, for units along a time axis: middle(units [2, 4, 6] with closed gates, parameters)."""

    def apply(params, x):
        hidden = jnp.tanh(x[None] * jnp.array([1.0, 0.5])[:, None, None] @ params["kernel"]) * gate(params, 3)
        return middle(hidden, params).sum((0, 1)) @ params["output"]

    return apply


def linear_unit(cut):
    """A gated linear unit; cut: makes two halves of [4, 12]."""

    def apply(params, x):
        one, other = cut(x @ params["kernel"])
        return (one * jax.nn.sigmoid(other) * gate(params)) @ params["output"]

    return apply


def halves(h):
    n = h.shape[1] // 2
    return h[:, :n], h[:, n:]


def attention(params, x):
    """Queries, keys and values from one kernel, cut at the sizes of other parameters."""
    width = params["scale"].shape[0]
    queries, keys, values = jnp.split(x @ params["kernel"], [width, 2 * width], -1)
    weights = jax.nn.softmax((queries * row(params["scale"])) @ keys.T)
    return (weights @ values * gate(params)) @ params["output"]


def gates_of_a_cell(params, x):
    """One turn of a cell whose four kernels are one, cut by slices."""
    z = x @ params["kernel"]
    n = z.shape[1] // 4
    i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
    cell = jax.nn.sigmoid(i) * jnp.tanh(g) + jax.nn.sigmoid(f)
    return (jax.nn.sigmoid(o) * jnp.tanh(cell) * gate(params)) @ params["output"]


def padded_into_place(params, x):
    """A concatenation written as a sum of padded parts."""
    one = jnp.tanh(x @ params["kernel"]) * gate(params)
    other = jnp.tanh(x @ params["second"]) * row(params["b"]["liveness"])
    n, m = one.shape[1], other.shape[1]
    joined = jnp.pad(one, ((0, 0), (0, m))) + jnp.pad(other, ((0, 0), (n, 0)))
    return joined @ params["both"]


def segments(params, x):
    """Messages along edges, added up by receiving node."""
    sent = (jnp.tanh(x @ params["kernel"]) * gate(params))[jnp.array([0, 1, 3, 3, 2])]
    return jax.ops.segment_sum(sent, jnp.array([0, 2, 2, 1, 0]), num_segments=3) @ params["output"]


def experts(params, x):
    """Rows go to experts in groups of computed sizes; all experts have the same units."""
    sizes = jnp.array([1, 3])
    hidden = jnp.tanh(jax.lax.ragged_dot(x, params["kernel"], sizes)) * gate(params)
    return jax.lax.ragged_dot(hidden, params["output"], sizes)


def custom(kind):
    def squash(h, g):
        return jnp.tanh(h) * g

    if kind == "jvp":
        squash = jax.custom_jvp(squash, nondiff_argnums=(1,))
        squash.defjvp(lambda g, primals, tangents: (squash(primals[0], g), tangents[0] * g))
    elif kind == "vjp":
        squash = jax.custom_vjp(squash)
        squash.defvjp(lambda h, g: (squash(h, g), g), lambda g, ct: (ct * g, ct))
    else:
        squash = jax.custom_batching.custom_vmap(squash)
        squash.def_vmap(lambda size, batched, h, g: (jnp.tanh(h) * g, batched[0]))
    return network(lambda h, g, p: squash(h, jnp.broadcast_to(g, h.shape)) if kind == "vmap" else squash(h, g))


def power(h, g, p):
    return jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, jnp.tanh(c[1] * p["scale"])), (0, h * g))[1]


def halve(carry, _):
    return carry * HALF, None


def until_small(h, g, p):
    return jax.lax.while_loop(lambda c: (c**2).sum() > 1, lambda c: c / 2, h * g)


TWICE = PARAMS | {"kernel": shape(5, 2 * UNITS)}
RECEIVERS = np.array([0, 1, 1, 0])
HALF = jnp.asarray(0.5)
# function, parameters
EXACT = {
    "split": (linear_unit(lambda h: jnp.split(h, 2, -1)), TWICE),
    "slices": (linear_unit(halves), TWICE),
    "every second": (linear_unit(lambda h: (h[:, ::2], h[:, 1::2])), TWICE),
    "unstacked": (linear_unit(lambda h: jnp.unstack(h.reshape(len(h), 2, -1), axis=1)), TWICE),
    "fused attention": (attention, PARAMS | {"kernel": shape(5, 2 * 4 + UNITS), "scale": shape(4)}),
    "fused cell": (gates_of_a_cell, PARAMS | {"kernel": shape(5, 4 * UNITS)}),
    "padded into place": (
        padded_into_place,
        {**PARAMS, "second": shape(5, 4), "b": {"liveness": shape(4)}, "both": shape(10, 3)},
    ),
    "all but the first": (by_time(lambda h, p: h[:, 1:] - h[:, :-1]), PARAMS),
    "a slice at a computed place": (
        by_time(lambda h, p: jax.lax.dynamic_slice_in_dim(h, jnp.argmax(p["at"]), 2, 1)),
        PARAMS | {"at": shape(3)},
    ),
    "a write at a computed place": (
        by_time(lambda h, p: jax.lax.dynamic_update_slice_in_dim(h, h[:, :2] * 2, jnp.argmax(p["at"]), 1)),
        PARAMS | {"at": shape(3)},
    ),
    "segments": (segments, PARAMS),
    "segments of many": (by_time(lambda h, p: jax.vmap(lambda one: jax.ops.segment_sum(one, RECEIVERS, 2))(h)), PARAMS),
    "set": (by_time(lambda h, p: h.at[:, 1].set(h[:, 0])), PARAMS),
    "scaled rows": (by_time(lambda h, p: h.at[:, jnp.array([0, 2])].multiply(3.0)), PARAMS),
    "taken along": (by_time(lambda h, p: jnp.take_along_axis(h, jnp.array([[[1]], [[2]]]), 1)), PARAMS),
    "while": (network(power), PARAMS | {"scale": shape()}),
    "while units decide": (network(until_small), PARAMS),
    "cumsum": (by_time(lambda h, p: jnp.cumsum(h, 1)), PARAMS),
    "sort": (by_time(lambda h, p: jnp.sort(h, 1) * jnp.arange(4.0)[None, :, None]), PARAMS),
    "sort by another": (by_time(lambda h, p: jax.lax.sort([jnp.abs(h), h + 0], dimension=1, num_keys=1)[1]), PARAMS),
    "fft": (by_time(lambda h, p: jnp.fft.fft(jnp.swapaxes(h, 1, 2)).real.swapaxes(1, 2)), PARAMS),
    "experts": (experts, PARAMS | {"kernel": shape(2, 5, UNITS), "output": shape(2, UNITS, 3)}),
    "stacked": (network(lambda h, g, p: jnp.stack([h * g, jnp.tanh(h) * g]).sum(0)), PARAMS),
    "tiled": (network(lambda h, g, p: jnp.tile(h * g, (2, 1))[:4]), PARAMS),
    "custom jvp": (custom("jvp"), PARAMS),
    "custom vjp": (custom("vjp"), PARAMS),
    "custom vmap": (custom("vmap"), PARAMS),
    "scan with a constant": (network(lambda h, g, p: jax.lax.scan(halve, h * g, length=2)[0]), PARAMS),
}


@pytest.mark.parametrize("name", EXACT)
def test_cut_it_equals_its_masked_twin(name):
    apply, shapes = EXACT[name]
    exact = assert_cut_equals_twin(apply, random_params(1, shapes), normal(2, *X))
    assert any(group.size == UNITS and "liveness <= 0" in gates(group) for group in exact)


PAST = "past every gate"
# What closes no unit, or draws and counts by the number of units -> what is said of it.
NOT_EXACT = {
    "logarithms of sums": (by_time(lambda h, p: jax.lax.cumlogsumexp(h, 1)), PAST),
    "where the largest are": (by_time(lambda h, p: jax.lax.top_k(h.swapaxes(1, 2), 2)[1].swapaxes(1, 2) * 1.0), PAST),
    "a sum onto ones": (by_time(lambda h, p: jnp.ones_like(h).at[:, 0].add(h[:, 1])), PAST),
    "a function of rows": (by_time(lambda h, p: h.at[:, 0].apply(jnp.cos)), PAST),
    "bits, which -0 has": (network(lambda h, g, p: jax.lax.bitcast_convert_type(h * g, jnp.int32) * 1.0), PAST),
    "padding of ones": (network(lambda h, g, p: jnp.pad(h * g, ((1, 1), (0, 0)), constant_values=1)), PAST),
    "while, a gate inside": (
        network(lambda h, g, p: jax.lax.while_loop(lambda c: c.sum() > 1, lambda c: c * g, h)),
        PAST,  # it may take no turn
    ),
    "while, a gate inside, turns counted elsewhere": (
        network(
            lambda h, g, p: jax.lax.while_loop(lambda c: c[0] < p["turns"], lambda c: (c[0] + 1, c[1] * g), (0.0, h))[1]
        ),
        PAST,  # it may take no turn, and no other step reads the units open
    ),
    "while, another value": (
        network(lambda h, g, p: jax.lax.while_loop(lambda c: c.sum() < 0, lambda c: c + 1, h * g)),
        PAST,
    ),
    "while, open units decide": (
        network(lambda h, g, p: g * jax.lax.while_loop(lambda c: c.sum() < 9, lambda c: c + h**2, h**2)),
        "reduce_sum at .* reads kernel past every gate",
    ),
}


@pytest.mark.parametrize("name", NOT_EXACT)
def test_what_is_not_exact_is_told(name):
    apply, reason = NOT_EXACT[name]
    groups = unit_groups(apply, PARAMS | {"turns": shape()}, normal(2, *X))
    (group,) = [group for group in groups.groups.values() if any(p.leaf == "liveness" for p in group.places)]
    assert not group.exact and not group.fixed and re.search(reason, group.inexact), str(group)


def test_slices_at_places_of_their_own_are_fixed_and_their_rest_is_free():
    def apply(params, x):
        hidden = jnp.tanh(x @ params["kernel"]) * gate(params)
        return jnp.concatenate([hidden[:, :2], 2 * hidden[:, 2:]], 1) @ params["output"]

    params = random_params(1, PARAMS)
    groups = unit_groups(apply, PARAMS, normal(2, *X))
    first, rest = (next(group for group in groups.groups.values() if group.size == size) for size in (2, 4))
    assert "slice at test_program_rules.py" in first.own_size and "takes entries by position" in first.own_size
    assert not first.fixed and first.exact  # the function is run at other sizes by the groups
    assert rest.exact
    assert_exact(apply, groups, params, rest.name, normal(2, *X), units=[1, 3])


def test_whole_groups_of_a_grouped_convolution():
    def apply(params, images):
        hidden = conv(images, params["first"])  # [2, 4, 4, 3 groups of 2]
        per_group = params["grouped"].shape[2]
        by_group = hidden.reshape(*hidden.shape[:3], -1, per_group) * row(params["liveness"][:, None], 5)
        hidden = by_group.reshape(hidden.shape)
        hidden = conv(hidden, params["grouped"], hidden.shape[-1] // per_group)
        return jnp.tanh(hidden).mean((1, 2)) @ params["output"]

    shapes = {"first": shape(3, 3, 2, 6), "liveness": shape(3), "grouped": shape(3, 3, 2, 12), "output": shape(12, 3)}
    images = normal(2, 2, 4, 4, 2)
    groups = unit_groups(apply, shapes, images)
    (group,) = [group for group in groups.groups.values() if group.exact]
    assert group.size == 3 and {(p.leaf, p.layout) for p in group.places} == {
        ("first", "[3] * 2"), ("liveness", "[3]"), ("grouped", "[3] * 4"), ("output", "[3] * 4"),
    }  # fmt: skip
    params = random_params(1, shapes)
    assert_exact(apply, groups, params, group.name, images, units=[1])
    shut = closed(groups, params, group.name, np.array([1]), next(iter(group.gates)))
    small = compact(groups, shut, {group.name: groups.live(shut, quiet=True)[group.name]})
    assert small.params["grouped"].shape == (3, 3, 2, 8)
    np.testing.assert_allclose(apply(small.params, images), apply(shut, images), rtol=1e-5, atol=1e-5)
