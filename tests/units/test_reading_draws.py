"""random_rules.py: networks that draw random numbers for every unit, as dropout does, are cut, equal in law.

The independent answer is a closed form: an output sum_u a_u m_u w_u of units a, read by weights w, with independent
draws m of mean mu and variance s, has mean mu sum_u a_u w_u and variance s sum_u (a_u w_u)^2, dead units left out.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from helpers.groups import gates, normal, row

import jaxsize

UNITS, DEAD, KEYS = 6, np.array([1, 4]), 2000
PARAMS = {"kernel": normal(1, 3, UNITS), "liveness": 0.5 + abs(normal(2, UNITS)), "output": normal(3, UNITS, 2)}
PARAMS["liveness"][DEAD] = 0
X = normal(4, 1, 3)


def bernoulli(key, h):
    return jax.random.bernoulli(key, 0.5, h.shape) / 0.5


def dropout(key, h):
    return nn.Dropout(0.5, deterministic=False).apply({}, h, rngs={"dropout": key}) / h


def uniform_of_an_old_key(key, h):
    return jax.random.uniform(jax.random.PRNGKey(jax.random.bits(key)), h.shape)


def from_bits(key, h):
    """jax.random.uniform by hand, of a generator that knows no keys."""
    state = jax.random.bits(key, (4,))
    bits = jax.lax.rng_bit_generator(state, h.shape, jnp.uint32)[1]
    return jax.lax.bitcast_convert_type((bits >> 9) | np.uint32(0x3F800000), jnp.float32) - 1


# name: draws for an array of units, with a key; their mean and variance
DRAWS = {
    "bernoulli by hand": (bernoulli, 1, 1),
    "dropout of flax": (dropout, 1, 1),
    "uniform of an old key": (uniform_of_an_old_key, 1 / 2, 1 / 12),
    "bits of a generator": (from_bits, 1 / 2, 1 / 12),
    "normal": (lambda key, h: jax.random.normal(key, h.shape), 0, 1),
    "keys of rows": (
        lambda key, h: jax.vmap(lambda one: jax.random.normal(one, h.shape[1:]))(jax.random.split(key, len(h))), 0, 1
    ),
    "keys of units": (
        lambda key, h: jax.vmap(jax.random.uniform, out_axes=0)(jax.random.split(key, h.shape[1]))[None], 1 / 2, 1 / 12
    ),
    "one draw for all rows": (lambda key, h: jax.random.normal(jax.random.fold_in(key, 3), (1, h.shape[1])), 0, 1),
}  # fmt: skip


def network(draw):
    def apply(params, x, key):
        units = jnp.tanh(x @ params["kernel"])
        return (units * draw(key, units) * row(jax.nn.relu(params["liveness"]))) @ params["output"]

    return apply


@pytest.mark.parametrize("name", DRAWS)
def test_without_dead_units_the_law_is_that_of_the_closed_form(name):
    draw, mean, variance = DRAWS[name]
    apply = network(draw)
    groups = jaxsize.unit_groups(apply, PARAMS, X, jax.random.key(0))
    group = groups["liveness"]
    assert group.exact and gates(group) == {"liveness <= 0"} and " at " in group.in_law, str(group)
    assert f"equal in law only: {group.in_law} draws other numbers for fewer units" in str(groups)
    small = jaxsize.compact(groups, PARAMS, groups.live(PARAMS)).params
    assert small["kernel"].shape == (3, 4)
    outputs = jax.jit(jax.vmap(apply, (None, None, 0)))(small, X, jax.random.split(jax.random.key(5), KEYS))[:, 0]
    terms = (np.tanh(X @ PARAMS["kernel"]) * PARAMS["liveness"])[0, :, None] * PARAMS["output"]
    expected_mean, expected_variance = mean * terms.sum(0), variance * (terms**2).sum(0)
    assert (abs(outputs.mean(0) - expected_mean) < 5 * np.sqrt(expected_variance / KEYS)).all()
    np.testing.assert_allclose(outputs.var(0), expected_variance, rtol=0.25)


def test_the_numbers_are_others_and_without_draws_nothing_is_said():
    apply = network(DRAWS["normal"][0])
    groups = jaxsize.unit_groups(apply, PARAMS, X, jax.random.key(0))
    small = jaxsize.compact(groups, PARAMS, groups.live(PARAMS)).params
    assert (apply(small, X, jax.random.key(3)) != apply(PARAMS, X, jax.random.key(3))).any()
    of_rows = jaxsize.unit_groups(network(lambda key, h: bernoulli(key, h[:, :1])), PARAMS, X, jax.random.key(0))
    assert of_rows["liveness"].exact and not of_rows["liveness"].in_law and "in law" not in str(of_rows)


# Draws that are mixed over units, or whose number is no number of units: none of it is the same law with fewer.
REFUSED = {
    "a share of all": lambda key, h: jax.random.dirichlet(key, jnp.ones_like(h)),
    "a mean of all": lambda key, h: jax.random.normal(key, h.shape).sum(1, keepdims=True),
    "a permutation": lambda key, h: jax.random.permutation(key, h, axis=1),
    "a choice": lambda key, h: jax.random.categorical(key, h)[:, None],
    "one number per half": lambda key, h: jax.random.normal(key, (h.shape[1] // 2,)).sum(),
    "numbers of positions": lambda key, h: jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i)))(
        jnp.arange(h.shape[1])
    )[None],
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_mixes_draws_is_refused(name):
    groups = jaxsize.unit_groups(network(REFUSED[name]), PARAMS, X, jax.random.key(0))
    ours = [group for group in groups.groups.values() if any(place.leaf == "liveness" for place in group.places)]
    assert not any(group.exact and not group.ordered for group in ours), str(groups)


def test_groups_of_the_evaluated_network_do_not_do_for_a_loss_that_draws():
    def apply(params, x, key=None):
        units = jnp.tanh(x @ params["kernel"]) * row(jax.nn.relu(params["liveness"]))
        return (units if key is None else nn.Dropout(0.5, deterministic=False).apply({}, units, rng=key)) @ params[
            "output"
        ]

    def loss(params):
        return jnp.mean(apply(params, X, jax.random.key(0)) ** 2)

    optimizer = optax.chain(optax.clip_by_global_norm(0.1), optax.adam(0.1))
    settings = {"optimizer": optimizer, "opt_state": optimizer.init(PARAMS), "loss_fn": loss}
    evaluated = jaxsize.unit_groups(apply, PARAMS, X)
    assert evaluated["liveness"].exact and not evaluated["liveness"].in_law
    with pytest.raises(ValueError, match=r"liveness: random_bits at .* draws other numbers for fewer units, so that"):
        jaxsize.compact(evaluated, PARAMS, evaluated.live(PARAMS), **settings)
    trained = jaxsize.unit_groups(apply, PARAMS, X, jax.random.key(0))
    assert "random_bits at test_reading_draws.py" in trained["liveness"].in_law
    small = jaxsize.compact(trained, PARAMS, trained.live(PARAMS), **settings)
    assert small.params["kernel"].shape == (3, 4) and small.groups["liveness"].in_law


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("rng_uniform", lambda key, h: jax.lax.rng_uniform(0.0, 1.0, h.shape)),  # cannot be mapped over
        ("random_gamma", lambda key, h: jax.random.gamma(key, h**2)),  # takes long to compile
    ],
)
def test_draws_whose_law_is_not_tried_out(name, draw):
    group = jaxsize.unit_groups(network(draw), PARAMS, X, jax.random.key(0))["liveness"]
    assert group.exact and group.in_law.startswith(f"{name} at")
