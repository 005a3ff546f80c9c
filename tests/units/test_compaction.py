"""compact(): what stays of parameters, optimiser state and bookkeeping, and in which order; one run and batches."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.compaction import conv_model, killed, mlp_model, normal, of_survivors, residual_model
from hypothesis import given, settings
from hypothesis import strategies as st

import jaxsize
from jaxsize.gates.deaths import _init_live, absorbing, sign_variance
from jaxsize.trees import named_leaves

LIVE = {"hidden.0": np.array([0, 1, 0, 1, 1, 0, 0, 0, 1], bool), "hidden.1": np.array([1, 0, 0, 1, 1, 1, 0], bool)}
ADAM = optax.adam(1e-2)
assert_equal = functools.partial(chex.assert_trees_all_equal, strict=True)


def groups_of(model):
    return jaxsize.unit_groups(model.apply, model.params, model.inputs)


@functools.cache
def model_and_groups(**settings):
    model = mlp_model(**settings)
    return model, groups_of(model)


def dead_mlp(live=LIVE, seed=0, **settings):
    """(groups, parameters with the gates closed where `live` says so, their function, inputs)."""
    model, groups = model_and_groups(seed=seed, **settings)
    return groups, killed(groups, model.params, live)[0], model


def test_what_goes_and_what_stays_by_hand():
    groups, params, model = dead_mlp()
    opt_state = jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), ADAM.init(params))
    before = jax.tree.map(np.copy, (params, opt_state))
    small = jaxsize.compact(groups, params, LIVE, optimizer=ADAM, opt_state=opt_state, bookkeeping=LIVE)
    assert_equal((params, opt_state), before)

    first, second = np.flatnonzero(LIVE["hidden.0"]), np.flatnonzero(LIVE["hidden.1"])
    for new, old in ((small.params, params), (small.opt_state[0].mu, opt_state[0].mu)):
        rows = [new["hidden"][1]["kernel"], new["hidden"][0]["bias"], new["output"]["kernel"]]
        assert_equal(rows[0], old["hidden"][1]["kernel"][first][:, second])
        assert_equal(rows[1], old["hidden"][0]["bias"][first])
        assert_equal(rows[2], old["output"]["kernel"][second])
        assert_equal(new["output"]["bias"], old["output"]["bias"])
    assert_equal(small.opt_state[0].count, opt_state[0].count)
    assert all(units.all() for units in small.bookkeeping.values())
    assert_equal({name: small.survivors[name] for name in LIVE}, {"hidden.0": first, "hidden.1": second})
    assert [small.groups[name].size for name in LIVE] == [4, 4]
    assert small.groups.num_parameters() == sum(leaf.size for leaf in jax.tree.leaves(small.params))
    outputs = [model.apply(weights, model.inputs) for weights in (params, small.params)]
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)


def test_masks_and_indices_say_the_same_in_any_order():
    groups, params, _ = dead_mlp()
    by_mask = jaxsize.compact(groups, params, LIVE)
    by_index = jaxsize.compact(groups, params, {"hidden.0": [8, 1, 4, 3], "hidden.1": jnp.array([0, 3, 4, 5])})
    assert_equal(by_mask.params, by_index.params)


def test_units_that_are_not_named_stay():
    groups, params, _ = dead_mlp()
    small = jaxsize.compact(groups, params, {"hidden.1": LIVE["hidden.1"]})
    assert [layer["bias"].size for layer in small.params["hidden"]] == [9, 4]
    assert_equal(small.survivors["hidden.0"], np.arange(9))
    assert_equal(jaxsize.compact(groups, params, {}).params, params)
    everything = {name: np.ones_like(units) for name, units in LIVE.items()}
    assert_equal(
        jaxsize.compact(groups, params, everything, opt_state=ADAM.init(params), optimizer=ADAM).params, params
    )


def test_a_width_is_filled_up_with_the_first_dead_units():
    groups, params, _ = dead_mlp()
    small = jaxsize.compact(groups, params, LIVE, widths={"hidden.0": 6})
    assert_equal(small.survivors["hidden.0"], np.array([0, 1, 2, 3, 4, 8]))
    assert small.survivors["hidden.1"].size == 4


@pytest.mark.parametrize("dead", [np.zeros(9, bool), []])
def test_one_unit_stays_when_all_are_dead(dead):
    groups, params, model = dead_mlp({"hidden.0": np.zeros(9, bool)})
    small = jaxsize.compact(groups, params, {"hidden.0": dead})
    assert_equal(small.survivors["hidden.0"], np.array([0]))
    np.testing.assert_allclose(*(model.apply(weights, model.inputs) for weights in (params, small.params)), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=9, max_size=9))
def test_compacting_twice_is_compacting_once(deaths):
    live = {"hidden.0": np.array([not (early or late) for early, late in deaths])}
    groups, params, _ = dead_mlp(live)
    opt_state = jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), ADAM.init(params))
    book = {"hidden.0": normal(1, 9)}
    compact = functools.partial(jaxsize.compact, optimizer=ADAM)
    once = compact(groups, params, live, opt_state=opt_state, bookkeeping=book)
    first = {"hidden.0": np.array([not early for early, _ in deaths])}
    half = compact(groups, params, first, opt_state=opt_state, bookkeeping=book)
    rest = {"hidden.0": half.groups.live(half.params)["hidden.0"]}
    twice = compact(
        half.groups, half.params, rest, opt_state=half.opt_state, bookkeeping=half.bookkeeping,
        survivors=half.survivors,
    )  # fmt: skip
    if live["hidden.0"].any():  # else the one dead unit that stays is the first of the units there are
        assert_equal(once[:3], twice[:3])
        assert_equal(once.survivors, twice.survivors)
    assert str(once.groups) == str(twice.groups)
    again = jaxsize.compact(twice.groups, twice.params, twice.groups.live(twice.params))
    assert_equal(again.params, twice.params)


def stack(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_a_batch_of_runs_is_compacted_run_by_run(kind):
    rng = np.random.default_rng(0)
    live = [{name: rng.random(units.size) < chance for name, units in LIVE.items()} for chance in (0.2, 0.5, 0.8)]
    groups = dead_mlp()[0]
    params = [dead_mlp(of_run, seed)[1] for seed, of_run in enumerate(live)]
    states = [jax.tree.map(lambda leaf: normal(leaf.size, *leaf.shape), ADAM.init(of_run)) for of_run in params]
    books = [sign_variance(0.9).init(of_run) for of_run in params]

    def compacted(parts, live, widths=None):
        params, opt_state, book = parts
        return jaxsize.compact(
            groups, params, live, optimizer=ADAM, opt_state=opt_state, bookkeeping=book, widths=widths
        )

    stacked = [jax.tree.map(kind, stack(trees)) for trees in (params, states, books)]
    together = compacted(stacked, stack(live))
    assert {type(leaf) for leaf in jax.tree.leaves(together[:2])} == {type(kind(np.ones(1)))}
    widths = {name: max(int(of_run[name].sum()) for of_run in live) for name in LIVE}
    for run in range(3):
        alone = compacted((params[run], states[run], books[run]), live[run], widths)
        one = jax.tree.map(lambda leaf, run=run: np.asarray(leaf[run]), (*together[:3], together.survivors))
        assert_equal(one, jax.device_get((*alone[:3], alone.survivors)))
    pairs = jaxsize.compact(groups, stacked[0], {"hidden.0": np.array([[2, 4], [0, 1], [8, 7]])}, exact=False)
    assert_equal(pairs.survivors["hidden.0"], np.array([[2, 4], [0, 1], [7, 8]]))


def test_flattened_channels_of_a_batch_of_runs_are_cut_run_by_run():
    model = conv_model()
    groups = jaxsize.unit_groups(model.apply, model.params, model.inputs)
    runs = [model.params, jax.tree.map(lambda leaf: leaf + 1, model.params)]
    live = {"conv": np.array([[0, 2], [1, 5]]), "dense": np.array([[0, 1, 2], [2, 3, 4]])}
    together = jaxsize.compact(groups, stack(runs), live, exact=False).params
    for run, params in enumerate(runs):
        alone = jaxsize.compact(groups, params, {name: of[run] for name, of in live.items()}, exact=False).params
        assert_equal(jax.tree.map(lambda leaf, run=run: leaf[run], together), alone)


@pytest.mark.parametrize("dtype", [jnp.bfloat16, np.float16, np.float32, np.float64])
def test_dtypes_and_kinds_of_arrays_stay(dtype):
    groups, params, _ = dead_mlp()
    params = jax.tree.map(lambda leaf: leaf.astype(dtype), params)
    opt_state = jax.tree.map(lambda leaf: np.asarray(leaf, dtype), ADAM.init(params))
    small = jaxsize.compact(groups, params, LIVE, optimizer=ADAM, opt_state=opt_state)
    for leaf in jax.tree.leaves(small[:2]):
        assert isinstance(leaf, np.ndarray | np.generic) and leaf.dtype == dtype
    with jax.enable_x64(dtype is np.float64):
        on_device = jax.tree.map(jnp.asarray, params)
        small = jaxsize.compact(groups, on_device, LIVE, optimizer=ADAM, opt_state=ADAM.init(on_device))
    for leaf in jax.tree.leaves((small.params, small.opt_state[0].mu)):
        assert isinstance(leaf, jax.Array) and leaf.dtype == dtype


def test_open_units_can_be_pruned_where_exactness_is_not_asked_for():
    model = mlp_model(gate=None)
    groups = groups_of(model)
    (name, *_) = (name for name, group in groups.groups.items() if not group.fixed)
    norms = np.linalg.norm(model.params["hidden"][0]["kernel"], axis=0)
    largest = np.argsort(norms)[-4:]
    lamb = optax.lamb(1e-3)  # not refused either
    small = jaxsize.compact(
        groups, model.params, {name: largest}, optimizer=lamb, opt_state=lamb.init(model.params), exact=False
    )
    assert_equal(small.survivors[name], np.sort(largest))
    assert_equal(small.params["hidden"][0]["kernel"], model.params["hidden"][0]["kernel"][:, np.sort(largest)])


def test_a_size_gate_loses_its_last_units_only():
    model = mlp_model(gate="size")
    groups = groups_of(model)
    small = jaxsize.compact(groups, model.params, {"hidden.0.kernel[1]": np.arange(5)}, exact=False)
    assert small.params["hidden"][0]["kernel"].shape == (5, 5)
    with pytest.raises(ValueError, match="only its last units can be removed"):
        jaxsize.compact(groups, model.params, {"hidden.0.kernel[1]": [0, 1, 3]}, exact=False)


def test_units_that_several_gates_close_go_with_all_of_them():
    model = residual_model()
    groups = groups_of(model)
    live = {"first": np.arange(6) % 2 == 0, "inner": np.arange(8) < 3}
    params, _ = killed(groups, model.params, live)
    small = jaxsize.compact(groups, params, live, bookkeeping=absorbing().init(params))
    assert_equal(named_leaves(small.params), of_survivors(groups, params, small.survivors))
    assert_equal(small.bookkeeping, _init_live(small.params))
    assert [small.params[name]["liveness"].size for name in ("first", "inner", "second")] == [3, 3, 3]
    assert_equal(groups.live(params), live)
    half_dead = {**params, "second": {**params["second"], "liveness": np.ones(6, np.float32)}}
    assert groups.live(half_dead)["first"].all()


def test_bookkeeping_of_a_gate_that_something_gets_past_is_cut_as_well():
    def apply(params, x):  # the sum over units reads them past the gate as well
        units = x @ params["kernel"]
        return (units * jax.nn.relu(params["liveness"])[None]).sum(axis=1) + units.sum(axis=1)

    params = {"kernel": np.ones((3, 5), np.float32), "liveness": np.ones(5, np.float32)}
    groups = jaxsize.unit_groups(apply, params, np.ones((2, 3), np.float32))
    (name,) = [name for name, group in groups.groups.items() if not group.fixed]
    assert groups[name].inexact
    small = jaxsize.compact(groups, params, {name: [1, 4]}, bookkeeping={"liveness": np.arange(5)}, exact=False)
    assert small.bookkeeping["liveness"].tolist() == [1, 4] and small.params["liveness"].shape == (2,)
