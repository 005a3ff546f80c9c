"""leaf_rates.py: a learning rate and a decay per leaf, otherwise optax's optimisers."""

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.training import normal

from jaxsize import mlp
from jaxsize.learners import leaf_rates
from jaxsize.learners.hparams import Hparams
from jaxsize.learners.plain import PlainConfig, make_optimizer


def stepped(optimizer) -> Any:
    """Where five steps lead."""
    params: Any = {"w": normal(0, 30)}
    state = optimizer.init(params)
    for seed in range(1, 6):
        updates, state = optimizer.update({"w": normal(seed, 30)}, state, params)
        params = optax.apply_updates(params, updates)
    return params["w"]


def test_optimisers_are_optax_s_where_all_leaves_share_their_numbers():
    decay = optax.add_decayed_weights(0.1)
    pairs = (
        (leaf_rates.adam(1e-2, 0.1), optax.adamw(1e-2, weight_decay=0.1)),
        (leaf_rates.adam(1e-2, 0.1, decay="coupled"), optax.chain(decay, optax.adam(1e-2))),
        (leaf_rates.sgd(1e-2, 0.1, momentum=0.9), optax.chain(decay, optax.sgd(1e-2, momentum=0.9))),
    )
    for optimizer, of_optax in pairs:
        np.testing.assert_allclose(stepped(optimizer), stepped(of_optax), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", [leaf_rates.sgd, leaf_rates.adam, functools.partial(leaf_rates.adam, decay="coupled")])
def test_optimisers_keep_the_dtype_of_every_leaf(make):
    @jax.jit
    def train(params, rate):
        optimizer = make(rate, rate)

        def step(carry, _):
            updates, state = optimizer.update(carry[0], carry[1], carry[0])
            return (jax.tree.map(jnp.add, carry[0], updates), state), None

        return jax.lax.scan(step, (params, optimizer.init(params)), length=3)[0][0]

    params = {"half": jnp.ones(3, jnp.bfloat16), "full": jnp.ones(3)}
    trained = train(params, np.float32(0.1))
    chex.assert_trees_all_equal_shapes_and_dtypes(trained, params)
    assert all(leaf[0] < 1 for leaf in trained.values())
    np.testing.assert_allclose(trained["half"].astype(np.float32), trained["full"], rtol=0.02)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_the_scale_of_inputs_is_never_trained(optimizer):
    params: Any = mlp((12, 8, 4), gate=None).init(0) | {"inputs": {"scale": jnp.float32(2)}}
    for numbers in (0.1, {"hidden.0": 0.1, "output": 0.1}):
        step = make_optimizer(PlainConfig(optimizer=optimizer), Hparams(learning_rate=numbers, weight_decay=numbers))
        updates: Any = step.update(params, step.init(params), params)[0]
        assert updates["inputs"]["scale"] == 0 and np.all(updates["output"]["kernel"] != 0)
