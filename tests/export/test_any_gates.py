"""Gates of any network are folded into what reads its units, and only where the function stays what it is."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxsize

RNG = np.random.default_rng(0)
GATES = np.array([1.5, 0, -2, 0.3, 1, -0.1])


def normal(*shape):
    return RNG.normal(size=shape)


def two_readers(params, x):
    """Units that two layers read, one of them after a skip past the other; a signed gate, and one cut below 0."""
    units = jnp.tanh(x @ params["in"]) * jaxsize.relu(params["a"]["liveness"])[None]
    more = jnp.sin(units @ params["mid"]) * params["b"]["liveness"][None]
    return jnp.concatenate([units, more], 1) @ params["out"]


def of_two_readers(dtype=np.float64):
    params = {"in": normal(4, 6), "mid": normal(6, 6), "out": normal(12, 3)}
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params | {"a": {"liveness": GATES}, "b": {"liveness": GATES}})


def test_gates_go_into_all_their_readers():
    with jax.enable_x64(True):
        params, x = of_two_readers(), normal(5, 4)
        groups = jaxsize.unit_groups(two_readers, params, x)
        folded = jaxsize.fold_gates(params, groups=groups)
        assert np.array_equal(folded["mid"], params["mid"] * np.maximum(GATES, 0)[:, None])
        both = np.concatenate([np.maximum(GATES, 0), GATES])[:, None]
        assert np.array_equal(folded["out"], params["out"] * both) and np.array_equal(folded["in"], params["in"])
        assert (folded["a"]["liveness"] == 1).all() and (folded["b"]["liveness"] == 1).all()
        assert np.abs(two_readers(folded, x) - two_readers(params, x)).max() < 1e-12
        assert (params["a"]["liveness"] == GATES).all()


def test_of_a_convolution_into_the_layer_after_pooling_and_flattening_in_bfloat16():
    def apply(params, x):
        units = jax.nn.elu(jaxsize.conv(params, x)) * jaxsize.relu(params["liveness"])[None, None, None]
        pooled = jax.lax.reduce_window(units, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
        return pooled.reshape(len(x), -1) @ params["out"]

    gates = np.array([2, 0, 0.5, 1.0, 4, 0])  # powers of two: numbers of bfloat16 are not rounded
    conv = {"kernel": normal(3, 3, 2, 6), "bias": normal(6)}
    params = conv | {"out": normal(24, 3), "liveness": gates}
    params, x = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), (params, normal(2, 4, 4, 2)))
    folded = jaxsize.fold_gates(params, groups=jaxsize.unit_groups(apply, params, x))
    assert folded["out"].dtype == jnp.bfloat16
    assert np.array_equal(folded["out"], params["out"] * np.tile(gates, 4)[:, None].astype(jnp.bfloat16))


def before_an_activation(params, x):
    return jnp.tanh((x @ params["in"]) * jaxsize.relu(params["liveness"])[None]) @ params["out"]


def read_past_the_gate(params, x):
    units = jnp.tanh(x @ params["in"])
    return (units * jaxsize.relu(params["liveness"])[None]) @ params["out"] + jnp.cos(units) @ params["out"]


def summed(params, x):
    return (jnp.tanh(x @ params["in"]) * jaxsize.relu(params["liveness"])[None]).sum(1) + params["out"].sum()


def not_at_all(params, x):
    return jnp.tanh(x @ params["in"]) @ params["out"]


def relu_of_two(params, x):  # homogeneous: a gate that is not negative may stand before a ReLU
    return jaxsize.relu((x @ params["in"]) * jaxsize.relu(params["liveness"])[None]) @ params["out"]


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (before_an_activation, "liveness: cannot be folded into out: the function computes something else then"),
        (summed, "liveness: cannot be folded: no parameter reads its units"),
        (not_at_all, "expected gates that close units, got none"),
        (read_past_the_gate, "expected gates that close units, got none"),
    ],
)
def test_what_would_change_the_function_is_refused(apply, message):
    params = {"in": normal(4, 6), "liveness": GATES, "out": normal(6, 3)}
    params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    groups = jaxsize.unit_groups(apply, params, np.ones((2, 4), np.float32))
    with pytest.raises(jaxsize.InputError, match=message):
        jaxsize.fold_gates(params, groups=groups)


def test_a_gate_before_a_relu_can_be_folded():
    params = {"in": normal(4, 6), "liveness": GATES, "out": normal(6, 3)}
    params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    folded = jaxsize.fold_gates(params, groups=jaxsize.unit_groups(relu_of_two, params, np.ones((2, 4), np.float32)))
    assert np.array_equal(folded["out"], params["out"] * np.maximum(params["liveness"], 0)[:, None])


@pytest.mark.parametrize("of_gate", [jnp.abs, jax.nn.leaky_relu])
def test_a_gate_that_is_itself_only_above_0_is_folded_only_there(of_gate):
    def apply(params, x):
        return (jnp.tanh(x @ params["in"]) * of_gate(params["liveness"])[None]) @ params["out"]

    params = {"in": normal(4, 6), "liveness": abs(GATES), "out": normal(6, 3)}
    params = jax.tree.map(lambda leaf: leaf.astype(np.float32), params)
    groups = jaxsize.unit_groups(apply, params, np.ones((2, 4), np.float32))
    folded = jaxsize.fold_gates(params, groups=groups)
    assert np.array_equal(folded["out"], params["out"] * params["liveness"][:, None])
    with pytest.raises(jaxsize.InputError, match="liveness: cannot be folded into out"):
        jaxsize.fold_gates(params | {"liveness": GATES.astype(np.float32)}, groups=groups)
