"""Networks that fix their sizes themselves are cut all the same: what `apply` of the groups runs is the masked twin."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.compaction import killed, some_live
from helpers.compiling import QUICKLY
from helpers.own_sizes import NETWORKS, PLAIN, U, drawn, gated, loops, sizes, static_fields

import jaxsize
from jaxsize.trees import named_leaves


@functools.cache
def cut(name):
    """The groups of a network, its parameters with dead units, and what is left of them."""
    apply, shapes, of_inputs = NETWORKS[name]
    params = drawn(shapes())
    groups = jaxsize.unit_groups(apply, params, np.ones(of_inputs))
    assert groups["liveness"].own_size.startswith("the function fixes this size itself"), str(groups)
    live = some_live(groups, params)
    params, _ = killed(groups, params, live)
    return groups, params, jaxsize.compact(groups, params, live)


@pytest.mark.parametrize("name", NETWORKS)
def test_outputs_and_gradients_are_those_of_the_masked_twin_for_any_batch(name):
    with jax.enable_x64(True):
        apply, _, of_inputs = NETWORKS[name]
        groups, params, small = cut(name)
        x = np.random.default_rng(1).normal(size=(5, *of_inputs[1:]))

        def value(apply, params):
            outputs = apply(params, x)
            return (outputs**2).sum(), outputs

        def gradient(apply, params):
            return jax.value_and_grad(functools.partial(value, apply), has_aux=True)(params)

        run = jax.jit(
            lambda params, smaller: (gradient(apply, params), gradient(small.apply, smaller)),
            compiler_options=QUICKLY,
        )
        (_, outputs), full = run(params, small.params)[0]
        (_, own), fewer = run(params, small.params)[1]
        assert np.abs(own - outputs).max() < 1e-12 * max(1, np.abs(outputs).max())
        expected = jaxsize.compact(groups, full, {"liveness": small.survivors["liveness"]}, exact=False).params
        for (leaf, one), other in zip(named_leaves(fewer).items(), jax.tree.leaves(expected), strict=True):
            assert one.shape == other.shape and np.abs(other).max() > 0, leaf
            assert np.abs(one - other).max() < 1e-12 * max(1, np.abs(other).max()), leaf


def test_training_goes_on_as_the_masked_network_under_jit_and_over_runs():
    with jax.enable_x64(True):
        groups, params, _ = cut("loops")
        optimizer, x = optax.adam(0.01), np.random.default_rng(1).normal(size=(6, 4))
        live = groups.live(params)
        small = jaxsize.compact(groups, params, live, optimizer=optimizer, opt_state=optimizer.init(params))

        def train(apply, held, params, opt_state):
            def step(carry, _):
                params, opt_state = carry
                updates, opt_state = optimizer.update(
                    jax.grad(lambda params: jnp.mean((apply(params, x) - 1) ** 2))(params), opt_state, params
                )
                params: Any = optax.apply_updates(params, updates)
                params["liveness"] = jnp.where(held, params["liveness"], jnp.minimum(params["liveness"], 0))
                return (params, opt_state), apply(params, x)

            return jax.lax.scan(step, (params, opt_state), length=20)[1]

        twin = jax.jit(lambda *start: train(loops, live["liveness"], *start), compiler_options=QUICKLY)
        own = jax.vmap(lambda params, state: train(small.apply, np.ones(live["liveness"].sum(), bool), params, state))
        two_runs = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), (small.params, small.opt_state))
        outputs = jax.jit(own, compiler_options=QUICKLY)(*two_runs)
        expected = twin(params, optimizer.init(params))
        assert np.abs(expected[-1] - expected[0]).max() > 1e-2
        assert np.abs(outputs - expected[None]).max() < 1e-12


def test_derivatives_of_derivatives_in_both_modes():
    with jax.enable_x64(True):
        groups, params, small = cut("static fields")
        x = np.random.default_rng(1).normal(size=(3, 4))

        def curvature(apply, params):
            along = jax.tree.map(jnp.ones_like, params)
            return jax.jvp(jax.grad(lambda params: (apply(params, x) ** 2).sum()), (params,), (along,))[1]

        full, own = curvature(static_fields, params), curvature(small.apply, small.params)
        expected = jaxsize.compact(groups, full, {"liveness": small.survivors["liveness"]}, exact=False).params
        for one, other in zip(jax.tree.leaves(own), jax.tree.leaves(expected), strict=True):
            assert np.abs(one - other).max() < 1e-10 * np.abs(other).max()


def test_a_network_that_was_cut_is_cut_again_and_comes_back_from_its_folder(tmp_path):
    groups, params, small = cut("static fields")
    x = np.ones((3, 4), np.float32)
    params = jax.tree.map(np.float32, params)
    groups = jaxsize.unit_groups(static_fields, params, x)
    live = groups.live(params)["liveness"]
    first, *_ = np.flatnonzero(live)
    small = jaxsize.compact(groups, params, {"liveness": live})
    dying = small.params["liveness"].copy()
    dying[0] = -1
    again = jaxsize.compact(
        small.groups,
        small.params | {"liveness": dying},
        {"liveness": np.arange(live.sum()) > 0},
        survivors=small.survivors,
    )
    params["liveness"][first] = -1
    outputs = again.apply(again.params, x)
    assert np.allclose(outputs, static_fields(params, x), atol=1e-6)
    jaxsize.save_network(tmp_path / "net", again.params, groups=again.groups, survivors=again.survivors)
    loaded = jaxsize.load_network(tmp_path / "net", groups=groups)
    assert np.array_equal(loaded.apply(loaded.params, x), outputs)


def test_a_function_that_takes_its_sizes_from_its_parameters_is_run_itself():
    calls = []

    def apply(params, x):
        calls.append(params["first"].shape)
        return gated(jnp.tanh(x @ params["first"]), params) @ params["last"]

    params = jax.tree.map(np.float32, drawn(PLAIN))
    groups = jaxsize.unit_groups(apply, params, np.ones((2, 4), np.float32))
    params, _ = killed(groups, params, {"liveness": np.arange(U) < 3})
    small = jaxsize.compact(groups, params, {"liveness": [0, 1, 2]})
    small.apply(small.params, np.ones((2, 4), np.float32))
    assert groups["liveness"].own_size == "" and calls[-1] == (4, 3)


def of_keys_of_units(key, size):
    return jax.vmap(jax.random.uniform)(jax.random.split(key, size))


def bits_of_a_generator(key, size):
    return jax.lax.rng_bit_generator(jax.random.bits(key, (4,)), (size,), np.uint32)[1] / np.float32(2**32)


@pytest.mark.parametrize("draw", [of_keys_of_units, bits_of_a_generator])
def test_draws_of_a_size_that_is_written_out_are_those_of_fewer_units(draw):
    def network(size):
        def apply(params, x, key):
            units = (x @ params["first"]).reshape(-1, size) * draw(key, size)[None]
            return gated(units, params) @ params["last"]

        return apply

    params, x = jax.tree.map(np.float32, drawn(PLAIN)), np.ones((2, 4), np.float32)
    groups = jaxsize.unit_groups(network(U), params, x, jax.random.key(0))
    assert groups["liveness"].own_size and groups["liveness"].in_law
    params["liveness"] = np.array([0, 1, 0, 0, 2, 0, 0, 1], np.float32)
    small = jaxsize.compact(groups, params, groups.live(params))
    one, other = (run(small.params, x, jax.random.key(3)) for run in (small.apply, network(3)))
    np.testing.assert_allclose(one, other, rtol=1e-6)


@jax.custom_jvp
def weighted(x):
    return x


@weighted.defjvp
def _(primals, tangents):
    return primals[0], tangents[0] * np.arange(1.0, U + 1)[None]  # a constant array: which of it are the units left?


def test_what_cannot_be_run_with_fewer_units_is_told():
    def apply(params, x):
        return gated(weighted((x @ params["first"]).reshape(-1, U)), params) @ params["last"]

    params = jax.tree.map(np.float32, drawn(PLAIN))
    x = np.ones((2, 4), np.float32)
    groups = jaxsize.unit_groups(apply, params, x)
    params, _ = killed(groups, params, {"liveness": np.arange(U) < 3})
    small = jaxsize.compact(groups, params, {"liveness": [0, 1, 2]})
    assert np.allclose(small.apply(small.params, x), apply(params, x), atol=1e-6)
    with pytest.raises(jaxsize.InputError, match=r"a derivative .* cannot be run .* a constant array of the function"):
        jax.grad(lambda params: small.apply(params, x).sum())(small.params)
    with pytest.raises(jaxsize.InputError, match=r"^first: expected \[4, 3\], by the sizes of the groups, got \[4, 8"):
        small.apply(params, x)


def test_a_function_that_would_run_as_another_one_is_warned_of():
    def apply(params, x):  # with fewer units, it would take other ones for the first six
        units = x @ params["first"]
        return gated(jnp.concatenate([jnp.tanh(units[:, :6]), jnp.sin(units[:, 6:])], 1), params) @ params["last"]

    params = jax.tree.map(np.float32, drawn(sizes(first=(4, 12), liveness=(12,), last=(12, 3))))
    params["liveness"] = np.array([1, 0, 1, -1, 2, 0, 0, 1, 1, 0, 1, 0], np.float32)
    x = np.random.default_rng(0).normal(size=(2, 4)).astype(np.float32)
    groups = jaxsize.unit_groups(apply, params, x)
    with pytest.warns(UserWarning, match="runs with these parameters all the same, as another function"):
        small = jaxsize.compact(groups, params, groups.live(params))
    assert small.params["first"].shape == (4, 6)
    assert np.allclose(small.apply(small.params, x), apply(params, x), atol=1e-6)
    assert not np.allclose(apply(small.params, x), apply(params, x), atol=1e-2)
