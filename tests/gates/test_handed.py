"""Gates handed in: units are multiplied by exactly these factors, whatever the gate, and gradients flow through all."""

from typing import Any

import chex
import flax.nnx as nnx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers.training import normal

from jaxsize.errors import InputError
from jaxsize.gates import gated_conv, gated_matmul, hand_in, liveness_gate, read_liveness, relu, size_gate, size_gates
from jaxsize.networks import conv, dense, mlp, unit_gates

B, D, U, K = 5, 3, 4, 2
X: Any = normal(0, B, D)
IMAGES: Any = normal(1, B, 4, 4, D)


def layer(gate):
    leaves = {"liveness": normal(2, U), "size": np.float32(1.5), "slope": np.float32(0.7)}
    names = {"liveness": ["liveness"], "size": ["size", "slope"]}[gate]
    return {name: leaves[name] for name in names}


def of_layers(params, x, signed=False):
    hidden = jnp.tanh(dense(params["a"], x))
    return dense(params["b"], hidden, unit_gates(params["a"], U, signed))


def by_hand(params, x):
    gates = relu(params["a"]["liveness"]) if "liveness" in params["a"] else size_gates(*size_of(params["a"]), U)
    return gated_matmul(jnp.tanh(x @ params["a"]["kernel"]), gates, params["b"]["kernel"])


def gated_before(params, x):
    hidden = jnp.tanh(x @ params["a"]["kernel"])
    if "liveness" in params["a"]:
        return liveness_gate(hidden, params["a"]["liveness"]) @ params["b"]["kernel"]
    return size_gate(hidden, *size_of(params["a"])) @ params["b"]["kernel"]


def size_of(params):
    return params["size"], params["slope"]


def params_of(gate):
    return {"a": {"kernel": normal(3, D, U)} | layer(gate), "b": {"kernel": normal(4, U, K)}}


def signed_layers(params, x):
    return of_layers(params, x, signed=True)


@pytest.mark.parametrize("shape", [(U,), (B, U)])
@pytest.mark.parametrize("gate", ["liveness", "size"])
@pytest.mark.parametrize("apply", [of_layers, signed_layers, by_hand, gated_before])
def test_units_are_multiplied_by_the_factors_and_gradients_flow_through_all(apply, gate, shape):
    params, factors = params_of(gate), normal(5, *shape)  # negative ones too
    factors[..., 1] = 0

    def given(factors):
        return apply(hand_in(params, {"a": factors}), X)

    hidden = np.tanh(X @ params["a"]["kernel"])
    expected = (hidden * factors) @ params["b"]["kernel"]
    np.testing.assert_allclose(jax.jit(given)(factors), expected, rtol=1e-5, atol=1e-6)
    ct = normal(6, B, K)
    gradient = jax.jit(jax.grad(lambda factors: jnp.sum(given(factors) * ct)))(factors)
    by_row = hidden * (ct @ params["b"]["kernel"].T)
    np.testing.assert_allclose(gradient, by_row if len(shape) == 2 else by_row.sum(0), rtol=1e-4, atol=1e-5)


def image_network(params, images):
    hidden = jnp.tanh(conv(params["a"], images))
    hidden = conv(params["b"], hidden, unit_gates(params["a"], U))
    return liveness_gate(jnp.tanh(hidden), params["b"]["liveness"]).reshape(len(images), -1) @ params["c"]


@pytest.mark.parametrize("shape", [(U,), (B, U)])
def test_channels_of_a_convolutional_network(shape):
    params = {
        "a": {"kernel": normal(1, 3, 3, D, U), "liveness": normal(2, U)},
        "b": {"kernel": normal(3, 3, 3, U, U), "liveness": normal(4, U)},
        "c": normal(5, 16 * U, K),
    }
    one, other = normal(6, *shape), normal(7, *shape)
    outputs = image_network(hand_in(params, {"a": one, "b": other}), IMAGES)

    def times(units, factors):
        return units * np.broadcast_to(factors, (B, U))[:, None, None, :]

    hidden = times(jnp.tanh(conv({"kernel": params["a"]["kernel"]}, IMAGES)), one)
    hidden = times(jnp.tanh(conv({"kernel": params["b"]["kernel"]}, hidden)), other)
    np.testing.assert_allclose(outputs, hidden.reshape(B, -1) @ params["c"], rtol=1e-4, atol=1e-4)
    strided = gated_conv(
        IMAGES, jnp.asarray(normal(8, B, D)), jnp.asarray(normal(9, 3, 3, D, U)), strides=2, padding="VALID"
    )
    assert strided.shape == (B, 1, 1, U)


class Net(nnx.Module):
    def __init__(self, rngs):
        self.first, self.last = (nnx.Linear(*sizes, use_bias=False, rngs=rngs) for sizes in ((D, U), (U, K)))
        self.liveness = nnx.Param(jnp.ones(U))

    def __call__(self, x):
        return self.last(liveness_gate(jnp.tanh(self.first(x)), self.liveness.get_value()))


def test_a_network_of_flax_nnx():
    split: Any = nnx.split
    graph, state = split(Net(nnx.Rngs(0)))
    merge: Any = nnx.merge
    (name,) = read_liveness(state)
    factors = np.array([0, -1, 2, 1], np.float32)
    outputs = merge(graph, hand_in(state, {name: factors}))(X)
    hidden = np.tanh(X @ state["first"]["kernel"].get_value()) * factors
    np.testing.assert_allclose(outputs, hidden @ state["last"]["kernel"].get_value(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("gate", ["liveness", "signed", "size"])
def test_an_mlp_with_its_own_gates_handed_in_computes_the_same_to_the_bit(gate):
    network = mlp((D, U, 6, K), gate=gate)
    params = jax.tree.map(lambda leaf: leaf + normal(8, *leaf.shape), network.init(0))
    own = {
        f"hidden.{n}": unit_gates(layer, layer["bias"].size, gate == "signed")
        for n, layer in enumerate(params["hidden"])
    }
    apply = jax.jit(network.apply)
    np.testing.assert_array_equal(apply(hand_in(params, own), X), apply(params, X))
    only = hand_in(params, {"hidden.1": own["hidden.1"]})
    chex.assert_trees_all_equal(only["hidden"][0], params["hidden"][0])
    np.testing.assert_array_equal(apply(only, X), apply(params, X))


def test_what_cannot_be_handed_in_is_refused_in_one_line():
    params = params_of("liveness")
    with pytest.raises(InputError, match=r"^hand_in: expected gates of the network \(a\), got 'b'$"):
        hand_in(params, {"b": np.ones(2, np.float32)})
    for wrong in (np.ones((), np.float32), np.ones(U, int), np.ones((1, 2, U), np.float32)):
        with pytest.raises(InputError, match=r"^hand_in: expected floating \[U\] or \[B, U\] for 'a', got "):
            hand_in(params, {"a": wrong})
    with pytest.raises(InputError, match=r"`gate` must be \[U\] or \[B, U\] of `activations` float32\[5, 4\], got"):
        of_layers(hand_in(params, {"a": np.ones((B + 1, U), np.float32)}), X)
    for direct in (lambda p, x: x @ p["a"]["kernel"] * p["a"]["liveness"], lambda p, x: jnp.abs(p["a"]["liveness"])):
        with pytest.raises(InputError, match=r"^hand_in: expected a network whose gates are applied by functions of"):
            direct(hand_in(params, {"a": np.ones(U, np.float32)}), jnp.asarray(X))
