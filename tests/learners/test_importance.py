"""How much units matter, against deleting them and float64 NumPy; moving them, against permutations."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.flexible import (
    CLASSIFICATION,
    TWO,
    D,
    K,
    cross_entropy,
    forward,
    learner_of,
    named,
    programs_of,
    run_of,
    some_data,
    train_together,
)
from helpers.groups import conv
from helpers.hparams import flexible_hparams
from helpers.training import normal
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsize.gates.ramp import size_gate
from jaxsize.learners.flexible import FlexibleConfig, make_optimizer
from jaxsize.learners.importance import leave_one_out, measure_units, spreads
from jaxsize.networks.mlp import mlp
from jaxsize.units.reading import unit_groups
from jaxsize.units.reordering import reorder_units

DATA = some_data()
DATA_ROWS = tuple(map(jnp.asarray, DATA.rows[:2]))
INPUTS, TARGETS = np.asarray(DATA.rows.inputs, float), np.asarray(DATA.rows.targets)


def random_params(widths, seed=0):
    """Every leaf its own numbers, of every sign; all gates open unless told otherwise."""
    params = mlp(widths, gate="size").init(seed)
    for n, layer in enumerate(params["hidden"]):
        layer["size"], layer["slope"] = np.float32(1e4), np.float32(1 + n)
    return params


def groups_of(params):
    return unit_groups(TWO.apply, params, np.zeros((1, D), np.float32))


def permuted(leaves, orders):
    """The same network by NumPy: columns of each layer, and the rows of the next one's kernel, in a new order."""
    new = dict(leaves)
    for n, order in enumerate(orders):
        new[n, "kernel"], new[n, "bias"] = new[n, "kernel"][:, order], new[n, "bias"][order]
        new[n + 1, "kernel"] = new[n + 1, "kernel"][order]
    return new


@st.composite
def networks(draw):
    widths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    levels = [draw(st.lists(st.integers(-2, 2), min_size=width, max_size=width)) for width in widths]
    return (D, *widths, K), levels  # few levels, so that units tie


@settings(deadline=None, max_examples=25)
@given(
    network=networks(),
    seed=st.integers(0, 99),
    config=st.sampled_from([FlexibleConfig(), FlexibleConfig(optimizer="adamax", slope="trained")]),
)
def test_what_belongs_to_a_unit_moves_with_it_and_outputs_stay(network, seed, config):
    widths, levels = network
    params, optimizer = random_params(widths, seed), make_optimizer(config, flexible_hparams())
    state = jax.tree.map(
        lambda leaf: normal(seed + leaf.size, *leaf.shape) if leaf.ndim else leaf + 7, optimizer.init(params)
    )
    scores = {f"hidden.{n}": jnp.asarray(level, jnp.float32) for n, level in enumerate(levels)}
    moved, moved_state, permutations = reorder_units(optimizer, groups_of(params), params, state, scores)
    orders = [sorted(range(len(level)), key=lambda unit, level=level: -level[unit]) for level in levels]  # stable
    assert [order.tolist() for order in permutations.values()] == orders and list(permutations) == list(scores)
    expected = permuted(named(params), orders)
    chex.assert_trees_all_equal(named(moved), expected, strict=True)
    np.testing.assert_allclose(forward(named(moved), INPUTS)[-1], forward(named(params), INPUTS)[-1], rtol=1e-9)

    def moments(state):
        """mu and nu (where there are any) of the weights, as a network each; whatever else there is."""
        (_, scaled, _, _) = state.inner_states["weights"].inner_state
        return {name: getattr(scaled, name) for name in ("mu", "nu")}, scaled.count

    (before, count), (after, new_count) = moments(state), moments(moved_state)
    assert new_count == count == 7
    for name in before:
        leaves = {key: np.asarray(value) for key, value in weights_of(before[name]).items()}
        chex.assert_trees_all_equal(weights_of(after[name]), permuted(leaves, orders), strict=True)


def weights_of(tree):
    layers = [*tree["hidden"], tree["output"]]
    return {(n, name): layer[name] for n, layer in enumerate(layers) for name in ("kernel", "bias")}


def test_units_in_another_order_train_on_alike_where_all_gates_are_equal():
    """At slope 0 every gate is 1/2 wherever a unit stands. NumPy permutes the end of the one run, not its start."""
    learner, params = learner_of(FlexibleConfig()), TWO.init(1)
    for layer in params["hidden"]:
        layer["slope"] = np.float32(0)
    hparams = flexible_hparams(learning_rate=0.02, weight_decay=0.1, penalty_weight=0.1, size_learning_rate=0.1)
    settings = jax.tree.map(lambda value: np.full(2, value, np.float32), hparams)
    states, _ = train_together(learner, [params] * 2, DATA, settings)
    half = run_of(states, 0)
    scores = {f"hidden.{n}": jnp.asarray(normal(n, width)) for n, width in enumerate((7, 6))}
    optimizer = make_optimizer(FlexibleConfig(), hparams)
    moved, state, order = reorder_units(optimizer, groups_of(half.params), half.params, half.opt_state, scores)
    pair = [half, half.replace(params=moved, opt_state=state)]
    ends = go_on(learner, pair, settings)
    expected = permuted(named(run_of(ends.params, 0)), [np.asarray(order[name]) for name in scores])
    for leaf, value in named(run_of(ends.params, 1)).items():
        np.testing.assert_allclose(value, expected[leaf], rtol=1e-4, atol=1e-6)
        assert (leaf[1] in ("size", "slope")) or not np.array_equal(value, named(moved)[leaf])
    wrong = go_on(learner, [half, half.replace(params=moved)], settings)  # moments left behind would be seen
    assert np.abs(named(run_of(wrong.params, 1))[0, "kernel"] - expected[0, "kernel"]).max() > 1e-3


def go_on(learner, states, hparams):
    _, epoch = programs_of(learner, 8)
    return jax.device_get(epoch(jax.tree.map(lambda *leaves: np.stack(leaves), *states), hparams, DATA)[0])


def gated_params(widths=(D, 7, 6, K)):
    params = mlp(widths, gate="size").init(3)
    for layer, size in zip(params["hidden"], (3.3, 2.1), strict=False):
        layer["size"], layer["slope"] = np.float32(size), np.float32(0.9)
    return params


without_each = jax.jit(lambda params: leave_one_out(TWO, CLASSIFICATION, params, *DATA_ROWS))


def loss_of(p):
    return cross_entropy(forward(p, INPUTS)[-1], TARGETS)


def test_leaving_one_out_costs_what_deleting_the_unit_costs():
    params = gated_params()
    costs = without_each(params)
    p = named(params)
    whole = loss_of(p)
    for n, width in enumerate((7, 6)):
        assert costs[f"hidden.{n}"].shape == (width,)
        for unit in range(width):
            # Deleted from its layer; the gates of those behind it are multiplied into what reads them.
            left = [other for other in range(width) if other != unit]
            small, gates = dict(p), forward(p, INPUTS)[2][n]
            small[n, "kernel"], small[n, "bias"] = p[n, "kernel"][:, left], p[n, "bias"][left]
            small[n + 1, "kernel"] = (gates[:, None] * p[n + 1, "kernel"])[left]
            small[n, "size"] = np.array(1e6)
            expected = loss_of(small) - whole
            np.testing.assert_allclose(costs[f"hidden.{n}"][unit], expected, rtol=1e-3, atol=1e-6)
    assert np.abs(costs["hidden.0"]).max() > 1e-3


def test_more_units_than_are_left_out_at_once():
    params = gated_params((D, 70, 5, K))
    costs = without_each(params)["hidden.0"]
    p = named(params)
    for unit in (0, 2, 31, 32, 69):
        silent = p | {(1, "kernel"): np.where(np.arange(70)[:, None] == unit, 0, p[1, "kernel"])}
        expected = loss_of(silent) - loss_of(p)
        np.testing.assert_allclose(costs[unit], expected, rtol=1e-3, atol=1e-6)


def test_spreads_are_standard_deviations_before_the_gate():
    params = gated_params()
    hidden = forward(named(params), INPUTS)[1]
    deviations = jax.jit(functools.partial(spreads, TWO.apply))(params, DATA_ROWS[0])
    for n, activations in enumerate(hidden):
        np.testing.assert_allclose(deviations[f"hidden.{n}"], activations.std(axis=0), rtol=1e-5, atol=1e-7)
    same = measure_units("spread", TWO, CLASSIFICATION, params, *DATA_ROWS)
    np.testing.assert_allclose(same["hidden.1"], hidden[1].std(axis=0), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("measure", ["spread", "leave_one_out"])
def test_a_row_of_weight_3_is_measured_as_three_rows_and_one_of_weight_0_not_at_all(measure):
    params, weights = gated_params(), np.arange(len(INPUTS)) % 4
    copies = [jnp.repeat(rows, weights, axis=0) for rows in DATA_ROWS]
    measured = jax.jit(functools.partial(measure_units, measure, TWO, CLASSIFICATION))
    weighted = measured(params, *DATA_ROWS, jnp.asarray(weights, jnp.float32) / 7)
    chex.assert_trees_all_close(weighted, measured(params, *copies), rtol=1e-4, atol=1e-6)


def test_an_unknown_measure_is_refused():
    with pytest.raises(ValueError, match="measure: expected spread or leave_one_out, got 'none'"):
        measure_units("none", TWO, CLASSIFICATION, gated_params(), *DATA_ROWS)


@pytest.mark.parametrize("measure", ["spread", "leave_one_out"])
def test_after_every_epoch_the_units_that_matter_most_come_first(measure):
    """With everything frozen an epoch only sorts, and a second one changes nothing but the running spread."""
    params, learner = gated_params(), learner_of(FlexibleConfig(order=measure))
    if measure == "spread":  # all gates equal: what a unit puts out does not depend on where those before it stand
        params["hidden"] = [layer | {"slope": np.float32(0)} for layer in params["hidden"]]
    hparams = flexible_hparams(learning_rate=0.0, size_learning_rate=0.0)
    states, _ = train_together(learner, [params], DATA, hparams, epochs=1)
    state, p = run_of(states, 0), named(params)
    if measure == "spread":
        scores = [activations.std(axis=0) for activations in forward(p, INPUTS)[1]]
    else:
        cost = without_each(params)
        scores = [np.asarray(cost[f"hidden.{n}"]) for n in (0, 1)]
    orders = [np.argsort(-score, stable=True) for score in scores]
    expected = permuted(p, orders)
    chex.assert_trees_all_equal(named(state.params), expected, strict=True)
    if measure == "spread":
        states, _ = train_together(learner, [params], DATA, hparams, epochs=2)
        for n, score in enumerate(scores):
            running = states.bookkeeping["order"][f"hidden.{n}"][0]
            # 0 before, then 0.9 of it and 0.1 of the spread, twice; it moves with its unit
            np.testing.assert_allclose(running, (1 - 0.9**2) * score[orders[n]], rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(named(run_of(states.params, 0))[0, "kernel"], expected[0, "kernel"])


def two_branches(params, images):
    """Channels and dense units with sizes, under other names, one after the other."""
    hidden = size_gate(jax.nn.relu(conv(images, params["eye"]["w"])), params["eye"]["size"], params["eye"]["slope"])
    hidden = jnp.tanh(hidden.reshape(len(images), -1) @ params["mind"]["w"])
    return size_gate(hidden, params["mind"]["size"], params["mind"]["slope"]) @ params["top"]


def test_leaving_out_channels_and_units_of_a_network_with_other_names():
    ramp = {"size": np.float32(2.3), "slope": np.float32(0.7)}
    params = {"eye": {"w": normal(0, 3, 3, 2, 5)} | ramp, "mind": {"w": 0.1 * normal(1, 80, 6)} | ramp}
    params["top"] = normal(2, 6, K)
    network = TWO._replace(apply=two_branches)
    images, targets = jnp.asarray(normal(3, 9, 4, 4, 2)), jnp.arange(9) % K
    costs = jax.jit(lambda params: leave_one_out(network, CLASSIFICATION, params, images, targets))(params)
    assert {name: len(cost) for name, cost in costs.items()} == {"eye": 5, "mind": 6}

    def loss(params):
        return cross_entropy(np.asarray(two_branches(params, images), float), np.asarray(targets))

    for unit in range(5):  # a channel's entries in the reader: every fifth row
        less = params["mind"] | {"w": np.where(np.arange(80)[:, None] % 5 == unit, 0, params["mind"]["w"])}
        np.testing.assert_allclose(costs["eye"][unit], loss(params | {"mind": less}) - loss(params), atol=1e-5)
    for unit in range(6):
        less = params | {"top": np.where(np.arange(6)[:, None] == unit, 0, params["top"])}
        np.testing.assert_allclose(costs["mind"][unit], loss(less) - loss(params), atol=1e-5)
