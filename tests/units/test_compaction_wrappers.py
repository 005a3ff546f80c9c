"""Optimisers that wrap others go on as the masked network does: those that skip steps, flatten, label or look ahead."""

import functools
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.compaction import killed, mlp_model, normal, some_live
from helpers.compiling import QUICKLY

import jaxsize
from jaxsize.trees import named_leaves, with_leaves

STEPS = 20
SPOILT = (4, 9, 10)  # steps with gradients that are not finite


def labels(params):
    """As in the documentation of optax.partition: the keys of nested dicts, which no placeholder has."""
    if isinstance(params, dict):
        return {key: "gate" if key == "liveness" else labels(value) for key, value in params.items()}
    return [labels(value) for value in params] if isinstance(params, list) else "weight"


WRAPPERS = {
    "apply_if_finite": optax.apply_if_finite(optax.adam(0.01), 5),
    "skip_not_finite": optax.MultiSteps(
        optax.adam(0.01), 3, should_skip_update_fn=optax.skip_not_finite, accumulator_dtype=np.float64
    ),
    "zero_nans": optax.chain(optax.zero_nans(), optax.adam(0.01)),
    "flatten": optax.apply_if_finite(optax.flatten(optax.chain(optax.clip(0.05), optax.adam(0.01))), 5),
    "labels": optax.apply_if_finite(
        optax.multi_transform({"gate": optax.sgd(0.1, 0.9), "weight": optax.flatten(optax.adam(0.01))}, labels), 5
    ),
    "a_norm_per_parameter": optax.apply_if_finite(optax.novograd(0.01), 5),
    "lookahead": optax.apply_if_finite(optax.adam(0.01), 5),  # inside optax.lookahead; see `optimizer_of`
}


def optimizer_of(name):
    return optax.lookahead(WRAPPERS[name], 3, 0.5) if name == "lookahead" else WRAPPERS[name]


def fast(params) -> Any:
    return params.fast if isinstance(params, optax.LookaheadParams) else params


@functools.cache
def outcomes():
    """Per wrapper the outputs of the small network and of its masked twin after every step, in float64."""
    with jax.enable_x64(True):
        model = mlp_model((4, 7, 3))
        params = jax.tree.map(lambda leaf: leaf.astype(np.float64), model.params)
        inputs, targets = model.inputs.astype(np.float64), normal(3, 16, 3).astype(np.float64)
        groups = jaxsize.unit_groups(model.apply, params, inputs)
        live = some_live(groups, params)
        params, held = killed(groups, params, live)
        none_held = {name: np.ones(int(units.sum()), bool) for name, units in held.items()}

        def loss(params):
            return jnp.mean((model.apply(params, inputs) - targets) ** 2)

        def step(name, held, carry, number):
            params, opt_state = carry
            gradient = jax.grad(loss)(fast(params))
            spoilt = jnp.isin(number, np.array(SPOILT))
            gradient["output"]["bias"] = jnp.where(spoilt, jnp.nan, gradient["output"]["bias"])
            updates, opt_state = optimizer_of(name).update(gradient, opt_state, params)
            params = optax.apply_updates(params, updates)

            def hold(leaf_name, leaf):
                units = next((units for gate, units in held.items() if leaf_name.endswith(gate)), None)
                return leaf if units is None else jnp.where(units, leaf, jnp.minimum(leaf, 0))

            params = with_leaves(params, {name: hold(name, leaf) for name, leaf in named_leaves(params).items()})
            return (params, opt_state), model.apply(fast(params), inputs)

        def train(starts, held):
            numbers = jnp.arange(STEPS)
            return {
                name: jax.lax.scan(functools.partial(step, name, held), start, numbers)[1]
                for name, start in starts.items()
            }

        starts, small = {}, {}
        for name in WRAPPERS:
            of_name = optax.LookaheadParams.init_synced(params) if name == "lookahead" else params
            starts[name] = of_name, optimizer_of(name).init(of_name)
            known: dict[str, Any] = {"loss_fn": loss} if name == "a_norm_per_parameter" else {}
            cut = jaxsize.compact(
                groups, of_name, live, optimizer=optimizer_of(name), opt_state=starts[name][1], **known
            )
            assert fast(cut.params)["output"]["kernel"].shape == (live["hidden.0"].sum(), 3)
            small[name] = cut.params, cut.opt_state
        run = jax.jit(train, compiler_options=QUICKLY)
        return jax.device_get((run(small, none_held), run(starts, held)))


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_wrapper_goes_on_as_around_the_masked_network(name):
    small, twin = (of_all[name] for of_all in outcomes())
    moved = np.abs(np.diff(twin, axis=0)).max(axis=(1, 2))
    assert np.isfinite(twin).all() and moved[-3:].max() > 1e-4  # it trains on after the steps that were skipped
    assert np.abs(small - twin).max() < 1e-12


@functools.cache
def dead():
    model = mlp_model((4, 7, 3))
    groups = jaxsize.unit_groups(model.apply, model.params, model.inputs)
    live = some_live(groups, model.params)
    return groups, killed(groups, model.params, live)[0], live


def test_averages_are_cut_as_the_parameters_are():
    groups, params, live = dead()
    optimizer = optax.ema(0.9, debias=False)
    state: Any = optimizer.update(params, optimizer.init(params))[1]
    other = jax.tree.map(lambda leaf: leaf + 1, params)
    small = jaxsize.compact(groups, params, live, averages=(state.ema, other))
    for average, cut in zip((state.ema, other), small.averages, strict=True):
        alone = jaxsize.compact(groups, average, live, exact=False).params
        assert jax.tree.all(jax.tree.map(np.array_equal, alone, cut))
    as_state = jaxsize.compact(groups, params, live, optimizer=optimizer, opt_state=state).opt_state.ema
    assert jax.tree.all(jax.tree.map(np.array_equal, as_state, small.averages[0]))
    assert jaxsize.compact(groups, params, live).averages is None


def test_a_slow_gate_that_is_open_would_open_the_fast_one():
    groups, params, live = dead()
    slow = jax.tree.map(np.copy, params)
    slow["hidden"][0]["liveness"][:] = 0.5
    message = "its slow gate is open, expected hidden.0.liveness <= 0"
    with pytest.raises(jaxsize.InputError, match=re.escape(message)):
        jaxsize.compact(groups, optax.LookaheadParams(params, slow), live)
