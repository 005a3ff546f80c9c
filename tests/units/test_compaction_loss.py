"""Exact means exact: what compact() accepts trains on like the masked twin, and what it refuses would not have.

Each case is a loss and an optimiser. Where it is accepted, five steps after removal are those of the twin; where it is
refused, removal by force (`exact=False`) leads elsewhere.
"""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.compaction import normal
from helpers.compiling import QUICKLY
from helpers.groups import conv

import jaxsize
from jaxsize.gates import liveness_penalty

DEAD, LIVE = np.array([0, 3]), np.array([1, 2, 4, 5])
X, Y = normal(1, 8, 4).astype(float), normal(2, 8, 3).astype(float)
START = {"a": normal(3, 4, 6), "b": normal(4, 6), "liveness": np.abs(normal(5, 6)) + 1, "o": normal(6, 6, 3)}
ADAM, SGD = optax.adam(1e-2), optax.sgd(0.1)
CLIPPED = optax.chain(optax.clip_by_global_norm(0.05), SGD)
FLAT = optax.flatten(CLIPPED)
DECAYED = optax.chain(optax.clip_by_global_norm(0.05), optax.add_decayed_weights(0.1), SGD)


def at_once(gate):
    """max(gate, 0), with derivative 1/2 at 0."""
    return jnp.maximum(gate, 0)


def sum_of_squares(p):
    return 0.2 * sum(jnp.sum(leaf**2) for leaf in p.values())


def norm(p):
    return 0.1 * jnp.sqrt(jnp.sum(p["a"] ** 2))


# penalty, gate, optimiser, what is said of it where it is refused
CASES = {
    "adam": (lambda p: 0.0, jax.nn.relu, ADAM, ""),
    "adam, L2": (sum_of_squares, jax.nn.relu, ADAM, ""),
    "adam, an open gate at 0": (lambda p: 0.0, at_once, ADAM, ""),
    "clipped": (lambda p: 0.0, jax.nn.relu, CLIPPED, ""),
    "clipped, a penalty of weight 0": (lambda p: 0.0 * sum_of_squares(p), jax.nn.relu, CLIPPED, ""),
    "clipped, a price on gates": (lambda p: 0.1 * liveness_penalty(p["liveness"]), jaxsize.relu, CLIPPED, ""),
    "clipped, the decay in the optimiser": (lambda p: 0.0, jax.nn.relu, DECAYED, ""),
    "clipped, L2": (
        sum_of_squares, jax.nn.relu, CLIPPED,
        "reduce_sum at .* mixes the units of liveness, of which dead ones have gradients: a through mul at "
        "test_compaction_loss.py:.*; leave terms of the weights to the optimiser",
    ),
    "clipped as one vector": (lambda p: 0.0, jax.nn.relu, FLAT, ""),
    "clipped as one vector, L2 of some": (
        lambda p: 0.2 * jnp.sum(p["a"] ** 2), jax.nn.relu, FLAT, ".*dead ones have gradients: a through mul at "
    ),
    "clipped, an open gate at 0": (
        lambda p: 0.0, at_once, CLIPPED,
        "dead ones have gradients: liveness through mul at .*; use a gate without a gradient where it is closed",
    ),
    "a mean of squares": (
        lambda p: jnp.mean(p["a"] ** 2), jax.nn.relu, SGD,
        "the gradients of this loss would change .*: a constant computed from the number of units: 24 becomes",
    ),
    "a norm": (norm, jax.nn.relu, SGD, "the gradients of this loss would .*: reduce_sum at .* reads a of dead units"),
    "a product of sums": (
        lambda p: 0.1 * p["b"].sum() * p["o"].sum(), jax.nn.relu, SGD, "the gradients of this loss .*reads . of dead un"
    ),
    "each unit with another": (
        lambda p: jnp.sum(p["b"] * p["b"][::-1]), jax.nn.relu, SGD, "the gradients .*: rev at .* turns its entries arou"
    ),
}  # fmt: skip


def functions(penalty, relu):
    """The network and its loss."""

    def apply(params, inputs):
        return jnp.tanh(inputs @ params["a"] + params["b"][None]) * relu(params["liveness"])[None] @ params["o"]

    return apply, lambda params: jnp.mean((apply(params, X) - Y) ** 2) + penalty(params)


def closed(params, units):
    return params | {"liveness": params["liveness"].at[units].set(0)}


@functools.cache
def all_cases():
    """Per case what compact() says, and by how much five steps without dead units differ from those with them."""
    messages, small, twins = {}, {}, {}
    with jax.enable_x64(True):
        params = closed({leaf: jnp.asarray(value, float) for leaf, value in START.items()}, DEAD)
        for name, (penalty, relu, optimizer, _) in CASES.items():
            apply, loss = functions(penalty, relu)
            groups, state = jaxsize.unit_groups(apply, params, X), optimizer.init(params)
            cut = functools.partial(
                jaxsize.compact, groups, params, groups.live(params), optimizer=optimizer, opt_state=state, loss_fn=loss
            )
            try:
                after, messages[name] = cut(), ""
            except ValueError as error:
                after, messages[name] = cut(exact=False), str(error)
            small[name], twins[name] = (after.params, after.opt_state), (params, state)

        def train(starts, held):  # all in one program, which compiles faster
            ends = {}
            for name, (params, state) in starts.items():
                penalty, relu, optimizer, _ = CASES[name]
                gradient = jax.grad(functions(penalty, relu)[1])

                def step(carry, _, optimizer=optimizer, gradient=gradient):
                    updates, state = optimizer.update(gradient(carry[0]), carry[1], carry[0])
                    return (closed(optax.apply_updates(carry[0], updates), held), state), None

                ends[name] = jax.lax.scan(step, (params, state), length=5)[0][0]
            return ends

        train = jax.jit(train, compiler_options=QUICKLY)
        ends, ends_of_twins = jax.device_get((train(small, np.array([], int)), train(twins, DEAD)))
    axes = {"a": 1, "b": 0, "liveness": 0, "o": 0}
    return {
        name: (
            messages[name],
            max(
                np.abs(end[leaf] - np.take(ends_of_twins[name][leaf], LIVE, axis)).max() for leaf, axis in axes.items()
            ),
        )
        for name, end in ends.items()
    }


@pytest.mark.parametrize("name", CASES)
def test_it_is_accepted_if_it_goes_on_as_the_masked_twin(name):
    message, difference = all_cases()[name]
    expected = CASES[name][-1]
    assert re.fullmatch(f"compact: .*{expected}.*" if expected else "", message), message
    assert difference > 1e-6 if expected else difference < 1e-12


def network(params, inputs):
    return jnp.tanh(inputs @ params["a"]) * jax.nn.relu(params["liveness"])[None] @ params["o"]


def closed_params():
    params = {leaf: START[leaf] for leaf in ("a", "liveness", "o")}
    return params | {"liveness": np.where(np.isin(np.arange(6), DEAD), 0, params["liveness"])}


def cut(loss_fn, optimizer=CLIPPED, **settings):
    params = closed_params()
    groups = jaxsize.unit_groups(network, params, X.astype(np.float32))
    state = optimizer.init(params)
    return jaxsize.compact(
        groups, params, groups.live(params), optimizer=optimizer, opt_state=state, loss_fn=loss_fn, **settings
    )


def test_an_optimiser_that_sums_over_gradients_asks_for_the_loss():
    message = "next steps stay the same only if dead units have no gradient (reduce_sum at"
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        cut(None)
    assert "expected `loss_fn`, the loss as a function of the parameters, to see that, got None" in str(caught.value)
    cut(None, ADAM)
    cut(None, exact=False)
    cut(lambda params: network(params, X.astype(np.float32)), optax.novograd(1e-2))  # a norm per parameter


def test_an_optimiser_that_reads_the_value_of_the_loss_asks_for_it():
    """A plateau is one of the value, to which the squares of dead units' weights belong though nothing sums them."""
    plateau = optax.chain(ADAM, optax.contrib.reduce_on_plateau())
    with pytest.raises(
        ValueError, match=r"only if dead units do not change the value of the loss \(which it reads\): expected"
    ):
        cut(None, plateau)

    def loss(params):
        return jnp.mean(network(params, X.astype(np.float32)) ** 2)

    cut(loss, plateau)
    cut(lambda params: loss(params) + jnp.sum(params["a"] ** 2), ADAM)
    with pytest.raises(ValueError, match=r"it reads the value of the loss, and reduce_sum at .* reads a of dead units"):
        cut(lambda params: loss(params) + jnp.sum(params["a"] ** 2), plateau)


def test_values_that_the_loss_follows_from_will_do():
    """The outputs are not known to lead to any loss in particular, and need not be numbers only."""
    cut(lambda params: network(params, X.astype(np.float32)))
    cut(lambda params: {"loss": network(params, X.astype(np.float32)).sum(), "count": 3})
    with pytest.raises(ValueError, match="dead ones have gradients: a through"):
        cut(lambda params: (network(params, X.astype(np.float32)), params["a"] ** 2))


@pytest.mark.parametrize(
    ("loss_fn", "message"),
    [
        (lambda params: params["missing"], "expected a function of the parameters alone that has a gradient, got Key"),
        (lambda params: (params["a"] * np.ones((4, 6), np.float32)).sum(), "a constant array of the function has"),
        (lambda params: (params["a"][:, ::-1] * params["o"].T[:1]).sum(), "the gradients of this loss would change"),
    ],
)  # fmt: skip
def test_a_loss_that_does_not_fit(loss_fn, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        cut(loss_fn, ADAM)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("compact: ")


def pooled_depthwise(params, images):
    """Convolution, depthwise convolution, gate, the largest of windows, dense."""
    units = conv(images, params["first"])
    units = conv(units, params["depthwise"], units.shape[-1]) * jax.nn.relu(params["liveness"])[None, None, None]
    units = jax.lax.reduce_window(jnp.tanh(units), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return units.mean((1, 2)) @ params["o"]


def attention(params, x):
    """Two heads, of which one is dead."""
    queries, keys, values = (jnp.einsum("bti,ihd->bthd", x, params[name]) for name in ("q", "k", "v"))
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", queries, keys))
    heads = jnp.einsum("bhqk,bkhd->bqhd", weights, values) * jax.nn.relu(params["liveness"])[None, None, :, None]
    return jnp.einsum("bqhd,hdo->bqo", heads, params["o"])


def recurrent(params, x):
    """A cell whose units are gated in every turn."""
    gate = jax.nn.relu(params["liveness"])[None]

    def turn(state, inputs):
        return jnp.tanh(inputs @ params["in"] + state @ params["h"]) * gate, None

    state, _ = jax.lax.scan(turn, jnp.zeros((x.shape[1], gate.shape[1])), x)
    return state @ params["o"]


UNITS = {"liveness": (6,)}
# network, shapes of its parameters and inputs
NETWORKS = {
    "depthwise": (
        pooled_depthwise, {"first": (3, 3, 2, 6), "depthwise": (3, 3, 1, 6), **UNITS, "o": (6, 3)}, (2, 4, 4, 2)
    ),
    "attention": (
        attention, {"q": (4, 6, 5), "k": (4, 6, 5), "v": (4, 6, 5), **UNITS, "o": (6, 5, 3)}, (2, 7, 4)
    ),
    "recurrent": (recurrent, {"in": (4, 6), "h": (6, 6), **UNITS, "o": (6, 3)}, (5, 2, 4)),
}  # fmt: skip


@pytest.mark.parametrize("name", NETWORKS)
def test_gradients_of_any_network_are_followed(name):
    """Those of dead units are 0, and those of the others stay: so an optimiser that sums over them is accepted."""
    apply, shapes, of_inputs = NETWORKS[name]
    params = {leaf: normal((1, number), *sizes) for number, (leaf, sizes) in enumerate(shapes.items())}
    params["liveness"] = np.where(np.isin(np.arange(6), DEAD), 0, 1 + abs(params["liveness"]))
    inputs = normal(2, *of_inputs)

    def loss(params):
        return jnp.mean(apply(params, inputs) ** 2)

    groups, state = jaxsize.unit_groups(apply, params, inputs), CLIPPED.init(params)
    settings = {"optimizer": CLIPPED, "opt_state": state, "loss_fn": loss}
    small = jaxsize.compact(groups, params, groups.live(params), **settings)
    gradient, of_small = jax.device_get((jax.jit(jax.grad(loss))(params), jax.jit(jax.grad(loss))(small.params)))
    for place in groups["liveness"].places:
        assert not np.take(gradient[place.leaf], DEAD, place.axis).any()
    for leaf, kept in of_small.items():
        expected = gradient[leaf]
        for place in groups["liveness"].places:
            expected = np.take(expected, LIVE, place.axis) if place.leaf == leaf else expected
        np.testing.assert_allclose(kept, expected, rtol=1e-4, atol=1e-6)


def test_the_loss_of_one_run_serves_a_batch_and_is_read_once():
    calls = []

    def loss(params):
        calls.append(params["a"].shape)
        return jnp.sum(network(params, X.astype(np.float32)) ** 2)

    params = jax.tree.map(lambda leaf: np.stack([leaf, leaf]), closed_params())
    groups = jaxsize.unit_groups(network, closed_params(), X.astype(np.float32))
    state = jax.vmap(CLIPPED.init)(params)
    settings = {"optimizer": CLIPPED, "loss_fn": loss}
    small = jaxsize.compact(groups, params, groups.live(params), opt_state=state, **settings)
    assert small.params["a"].shape == (2, 4, 4)
    traced = len(calls)
    small.params["liveness"][:, 1] = 0  # later, at the smaller width
    live = small.groups.live(small.params)
    smaller = jaxsize.compact(small.groups, small.params, live, opt_state=small.opt_state, **settings)
    assert smaller.params["a"].shape == (2, 4, 3) and len(calls) == traced and set(calls) > {(4, 6)}
